package streams_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

// record returns the record of a StreamId, and whether there is one.
func (s *sharedStore) record(streamID string) (streams.Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, ok := s.records[streamID]
	return stored.Record, ok
}

// failNext lets the next operations fail, and returns a function that tells how many of them
// have not been called yet.
func (s *sharedStore) failNext(n int) (left func() int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.Repeat([]storeFault{dropOperation}, n)
	return func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.faults)
	}
}

// startConfirmed starts a task whose TaskId ZEGO's status confirms, and lets its record become
// up to date.
func startConfirmed(t *testing.T, l *streams.Ledger) streams.Started {
	t.Helper()
	started, err := l.Start(t.Context(), modelRequest())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Get(t.Context(), started.TaskID); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	return started
}

// TestRecordFollowsTask checks that the record of a task tells what its ledger has learned.
func TestRecordFollowsTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a := newModelReplica("a", m, store, 0)
		begin := time.Now()
		started, err := a.ledger.Start(t.Context(), modelRequest())
		if err != nil {
			t.Fatal(err)
		}
		answered := time.Now().Add(storeClockOffset)
		check := func(when string, wants func(streams.Record) bool) {
			t.Helper()
			time.Sleep(5 * time.Second)
			if r, ok := store.record(started.StreamID); !ok || !wants(r) {
				t.Errorf("%s: got %+v", when, r)
			}
		}
		check("after the create", func(r streams.Record) bool {
			return r.TaskID == started.TaskID && r.WithCaller && !r.Confirmed && r.LatestCreateTime.Equal(answered) &&
				r.ReservedAt.Equal(begin.Add(storeClockOffset)) && r.ExpiresAt.Sub(r.ReservedAt) == 11*time.Minute+30*time.Second
		})
		if _, err := a.ledger.Get(t.Context(), started.TaskID); err != nil {
			t.Error(err)
		}
		check("after ZEGO's status", func(r streams.Record) bool { return r.WithCaller && r.Confirmed })
		m.mu.Lock()
		m.faults = map[string][]fault{stopAction: slices.Repeat([]fault{errorBefore}, 100)}
		m.mu.Unlock()
		if _, err := a.ledger.Stop(t.Context(), started.TaskID); err == nil {
			t.Error("ZEGO stopped the task")
		}
		check("after a stop that failed", func(r streams.Record) bool { return !r.WithCaller && r.Confirmed })
		m.endFaults()
		a.ledger.Close(t.Context())
	})
}

// TestTakeOverOfStopping kills a replica that tries to stop a task. The replica that takes the
// task over does not leave it to its caller.
func TestTakeOverOfStopping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		started := startConfirmed(t, a.ledger)
		m.mu.Lock()
		m.faults = map[string][]fault{stopAction: slices.Repeat([]fault{errorBefore}, 100)}
		m.mu.Unlock()
		if _, err := a.ledger.Stop(t.Context(), started.TaskID); err == nil {
			t.Error("ZEGO stopped the task")
		}
		time.Sleep(5 * time.Second)
		a.gate.kill()
		m.endFaults()
		m.setCaller(started.TaskID, false)
		time.Sleep(streams.Lease + 10*time.Second)
		if n := len(m.running()); n != 0 {
			t.Errorf("%d tasks run; log: %s", n, b.log)
		}
		b.ledger.Close(t.Context())
		a.ledger.Close(context.Background()) // It ends the goroutines of the killed replica.
	})
}

// TestLateRecord lets the Store bring back the record of a task that was stopped some time
// ago. The ledger removes the record, and does not take it for that of a running task.
func TestLateRecord(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{time.Second, 29 * time.Second, 30*time.Second + time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			m, store := &model{}, newSharedStore()
			a := newModelReplica("a", m, store, 0)
			started := startConfirmed(t, a.ledger)
			time.Sleep(time.Minute)
			r, _ := store.record(started.StreamID)
			if _, err := a.ledger.Stop(t.Context(), started.TaskID); err != nil {
				t.Error(err)
			}
			time.Sleep(late)
			store.mu.Lock()
			store.records[started.StreamID] = storedRecord{r, "a"}
			store.mu.Unlock()
			time.Sleep(10 * time.Second)
			if r, ok := store.record(started.StreamID); ok || strings.Contains(a.log.String(), "took over") {
				t.Errorf("%v late: got %+v; log: %s", late, r, a.log)
			}
			a.ledger.Close(t.Context())
		})
	}
}

// TestLogOfStore checks that the log tells once that the Store does not answer, and once that
// it answers again. Meanwhile only the regular sync asks the Store.
func TestLogOfStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a := newModelReplica("a", m, store, 0)
		time.Sleep(time.Second)
		left := store.failNext(4)
		time.Sleep(4 * time.Second)
		if left() != 3 {
			t.Errorf("the Store was asked %d times", 4-left())
		}
		for range 3 {
			if a.ledger.Owns(t.Context(), "unknown") || left() != 3 {
				t.Error("Owns asks a Store that is down")
			}
		}
		time.Sleep(20 * time.Second)
		down, up := strings.Count(a.log.String(), "level=WARN"), strings.Count(a.log.String(), "answers again")
		if down != 1 || up != 1 || left() != 0 {
			t.Errorf("got %d warnings, and %d ends of them: %s", down, up, a.log)
		}
		a.ledger.Close(t.Context())
	})
}

