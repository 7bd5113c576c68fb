package zego

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
)

// upstreamFunc gets an answer from ZEGO and fills in info.
type upstreamFunc func(ctx context.Context, info *CallInfo) (answer, error)

// callGroup lets equal calls that run at the same time share one upstream call. It is like
// golang.org/x/sync/singleflight, with one difference: it cancels the upstream call when
// the last caller has left.
type callGroup struct {
	mu    sync.Mutex // guards what follows
	calls map[string]*sharedCall
}

// sharedCall is one upstream call and the result that its callers share.
type sharedCall struct {
	callers int                // How many wait for the result; guarded by callGroup.mu.
	cancel  context.CancelFunc // Ends the context of the upstream call.
	done    chan struct{}      // Closed when the upstream call has returned and what follows is set.

	answer   answer
	info     CallInfo
	err      error
	ctxEnded bool // The context of the upstream call had ended when the call returned.
}

// do calls fn and returns its result. If an equal call is already running, it waits for
// that one's result instead and sets CallInfo.Shared. Calls are equal if their keys are.
//
// The context of fn has the values and the deadline of the first caller's context, but not
// its cancellation. A caller whose own ctx ends gets an error, and the call goes on for the
// others. When the last caller has left, the context of fn is canceled.
func (g *callGroup) do(ctx context.Context, key string, fn upstreamFunc) (answer, CallInfo, error) {
	for {
		call, joined := g.join(ctx, key, fn)
		select {
		case <-call.done:
			g.leave(key, call)
		case <-ctx.Done():
			g.leave(key, call)
			return answer{}, CallInfo{Shared: joined}, context.Cause(ctx)
		}
		if !joined && call.ctxEnded && call.err != nil {
			// When fn returned, this caller was still waiting, so nobody had canceled the
			// context of fn: that context ended by its deadline. It is also the deadline of
			// ctx, which therefore ends now, too. The cause of ctx says more than call.err.
			<-ctx.Done()
			return answer{}, call.info, context.Cause(ctx)
		}
		if joined && ctx.Err() == nil && call.shouldRetry() {
			continue // Start the call anew, or join another caller who has started it.
		}
		info := call.info
		info.Shared = joined
		return call.answer, info, call.err
	}
}

// shouldRetry reports whether the call failed because its first caller had too little time.
// A caller that joined the call and has more time should then try again. The limiter refuses
// a call with a *QueueError if the deadline comes before its turn. c.done must be closed.
func (c *sharedCall) shouldRetry() bool {
	if c.err == nil {
		return false
	}
	_, refused := errors.AsType[*QueueError](c.err)
	return refused || c.ctxEnded
}

// join returns the running call for key and true, or starts one and returns it and false.
// The caller must call leave for it once.
func (g *callGroup) join(ctx context.Context, key string, fn upstreamFunc) (*sharedCall, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	call, running := g.calls[key]
	if !running {
		call = g.start(ctx, key, fn)
	}
	call.callers++
	return call, running
}

// start runs fn in a goroutine, which ends when fn returns. g.mu must be held.
func (g *callGroup) start(ctx context.Context, key string, fn upstreamFunc) *sharedCall {
	call := &sharedCall{done: make(chan struct{})}
	callCtx := context.WithoutCancel(ctx) // The first caller may leave before the others.
	if deadline, ok := ctx.Deadline(); ok {
		callCtx, call.cancel = context.WithDeadline(callCtx, deadline)
	} else {
		callCtx, call.cancel = context.WithCancel(callCtx)
	}
	if g.calls == nil {
		g.calls = map[string]*sharedCall{}
	}
	g.calls[key] = call
	go func() {
		defer func() {
			// A panic must not end the process, and no caller can recover it: this is another
			// goroutine than theirs. So the callers get it as an error.
			if value := recover(); value != nil {
				call.answer, call.err = answer{}, &PanicError{Value: value, Stack: debug.Stack()}
			}
			call.ctxEnded = callCtx.Err() != nil
			g.mu.Lock()
			g.forget(key, call)
			g.mu.Unlock()
			close(call.done)
		}()
		call.answer, call.err = fn(callCtx, &call.info)
	}()
	return call
}

// leave removes one caller from call. When the last one leaves, it cancels the call.
func (g *callGroup) leave(key string, call *sharedCall) {
	g.mu.Lock()
	defer g.mu.Unlock()
	call.callers--
	if call.callers == 0 {
		g.forget(key, call)
		call.cancel()
	}
}

// forget makes the next equal call start anew. g.mu must be held.
func (g *callGroup) forget(key string, call *sharedCall) {
	if g.calls[key] == call {
		delete(g.calls, key)
	}
}
