package zego

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// DefaultQPS is how many calls per second ZEGO allows for each action.
const DefaultQPS = 10

// Limiter makes calls wait so that ZEGO refuses none. Implement it to share one
// limit between processes.
type Limiter interface {
	// Acquire waits for a turn to call action. It fails when ctx ends, and at once
	// with a *QueueError when the turn would come after ctx's deadline.
	Acquire(ctx context.Context, action string) (Permit, error)
}

// Permit is the permission for one call.
type Permit interface {
	Sent()              // The request was written.
	Done(answered bool) // The call is over: ZEGO has counted it if it answered.
}

// QueueError says that a call was not sent, since its turn under the rate limit
// would have come too late.
type QueueError struct {
	Action string
	Ahead  int           // Calls that wait already.
	Wait   time.Duration // About how long until a turn.
}

// Error returns one line with the action, the length of the queue and the wait.
func (e *QueueError) Error() string {
	return fmt.Sprintf("zego: %s: not sent: %d calls wait already, and a turn would come in about %v, after the deadline",
		e.Action, e.Ahead, e.Wait.Round(100*time.Millisecond))
}

// NewLimiter returns a Limiter for one process: qps calls at once, and never more
// than qps in any second as ZEGO counts them, first come, first served, per action.
func NewLimiter(qps int) Limiter {
	return &limiter{qps: qps, actions: map[string]*turnstile{}}
}

type limiter struct {
	qps int

	mu      sync.Mutex // guards what follows
	actions map[string]*turnstile
}

// Acquire implements Limiter.
func (l *limiter) Acquire(ctx context.Context, action string) (Permit, error) {
	l.mu.Lock()
	t := l.actions[action]
	if t == nil {
		t = &turnstile{slots: make([]slot, l.qps)}
		l.actions[action] = t
	}
	l.mu.Unlock()
	return t.acquire(ctx, action)
}

const (
	// window is how long ZEGO remembers a call.
	window = time.Second
	// mostTravel is the longest that a written request is taken to be on its way.
	// ZEGO counts a call when it arrives: between its being sent and its answer.
	mostTravel = 100 * time.Millisecond
)

// turnstile is the limit of one action: as many slots as calls per second. A call
// holds a slot until a window after the latest moment at which ZEGO can have
// counted it. (Counting from the sending lets calls through that then arrive closer
// together; a token bucket lets nearly twice as many through.)
type turnstile struct {
	mu    sync.Mutex // guards what follows
	slots []slot
	queue []*waiter
	timer *time.Timer
}

type slot struct {
	held bool      // By a call that is not sent yet.
	free time.Time // When it can be taken, unless held.
}

type waiter struct {
	granted chan *turn // Buffered: granting never blocks.
}

// turn implements Turn.
type turn struct {
	t    *turnstile
	slot *slot
	sent time.Time // Zero until then.
	done bool
}

func (t *turnstile) acquire(ctx context.Context, action string) (Permit, error) {
	if ctx.Err() != nil {
		return nil, &TransportError{Action: action, Err: context.Cause(ctx)}
	}
	w := &waiter{granted: make(chan *turn, 1)}
	t.mu.Lock()
	wait := t.wait(time.Now())
	if deadline, ok := ctx.Deadline(); ok && wait > 0 && wait > time.Until(deadline) {
		ahead := len(t.queue)
		t.mu.Unlock()
		return nil, &QueueError{Action: action, Ahead: ahead, Wait: wait}
	}
	t.queue = append(t.queue, w)
	t.grant()
	t.mu.Unlock()
	select {
	case granted := <-w.granted:
		return granted, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.queue, w); i >= 0 {
		t.queue = slices.Delete(t.queue, i, i+1)
	} else {
		(<-w.granted).release(false) // It came at the same moment.
	}
	return nil, &TransportError{Action: action, Err: context.Cause(ctx)}
}

// wait is about how long a call that comes now has to wait.
func (t *turnstile) wait(now time.Time) time.Duration {
	free := make([]time.Time, len(t.slots))
	for i, s := range t.slots {
		if free[i] = s.free; s.held {
			free[i] = now.Add(window)
		} else if s.free.Before(now) {
			free[i] = now
		}
	}
	slices.SortFunc(free, time.Time.Compare)
	ahead := len(t.queue)
	rounds := time.Duration(ahead / len(free))
	return free[ahead%len(free)].Add(rounds * window).Sub(now)
}

// grant gives free slots to those who wait longest, and sees to it that it is
// called again when the next slot becomes free.
func (t *turnstile) grant() {
	for len(t.queue) > 0 {
		next := -1
		for i, s := range t.slots {
			if !s.held && (next < 0 || s.free.Before(t.slots[next].free)) {
				next = i
			}
		}
		if next < 0 {
			return // Their calls will call grant.
		}
		s := &t.slots[next]
		if wait := time.Until(s.free); wait > 0 {
			t.wake(wait)
			return
		}
		s.held = true
		t.queue[0].granted <- &turn{t: t, slot: s}
		t.queue = t.queue[1:]
	}
}

func (t *turnstile) wake(after time.Duration) {
	if t.timer != nil {
		t.timer.Reset(after)
		return
	}
	t.timer = time.AfterFunc(after, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.grant()
	})
}

// Sent implements Turn.
func (u *turn) Sent() {
	u.t.mu.Lock()
	defer u.t.mu.Unlock()
	if !u.sent.IsZero() || u.done {
		return
	}
	u.sent = time.Now()
	u.slot.held, u.slot.free = false, u.sent.Add(mostTravel+window)
	u.t.grant()
}

// Done implements Turn.
func (u *turn) Done(answered bool) {
	u.t.mu.Lock()
	defer u.t.mu.Unlock()
	u.release(answered)
}

func (u *turn) release(answered bool) {
	if u.done {
		return
	}
	u.done = true
	now := time.Now()
	switch {
	case u.sent.IsZero():
		u.slot.held, u.slot.free = false, now
	case answered && now.Sub(u.sent) < mostTravel:
		u.slot.free = now.Add(window)
	default:
		return // The slot is timed already, and may be someone else's by now.
	}
	u.t.grant()
}

// noLimit lets every call through.
type noLimit struct{}

// Acquire implements Limiter.
func (noLimit) Acquire(context.Context, string) (Permit, error) { return noLimit{}, nil }

// Sent implements Turn.
func (noLimit) Sent() {}

// Done implements Turn.
func (noLimit) Done(bool) {}
