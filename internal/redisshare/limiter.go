package redisshare

import (
	"context"
	_ "embed"
	"fmt"
	"time"
	"zego-mcp/zego"

	"github.com/redis/go-redis/v9"
)

const (
	// window is the time in which at most QPS turns lie. It is longer than the second
	// that ZEGO counts, because requests of different machines take different times to
	// reach ZEGO.
	window = 1100 * time.Millisecond
	// maxDelay is how much later than its turn a call may still be sent.
	maxDelay = 50 * time.Millisecond
	// maxTries is how many turns one call may take. It is sent at the last one however
	// late that is.
	maxTries = 3
)

//go:embed reserve.lua
var reserveScript string

var reserveTurn = redis.NewScript(reserveScript)

// Acquire implements zego.Limiter. It reserves a turn, the moment at which one call may
// be sent, and waits for it. All processes get their turns in the order in which they
// ask. If the caller gives up while it waits, its turn stays unused.
func (c *Client) Acquire(ctx context.Context, action string) (zego.Permit, error) {
	for try := 1; c.available(); try++ {
		wait, reserved, err := c.reserve(ctx, action)
		if ctx.Err() != nil {
			return nil, &zego.TransportError{Action: action, Err: context.Cause(ctx)}
		}
		c.record(err)
		if err != nil {
			continue
		}
		if !reserved {
			return nil, &zego.QueueError{Action: action, Ahead: int(wait * time.Duration(c.qps) / window), Wait: wait}
		}
		turn := time.Now().Add(wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, &zego.TransportError{Action: action, Err: context.Cause(ctx)}
		}
		// On a busy machine the timer may fire late. The call would then be sent
		// together with those of later turns, so it takes another turn.
		if time.Since(turn) <= maxDelay || try == maxTries {
			return permit{}, nil
		}
	}
	return c.local.Acquire(ctx, action)
}

// reserve reserves the next turn for action and returns how long to wait for it. If
// the turn comes after ctx's deadline, reserve only returns the wait and does not
// reserve the turn.
func (c *Client) reserve(ctx context.Context, action string) (wait time.Duration, reserved bool, err error) {
	maxWait := int64(-1)
	if deadline, ok := ctx.Deadline(); ok {
		maxWait = max(0, time.Until(deadline).Microseconds())
	}
	keys := []string{c.prefix + "turns:" + action}
	reply, err := reserveTurn.Run(ctx, c.redis, keys, c.qps, window.Microseconds(), maxWait).Int64Slice()
	if err != nil {
		return 0, false, err
	}
	if len(reply) != 2 {
		return 0, false, fmt.Errorf("%d values in a reply of 2", len(reply))
	}
	return time.Duration(reply[0]) * time.Microsecond, reply[1] == 1, nil
}

// permit implements zego.Permit. Its methods do nothing: a turn in Redis is a moment
// fixed in advance, whenever the call is really sent.
type permit struct{}

// Sent implements zego.Permit.
func (permit) Sent() {}

// Done implements zego.Permit.
func (permit) Done(bool) {}
