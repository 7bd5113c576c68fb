package streams_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
	"zego-mcp/tools/streams"
)

// sharedStore is a Store in memory. Each replica uses it through a replicaStore.
type sharedStore struct {
	mu      sync.Mutex // guards what follows
	records map[string]storedRecord
	leases  map[string]time.Time // When they end, by replica.
	leaving map[string]time.Time // Until when a replica that is leaving can still remove its records.
	faults  []storeFault         // Of the next operations; then none.
	slip    time.Duration        // How far its clock is ahead beyond storeClockOffset.
	gone    [2]time.Time         // Between these times no operation is carried out.
}

// heal ends all faults.
func (s *sharedStore) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.gone = nil, [2]time.Time{}
}

// storedRecord is a record and the replica to which it belongs.
type storedRecord struct {
	streams.Record
	owner string
}

// storeFault is what goes wrong with one operation of the Store.
type storeFault int

const (
	noStoreFault        storeFault = iota
	dropOperation                  // It is not carried out.
	loseResult                     // It is carried out, and its result is lost.
	lateOperation                  // It is carried out five seconds after the replica gave up.
	slowOperation                  // It takes two seconds.
	numberOfStoreFaults            // How many there are.
)

// storeClockOffset is how far the clock of a sharedStore is ahead.
const storeClockOffset = 7 * time.Minute

var errNoStore = errors.New("the store does not answer")

func newSharedStore() *sharedStore {
	return &sharedStore{records: map[string]storedRecord{}, leases: map[string]time.Time{}, leaving: map[string]time.Time{}}
}

// replicaStore is how one replica uses a sharedStore.
type replicaStore struct {
	*sharedStore
	name string
	gate *gate
}

// do carries an operation out, unless the replica was killed or the next fault says otherwise.
func (s replicaStore) do(ctx context.Context, operation func()) error {
	if err := s.gate.pass(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	fault := noStoreFault
	if len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	if now := time.Now(); now.After(s.gone[0]) && now.Before(s.gone[1]) {
		fault = dropOperation
	}
	s.mu.Unlock()
	time.Sleep(s.gate.latency())
	locked := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		operation()
	}
	switch fault {
	case dropOperation:
		return errNoStore
	case lateOperation:
		go func() {
			time.Sleep(5 * time.Second)
			locked()
		}()
		return errNoStore
	case slowOperation:
		time.Sleep(2 * time.Second)
	}
	locked()
	if err := s.gate.pass(); err != nil {
		return err
	}
	if fault == loseResult {
		return errNoStore
	}
	return ctx.Err()
}

// readLocked returns the result of an operation. The lock is needed because a late operation
// may still write it.
func readLocked[T any](s replicaStore, written *T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *written
}

func (s *sharedStore) lives(replica string) bool { return time.Now().Before(s.leases[replica]) }

// removes reports whether a replica removes the records of its tasks that have ended.
func (s *sharedStore) removes(replica string) bool {
	return s.lives(replica) || time.Now().Before(s.leaving[replica])
}

func (s *sharedStore) othersLive(replica string) bool {
	for other := range s.leases {
		if other != replica && s.lives(other) {
			return true
		}
	}
	return false
}

func (s replicaStore) Renew(ctx context.Context, presence streams.Presence) (streams.View, error) {
	var view streams.View
	err := s.do(ctx, func() {
		view = streams.View{Now: time.Now().Add(storeClockOffset + s.slip), OthersAlive: s.othersLive(s.name)}
		delete(s.leaving, s.name)
		if presence == streams.Leaving {
			s.leaving[s.name] = time.Now().Add(streams.Lease)
		}
		if presence == streams.Gone || presence == streams.Leaving && view.OthersAlive {
			delete(s.leases, s.name)
		} else {
			s.leases[s.name] = time.Now().Add(streams.Lease)
		}
		for _, r := range s.records {
			owned := streams.OwnedRecord{Record: r.Record}
			switch {
			case r.owner == s.name:
				owned.Owner = streams.ThisReplica
			case s.lives(r.owner), r.Ended && s.removes(r.owner):
				owned.Owner = streams.OtherReplica
			}
			view.Records = append(view.Records, owned)
		}
	})
	return readLocked(s, &view), err
}

