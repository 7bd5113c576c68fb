package redisshare

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"sync"
	"time"
	"zego-mcp/zego"

	"github.com/gomodule/redigo/redis"
)

const (
	// window is the length of time that holds at most QPS turns. It is longer than the second
	// over which ZEGO counts, because requests of different machines take different times to
	// reach ZEGO.
	window = 1100 * time.Millisecond
	// maxDelay is how much later than Redis counts it a request may be written without Redis being
	// told.
	maxDelay = 20 * time.Millisecond
)

var (
	//go:embed reserve.lua
	reserveScript string
	//go:embed handback.lua
	handBackScript string
	//go:embed send.lua
	sendScript string

	reserveTurn  = redis.NewScript(3, reserveScript)
	handBackTurn = redis.NewScript(1, handBackScript)
	sendCall     = redis.NewScript(1, sendScript)
)

// Acquire implements zego.Limiter. It reserves a turn, the moment at which one call may
// be sent, and waits for it. All processes get their turns in the order in which they
// ask. If the caller gives up while it waits, the next one who asks gets its turn. While
// Redis does not answer, the limiter of this process alone is used.
//
// On a busy machine a call can be sent later than at its turn, and would then come together with
// those of later turns. So Redis also keeps when calls were really sent, and each call that has
// waited for its turn asks once more before it is sent.
func (c *Client) Acquire(ctx context.Context, action string) (zego.Permit, error) {
	for c.available() {
		p := &permit{client: c, action: action, call: rand.Text(), counted: time.Now()}
		turn, err := c.reserve(ctx, action, p.call)
		if ctx.Err() != nil {
			c.handBack(ctx, action, turn.at)
			return nil, &zego.TransportError{Action: action, Err: context.Cause(ctx)}
		}
		c.record(err)
		if err != nil {
			continue // Unless the machine has only stalled, available is false now and ends the loop.
		}
		if turn.at == noTurn {
			ahead := int(turn.wait * time.Duration(c.qps) / window) // About so many turns of others come before.
			return nil, &zego.QueueError{Action: action, Ahead: ahead, Wait: turn.wait}
		}
		if turn.maySend {
			return p, nil
		}
		if !sleep(ctx, turn.wait) {
			c.handBack(ctx, action, turn.at)
			return nil, &zego.TransportError{Action: action, Err: context.Cause(ctx)}
		}
		if err = p.waitToSend(ctx); err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return nil, &zego.TransportError{Action: action, Err: context.Cause(ctx)}
		}
		c.record(err)
	}
	return c.local.Acquire(ctx, action)
}

// sleep waits for d. It returns false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// redisTime is a moment by Redis's clock, in microseconds since 1970. A turn is known by its
// moment alone, and several turns can have the same one.
type redisTime int64

// noTurn stands for a turn that was not reserved.
const noTurn redisTime = 0

// reservation is a turn that was reserved for a call.
type reservation struct {
	wait    time.Duration // How long to wait for the turn.
	at      redisTime     // Its moment.
	maySend bool          // The call counts as sent now. Otherwise it has to ask when its turn has come.
}

// reserve reserves the next turn of action for a call. If the turn would come after ctx's
// deadline, reserve does not reserve it: it returns how long the wait would have been, and noTurn.
func (c *Client) reserve(ctx context.Context, action, call string) (reservation, error) {
	maxWait := int64(-1) // Any wait will do.
	if deadline, ok := ctx.Deadline(); ok {
		maxWait = max(0, time.Until(deadline).Microseconds())
	}
	reply, err := redis.Int64s(c.run(ctx, reserveTurn, c.turnsKey(action), c.unusedKey(action), c.sentKey(action), c.qps, window.Microseconds(), maxWait, call))
	if err != nil {
		return reservation{}, err
	}
	if len(reply) != 3 {
		return reservation{}, fmt.Errorf("reserve.lua returned %d values, want 3", len(reply))
	}
	return reservation{time.Duration(reply[0]) * time.Microsecond, redisTime(reply[1]), reply[2] == 1}, nil
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

func (c *Client) sentKey(action string) string { return c.prefix + "sent:" + action }

// permit implements zego.Permit.
type permit struct {
	client       *Client
	action, call string    // The name of the call is unique.
	counted      time.Time // Redis counts the call as sent at this moment, or a little later.

	sent sync.Once
}

// waitToSend waits until the call may be sent: its turn has come, and the calls before it were
// sent long enough ago.
func (p *permit) waitToSend(ctx context.Context) error {
	for {
		p.counted = time.Now()
		microseconds, err := p.run(ctx, "allow")
		if err != nil || microseconds == 0 {
			return err
		}
		if !sleep(ctx, time.Duration(microseconds)*time.Microsecond) {
			return context.Cause(ctx)
		}
	}
}

// run runs send.lua.
func (p *permit) run(ctx context.Context, operation string) (int64, error) {
	return redis.Int64(p.client.run(ctx, sendCall, p.client.sentKey(p.action), p.client.qps, window.Microseconds(), p.call, operation))
}

// Sent implements zego.Permit. If the request was written late, it tells Redis, so that the next
// calls come later, too.
func (p *permit) Sent() {
	p.sent.Do(func() {
		if time.Since(p.counted) <= maxDelay || !p.client.available() {
			return
		}
		// The transport that calls Sent must not wait for Redis. If Redis does not answer, the next
		// command notices it.
		go func() { _, _ = p.run(context.Background(), "move") }()
	})
}

// Done implements zego.Permit.
func (p *permit) Done(bool) {}
