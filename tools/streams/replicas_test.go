package streams_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

func modelRequest() streams.StartRequest {
	return streams.StartRequest{
		DigitalHumanID: "human", RoomID: "room",
		TTL: 10 * time.Minute, MaxIdleTime: 2 * time.Minute, Timeout: 30 * time.Second,
	}
}

// TestTakeOver kills a replica: the other one keeps the stream of the killed one, which a
// caller has, as its own, and stops it when it is closed.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		started, err := a.ledger.Start(t.Context(), modelRequest())
		if err != nil {
			t.Fatal(err)
		}
		a.gate.kill()
		time.Sleep(15 * time.Second)
		if !b.ledger.Owns(t.Context(), started.TaskID) || len(m.running()) != 1 {
			t.Errorf("after a was killed: %d tasks run; log: %s", len(m.running()), b.log)
		}
		b.ledger.Close(t.Context())
		if n := len(m.running()); n != 0 {
			t.Errorf("after b was closed: %d tasks run", n)
		}
		a.ledger.Close(context.Background()) // It ends the goroutines of the killed replica.
	})
}

// TestHandOver closes a replica while another one lives, while the other one is not running for
// some seconds, and when the other one was killed a moment ago.
func TestHandOver(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		killed      bool
		paused      time.Duration
		stopTimeout time.Duration
	}{
		{},
		{paused: 5 * time.Second}, // Its lease lasts, and it uses the Store again 8 s after a is closed.
		{killed: true},
		{killed: true, stopTimeout: 6 * time.Second}, // Half of it is left to stop the task.
	} {
		synctest.Test(t, func(t *testing.T) {
			m, store := &model{}, newSharedStore()
			a, b := newModelReplica("a", m, store, tt.stopTimeout), newModelReplica("b", m, store, 0)
			started, err := a.ledger.Start(t.Context(), modelRequest())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.ledger.Get(t.Context(), started.TaskID); err != nil { // It changes the record.
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
			if strings.Contains(a.log.String(), "does not answer") {
				t.Errorf("the Store answers, but the log says: %s", a.log)
			}
			want := 1
			if tt.killed {
				want = 0
				b.gate.kill()
			}
			var pause sync.WaitGroup
			pause.Go(func() { b.gate.pause(tt.paused) })
			begin := time.Now()
			a.ledger.Close(t.Context())
			if n, errors := len(m.running()), a.log.errorLines(); n != want || errors != "" {
				t.Errorf("%+v: %d tasks run, want %d; log: %s", tt, n, want, errors)
			}
			if took := time.Since(begin); took > streams.Lease+2*time.Second {
				t.Errorf("%+v: it took %v", tt, took)
			}
			pause.Wait()
			b.ledger.Close(t.Context())
			if n := len(m.running()); n != 0 {
				t.Errorf("%+v: %d tasks run after both have ended", tt, n)
			}
		})
	}
}

// TestStoreGoneBeforeReturn lets the Store fail between the create and the moment at which the
// caller would get the TaskId. The caller gets an error, and the task is stopped.
func TestStoreGoneBeforeReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a := newModelReplica("a", m, store, 0)
		req := modelRequest()
		req.Wait = func(context.Context, string) (zego.StreamTask, error) {
			store.mu.Lock()
			defer store.mu.Unlock()
			store.gone = [2]time.Time{time.Now().Add(-time.Second), time.Now().Add(time.Minute)}
			return zego.StreamTask{Status: zego.TaskStreaming}, nil
		}
		gone := new(streams.StoreError)
		if _, err := a.ledger.Start(t.Context(), req); !errors.As(err, &gone) || gone.TaskID == "" {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Second)
		if n := len(m.running()); n != 0 {
			t.Errorf("%d tasks run", n)
		}
		a.ledger.Close(t.Context())
	})
}

// TestTakenOverBeforeReturn lets another replica take a task over while its create waits for
// the stream. The caller does not get the TaskId, because the other replica may stop the task
// at any time.
func TestTakenOverBeforeReturn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		req := modelRequest()
		req.Wait = func(context.Context, string) (zego.StreamTask, error) {
			store.mu.Lock()
			defer store.mu.Unlock()
			for id, r := range store.records {
				store.records[id] = storedRecord{r.Record, "b"}
			}
			return zego.StreamTask{Status: zego.TaskStreaming}, nil
		}
		lost := new(streams.StoreError)
		if _, err := a.ledger.Start(t.Context(), req); !errors.As(err, &lost) || lost.TaskID == "" || !strings.Contains(err.Error(), "is being stopped") {
			t.Errorf("got %v", err)
		}
		a.ledger.Close(t.Context())
		b.ledger.Close(t.Context())
		if n := len(m.running()); n != 0 {
			t.Errorf("%d tasks run", n)
		}
	})
}