func (s replicaStore) Reserve(ctx context.Context, r streams.Record, limits streams.Limits) error {
	var refusal error
	err := s.do(ctx, func() {
		var running, ofCaller []string
		for _, other := range s.records {
			if other.Ended {
				continue
			}
			running = append(running, other.StreamID)
			if other.Caller == r.Caller {
				ofCaller = append(ofCaller, other.StreamID)
			}
		}
		switch {
		case slices.Contains(running, r.StreamID):
			refusal = &streams.StreamIDInUseError{StreamID: r.StreamID}
		case limits.Tasks > 0 && len(running) >= limits.Tasks:
			refusal = &streams.LimitError{MaxTasks: limits.Tasks, Running: running}
		case limits.TasksOfCaller > 0 && len(ofCaller) >= limits.TasksOfCaller:
			refusal = &streams.LimitError{MaxTasks: limits.TasksOfCaller, OfCaller: true, Running: ofCaller}
		default:
			s.records[r.StreamID] = storedRecord{r, s.name}
		}
	})
	return errors.Join(err, readLocked(s, &refusal))
}

func (s replicaStore) Save(ctx context.Context, r streams.Record) (bool, error) {
	saved := false
	err := s.do(ctx, func() {
		stored, ok := s.records[r.StreamID]
		if saved = ok && stored.Key == r.Key && stored.owner == s.name && !stored.Ended; saved {
			s.records[r.StreamID] = storedRecord{r, s.name}
		}
	})
	return readLocked(s, &saved), err
}

func (s replicaStore) TakeOver(ctx context.Context, streamID, key string) (streams.Record, bool, error) {
	var r streams.Record
	taken := false
	err := s.do(ctx, func() {
		stored, ok := s.records[streamID]
		if taken = ok && stored.Key == key && (stored.owner == s.name || !s.lives(stored.owner)); taken {
			r = stored.Record
			s.records[streamID] = storedRecord{r, s.name}
		}
	})
	return readLocked(s, &r), readLocked(s, &taken), err
}

func (s replicaStore) Remove(ctx context.Context, streamID, key string) error {
	return s.do(ctx, func() {
		stored, ok := s.records[streamID]
		switch {
		case !ok || stored.Key != key:
		case stored.owner == s.name || !s.removes(stored.owner):
			delete(s.records, streamID)
		default:
			stored.Ended = true
			s.records[streamID] = stored
		}
	})
}

// gate lets the calls of one replica pass. While the replica is paused they wait, and after
// it was killed they fail.
type gate struct {
	mu     sync.Mutex    // guards what follows
	paused chan struct{} // Nil, or closed when the pause ends.
	slow   time.Duration // How long each operation of the Store takes.
	killed bool
}

var errKilled = errors.New("this replica was killed")

func (g *gate) pass() error {
	g.mu.Lock()
	paused := g.paused
	g.mu.Unlock()
	if paused != nil {
		<-paused
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.killed {
		return errKilled
	}
	return nil
}

// slowDown lets each operation of the Store take so long from now on.
func (g *gate) slowDown(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slow = d
}

func (g *gate) latency() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.slow
}

func (g *gate) isKilled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.killed
}

func (g *gate) kill() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.killed = true
}

// pause stops the calls for a while.
func (g *gate) pause(d time.Duration) {
	resume := make(chan struct{})
	g.mu.Lock()
	g.paused = resume
	g.mu.Unlock()
	time.Sleep(d)
	g.mu.Lock()
	g.paused = nil
	g.mu.Unlock()
	close(resume)
}
