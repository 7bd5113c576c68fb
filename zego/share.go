package zego

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Cache keeps answers for a short time. Implement it to share them between
// processes. Its methods are called concurrently, and must not fail a call: what
// cannot be read is not there.
type Cache interface {
	Get(ctx context.Context, key string) ([]byte, bool)
	Set(ctx context.Context, key string, answer []byte, ttl time.Duration)
}

// answer is a successful answer, as it is shared and cached.
type answer struct {
	RequestID string    `json:"RequestId"`
	At        time.Time `json:"At"`   // When it came, by ZEGO's clock.
	Data      any       `json:"Data"` // A *T that nobody changes.

	httpStatus int // Of the answer as it came from ZEGO; not kept in a shared cache.
}

// mostCached bounds memory's answers; a page is some ten kilobytes.
const mostCached = 500

// memory keeps answers of one process. Unlike a Cache it keeps them decoded.
type memory struct {
	mu      sync.Mutex // guards what follows
	answers map[string]cached
}

type cached struct {
	answer answer
	until  time.Time
}

func (m *memory) get(key string) (answer, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.answers[key]
	return c.answer, ok && time.Now().Before(c.until)
}

func (m *memory) set(key string, a answer, ttl time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if len(m.answers) >= mostCached {
		for old, c := range m.answers {
			if !now.Before(c.until) || len(m.answers) >= mostCached {
				delete(m.answers, old)
			}
		}
	}
	if m.answers == nil {
		m.answers = map[string]cached{}
	}
	m.answers[key] = cached{a, now.Add(ttl)}
}

// flights lets equal calls in flight share one. (golang.org/x/sync/singleflight
// cannot tell when the last caller has left, and the upstream call must stop then.)
type flights struct {
	mu     sync.Mutex // guards what follows
	byCall map[string]*flight
}

type flight struct {
	callers int           // guarded by flights.mu
	cancel  func()        // Ends the flight.
	landed  chan struct{} // Closed when what follows is set.
	answer  answer
	info    CallInfo
	err     error
	ended   bool // By its own context: its first caller's time was up, or all had left.
}

// do returns fly's answer, or that of an equal call which is in flight. A caller
// whose ctx ends leaves the others alone; the last one to leave ends the flight.
func (f *flights) do(ctx context.Context, call string, fly func(ctx context.Context, info *CallInfo) (answer, error)) (answer, CallInfo, error) {
	for {
		f.mu.Lock()
		flying, joined := f.byCall[call]
		if !joined {
			flying = f.begin(ctx, call, fly)
		}
		flying.callers++
		f.mu.Unlock()
		select {
		case <-flying.landed:
		case <-ctx.Done():
			f.leave(call, flying)
			return answer{}, CallInfo{Shared: joined}, context.Cause(ctx)
		}
		f.leave(call, flying)
		if !joined && flying.ended && flying.err != nil {
			<-ctx.Done() // It ended with us; our context says why.
			return answer{}, flying.info, context.Cause(ctx)
		}
		queued := new(QueueError)
		if joined && ctx.Err() == nil && (flying.ended || errors.As(flying.err, &queued)) {
			continue // It ended for a reason that is not ours: another caller's time was up.
		}
		info := flying.info
		info.Shared = joined
		return flying.answer, info, flying.err
	}
}

// begin is called under the lock.
func (f *flights) begin(ctx context.Context, call string, fly func(ctx context.Context, info *CallInfo) (answer, error)) *flight {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	end := cancel
	if deadline, ok := ctx.Deadline(); ok {
		own, end = context.WithDeadline(own, deadline)
	}
	flying := &flight{cancel: func() { end(); cancel() }, landed: make(chan struct{})}
	if f.byCall == nil {
		f.byCall = map[string]*flight{}
	}
	f.byCall[call] = flying
	go func() {
		flying.answer, flying.err = fly(own, &flying.info)
		flying.ended = own.Err() != nil
		f.mu.Lock()
		f.forget(call, flying)
		f.mu.Unlock()
		close(flying.landed)
	}()
	return flying
}

func (f *flights) leave(call string, flying *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if flying.callers--; flying.callers == 0 {
		f.forget(call, flying)
		flying.cancel()
	}
}

// forget lets the next equal call begin a flight of its own.
func (f *flights) forget(call string, flying *flight) {
	if f.byCall[call] == flying {
		delete(f.byCall, call)
	}
}
