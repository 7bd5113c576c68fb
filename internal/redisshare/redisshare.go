// Package redisshare lets several processes share one rate limit and one cache of
// answers through Redis or Valkey.
package redisshare

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"
	"zego-mcp/zego"

	"github.com/redis/go-redis/v9"
)

// Options says what is shared.
type Options struct {
	AppID  uint32 // Whose limit it is.
	QPS    int    // Calls per second and action, over all processes.
	Logger *slog.Logger
}

// Client implements zego.Limiter and zego.Cache. While Redis does not answer, each
// process keeps to a limit of its own and to its own cache.
type Client struct {
	redis  *redis.Client
	prefix string
	qps    int
	log    *slog.Logger
	alone  zego.Limiter

	mu       sync.Mutex // guards what follows
	gone     bool
	tryAgain time.Time // While gone, not to be asked before.
}

const (
	// patience is how long Redis may take: it is beside us, or it is of no use.
	patience = 500 * time.Millisecond
	// pause is how long a Redis that is gone is left alone.
	pause = time.Second
	// window is longer than the second that ZEGO counts: calls of several machines
	// are on their way for different times.
	window = 1100 * time.Millisecond
	// mostLate is how much later than its turn a call may be sent.
	mostLate = 50 * time.Millisecond
	// mostTries bounds how often a late call takes another turn.
	mostTries = 3
)

// ParseURL checks a URL of Redis or Valkey: redis://[user:password@]host:port[/db],
// or rediss:// for TLS. Its error does not repeat the URL, which may hold a password.
func ParseURL(url string) (*redis.Options, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("must look like redis://[user:password@]host:port[/db], or rediss://… for TLS")
	}
	return opts, nil
}

// Open returns a Share over Redis at url. It does not fail when Redis cannot be
// reached, only when url is malformed.
func Open(url string, opts Options) (*Client, error) {
	to, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	to.DialTimeout, to.ReadTimeout, to.WriteTimeout, to.PoolTimeout = patience, patience, patience, patience
	to.MaxRetries = -1 // A repeated reservation would waste a turn; the fallback is at hand.
	to.ContextTimeoutEnabled = true
	redis.SetLogger(quiet{})
	return &Client{
		redis:  redis.NewClient(to),
		prefix: "zego-mcp:" + strconv.FormatUint(uint64(opts.AppID), 10) + ":",
		qps:    opts.QPS,
		log:    opts.Logger.With("redis", to.Addr),
		alone:  zego.NewLimiter(max(opts.QPS, 1)),
	}, nil
}

// quiet keeps go-redis from logging each failed connection: Share says it once.
type quiet struct{}

// Printf implements go-redis' logger.
func (quiet) Printf(context.Context, string, ...any) {}

// Ping reports whether Redis answers and lets us in.
func (s *Client) Ping(ctx context.Context) error {
	err := s.redis.Ping(ctx).Err()
	s.heard(err)
	return err
}

// Close closes the connections.
func (s *Client) Close() error { return s.redis.Close() }

// reserve takes the next free turn. Turns are at least a window apart from the one
// that lies QPS turns before: the list holds the last QPS of them, in microseconds
// of Redis's clock, which is the one clock of all processes.
//
//go:embed reserve.lua
var reserveScript string

var reserve = redis.NewScript(reserveScript)

// Acquire implements zego.Limiter. Turns go by the order of asking, over all
// processes. One that its caller gives up stays unused.
func (s *Client) Acquire(ctx context.Context, action string) (zego.Permit, error) {
	for tries := 1; ; tries++ {
		if !s.there() {
			return s.alone.Acquire(ctx, action)
		}
		most := int64(-1)
		if deadline, ok := ctx.Deadline(); ok {
			most = max(0, time.Until(deadline).Microseconds())
		}
		reply, err := reserve.Run(ctx, s.redis, []string{s.prefix + "turns:" + action}, s.qps, window.Microseconds(), most).Int64Slice()
		if err == nil && len(reply) != 2 {
			err = fmt.Errorf("%d values in a reply of 2", len(reply))
		}
		if ctx.Err() != nil {
			return nil, &zego.TransportError{Action: action, Err: context.Cause(ctx)}
		}
		if s.heard(err); err != nil {
			continue
		}
		wait := time.Duration(reply[0]) * time.Microsecond
		if taken := reply[1] == 1; !taken {
			return nil, &zego.QueueError{Action: action, Ahead: int(wait * time.Duration(s.qps) / window), Wait: wait}
		}
		due := time.Now().Add(wait)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, &zego.TransportError{Action: action, Err: context.Cause(ctx)}
		}
		// On a busy machine it may be late; sent now, it could meet those of later turns.
		if time.Since(due) <= mostLate || tries == mostTries {
			return turn{}, nil
		}
	}
}

// turn implements zego.Turn. Redis knows nothing of when calls are really made.
type turn struct{}

// Sent implements zego.Turn.
func (turn) Sent() {}

// Done implements zego.Turn.
func (turn) Done(bool) {}

// Get implements zego.Cache.
func (s *Client) Get(ctx context.Context, key string) ([]byte, bool) {
	if !s.there() {
		return nil, false
	}
	text, err := s.redis.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		s.heard(nil)
		return nil, false
	}
	if ctx.Err() == nil {
		s.heard(err)
	}
	return text, err == nil
}

// Set implements zego.Cache.
func (s *Client) Set(ctx context.Context, key string, answer []byte, ttl time.Duration) {
	if s.there() {
		if err := s.redis.Set(ctx, key, answer, ttl).Err(); ctx.Err() == nil {
			s.heard(err)
		}
	}
}

// there reports whether Redis is to be asked. One caller at a time asks a Redis
// that was gone.
func (s *Client) there() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		return true
	}
	now := time.Now()
	if now.Before(s.tryAgain) {
		return false
	}
	s.tryAgain = now.Add(pause)
	return true
}

// heard notes how Redis answered, and tells the log when that changes.
func (s *Client) heard(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil && !s.gone:
		s.log.Warn("Redis does not answer; this process keeps to a rate limit of its own until it does", "err", err)
	case err == nil && s.gone:
		s.log.Info("Redis is back; the rate limit is shared again")
	}
	s.gone = err != nil
	if s.gone {
		s.tryAgain = time.Now().Add(pause)
	}
}