// TestLimitBeforePlace refuses a create because of what another replica has started, and lets
// it succeed at the second try, after ZEGO has told that one of those tasks has ended. The
// record of the new task stays in the Store.
func TestLimitBeforePlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		for range modelMaxTasks {
			started, err := a.ledger.Start(t.Context(), modelRequest())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := a.ledger.Get(t.Context(), started.TaskID); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		full := new(streams.LimitError)
		if _, err := b.ledger.Start(t.Context(), modelRequest()); !errors.As(err, &full) {
			t.Fatalf("got %v", err)
		}
		m.mu.Lock()
		m.tasks[0].stopped = true // By itself.
		m.mu.Unlock()
		started, err := b.ledger.Start(t.Context(), modelRequest())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		store.mu.Lock()
		if _, ok := store.records[started.StreamID]; !ok || len(store.records) != modelMaxTasks {
			t.Errorf("got %v", store.records)
		}
		store.mu.Unlock()
		a.ledger.Close(t.Context())
		b.ledger.Close(t.Context())
	})
}

// TestStopOfAnothersTask stops the task of another replica, whose ledger then removes it. The
// replicas know each other's tasks at once.
func TestStopOfAnothersTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		started, err := a.ledger.Start(t.Context(), modelRequest())
		if err != nil {
			t.Fatal(err)
		}
		for _, wait := range []time.Duration{0, time.Minute} {
			time.Sleep(wait)
			if !b.ledger.Owns(t.Context(), started.TaskID) {
				t.Errorf("%v later: b does not own what a started", wait)
			}
		}
		if _, err := b.ledger.Stop(t.Context(), started.TaskID); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		for _, r := range []*modelReplica{a, b} {
			task := zego.StreamTask{ID: started.TaskID, StreamID: started.StreamID, RoomID: "room"}
			if r.ledger.Owns(t.Context(), started.TaskID) || r.ledger.StartedBy(task) != streams.ThisServer {
				t.Errorf("the task counts as running, or as started by %s", r.ledger.StartedBy(task))
			}
			if strings.Contains(r.log.String(), "level=WARN") {
				t.Errorf("nothing has failed, but the log says %s", r.log)
			}
		}
		store.mu.Lock()
		if len(store.records) != 0 {
			t.Errorf("got %v", store.records)
		}
		store.mu.Unlock()
		a.ledger.Close(t.Context())
		b.ledger.Close(t.Context())
	})
}

// TestEndedTaskOfKilled stops the task of a replica that was killed just before, and kills the
// replica that has stopped the task, too. The next one removes the record of the task.
func TestEndedTaskOfKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		started := startConfirmed(t, a.ledger)
		time.Sleep(time.Minute)
		a.gate.kill()
		if _, err := b.ledger.Stop(t.Context(), started.TaskID); err != nil {
			t.Error(err)
		}
		if r, ok := store.record(started.StreamID); !ok || !r.Ended {
			t.Errorf("a, which could be alive, has to remove the record, but got %+v", r)
		}
		b.gate.kill()
		time.Sleep(streams.Lease + time.Second)
		c := newModelReplica("c", m, store, 0)
		time.Sleep(time.Second)
		if r, ok := store.record(started.StreamID); ok {
			t.Errorf("got %+v", r)
		}
		for _, replica := range []*modelReplica{a, b, c} {
			replica.ledger.Close(context.Background())
		}
	})
}

// TestStopWhileOwnerEnds stops a task through another replica while the owner of the task is being
// closed and waits for others to take its tasks over. The owner must not wait for that one.
func TestStopWhileOwnerEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		started, err := a.ledger.Start(t.Context(), modelRequest())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if !b.ledger.Owns(t.Context(), started.TaskID) {
			t.Error("b does not own what a started")
		}
		begin := time.Now()
		var closing sync.WaitGroup
		closing.Go(func() { a.ledger.Close(t.Context()) })
		synctest.Wait()
		if _, err := b.ledger.Stop(t.Context(), started.TaskID); err != nil {
			t.Error(err)
		}
		closing.Wait()
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("a took %v to end; its log: %s", took, a.log)
		}
		time.Sleep(5 * time.Second)
		store.mu.Lock()
		if len(store.records) != 0 {
			t.Errorf("got %v", store.records)
		}
		store.mu.Unlock()
		b.ledger.Close(t.Context())
	})
}

