package redisshare

import (
	"context"
	"errors"
	"time"
	"zego-mcp/tools/speech"

	"github.com/gomodule/redigo/redis"
)

const (
	// maxNotes is how many notes about one stream task are kept.
	maxNotes = 500
	// noteLife is how long the notes about a task are kept after the last one. No task lives
	// longer.
	noteLife = 24 * time.Hour
)

var errDown = errors.New("Redis does not answer") //nolint:staticcheck // Redis is a name.

// speechShare implements speech.Share.
type speechShare struct{ client *Client }

// Speech returns what all processes that serve the project know of what is spoken.
func (c *Client) Speech() speech.Share { return speechShare{c} }

func (s speechShare) key(taskID string) string { return s.client.tasks + "speech:" + taskID }

// Append implements speech.Share.
func (s speechShare) Append(ctx context.Context, taskID string, note []byte) error {
	if !s.client.available() {
		return errDown
	}
	key := s.key(taskID)
	_, err := s.client.with(ctx, func(ctx context.Context, conn redis.Conn) (any, error) {
		// Send only fills a buffer; an error that it returns comes from EXEC, too.
		_ = conn.Send("MULTI")
		_ = conn.Send("RPUSH", key, note)
		_ = conn.Send("LTRIM", key, -maxNotes, -1)
		_ = conn.Send("PEXPIRE", key, noteLife.Milliseconds())
		return redis.DoContext(conn, ctx, "EXEC")
	})
	s.client.record(err)
	return err
}

// Notes implements speech.Share.
func (s speechShare) Notes(ctx context.Context, taskID string) ([][]byte, error) {
	if !s.client.available() {
		return nil, errDown
	}
	notes, err := redis.ByteSlices(s.client.do(ctx, "LRANGE", s.key(taskID), 0, -1))
	if ctx.Err() == nil { // Otherwise the caller gave up, which says nothing about Redis.
		s.client.record(err)
	}
	return notes, err
}
