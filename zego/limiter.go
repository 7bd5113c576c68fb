package zego

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// DefaultQPS is how many calls of each action ZEGO allows in a second. Some projects have
// more.
const DefaultQPS = 10

// Limiter makes calls wait, so that ZEGO does not refuse them with CodeRateLimited.
// [NewLimiter] returns one for a single process. Implement it to share one limit between
// processes. It must be safe for concurrent use.
type Limiter interface {
	// Acquire waits until action may be called. When ctx ends it fails with a
	// *TransportError that holds ctx's cause; nothing was sent then. If the wait would
	// outlast ctx's deadline it fails at once, with a *QueueError.
	Acquire(ctx context.Context, action string) (Permit, error)
}

// Permit is the permission to send one request. Its holder calls Sent when the request is
// written, if it is written at all, and then calls Done exactly once. Sent may be called more
// than once.
type Permit interface {
	// Sent tells that the request was written to the network, or may have been.
	Sent()
	// Done tells that the exchange is over. If answered is true, an answer came, so ZEGO has
	// counted the request by now.
	Done(answered bool)
}

// QueueError says that a call was not sent, because its wait for the rate limit would have
// outlasted the deadline of its context.
type QueueError struct {
	Action string        // The name of ZEGO's action.
	Ahead  int           // How many calls wait already.
	Wait   time.Duration // About how long the call would have had to wait.
}

// Error returns one line with the action, the length of the queue and the wait.
func (e *QueueError) Error() string {
	return fmt.Sprintf("zego: %s: not sent: %d calls wait already, and a turn would come in about %v, after the deadline",
		e.Action, e.Ahead, e.Wait.Round(100*time.Millisecond))
}

// NewLimiter returns a Limiter for one process. It lets the first qps calls of each action
// go without a wait. Never more than qps calls of one action arrive at ZEGO within a second,
// provided that each takes at most 100 ms to get there. Calls wait in the order in which
// they came. qps must be at least 1.
func NewLimiter(qps int) Limiter {
	return &limiter{qps: qps, actions: map[string]*actionLimiter{}}
}

type limiter struct {
	qps int

	mu      sync.Mutex // guards what follows
	actions map[string]*actionLimiter
}

// Acquire implements Limiter.
func (l *limiter) Acquire(ctx context.Context, action string) (Permit, error) {
	l.mu.Lock()
	a := l.actions[action]
	if a == nil {
		a = &actionLimiter{slots: make([]slot, l.qps)}
		l.actions[action] = a
	}
	l.mu.Unlock()
	return a.acquire(ctx, action)
}

const (
	// window is the time over which ZEGO counts the requests of an action.
	window = time.Second
	// maxTransit is how long a request is assumed to take at most from being written to
	// arriving at ZEGO.
	maxTransit = 100 * time.Millisecond
)

// actionLimiter limits the requests of one action.
//
// There is one slot for each request that ZEGO allows per window. ZEGO counts a request when
// it arrives. The limiter cannot see that moment: it lies between the moment when the request
// was written and the moment when its answer came. So a request occupies a slot from Acquire
// until one window after the latest moment at which it can have arrived:
//
//   - The latest moment is maxTransit after the request was written.
//   - If the answer comes sooner than that, the latest moment is that of the answer.
//   - If the request is never written, it does not arrive: Done makes the slot free at once.
//
// Two simpler ways let too many requests arrive in one second. Requests that are written at
// even distances can arrive closer together than they were written. A token bucket that
// holds a second's worth of tokens lets nearly twice as many through.
type actionLimiter struct {
	mu    sync.Mutex // guards what follows
	slots []slot
	queue []*waiter   // Who waits for a slot, in the order of coming.
	timer *time.Timer // Calls grant when the next slot becomes free. Nil until one is needed.
}

// slot is the room for one request per window.
type slot struct {
	reserved bool      // A request has taken the slot and is not written yet.
	freeAt   time.Time // When the slot can be taken, if it is not reserved.
}

// waiter is a call of acquire that has no slot yet.
type waiter struct {
	granted chan *permit // Has room for one, so that granting never blocks.
}

// permit implements Permit.
type permit struct {
	actionLimiter *actionLimiter
	slot          *slot
	sentAt        time.Time // Zero until Sent is called.
	done          bool
}

