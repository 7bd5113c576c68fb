package redisshare

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Get implements zego.Cache.
func (c *Client) Get(ctx context.Context, key string) ([]byte, bool) {
	if !c.available() {
		return nil, false
	}
	answer, err := c.redis.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) { // Redis answered that there is no such key.
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
	if err := c.redis.Set(ctx, key, answer, ttl).Err(); ctx.Err() == nil {
		c.record(err)
	}
}
