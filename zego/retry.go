package zego

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// mostAttempts bounds the attempts of one call.
const mostAttempts = 4

// rateLimitPause is how long ZEGO counts a call against its limit.
const rateLimitPause = time.Second

// retry makes attempts until one succeeds, the rest would be pointless, or ctx ends.
func (c *Client) retry(ctx context.Context, req request, info *CallInfo) (answer, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval = c.retryInterval
	expired := false
	for {
		before := c.clock.offset()
		got, err := c.attempt(ctx, req, info)
		if err == nil || info.Attempts >= mostAttempts || ctx.Err() != nil {
			return got, err
		}
		pause := pauses.NextBackOff()
		switch refusal, refused := errors.AsType[*Error](err); {
		case refused && refusal.Code == CodeSignatureExpired:
			if expired {
				return got, err
			}
			// A fresh timestamp helps at once, or never.
			expired, pause = true, 0
			if off := c.clock.offset(); off != before {
				info.ClockOffset = off
			}
		case refused && refusal.Code == CodeRateLimited:
			pause += rateLimitPause
		case refused && refusal.Code == CodeSystemBusy:
		case refused && req.action.nonIdempotent || !failedOnTheWay(err):
			return got, err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
			return got, err // It tells more than the deadline would.
		}
		if !sleep(ctx, pause) {
			return got, err
		}
	}
}

// failedOnTheWay reports whether a call may have failed for a reason of the moment
// that says nothing of the request itself. What happened to it is not known.
func failedOnTheWay(err error) bool {
	if _, ok := errors.AsType[*LostAnswerError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*TransportError](err); ok {
		return true
	}
	if bad, ok := errors.AsType[*ResponseError](err); ok {
		return bad.Retryable()
	}
	refusal, ok := errors.AsType[*Error](err)
	return ok && (refusal.Code == CodeSystemError || refusal.Code == CodeGatewayInternal ||
		refusal.HTTPStatus >= http.StatusInternalServerError && refusal.Retryable())
}