func (l *actionLimiter) acquire(ctx context.Context, action string) (Permit, error) {
	if ctx.Err() != nil {
		return nil, &TransportError{Action: action, Err: context.Cause(ctx)}
	}
	w := &waiter{granted: make(chan *permit, 1)}
	l.mu.Lock()
	wait := l.estimateWait(time.Now())
	// A call that need not wait goes on, even if its deadline has just passed.
	if deadline, ok := ctx.Deadline(); ok && wait > 0 && wait > time.Until(deadline) {
		ahead := len(l.queue)
		l.mu.Unlock()
		return nil, &QueueError{Action: action, Ahead: ahead, Wait: wait}
	}
	l.queue = append(l.queue, w)
	l.grant()
	l.mu.Unlock()
	select {
	case p := <-w.granted:
		return p, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.queue, w); i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
	} else {
		// The permit was granted at the moment when ctx ended. Give it back.
		(<-w.granted).finish(false)
	}
	return nil, &TransportError{Action: action, Err: context.Cause(ctx)}
}

// estimateWait returns about how long a call that comes now has to wait. It assumes that
// a request which is not written yet keeps its slot for one more window. l.mu must be held.
func (l *actionLimiter) estimateWait(now time.Time) time.Duration {
	freeAt := make([]time.Time, len(l.slots))
	for i, s := range l.slots {
		switch {
		case s.reserved:
			freeAt[i] = now.Add(window)
		case s.freeAt.Before(now):
			freeAt[i] = now
		default:
			freeAt[i] = s.freeAt
		}
	}
	slices.SortFunc(freeAt, time.Time.Compare)
	// The calls that wait take the slots one after the other. When each slot has been taken
	// once, the next round begins, a window later.
	ahead := len(l.queue)
	rounds := time.Duration(ahead / len(freeAt))
	return freeAt[ahead%len(freeAt)].Add(rounds * window).Sub(now)
}

// grant gives the free slots to the first calls in the queue. If calls are left in the queue,
// it sets the timer for the next slot. l.mu must be held.
func (l *actionLimiter) grant() {
	for len(l.queue) > 0 {
		next := l.nextSlot()
		if next == nil {
			return // All slots are reserved. grant runs again after Sent or Done of one of them.
		}
		if wait := time.Until(next.freeAt); wait > 0 {
			l.grantAfter(wait)
			return
		}
		next.reserved = true
		l.queue[0].granted <- &permit{actionLimiter: l, slot: next}
		l.queue = l.queue[1:]
	}
}

// nextSlot returns the slot that becomes free first, or nil if all are reserved. l.mu must
// be held.
func (l *actionLimiter) nextSlot() *slot {
	var next *slot
	for i := range l.slots {
		if s := &l.slots[i]; !s.reserved && (next == nil || s.freeAt.Before(next.freeAt)) {
			next = s
		}
	}
	return next
}

// grantAfter sets the timer to call grant after d. l.mu must be held.
func (l *actionLimiter) grantAfter(d time.Duration) {
	if l.timer != nil {
		l.timer.Reset(d)
		return
	}
	l.timer = time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.grant()
	})
}

// Sent implements Permit.
func (p *permit) Sent() {
	p.actionLimiter.mu.Lock()
	defer p.actionLimiter.mu.Unlock()
	if !p.sentAt.IsZero() || p.done {
		return
	}
	p.sentAt = time.Now()
	p.slot.reserved, p.slot.freeAt = false, p.sentAt.Add(maxTransit+window)
	p.actionLimiter.grant()
}

// Done implements Permit.
func (p *permit) Done(answered bool) {
	p.actionLimiter.mu.Lock()
	defer p.actionLimiter.mu.Unlock()
	p.finish(answered)
}

// finish sets when the slot becomes free. p.actionLimiter.mu must be held.
func (p *permit) finish(answered bool) {
	if p.done {
		return
	}
	p.done = true
	now := time.Now()
	switch {
	case p.sentAt.IsZero(): // Nothing was sent: the slot is free at once.
		p.slot.reserved, p.slot.freeAt = false, now
	case answered && now.Before(p.sentAt.Add(maxTransit)):
		p.slot.freeAt = now.Add(window)
	default:
		// Sent has set freeAt already. If that moment is past, another request may have
		// the slot by now, so this one must not touch it.
		return
	}
	p.actionLimiter.grant()
}

// noLimit lets every call through. It implements Limiter and Permit.
type noLimit struct{}

// Acquire implements Limiter.
func (noLimit) Acquire(context.Context, string) (Permit, error) { return noLimit{}, nil }

// Sent implements Permit.
func (noLimit) Sent() {}

// Done implements Permit.
func (noLimit) Done(bool) {}
