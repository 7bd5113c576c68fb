// Package redisshare lets several processes that serve the same ZEGO project share one
// rate limit, one cache of answers, one list of stream tasks, and what they know of speech.
// They share them through Redis, or through Valkey, which speaks the same protocol.
package redisshare

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego"

	"github.com/redis/go-redis/v9"
)

// Options says what is shared.
type Options struct {
	AppID  uint32 // The ZEGO project whose rate limit is shared.
	QPS    int    // Calls of each action per second, of all processes together; at least 1 if Acquire is used.
	Logger *slog.Logger
}

// Client implements zego.Limiter and zego.Cache. While Redis does not answer, Acquire
// limits the calls of this process alone, Get finds nothing and Set does nothing. Client
// logs when Redis stops answering and when it answers again.
type Client struct {
	redis  *redis.Client
	prefix string // Of the rate limit's keys in Redis.
	qps    int
	log    *slog.Logger
	local  zego.Limiter // Limits this process while Redis is down.

	mu      sync.Mutex // guards what follows
	down    bool       // The last command failed.
	retryAt time.Time  // While down, no command is sent before this time.
}

const (
	// timeout limits each command and each connection attempt. Redis is expected in
	// the same network: if it is slower than this, waiting for it does not pay.
	timeout = 500 * time.Millisecond
	// retryInterval is how long the Client leaves Redis alone after a failed command.
	retryInterval = time.Second
)

// ParseURL parses a URL of Redis or Valkey: redis://[user:password@]host:port[/db], or
// rediss:// for TLS. Its error does not repeat the URL, which may hold a password.
func ParseURL(url string) (*redis.Options, error) {
	opts, err := redis.ParseURL(url)
	// A password with a # that is not escaped would make go-redis take its beginning for
	// the host, which the log shows.
	if err != nil || strings.Contains(url, "#") {
		return nil, errors.New("must look like redis://[user:password@]host:port[/db], or rediss://… for TLS")
	}
	return opts, nil
}

// Open returns a Client of the Redis at url, as ParseURL takes it. It fails only if url
// is malformed: it does not connect yet. Close the Client after use.
func Open(url string, opts Options) (*Client, error) {
	redisOpts, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	redisOpts.DialTimeout, redisOpts.ReadTimeout, redisOpts.WriteTimeout, redisOpts.PoolTimeout = timeout, timeout, timeout, timeout
	// A reservation that is sent twice would waste a turn, and the local limiter is
	// there instead.
	redisOpts.MaxRetries = -1
	redisOpts.ContextTimeoutEnabled = true
	redis.SetLogger(discardLogger{})
	return &Client{
		redis:  redis.NewClient(redisOpts),
		prefix: "zego-mcp:" + strconv.FormatUint(uint64(opts.AppID), 10) + ":",
		qps:    opts.QPS,
		log:    opts.Logger.With("redis", redisOpts.Addr),
		local:  zego.NewLimiter(max(opts.QPS, 1)),
	}, nil
}

// discardLogger keeps go-redis from logging each failed connection. Client logs that
// once.
type discardLogger struct{}

// Printf implements the logger of go-redis.
func (discardLogger) Printf(context.Context, string, ...any) {}

// Ping returns an error if Redis does not answer or refuses the password.
func (c *Client) Ping(ctx context.Context) error {
	err := c.redis.Ping(ctx).Err()
	c.record(err)
	return err
}

// Close closes the connections to Redis.
func (c *Client) Close() error { return c.redis.Close() }

// available reports whether the caller should send its command to Redis. While Redis
// is down, it allows one caller in each retryInterval to try.
func (c *Client) available() bool {
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

// record notes whether a command succeeded, and logs when that changes.
func (c *Client) record(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err != nil && !c.down:
		c.log.Warn("Redis does not answer; this process keeps to a rate limit of its own until it does", "err", err)
	case err == nil && c.down:
		c.log.Info("Redis is back; the rate limit is shared again")
	}
	c.down = err != nil
	if c.down {
		c.retryAt = time.Now().Add(retryInterval)
	}
}