// TestStoreLosesRecords empties the Store. The records are in it again soon, and count.
func TestStoreLosesRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a := newModelReplica("a", m, store, 0)
		if _, err := a.ledger.Start(t.Context(), modelRequest()); err != nil {
			t.Fatal(err)
		}
		store.mu.Lock()
		clear(store.records)
		store.mu.Unlock()
		time.Sleep(5 * time.Second)
		store.mu.Lock()
		if len(store.records) != 1 {
			t.Errorf("got %v", store.records)
		}
		store.mu.Unlock()
		if strings.Contains(a.log.String(), "level=WARN") {
			t.Errorf("the Store answers, but the log says %s", a.log)
		}
		a.ledger.Close(t.Context())
	})
}

// TestLostTakeOver loses the answer to TakeOver. The replica stops at its end what it has
// taken over without knowing it at first.
func TestLostTakeOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a := newModelReplica("a", m, store, 0)
		if _, err := a.ledger.Start(t.Context(), modelRequest()); err != nil {
			t.Fatal(err)
		}
		a.gate.kill()
		time.Sleep(streams.Lease + time.Second)
		store.mu.Lock()
		store.faults = []storeFault{noStoreFault, loseResult} // Of Renew and TakeOver.
		store.mu.Unlock()
		b := newModelReplica("b", m, store, 0)
		time.Sleep(5 * time.Second)
		b.ledger.Close(t.Context())
		if n := len(m.running()); n != 0 {
			t.Errorf("%d tasks run; log: %s", n, b.log)
		}
		a.ledger.Close(context.Background()) // It ends the goroutines of the killed replica.
	})
}

// TestCloseAfterKill closes the last replica when the lease of a killed one has just run out,
// before it has looked for that by itself.
func TestCloseAfterKill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		if _, err := a.ledger.Start(t.Context(), modelRequest()); err != nil {
			t.Fatal(err)
		}
		a.gate.kill()
		time.Sleep(streams.Lease + time.Second)
		b.ledger.Close(t.Context())
		if n := len(m.running()); n != 0 {
			t.Errorf("%d tasks run; log: %s", n, b.log)
		}
		a.ledger.Close(context.Background()) // It ends the goroutines of the killed replica.
	})
}

// TestCloseAtOnce closes all replicas at once. The last one stops the tasks of all, without
// waiting until the leases of the others have run out.
func TestCloseAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		replicas := []*modelReplica{newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)}
		for _, r := range replicas {
			if _, err := r.ledger.Start(t.Context(), modelRequest()); err != nil {
				t.Fatal(err)
			}
		}
		begin := time.Now()
		var closing sync.WaitGroup
		for _, r := range replicas {
			closing.Go(func() { r.ledger.Close(t.Context()) })
		}
		closing.Wait()
		if n, took := len(m.running()), time.Since(begin); n != 0 || took > 3*time.Second {
			t.Errorf("%d tasks run after %v", n, took)
		}
	})
}

// TestClocksOfReplicas lets a replica whose clock is wrong take a task over. It must not
// count the task as expired.
func TestClocksOfReplicas(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			m, store := &model{}, newSharedStore()
			a := newModelReplica("a", m, store, 0)
			b, _ := modelLedger(t, m, streams.Options{
				Store: replicaStore{store, "b", &gate{}}, Now: func() time.Time { return time.Now().Add(off) },
			})
			started, err := a.ledger.Start(t.Context(), modelRequest())
			if err != nil {
				t.Fatal(err)
			}
			a.gate.kill()
			time.Sleep(time.Minute)
			if !b.Owns(t.Context(), started.TaskID) {
				t.Errorf("clock %v off: b does not own what it has taken over", off)
			}
			b.Close(t.Context())
			if n := len(m.running()); n != 0 {
				t.Errorf("clock %v off: %d tasks run", off, n)
			}
			a.ledger.Close(context.Background()) // It ends the goroutines of the killed replica.
		})
	}
}

// TestCallerMaxTasksAtOnce lets a caller create tasks at two replicas at the same moment, at which
// neither of them knows what the other one does.
func TestCallerMaxTasksAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		req := modelRequest()
		req.Caller, req.CallerMaxTasks = "alice", 1
		var errs [2]error
		var starting sync.WaitGroup
		for i, replica := range []*modelReplica{a, b} {
			starting.Go(func() { _, errs[i] = replica.ledger.Start(t.Context(), req) })
		}
		starting.Wait()
		full, ok := errors.AsType[*streams.LimitError](errors.Join(errs[:]...))
		if !ok || !full.OfCaller || full.MaxTasks != 1 || errs[0] != nil && errs[1] != nil {
			t.Errorf("got %v, want one of two to be created", errs)
		}
		a.ledger.Close(t.Context())
		b.ledger.Close(t.Context())
	})
}

