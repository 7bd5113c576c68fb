package redisshare_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"zego-mcp/internal/redisshare/redistest"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/gomodule/redigo/redis"
)

// testReplica is one of several servers that share their list of streams.
type testReplica struct {
	ledger *streams.Ledger
	store  streams.Store
	client *zego.Client
	log    *safeBuffer
}

// newReplica returns a replica that uses the Redis at an address and the simulator at a URL.
func newReplica(t *testing.T, redis *redistest.Server, endpoint string, maxTasks int) *testReplica {
	t.Helper()
	share, log := open(t, "redis://"+redis.Address)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: endpoint, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	store := share.Ledger()
	ledger := streams.New(client, streams.Options{
		MaxTasks: maxTasks, Store: store, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	t.Cleanup(func() { ledger.Close(context.Background()) })
	return &testReplica{ledger, store, client, log}
}

func simulator(t *testing.T) string {
	t.Helper()
	sim := &zegosim.Server{QPS: -1, StartDelay: -1}
	srv := httptest.NewServer(sim)
	t.Cleanup(func() { srv.Close(); _ = sim.Close() })
	return srv.URL
}

func (r *testReplica) start(t *testing.T) (streams.Started, error) {
	t.Helper()
	return r.ledger.Start(t.Context(), streams.StartRequest{
		DigitalHumanID: zegosim.DefaultHumans()[0].ID, RoomID: "room",
		TTL: 5 * time.Minute, MaxIdleTime: 4 * time.Minute, Timeout: 10 * time.Second,
	})
}

// running returns the tasks that ZEGO runs, and who started them.
func (r *testReplica) running(t *testing.T) map[string]streams.Origin {
	t.Helper()
	list, err := r.ledger.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	origins := map[string]streams.Origin{}
	for _, task := range list.Tasks {
		origins[task.ID] = r.ledger.StartedBy(task)
	}
	return origins
}

// TestLedger lets two replicas share their streams: the limit counts those of both, each
// knows and stops those of the other, and the last one that ends stops them all.
func TestLedger(t *testing.T) {
	t.Parallel()
	redis, endpoint := redistest.Start(t), simulator(t)
	a, b := newReplica(t, redis, endpoint, 2), newReplica(t, redis, endpoint, 2)
	first, err := a.start(t)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.start(t)
	if err != nil {
		t.Fatal(err)
	}
	full := new(streams.LimitError)
	if _, err := a.start(t); !errors.As(err, &full) || full.MaxTasks != 2 || len(full.Running) != 2 {
		t.Errorf("a third task: got %v", err)
	}
	if got := b.running(t); len(got) != 2 || got[first.TaskID] != streams.ThisServer || got[second.TaskID] != streams.ThisServer {
		t.Errorf("got %v", got)
	}
	if !b.ledger.Owns(t.Context(), first.TaskID) {
		t.Error("b does not own what a started")
	}
	if _, err := b.ledger.Stop(t.Context(), first.TaskID); err != nil {
		t.Error(err)
	}
	third, err := b.start(t)
	if err != nil {
		t.Errorf("after one was stopped: got %v", err)
	}
	fourth, err := a.start(t)
	if err == nil {
		t.Errorf("one too many: got %+v", fourth)
	}
	// All calls are made through replica a from here on.
	b.ledger.Close(t.Context())
	if got := a.running(t); len(got) != 2 || got[second.TaskID] != streams.ThisServer || got[third.TaskID] != streams.ThisServer {
		t.Errorf("after b has ended: got %v, b's log: %s", got, b.log)
	}
	if _, err := a.ledger.Stop(t.Context(), second.TaskID); err != nil {
		t.Error(err)
	}
	a.ledger.Close(t.Context())
	if got := a.running(t); len(got) != 0 {
		t.Errorf("after both have ended: got %v", got)
	}
}

// TestManyRunning refuses a task when more run than Lua can return one by one.
func TestManyRunning(t *testing.T) {
	t.Parallel()
	const running = 9000
	server, endpoint := redistest.Start(t), simulator(t)
	a := newReplica(t, server, endpoint, running)
	if _, err := a.start(t); err != nil {
		t.Fatal(err)
	}
	conn, err := redis.DialContext(t.Context(), "tcp", server.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	keys, err := redis.Strings(conn.Do("KEYS", "*streams"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("got the keys %q, %v", keys, err)
	}
	for stream := range running {
		record := fmt.Sprintf(`{"Key":"k%d","StreamID":"s%[1]d","TaskID":"t%[1]d","Owner":"other"}`, stream)
		if err := conn.Send("HSET", keys[0], fmt.Sprint("s", stream), record); err != nil {
			t.Fatal(err)
		}
	}
	lease := fmt.Sprint(time.Now().Add(time.Hour).UnixMilli())
	if _, err := conn.Do("HSET", strings.TrimSuffix(keys[0], "streams")+"servers", "other", lease); err != nil {
		t.Fatal(err)
	}
	full := new(streams.LimitError)
	if err := a.store.Reserve(t.Context(), streams.Record{StreamID: "new"}, streams.Limits{Tasks: running}); !errors.As(err, &full) || len(full.Running) != running+1 {
		t.Errorf("got %.200v, %d run", err, len(full.Running))
	}
	if err := a.store.Reserve(t.Context(), streams.Record{StreamID: "new"}, streams.Limits{TasksOfCaller: running}); !errors.As(err, &full) || !full.OfCaller {
		t.Errorf("of a caller: got %.200v", err)
	}
	if _, err := conn.Do("FLUSHALL"); err != nil { // Otherwise the end would wait for the other server.
		t.Fatal(err)
	}
}

// TestLimitOfCallerIsAtomic lets a caller create at three replicas at once. No more of its tasks
// run than may, and another caller's do not count.
func TestLimitOfCallerIsAtomic(t *testing.T) {
	t.Parallel()
	redis, endpoint := redistest.Start(t), simulator(t)
	create := func(r *testReplica, caller string) error {
		_, err := r.ledger.Start(t.Context(), streams.StartRequest{
			DigitalHumanID: zegosim.DefaultHumans()[0].ID, RoomID: "room", Caller: caller, CallerMaxTasks: 2,
			TTL: 5 * time.Minute, MaxIdleTime: 4 * time.Minute, Timeout: 10 * time.Second,
		})
		return err
	}
	var mu sync.Mutex
	created := 0
	var starting sync.WaitGroup
	for i := range 3 {
		r := newReplica(t, redis, endpoint, 10)
		if err := create(r, fmt.Sprint("token:", i)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			starting.Go(func() {
				err := create(r, "token:alice")
				full, ok := errors.AsType[*streams.LimitError](err)
				if err != nil && (!ok || !full.OfCaller || full.MaxTasks != 2 || len(full.Running) != 2) {
					t.Errorf("got %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					created++
				}
			})
		}
	}
	starting.Wait()
	if created != 2 {
		t.Errorf("%d tasks were created, want 2", created)
	}
}

// TestLimitIsAtomic lets three replicas create at once. No more tasks run than may.
func TestLimitIsAtomic(t *testing.T) {
	t.Parallel()
	redis, endpoint := redistest.Start(t), simulator(t)
	var replicas []*testReplica
	for range 3 {
		replicas = append(replicas, newReplica(t, redis, endpoint, 4))
	}
	var creating sync.WaitGroup
	for _, r := range replicas {
		for range 4 {
			creating.Go(func() {
				_, err := r.start(t)
				if full := new(streams.LimitError); err != nil && !errors.As(err, &full) {
					t.Error(err)
				}
			})
		}
	}
	creating.Wait()
	if got := replicas[0].running(t); len(got) != 4 {
		t.Errorf("%d tasks run, want 4", len(got))
	}
	var closing sync.WaitGroup
	for _, r := range replicas {
		closing.Go(func() { r.ledger.Close(t.Context()) })
	}
	closing.Wait()
	if got := replicas[0].running(t); len(got) != 0 {
		t.Errorf("all replicas ended at once: got %v", got)
	}
}

// TestLedgerWithoutRedis stops Redis while a task runs. No task is created, and the one that
// runs can be stopped.
func TestLedgerWithoutRedis(t *testing.T) {
	t.Parallel()
	redis, endpoint := redistest.Start(t), simulator(t)
	a := newReplica(t, redis, endpoint, 3)
	var ids []string
	for range 2 {
		started, err := a.start(t)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, started.TaskID)
	}
	redis.Stop()
	gone := new(streams.StoreError)
	if _, err := a.start(t); !errors.As(err, &gone) || gone.TaskID != "" {
		t.Errorf("got %v", err)
	}
	if got := a.running(t); len(got) != 2 || got[ids[0]] != streams.ThisServer {
		t.Errorf("got %v", got)
	}
	if _, err := a.ledger.Stop(t.Context(), ids[0]); err != nil {
		t.Error(err)
	}
	a.ledger.Close(t.Context())
	if got := a.running(t); len(got) != 0 {
		t.Errorf("after the end: got %v", got)
	}
}

// TestRedisLosesLedger restarts Redis without its data. The tasks are in the list again.
func TestRedisLosesLedger(t *testing.T) {
	t.Parallel()
	redis, endpoint := redistest.Start(t), simulator(t)
	a, b := newReplica(t, redis, endpoint, 1), newReplica(t, redis, endpoint, 1)
	started, err := a.start(t)
	if err != nil {
		t.Fatal(err)
	}
	redis.Stop()
	redis.Restart()
	share, _ := open(t, "redis://"+redis.Address)
	observer := share.Ledger()
	for restored := false; !restored; { // Until a has restored the record.
		if t.Context().Err() != nil {
			t.Fatal("the record is not restored")
		}
		_ = a.running(t)
		// b remembers the task anyway, so only Redis itself tells.
		view, err := observer.Renew(t.Context(), streams.Gone)
		restored = err == nil && slices.ContainsFunc(view.Records, func(r streams.OwnedRecord) bool { return r.TaskID == started.TaskID })
	}
	full := new(streams.LimitError)
	if _, err := b.start(t); !errors.As(err, &full) {
		t.Errorf("got %v", err)
	}
}

// TestRecordsOfLeavingReplica checks what others can do with the records of a replica that is
// leaving: take them over, and mark them as ended, which the replica gets to know.
func TestRecordsOfLeavingReplica(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	shareA, _ := open(t, "redis://"+redis.Address)
	shareB, _ := open(t, "redis://"+redis.Address)
	a, b := shareA.Ledger(), shareB.Ledger()
	renew := func(s streams.Store, p streams.Presence, want map[string]streams.OwnedRecord) streams.View {
		t.Helper()
		view, err := s.Renew(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]streams.OwnedRecord{}
		for _, r := range view.Records {
			got[r.StreamID] = streams.OwnedRecord{Record: streams.Record{Ended: r.Ended}, Owner: r.Owner}
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		return view
	}
	running := func(o streams.Owner) streams.OwnedRecord { return streams.OwnedRecord{Owner: o} }
	ended := func(o streams.Owner) streams.OwnedRecord {
		return streams.OwnedRecord{Record: streams.Record{Ended: true}, Owner: o}
	}
	for _, id := range []string{"ended", "taken"} {
		if err := a.Reserve(t.Context(), streams.Record{StreamID: id, Key: id, ExpiresAt: time.Now().Add(time.Hour)}, streams.Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	renew(b, streams.Staying, map[string]streams.OwnedRecord{"ended": running(streams.NoReplica), "taken": running(streams.NoReplica)})
	renew(a, streams.Leaving, map[string]streams.OwnedRecord{"ended": running(streams.ThisReplica), "taken": running(streams.ThisReplica)})
	if view := renew(b, streams.Staying, map[string]streams.OwnedRecord{"ended": running(streams.NoReplica), "taken": running(streams.NoReplica)}); view.OthersAlive {
		t.Error("a counts as alive")
	}
	if err := b.Remove(t.Context(), "ended", "ended"); err != nil {
		t.Error(err)
	}
	if _, taken, err := b.TakeOver(t.Context(), "taken", "taken"); !taken || err != nil {
		t.Errorf("take over: got %t, %v", taken, err)
	}
	renew(b, streams.Staying, map[string]streams.OwnedRecord{"ended": ended(streams.OtherReplica), "taken": running(streams.ThisReplica)})
	renew(a, streams.Leaving, map[string]streams.OwnedRecord{"ended": ended(streams.ThisReplica), "taken": running(streams.OtherReplica)})
	renew(a, streams.Gone, map[string]streams.OwnedRecord{"ended": ended(streams.ThisReplica), "taken": running(streams.OtherReplica)})
	renew(b, streams.Staying, map[string]streams.OwnedRecord{"ended": ended(streams.NoReplica), "taken": running(streams.ThisReplica)})
	if err := b.Remove(t.Context(), "ended", "ended"); err != nil {
		t.Error(err)
	}
	renew(b, streams.Gone, map[string]streams.OwnedRecord{"taken": running(streams.ThisReplica)})
}
