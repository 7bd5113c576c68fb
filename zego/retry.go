package zego

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// maxAttempts bounds the attempts of one call, the first one included.
const maxAttempts = 4

// rateLimitDelay is added to the delay after CodeRateLimited: ZEGO counts a call against
// its limit for that long.
const rateLimitDelay = time.Second

// maxRetryAfter bounds the delay before an attempt. If a server asks to wait longer, the
// call fails at once.
const maxRetryAfter = 30 * time.Second

// retry makes attempts of req until one succeeds, fails for good, or is the last that
// maxAttempts and ctx allow. It returns the last one's result and counts them in info.
func (c *Client) retry(ctx context.Context, req request, info *CallInfo) (answer, error) {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval = c.retryInterval
	clockAdjusted := false
	mayHaveActed := false // An attempt that failed may have been carried out all the same.
	for {
		offset := c.clock.offset()
		got, err := c.attempt(ctx, req, info)
		if _, lost := errors.AsType[*LostAnswerError](err); lost {
			mayHaveActed = true
		} else if err != nil && mayHaveActed {
			err = &LostAnswerError{Action: req.action.name, Err: err}
		}
		if err == nil || info.Attempts >= maxAttempts || ctx.Err() != nil {
			return got, err
		}
		delay := delays.NextBackOff()
		switch refusal, refused := errors.AsType[*Error](err); {
		case refused && refusal.Code == CodeSignatureExpired:
			// The answer has corrected the clock, so the next signature is right. If
			// it is refused as well, no further one helps.
			if clockAdjusted {
				return got, err
			}
			clockAdjusted, delay = true, 0
			if adjusted := c.clock.offset(); adjusted != offset {
				info.ClockOffset = adjusted
			}
		case refused && refusal.Code == CodeRateLimited:
			delay += rateLimitDelay
		case refused && refusal.Code == CodeSystemBusy:
		case refused && req.action.nonIdempotent || !isTransient(err):
			return got, err
		}
		delay = max(delay, retryAfter(err))
		if delay > maxRetryAfter {
			return got, err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
			return got, err // It tells more than "deadline exceeded" would.
		}
		if !sleep(ctx, delay) {
			return got, err
		}
	}
}

// isTransient reports whether err says nothing against the request itself: the connection
// failed, or ZEGO or a proxy had a fault of its own. Whether the request was carried out
// is unknown, so it may be repeated only if that does no harm; a *LostAnswerError is
// therefore not transient.
func isTransient(err error) bool {
	if _, ok := errors.AsType[*LostAnswerError](err); ok {
		return false
	}
	if failed, ok := errors.AsType[*TransportError](err); ok {
		return failed.Retryable()
	}
	if bad, ok := errors.AsType[*ResponseError](err); ok {
		return bad.Retryable()
	}
	refusal, ok := errors.AsType[*Error](err)
	return ok && (refusal.Code == CodeSystemError || refusal.Code == CodeGatewayInternal ||
		isTransientStatus(refusal.HTTPStatus) && refusal.Retryable())
}

// parseRetryAfter returns how long a Retry-After header asks to wait, which is a number of
// seconds or a time by ZEGO's clock. It returns 0 if the header asks for nothing.
func parseRetryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	const longest = 1_000_000 // Seconds. No Duration overflows.
	seconds, err := strconv.ParseUint(header, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, longest)) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// retryAfter returns how long the server that answered with err asks to wait.
func retryAfter(err error) time.Duration {
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal.retryAfter
	}
	if bad, ok := errors.AsType[*ResponseError](err); ok {
		return bad.retryAfter
	}
	return 0
}