// TestCallerLeavesWhileStoreIsAsked lets a caller leave. That says nothing about the Store.
func TestCallerLeavesWhileStoreIsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newModelReplica("a", &model{}, newSharedStore(), 0)
		time.Sleep(time.Second)
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if a.ledger.Owns(ctx, "unknown") {
			t.Error("the ledger owns an unknown task")
		}
		if _, err := a.ledger.Start(t.Context(), modelRequest()); err != nil || a.log.String() != "" {
			t.Errorf("got %v, and the log %s", err, a.log)
		}
		if _, err := a.ledger.Start(ctx, modelRequest()); !errors.Is(err, context.Canceled) || errors.As(err, new(*streams.StoreError)) {
			t.Errorf("a caller who has left: got %v", err)
		}
		a.ledger.Close(t.Context())
	})
}

// TestCloseEndsLease closes a ledger twice. It ends its lease, and leaves the Store alone from
// then on.
func TestCloseEndsLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newSharedStore()
		a := newModelReplica("a", &model{}, store, 0)
		startConfirmed(t, a.ledger)
		a.ledger.Close(t.Context())
		store.mu.Lock()
		if len(store.leases) != 0 || len(store.records) != 0 {
			t.Errorf("got the leases %v and the records %v", store.leases, store.records)
		}
		store.mu.Unlock()
		left := store.failNext(10)
		a.ledger.Owns(t.Context(), "unknown")
		time.Sleep(10 * time.Second)
		if left() != 10 {
			t.Errorf("the Store was asked %d times after Close", 10-left())
		}
	})
}

// TestSlowStore lets operations of the Store take almost as long as they may.
func TestSlowStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a := newModelReplica("a", m, store, 0)
		time.Sleep(time.Second)
		store.mu.Lock()
		store.faults = slices.Repeat([]storeFault{slowOperation}, 4)
		store.mu.Unlock()
		time.Sleep(30 * time.Second)
		if strings.Contains(a.log.String(), "level=WARN") {
			t.Errorf("two seconds count as no answer: %s", a.log)
		}
		a.ledger.Close(t.Context())
	})
}

// TestNamesOfReplicas asks for the names of the tasks of both replicas at each of them.
func TestNamesOfReplicas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		started := startConfirmed(t, a.ledger)
		for _, r := range []*modelReplica{a, b} {
			room, stream := r.ledger.Names(started.TaskID)
			described := zego.StreamTask{ID: started.TaskID, StreamID: started.StreamID}
			if room != "room" || stream != started.StreamID || r.ledger.StartedBy(described) != streams.ThisServer {
				t.Errorf("got %q, %q, started by %s", room, stream, r.ledger.StartedBy(described))
			}
		}
		a.ledger.Close(t.Context())
		b.ledger.Close(t.Context())
	})
}

// TestKeepTasksTakesNothingOver closes a ledger that keeps its tasks, while the lease of a
// killed replica ends. The stream of the killed one goes on for its caller.
func TestKeepTasksTakesNothingOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a := newModelReplica("a", m, store, 0)
		b, log := modelLedger(t, m, streams.Options{Store: replicaStore{store, "b", &gate{}}, KeepTasks: true, StopTimeout: time.Minute})
		startConfirmed(t, a.ledger)
		stopping := startConfirmed(t, b)
		m.mu.Lock()
		m.faults = map[string][]fault{stopAction: slices.Repeat([]fault{errorBefore}, 100)}
		m.mu.Unlock()
		if _, err := b.Stop(t.Context(), stopping.TaskID); err == nil {
			t.Error("ZEGO stopped the task")
		}
		a.gate.kill()
		time.AfterFunc(30*time.Second, m.endFaults)
		b.Close(t.Context())
		if running := m.running(); len(running) != 1 || running[0].id == stopping.TaskID || strings.Contains(log.String(), "took over") {
			t.Errorf("%d tasks run; log: %s", len(running), log)
		}
		a.ledger.Close(context.Background()) // It ends the goroutines of the killed replica.
	})
}

// TestIdleReplica checks that a replica whose tasks do not change uses the Store once every
// three seconds, however often it is asked for its task. A record is written anew only if the
// clock of the Store is set.
func TestIdleReplica(t *testing.T) {
	t.Parallel()
	for slip, want := range map[time.Duration]int{0: 10, time.Second: 10, -5 * time.Second: 10, 5*time.Second + 1: 11} {
		synctest.Test(t, func(t *testing.T) {
			m, store := &model{}, newSharedStore()
			a := newModelReplica("a", m, store, 0)
			started := startConfirmed(t, a.ledger)
			store.mu.Lock()
			store.faults = make([]storeFault, 100) // None of them is a fault.
			store.slip = slip
			store.mu.Unlock()
			for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(time.Second) {
				if _, err := a.ledger.Get(t.Context(), started.TaskID); err != nil {
					t.Error(err)
				}
			}
			store.mu.Lock()
			if used := 100 - len(store.faults); used != want {
				t.Errorf("the clock of the Store has slipped by %v: the Store was used %d times in 30 s, want %d", slip, used, want)
			}
			store.mu.Unlock()
			a.ledger.Close(t.Context())
		})
	}
}

// TestEndOfAnothersTask checks that a replica still knows a task of this server after the
// replica that started it has stopped it.
func TestEndOfAnothersTask(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		started := startConfirmed(t, a.ledger)
		if _, err := a.ledger.Stop(t.Context(), started.TaskID); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		if got := b.ledger.StartedBy(zego.StreamTask{ID: started.TaskID}); got != streams.ThisServer || b.ledger.Owns(t.Context(), started.TaskID) {
			t.Errorf("the task was started by %s, or counts as running", got)
		}
		a.ledger.Close(t.Context())
		b.ledger.Close(t.Context())
	})
}
