package redisshare

import (
	"context"
	"errors"
	"time"
	"zego-mcp/tools/speech"

	"github.com/redis/go-redis/v9"
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

func (s speechShare) key(taskID string) string { return s.client.prefix + "speech:" + taskID }

// Append implements speech.Share.
func (s speechShare) Append(ctx context.Context, taskID string, note []byte) error {
	if !s.client.available() {
		return errDown
	}
	_, err := s.client.redis.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.RPush(ctx, s.key(taskID), note)
		p.LTrim(ctx, s.key(taskID), -maxNotes, -1)
		p.Expire(ctx, s.key(taskID), noteLife)
		return nil
	})
	s.client.record(err)
	return err
}

// Notes implements speech.Share.
func (s speechShare) Notes(ctx context.Context, taskID string) ([][]byte, error) {
	if !s.client.available() {
		return nil, errDown
	}
	texts, err := s.client.redis.LRange(ctx, s.key(taskID), 0, -1).Result()
	if ctx.Err() == nil { // Otherwise the caller gave up, which says nothing about Redis.
		s.client.record(err)
	}
	if err != nil {
		return nil, err
	}
	notes := make([][]byte, len(texts))
	for i, text := range texts {
		notes[i] = []byte(text)
	}
	return notes, nil
}
