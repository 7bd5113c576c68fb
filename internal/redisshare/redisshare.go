// Package redisshare lets several processes that serve the same ZEGO project share one
// rate limit, one cache of answers, one list of stream tasks, and what they know of speech.
// They share them through Redis, or through Valkey, which speaks the same protocol.
package redisshare

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego"

	"github.com/gomodule/redigo/redis"
)

// Options says what is shared.
type Options struct {
	AppID uint32 // The ZEGO project whose rate limit is shared.
	// Endpoint is where its calls go to. Streams and speech are shared only with processes that have
	// the same. Default: zego.DefaultEndpoint.
	Endpoint string
	QPS      int // Calls of each action per second, of all processes together; at least 1 if Acquire is used.
	Logger   *slog.Logger
}

// Client implements zego.Limiter and zego.Cache. While Redis does not answer, Acquire
// limits the calls of this process alone, Get finds nothing and Set does nothing. Client
// logs when Redis stops answering and when it answers again.
type Client struct {
	*connection
	prefix string // Of the rate limit's keys in Redis.
	tasks  string // Of the keys of streams and speech.
	qps    int
	local  zego.Limiter // Limits this process while Redis is down.
}

// connection is what the Clients of several projects have in common.
type connection struct {
	pool *redis.Pool
	log  *slog.Logger

	mu           sync.Mutex // guards what follows
	down         bool       // Redis does not answer.
	retryAt      time.Time  // While down, no command is sent before this time.
	failingSince time.Time  // When the first command failed after which none has succeeded; zero if the last one has.
}

const (
	// timeout limits each command, and each wait for a connection. Redis is expected in
	// the same network: if it is slower than this, waiting for it does not pay.
	timeout = 500 * time.Millisecond
	// maxSilence is how long commands may get no answer in time before Redis counts as down. A
	// busy machine may stall for longer than timeout, and a process that then limits its calls
	// alone calls ZEGO too often together with the others.
	maxSilence = time.Second
	// retryInterval is how long the Client leaves Redis alone after a failed command.
	retryInterval = time.Second
)

// ParseURL parses a URL of Redis or Valkey: redis://[user:password@]host:port[/db], or
// rediss:// for TLS. Its error does not repeat the URL, which may hold a password.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	// A # or ? that is not escaped in a password would make its beginning the host, which the
	// log shows.
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Opaque != "" || strings.ContainsAny(text, "#?") || !namesDatabase(u.Path) {
		return nil, errors.New("must look like redis://[user:password@]host:port[/db], or rediss://… for TLS")
	}
	return u, nil
}

// namesDatabase reports whether the path of a URL is the number of a database, or empty.
func namesDatabase(path string) bool {
	if path == "" || path == "/" {
		return true
	}
	_, err := strconv.ParseUint(strings.TrimPrefix(path, "/"), 10, 31)
	return err == nil
}

// Open returns a Client of the Redis at address, a URL as ParseURL takes it. It fails only if
// the URL is malformed: it does not connect yet. Close the Client after use.
func Open(address string, opts Options) (*Client, error) {
	u, err := ParseURL(address)
	if err != nil {
		return nil, err
	}
	host := u.Host
	if u.Port() == "" {
		host = net.JoinHostPort(u.Hostname(), "6379")
	}
	shared := &Client{connection: &connection{pool: newPool(address), log: opts.Logger.With("redis", host)}}
	return shared.ForProject(opts), nil
}

// ForProject returns a Client for another ZEGO project, which uses the connections and the Logger
// of c. It shares nothing else with c, and ends with c: closing it closes c.
func (c *Client) ForProject(opts Options) *Client {
	prefix := "zego-mcp:" + strconv.FormatUint(uint64(opts.AppID), 10)
	project := &Client{connection: c.connection, prefix: prefix + ":", tasks: prefix + ":", qps: opts.QPS, local: zego.NewLimiter(max(opts.QPS, 1))}
	if endpoint := strings.TrimSuffix(opts.Endpoint, "/"); endpoint != "" && endpoint != zego.DefaultEndpoint {
		sum := sha256.Sum256([]byte(endpoint))
		project.tasks = fmt.Sprintf("%s@%x:", prefix, sum[:8])
	}
	return project
}

