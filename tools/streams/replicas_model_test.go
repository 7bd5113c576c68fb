package streams_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"

	"pgregory.net/rapid"
)

// sharedHistory is a history of several replicas.
type sharedHistory struct {
	history
	Replicas    []replicaFate
	StoreFaults []storeFault
	StoreGone   [2]time.Duration // From when to when the Store is not there.
	Agents      []sharedAgent
}

// replicaFate is what happens to a replica.
type replicaFate struct {
	At     time.Duration // When it starts.
	Pause  time.Duration // When its calls begin to hang.
	Paused time.Duration // For how long; 0: they never do.
	Ends   time.Duration // When it is closed or killed.
	Killed bool
}

// sharedAgent is an agent, and which replicas serve its calls.
type sharedAgent struct {
	agent
	Creates, Stops int
}

func drawSharedHistory(t *rapid.T) sharedHistory {
	h := sharedHistory{history: drawHistory(t)}
	seconds := func(name string, longest int) time.Duration {
		return time.Duration(rapid.IntRange(0, longest*10).Draw(t, name)) * 100 * time.Millisecond
	}
	n := rapid.IntRange(2, 3).Draw(t, "replicas")
	for range n {
		h.Replicas = append(h.Replicas, replicaFate{
			At: seconds("starts", 20), Pause: seconds("pause at", 90),
			Paused: rapid.SampledFrom([]time.Duration{0, 0, 2 * time.Second, 12 * time.Second, 40 * time.Second}).Draw(t, "paused"),
			Ends:   seconds("ends", 120), Killed: rapid.Bool().Draw(t, "killed"),
		})
	}
	for range rapid.IntRange(0, 12).Draw(t, "faults of the store") {
		h.StoreFaults = append(h.StoreFaults, storeFault(rapid.IntRange(0, int(numberOfStoreFaults)-1).Draw(t, "fault of the store")))
	}
	h.StoreGone[0] = seconds("store gone", 100)
	h.StoreGone[1] = h.StoreGone[0] + rapid.SampledFrom([]time.Duration{0, 0, 4 * time.Second, 20 * time.Second}).Draw(t, "store gone for")
	for _, a := range h.history.Agents {
		h.Agents = append(h.Agents, sharedAgent{a, rapid.IntRange(0, n-1).Draw(t, "creates"), rapid.IntRange(0, n-1).Draw(t, "stops at")})
	}
	return h
}

// modelReplica is a replica of the server.
type modelReplica struct {
	gate   *gate
	client *zego.Client
	ledger *streams.Ledger
	log    *safeBuffer
}

// gatedTransport is the way of one replica to the model of ZEGO.
type gatedTransport struct {
	gate *gate
	to   http.RoundTripper
}

func (g gatedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.gate.pass(); err != nil {
		return nil, err
	}
	if err := r.Context().Err(); err != nil { // As net/http does before it sends a request.
		return nil, err
	}
	response, err := g.to.RoundTrip(r)
	if err := g.gate.pass(); err != nil {
		return nil, err
	}
	return response, err
}

func newModelReplica(name string, m *model, store *sharedStore, stopTimeout time.Duration) *modelReplica {
	r := &modelReplica{gate: &gate{}, log: &safeBuffer{}}
	var err error
	r.client, err = zego.New(1, strings.Repeat("x", 32), zego.Options{HTTPClient: &http.Client{Transport: gatedTransport{r.gate, m}}, QPS: -1})
	if err != nil {
		panic(err)
	}
	r.ledger = streams.New(r.client, streams.Options{
		MaxTasks: modelMaxTasks, StopTimeout: stopTimeout, Store: replicaStore{store, name, r.gate},
		Logger: slog.New(slog.NewTextHandler(r.log, nil)).With("replica", name),
	})
	return r
}

// start creates the task of an agent, and returns its TaskId, or "" if the agent got none.
func (r *modelReplica) start(a agent) (taskID string) {
	defer func() { _ = recover() }() // As the server does for each call.
	ctx, leave := context.WithTimeout(context.Background(), 30*time.Second)
	defer leave()
	if a.Leaves > 0 {
		cancelling, cancel := context.WithCancel(ctx)
		ctx = cancelling
		defer time.AfterFunc(a.Leaves, cancel).Stop()
		defer cancel()
	}
	req := streams.StartRequest{
		DigitalHumanID: "human", RoomID: "room", StreamID: a.Stream,
		TTL: 10 * time.Minute, MaxIdleTime: a.Idle, Timeout: 30 * time.Second,
	}
	if a.Waits {
		req.Wait = func(ctx context.Context, id string) (zego.StreamTask, error) {
			return r.client.WaitStreamTask(ctx, id, nil)
		}
	}
	started, err := r.ledger.Start(ctx, req)
	if err != nil {
		return ""
	}
	return started.TaskID
}