// TestCallerOf asks two replicas who created a task, also after it has ended.
func TestCallerOf(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		req := modelRequest()
		req.Caller = "alice"
		started, err := a.ledger.Start(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for name, replica := range map[string]*modelReplica{"a": a, "b": b} {
			if got, err := replica.ledger.CallerOf(t.Context(), started.TaskID); got != "alice" || err != nil {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
		if got, err := b.ledger.CallerOf(t.Context(), "unknown"); got != "" || err != nil {
			t.Errorf("an unknown task: got %q, %v", got, err)
		}
		time.Sleep(time.Minute)
		if _, err := b.ledger.Stop(t.Context(), started.TaskID); err != nil {
			t.Fatal(err)
		}
		if got, err := b.ledger.CallerOf(t.Context(), started.TaskID); got != "" || err != nil {
			t.Errorf("a stopped task: got %q, %v", got, err)
		}
		a.ledger.Close(t.Context())
		b.ledger.Close(t.Context())
	})
}

// TestCallerOfNewTask asks whose task it is when ZEGO shows it already, but has not answered its
// create yet, or has lost the answer.
func TestCallerOfNewTask(t *testing.T) {
	t.Parallel()
	for _, wrong := range []fault{noFault, dropAfter, wrongTaskID} {
		synctest.Test(t, func(t *testing.T) {
			m, store := &model{faults: map[string][]fault{"CreateDigitalHumanStreamTask": {wrong}}}, newSharedStore()
			a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
			asked := 0
			m.created = func() {
				id := m.running()[0].id
				for name, replica := range map[string]*modelReplica{"a": a, "b": b} {
					asked++
					if got, err := replica.ledger.CallerOf(t.Context(), id); got != "alice" || err != nil {
						t.Errorf("fault %d, %s: got %q, %v", wrong, name, got, err)
					}
				}
			}
			req := modelRequest()
			req.Caller = "alice"
			_, _ = a.ledger.Start(t.Context(), req)
			if asked != 2 {
				t.Errorf("fault %d: asked %d times", wrong, asked)
			}
			foreign, _ := m.create("room", "foreign", time.Hour, true)
			if got, err := b.ledger.CallerOf(t.Context(), foreign.id); got != "" || err != nil {
				t.Errorf("a task of another program: got %q, %v", got, err)
			}
			a.ledger.Close(t.Context())
			b.ledger.Close(t.Context())
		})
	}
}

// TestCallerOfWithoutStore asks whose tasks they are while the Store does not answer. A replica
// that knows a task knows its caller, and one that has just started says that it does not know.
func TestCallerOfWithoutStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		req := modelRequest()
		req.Caller = "alice"
		started, err := a.ledger.Start(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		store.mu.Lock()
		store.gone = [2]time.Time{time.Now(), time.Now().Add(time.Minute)}
		store.mu.Unlock()
		time.Sleep(time.Second)
		late := newModelReplica("late", m, store, 0)
		for name, replica := range map[string]*modelReplica{"a": a, "b": b} {
			if got, err := replica.ledger.CallerOf(t.Context(), started.TaskID); got != "alice" || err != nil {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
		if got, err := late.ledger.CallerOf(t.Context(), started.TaskID); !errors.Is(err, streams.ErrStoreDown) {
			t.Errorf("a new replica: got %q, %v", got, err)
		}
		time.Sleep(2 * time.Minute)
		if got, err := late.ledger.CallerOf(t.Context(), started.TaskID); got != "alice" || err != nil {
			t.Errorf("when the Store answers again: got %q, %v", got, err)
		}
		for _, replica := range []*modelReplica{a, b, late} {
			replica.ledger.Close(t.Context())
		}
	})
}

// TestCallerMaxTasks lets a caller, who may run one task, create tasks at two replicas. Other
// callers are not bound by that, and a task that another replica takes over still counts.
func TestCallerMaxTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		ofAlice, ofBob := modelRequest(), modelRequest()
		ofAlice.Caller, ofAlice.CallerMaxTasks, ofBob.Caller = "alice", 1, "bob"
		if _, err := a.ledger.Start(t.Context(), ofAlice); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		for step, replica := range []*modelReplica{a, b} {
			_, err := replica.ledger.Start(t.Context(), ofAlice)
			if full, ok := errors.AsType[*streams.LimitError](err); !ok || !full.OfCaller || full.MaxTasks != 1 || len(full.Running) != 1 {
				t.Errorf("step %d: got %v", step, err)
			}
		}
		if _, err := b.ledger.Start(t.Context(), ofBob); err != nil {
			t.Errorf("bob: %v", err)
		}
		a.gate.kill()
		time.Sleep(15 * time.Second)
		if _, err := b.ledger.Start(t.Context(), ofAlice); !errors.As(err, new(*streams.LimitError)) {
			t.Errorf("after b has taken the task over: got %v", err)
		}
		b.ledger.Close(t.Context())
		a.ledger.Close(context.Background())
	})
}
