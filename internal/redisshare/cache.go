package redisshare

import (
	"context"
	"errors"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Get implements zego.Cache.
func (c *Client) Get(ctx context.Context, key string) ([]byte, bool) {
	if !c.available() {
		return nil, false
	}
	answer, err := redis.Bytes(c.do(ctx, "GET", key))
	if errors.Is(err, redis.ErrNil) { // Redis answered that there is no such key.
		c.record(nil)
		return nil, false
	}
	if ctx.Err() == nil { // Otherwise the caller gave up, which says nothing about Redis.
		c.record(err)
	}
	return answer, err == nil
}

// Set implements zego.Cache.
func (c *Client) Set(ctx context.Context, key string, answer []byte, ttl time.Duration) {
	if !c.available() {
		return
	}
	if _, err := c.do(ctx, "SET", key, answer, "PX", max(ttl.Milliseconds(), 1)); ctx.Err() == nil {
		c.record(err)
	}
}