// playShared plays a history, and returns how the rule was broken, or "".
func playShared(h sharedHistory) string {
	m := &model{faults: maps.Clone(h.Faults), listLag: h.ListLag, clockOffset: h.ClockOffset}
	store := newSharedStore()
	store.faults = slices.Clone(h.StoreFaults)
	store.gone = [2]time.Time{time.Now().Add(h.StoreGone[0]), time.Now().Add(h.StoreGone[1])}
	start := time.Now()
	at := func(d time.Duration) { time.Sleep(time.Until(start.Add(d))) }
	replicas := make([]*modelReplica, len(h.Replicas))
	started := make([]chan struct{}, len(h.Replicas))
	var acting sync.WaitGroup
	for i, fate := range h.Replicas {
		started[i] = make(chan struct{})
		acting.Go(func() {
			at(fate.At)
			r := newModelReplica(fmt.Sprint(i), m, store, h.StopTimeout)
			replicas[i] = r
			close(started[i])
			if fate.Paused > 0 {
				acting.Go(func() {
					at(fate.At + fate.Pause)
					r.gate.pause(fate.Paused)
				})
			}
			at(fate.At + fate.Ends)
			if fate.Killed {
				r.gate.kill()
			}
			r.ledger.Close(context.Background()) // If it was killed, this only ends its goroutines.
		})
	}
	for _, f := range h.Foreign {
		acting.Go(func() {
			at(f.At)
			soon := slices.ContainsFunc(h.Agents, func(a sharedAgent) bool {
				creates := max(a.At, h.Replicas[a.Creates].At)
				return creates >= f.At && creates <= f.At+time.Minute
			})
			if f.Stream == "chosen" && f.Room == "room" && (soon || m.isContested()) {
				return // See play.
			}
			_, _ = m.create(f.Room, f.Stream, time.Hour, true)
		})
	}
	for _, a := range h.Agents {
		acting.Go(func() {
			<-started[a.Creates]
			at(a.At)
			if a.Stream == "chosen" {
				m.contest(time.Hour)
				defer m.contest(2 * time.Minute)
			}
			creator := replicas[a.Creates]
			stops := a.StopsTask
			a.StopsTask = false
			id := creator.start(a.agent)
			if id != "" && stops {
				time.Sleep(5 * time.Second)
				<-started[a.Stops]
				_, _ = replicas[a.Stops].ledger.Stop(context.Background(), id)
			}
		})
	}
	acting.Wait()
	killed := slices.ContainsFunc(h.Replicas, func(f replicaFate) bool { return f.Killed })
	troubled := len(h.StoreFaults) > 0 || h.StoreGone[0] != h.StoreGone[1]
	check := func(when string) {
		var errorLines strings.Builder
		for _, r := range replicas {
			if !r.gate.isKilled() {
				errorLines.WriteString(r.log.errorLines())
			}
		}
		for _, t := range m.running() {
			if !strings.Contains(errorLines.String(), t.stream) {
				m.violate("%s the task %s (StreamId %s) runs, and no ERROR line names it", when, t.id, t.stream)
			}
		}
	}
	if !killed && !troubled {
		check("after the end")
	}
	time.Sleep(time.Minute) // What ZEGO carries out late has happened by then.
	// The next start of the server finds what killed replicas have left, if the Store answers.
	store.heal()
	next := newModelReplica("next", m, store, time.Minute)
	time.Sleep(15 * time.Second)
	next.ledger.Close(context.Background())
	time.Sleep(time.Minute)
	replicas = append(replicas, next)
	check("after the next start")
	if m.maxRunning > modelMaxTasks {
		m.violate("%d tasks ran at once", m.maxRunning)
	}
	if len(m.violations) == 0 {
		return ""
	}
	var logs strings.Builder
	for _, r := range replicas {
		logs.WriteString(r.log.String())
	}
	return strings.Join(m.violations, "\n") + "\nlog:\n" + logs.String() + "calls:\n" + m.calls.String() + fmt.Sprintf("store: %+v", store.records)
}

// TestReplicasModel plays random histories of several replicas that share a Store.
func TestReplicasModel(t *testing.T) {
	setHistories(t)
	rapid.Check(t, func(rt *rapid.T) {
		h := drawSharedHistory(rt)
		var broken string
		synctest.Test(t, func(*testing.T) { broken = playShared(h) })
		if broken != "" {
			rt.Fatalf("%+v\n%s", h, broken)
		}
	})
}
