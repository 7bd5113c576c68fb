package zego

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptrace"
	"time"
)

// apiAction is one of ZEGO's actions and how it may be called. An action without properties
// changes something, and may be repeated after a failure.
type apiAction struct {
	name          string // As in the query of a request, e.g. "GetDigitalHumanList".
	readOnly      bool   // It changes nothing at ZEGO.
	coalesce      bool   // Equal calls that run at the same time share one request.
	cacheable     bool   // Answers may be kept for Options.CacheTTL. Needs coalesce.
	nonIdempotent bool   // Never repeated once it may have been carried out; see LostAnswerError.
	noData        bool   // ZEGO documents no Data in the answer.

	// refusals are, for a nonIdempotent action, the codes that prove that ZEGO did nothing.
	// Nil: every refusal proves it.
	refusals map[Code]bool
}

// mayHaveActed reports whether ZEGO may have carried out an attempt that was sent and
// failed with err.
func (a apiAction) mayHaveActed(err error) bool {
	refusal, refused := errors.AsType[*Error](err)
	return !refused || a.refusals != nil && !a.refusals[refusal.Code]
}

// request is what all attempts of a call have in common.
type request struct {
	action     apiAction
	body       []byte             // JSON.
	newDecoder func() dataDecoder // Returns a new one for each answer.
}

// call calls action with in as the body of the request, and reports the call to the
// observers. It returns a copy of the answer's Data that the caller may change, and the
// answer without that. It ends with ctx.
func call[T any, D payload[T]](ctx context.Context, c *Client, action apiAction, in any) (T, answer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return *new(T), answer{}, fmt.Errorf("zego: %s: encode request: %w", action.name, err)
	}
	start := time.Now()
	newDecoder := func() dataDecoder { return newDataDecoder[T, D](in) }
	got, info, err := c.cachedCall(ctx, request{action, body, newDecoder})
	info.Action, info.ReadOnly, info.RequestID, info.Err = action.name, action.readOnly, got.RequestID, err
	info.Start, info.Duration = start, time.Since(start)
	if !action.readOnly {
		info.nameTask(in)
		info.nameTask(got.Data)
	}
	c.observeCall(ctx, info)
	if err != nil {
		return *new(T), answer{}, err
	}
	return got.Data.(D).clone(), got, nil
}

// cachedCall returns the answer to req from the quickest source that its action allows:
// the client's memory, an equal call that is already running, the shared cache, or ZEGO.
func (c *Client) cachedCall(ctx context.Context, req request) (answer, CallInfo, error) {
	if c.closed.Load() {
		return answer{}, CallInfo{}, &TransportError{Action: req.action.name, Err: ErrClosed}
	}
	if !req.action.coalesce {
		var info CallInfo
		got, err := c.retry(ctx, req, &info)
		return got, info, err
	}
	key := req.action.name + " " + string(req.body)
	useCache := req.action.cacheable && c.cacheTTL > 0
	if useCache {
		if got, ok := c.memory.get(key); ok {
			return got, CallInfo{Cached: true}, nil
		}
	}
	got, info, err := c.running.do(ctx, key, func(ctx context.Context, info *CallInfo) (answer, error) {
		if !useCache {
			return c.retry(ctx, req, info)
		}
		if got, ok := c.loadShared(ctx, key, req.newDecoder()); ok {
			info.Cached = true
			return got, nil
		}
		got, err := c.retry(ctx, req, info)
		if err == nil {
			c.memory.set(key, got, c.cacheTTL)
			c.storeShared(ctx, key, got)
		}
		return got, err
	})
	if err != nil && ctx.Err() != nil {
		err = &TransportError{Action: req.action.name, Err: context.Cause(ctx)}
	}
	return got, info, err
}

// loadShared returns the answer that a process left in the shared cache, and whether
// there is one.
func (c *Client) loadShared(ctx context.Context, key string, data dataDecoder) (answer, bool) {
	if c.cache == nil {
		return answer{}, false
	}
	text, ok := c.cache.Get(ctx, c.secret.Load().cachePrefix+key)
	got := answer{Data: data.target}
	if !ok || json.Unmarshal(text, &got) != nil {
		return answer{}, false
	}
	var err error
	got.Data, err = data.result()
	return got, err == nil && got.Data != nil
}

// storeShared puts an answer into the shared cache, if there is one.
func (c *Client) storeShared(ctx context.Context, key string, got answer) {
	if c.cache == nil {
		return
	}
	if text, err := json.Marshal(got); err == nil {
		c.cache.Set(ctx, c.secret.Load().cachePrefix+key, text, c.cacheTTL)
	}
}

// attempt waits for the rate limit, sends req once and reports the attempt to the
// observers. If req may have been carried out and must not happen twice, the error is a
// *LostAnswerError.
func (c *Client) attempt(ctx context.Context, req request, info *CallInfo) (answer, error) {
	queued := time.Now()
	permit, err := c.limiter.Acquire(ctx, req.action.name)
	start := time.Now()
	info.QueueTime += start.Sub(queued)
	if err != nil {
		return answer{}, err
	}
	info.Attempts++
	got, sent, err := c.sendPermitted(ctx, req, permit)
	c.observeAttempt(ctx, AttemptInfo{
		Action: req.action.name, Number: info.Attempts, Start: start, Duration: time.Since(start), QueueTime: start.Sub(queued),
		HTTPStatus: got.httpStatus, RequestID: got.RequestID, Err: err,
	})
	if err != nil && sent && req.action.nonIdempotent && req.action.mayHaveActed(err) {
		err = &LostAnswerError{Action: req.action.name, Err: err}
	}
	return got, err
}

// sendPermitted sends req once and uses permit up, also if it panics. It reports whether the
// request may have arrived.
func (c *Client) sendPermitted(ctx context.Context, req request, permit Permit) (got answer, sent bool, err error) {
	answered := false
	defer func() { permit.Done(answered) }()
	watch := &sendWatch{written: permit.Sent}
	got, err = c.send(httptrace.WithClientTrace(ctx, watch.trace()), req)
	sent = watch.sent(err)
	if sent {
		permit.Sent() // A request that broke while it was written may have arrived.
	}
	_, noAnswer := errors.AsType[*TransportError](err)
	answered = !noAnswer
	return got, sent, err
}
