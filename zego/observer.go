package zego

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Observer is told how calls to ZEGO go, for logs, metrics and traces. Each function may
// be nil. The functions must be safe for concurrent use, because calls that run side by
// side call them side by side. They should return soon, because the call waits for them.
//
// Set an observer for all calls of a client in [Options], or for the calls under a context
// with [WithObserver]. If there are several, each is told.
type Observer struct {
	// Attempt is called after each request to ZEGO. If several calls share one request
	// (see CallInfo.Shared), it is reported once, under the context of the first of them.
	Attempt func(context.Context, AttemptInfo)
	// Call is called once after each call of a Client's method that talks to ZEGO, also
	// if the answer came from a cache or nothing was sent. A method that makes several
	// calls, such as WaitStreamTask, reports each.
	Call func(context.Context, CallInfo)
}

// AttemptInfo describes one request to ZEGO.
type AttemptInfo struct {
	Action     string        // The name of ZEGO's action.
	Number     int           // 1 for the first request of a call, 2 for the first retry.
	Start      time.Time     // When the request began, after its wait for the rate limit.
	Duration   time.Duration // From Start to the end of the answer.
	QueueTime  time.Duration // How long the request waited for the rate limit before Start.
	HTTPStatus int           // 0 if no answer came.
	Code       Code          // What ZEGO refused with; 0 if it did not refuse.
	RequestID  string        // Empty if no answer came.
	Err        error         // Nil on success.
}

// CallInfo describes one call of a Client's method.
type CallInfo struct {
	Action      string        // The name of ZEGO's action.
	ReadOnly    bool          // The action only reads; it creates, drives and stops nothing at ZEGO.
	TaskID      string        // The stream task that the call created, drove or stopped; empty if it is not known, or if ReadOnly.
	RoomID      string        // Of a create, the RoomID that was asked for; otherwise empty.
	StreamID    string        // Of a create, the StreamID that was asked for; otherwise empty.
	Attempts    int           // How many requests were made; 0 if the answer came from a cache or none was allowed.
	Cached      bool          // The answer came from a cache.
	Shared      bool          // The answer is that of an equal call that was already running.
	Start       time.Time     // When the call began.
	Duration    time.Duration // From Start to the end of the call, waits and retries included.
	QueueTime   time.Duration // How long the call waited for the rate limit, over all attempts.
	ClockOffset time.Duration // How far this machine's clock is behind ZEGO's; 0 if this call did not find that out.
	Code        Code          // What ZEGO refused with; 0 if it did not refuse.
	RequestID   string        // Empty if no answer came.
	Err         error         // Nil on success.
}

// nameTask notes which stream task the body of a request, or the Data of an answer, names.
func (i *CallInfo) nameTask(v any) {
	switch v := v.(type) {
	case CreateStreamTaskRequest:
		i.RoomID, i.StreamID = v.RTCConfig.RoomID, v.RTCConfig.StreamID
	case *createdData:
		i.TaskID = v.TaskID
	case taskRequest:
		i.TaskID = v.TaskID
	case DriveByTextRequest:
		i.TaskID = v.TaskID
	case DriveByAudioRequest:
		i.TaskID = v.TaskID
	case rtcStreamRequest:
		i.TaskID = v.TaskID
	case doActionRequest:
		i.TaskID = v.TaskID
	}
}

type observersKey struct{}

// WithObserver returns a context under which calls are reported to observer, besides the
// observers that ctx already has.
func WithObserver(ctx context.Context, observer Observer) context.Context {
	outer, _ := ctx.Value(observersKey{}).([]Observer)
	return context.WithValue(ctx, observersKey{}, append(slices.Clip(outer), observer))
}

// observeAttempt reports attempt to the client's observer and to those of ctx.
func (c *Client) observeAttempt(ctx context.Context, attempt AttemptInfo) {
	attempt.Code, attempt.RequestID, attempt.HTTPStatus = refusalOf(attempt.Err, attempt.RequestID, attempt.HTTPStatus)
	for _, o := range c.observers(ctx) {
		if o.Attempt != nil {
			o.Attempt(ctx, attempt)
		}
	}
}

// observeCall reports call to the client's observer and to those of ctx.
func (c *Client) observeCall(ctx context.Context, call CallInfo) {
	call.Code, call.RequestID, _ = refusalOf(call.Err, call.RequestID, 0)
	for _, o := range c.observers(ctx) {
		if o.Call != nil {
			o.Call(ctx, call)
		}
	}
}

// observers returns the client's observer and those of ctx, the outermost first.
func (c *Client) observers(ctx context.Context) []Observer {
	inner, _ := ctx.Value(observersKey{}).([]Observer)
	return append([]Observer{c.observer}, inner...)
}

// refusalOf returns the code, request id and HTTP status that err holds. If err holds none
// it returns 0 and the given values.
func refusalOf(err error, requestID string, httpStatus int) (Code, string, int) {
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal.Code, refusal.RequestID, refusal.HTTPStatus
	}
	if bad, ok := errors.AsType[*ResponseError](err); ok {
		return 0, bad.RequestID, bad.HTTPStatus
	}
	return 0, requestID, httpStatus
}
