package redisshare

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"time"
	"zego-mcp/zego"

	"github.com/gomodule/redigo/redis"
)

const (
	// window is the length of time that holds at most QPS turns. It is longer than the second
	// over which ZEGO counts, because requests of different machines take different times to
	// reach ZEGO.
	window = 1100 * time.Millisecond
	// maxDelay is how much later than its turn a call may still be sent.
	maxDelay = 50 * time.Millisecond
	// maxTries is how many turns one call may take, one after the other, if its timer fires
	// too late. At the last turn the call is sent however late it is.
	maxTries = 3
)

var (
	//go:embed reserve.lua
	reserveScript string
	//go:embed handback.lua
	handBackScript string

	reserveTurn  = redis.NewScript(2, reserveScript)
	handBackTurn = redis.NewScript(1, handBackScript)
)

// Acquire implements zego.Limiter. It reserves a turn, the moment at which one call may
// be sent, and waits for it. All processes get their turns in the order in which they
// ask. If the caller gives up while it waits, the next one who asks gets its turn. While
// Redis does not answer, the limiter of this process alone is used.
func (c *Client) Acquire(ctx context.Context, action string) (zego.Permit, error) {
	for try := 1; c.available(); try++ {
		wait, turn, err := c.reserve(ctx, action)
		if ctx.Err() != nil {
			c.handBack(ctx, action, turn)
			return nil, &zego.TransportError{Action: action, Err: context.Cause(ctx)}
		}
		c.record(err) // After an error, Redis counts as down for a while.
		if err != nil {
			continue // available is false now and ends the loop.
		}
		if turn == noTurn {
			ahead := int(wait * time.Duration(c.qps) / window) // About so many turns of others come before.
			return nil, &zego.QueueError{Action: action, Ahead: ahead, Wait: wait}
		}
		due := time.Now().Add(wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			c.handBack(ctx, action, turn)
			return nil, &zego.TransportError{Action: action, Err: context.Cause(ctx)}
		}
		// On a busy machine the timer may fire late. The call would then be sent
		// together with those of later turns, so it takes another turn.
		if time.Since(due) <= maxDelay || try >= maxTries {
			return permit{}, nil
		}
	}
	return c.local.Acquire(ctx, action)
}

// redisTime is a moment by Redis's clock, in microseconds since 1970. A turn is known by its
// moment alone, and several turns can have the same one.
type redisTime int64

// noTurn stands for a turn that was not reserved.
const noTurn redisTime = 0

// reserve reserves the next turn for action. It returns how long to wait for the turn, and
// its moment. If the turn would come after ctx's deadline, reserve does not reserve it: it
// returns how long the wait would have been, and noTurn.
func (c *Client) reserve(ctx context.Context, action string) (wait time.Duration, turn redisTime, err error) {
	maxWait := int64(-1) // Any wait will do.
	if deadline, ok := ctx.Deadline(); ok {
		maxWait = max(0, time.Until(deadline).Microseconds())
	}
	reply, err := redis.Int64s(c.run(ctx, reserveTurn, c.turnsKey(action), c.unusedKey(action), c.qps, window.Microseconds(), maxWait))
	if err != nil {
		return 0, noTurn, err
	}
	if len(reply) != 2 {
		return 0, noTurn, fmt.Errorf("reserve.lua returned %d values, want 2", len(reply))
	}
	return time.Duration(reply[0]) * time.Microsecond, redisTime(reply[1]), nil
}

// handBack gives a turn to whoever asks next, because its caller has given up. ctx is the
// caller's context, which has ended. It does nothing if turn is noTurn. A turn that cannot be
// handed back stays unused, which delays the later calls a little.
func (c *Client) handBack(ctx context.Context, action string, turn redisTime) {
	if turn == noTurn || !c.available() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	// The unused turns are a sorted set, ordered by their moments. Turns of the same moment
	// need different members, so each gets a random one.
	_, err := c.run(ctx, handBackTurn, c.unusedKey(action), int64(turn), rand.Text())
	c.record(err)
}

func (c *Client) turnsKey(action string) string { return c.prefix + "turns:" + action }

func (c *Client) unusedKey(action string) string { return c.prefix + "unused:" + action }

// permit implements zego.Permit. Its methods do nothing: a turn in Redis is a moment
// fixed in advance, whenever the call is really sent.
type permit struct{}

// Sent implements zego.Permit.
func (permit) Sent() {}

// Done implements zego.Permit.
func (permit) Done(bool) {}