// newPool returns a pool of connections to the Redis at address.
func newPool(address string) *redis.Pool {
	const perProcessor = 10
	return &redis.Pool{
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			return redis.DialURLContext(ctx, address,
				redis.DialConnectTimeout(timeout), redis.DialTLSHandshakeTimeout(timeout),
				redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout))
		},
		// Each connection is checked before it is used again: Redis may have been restarted, and
		// a command that fails cannot be sent a second time.
		TestOnBorrowContext: func(ctx context.Context, conn redis.Conn, _ time.Time) error {
			_, err := redis.DoContext(conn, ctx, "PING")
			return err
		},
		MaxIdle:     perProcessor,
		MaxActive:   perProcessor * runtime.GOMAXPROCS(0),
		IdleTimeout: 5 * time.Minute,
		Wait:        true,
	}
}

// with lets use send commands over a connection, and returns what it returns. A command is
// never sent twice: a second reservation would waste a turn, and the local limiter is there
// instead.
//
// The context that use gets has the deadline of ctx, but is not cancelled with it: Redis may
// carry out a command whose caller has gone, and its reply says what to hand back.
func (c *connection) with(ctx context.Context, use func(context.Context, redis.Conn) (any, error)) (any, error) {
	wait, stopWaiting := context.WithTimeout(ctx, timeout)
	defer stopWaiting()
	conn, err := c.pool.GetContext(wait)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // It goes back to the pool.
	command, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if deadline, ok := ctx.Deadline(); ok {
		command, cancel = context.WithDeadline(command, deadline)
		defer cancel()
	}
	return use(command, conn)
}

// do sends one command and returns its reply.
func (c *connection) do(ctx context.Context, command string, args ...any) (any, error) {
	return c.with(ctx, func(ctx context.Context, conn redis.Conn) (any, error) {
		return redis.DoContext(conn, ctx, command, args...)
	})
}

// run runs a script with its keys and arguments, and returns its reply.
func (c *connection) run(ctx context.Context, script *redis.Script, keysAndArgs ...any) (any, error) {
	return c.with(ctx, func(ctx context.Context, conn redis.Conn) (any, error) {
		return script.DoContext(ctx, conn, keysAndArgs...)
	})
}

// Ping returns an error if Redis does not answer or refuses the password.
func (c *connection) Ping(ctx context.Context) error {
	_, err := c.do(ctx, "PING")
	c.record(err)
	return err
}

// Close closes the connections to Redis.
func (c *connection) Close() error { return c.pool.Close() }

// available reports whether the caller should send its command to Redis. While Redis
// is down, it allows one caller in each retryInterval to try.
func (c *connection) available() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.down {
		return true
	}
	now := time.Now()
	if now.Before(c.retryAt) {
		return false
	}
	c.retryAt = now.Add(retryInterval)
	return true
}

// record notes whether a command succeeded. Redis counts as down after an error, but after a
// timeout only if it has been silent for maxSilence. record logs when that changes.
func (c *connection) record(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if err == nil {
		if c.down {
			c.log.Info("Redis is back; the rate limit is shared again")
		}
		c.down, c.failingSince = false, time.Time{}
		return
	}
	if c.failingSince.IsZero() {
		c.failingSince = now
	}
	if !c.down && isTimeout(err) && now.Sub(c.failingSince) < maxSilence {
		return
	}
	if !c.down {
		c.log.Warn("Redis does not answer; this process keeps to a rate limit of its own until it does", "err", err)
	}
	c.down, c.retryAt = true, now.Add(retryInterval)
}

// isTimeout reports whether a command got no answer in time.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}
