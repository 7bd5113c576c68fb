package redisshare

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"zego-mcp/tools/streams"

	"github.com/gomodule/redigo/redis"
)

//go:embed ledger.lua
var ledgerScript string

var ledgerOperation = redis.NewScript(2, ledgerScript)

// ledger implements streams.Store. Each operation is one run of a script, so that it is
// atomic.
type ledger struct {
	client  *Client
	replica string // The name of this process among those that share the ledger.
}

// storedRecord is a record as it is in Redis, in JSON.
type storedRecord struct {
	streams.Record
	Owner string // A ledger.replica.
}

// Ledger returns the list of stream tasks of all processes that serve the project. Unlike
// the rate limit it has no substitute: while Redis does not answer, its operations fail.
func (c *Client) Ledger() streams.Store {
	return &ledger{client: c, replica: rand.Text()}
}

// run runs one operation of ledger.lua.
func (l *ledger) run(ctx context.Context, operation string, args ...any) ([]string, error) {
	keys := []any{l.client.tasks + "streams", l.client.tasks + "servers"}
	return redis.Strings(l.client.run(ctx, ledgerOperation, slices.Concat(keys, []any{operation, l.replica}, args)...))
}

var (
	errReply  = errors.New("Redis holds something else than a list of stream tasks") //nolint:staticcheck // Redis is a name.
	presences = map[streams.Presence]string{streams.Staying: "staying", streams.Leaving: "leaving", streams.Gone: "gone"}
	owners    = map[string]streams.Owner{"this": streams.ThisReplica, "other": streams.OtherReplica, "none": streams.NoReplica}
)

// Renew implements streams.Store.
func (l *ledger) Renew(ctx context.Context, presence streams.Presence) (streams.View, error) {
	reply, err := l.run(ctx, "renew", streams.Lease.Milliseconds(), presences[presence])
	if err != nil {
		return streams.View{}, err
	}
	if len(reply) < 2 {
		return streams.View{}, errReply
	}
	now, err := strconv.ParseInt(reply[0], 10, 64)
	if err != nil {
		return streams.View{}, errReply
	}
	view := streams.View{Now: time.UnixMilli(now), OthersAlive: reply[1] == "1"}
	for pair := range slices.Chunk(reply[2:], 2) {
		var r streams.Record
		if len(pair) != 2 || json.Unmarshal([]byte(pair[1]), &r) != nil {
			return streams.View{}, errReply
		}
		view.Records = append(view.Records, streams.OwnedRecord{Record: r, Owner: owners[pair[0]]})
	}
	return view, nil
}

// Reserve implements streams.Store.
func (l *ledger) Reserve(ctx context.Context, r streams.Record, limits streams.Limits) error {
	reply, err := l.runWith(ctx, "reserve", r, limits.Tasks, limits.TasksOfCaller)
	switch {
	case err != nil:
		return err
	case reply[0] == "used":
		return &streams.StreamIDInUseError{StreamID: r.StreamID}
	case reply[0] == "full":
		return &streams.LimitError{MaxTasks: limits.Tasks, Running: slices.Sorted(slices.Values(reply[1:]))}
	case reply[0] == "full of caller":
		return &streams.LimitError{MaxTasks: limits.TasksOfCaller, OfCaller: true, Running: slices.Sorted(slices.Values(reply[1:]))}
	}
	return nil
}

// Save implements streams.Store.
func (l *ledger) Save(ctx context.Context, r streams.Record) (saved bool, err error) {
	reply, err := l.runWith(ctx, "save", r)
	if err != nil {
		return false, err
	}
	return reply[0] == "saved", nil
}

// runWith runs an operation on a record, which then belongs to this replica. The reply has
// one value or more.
func (l *ledger) runWith(ctx context.Context, operation string, r streams.Record, args ...any) ([]string, error) {
	text, err := json.Marshal(storedRecord{r, l.replica})
	if err != nil {
		return nil, fmt.Errorf("write the record of a stream task: %w", err)
	}
	reply, err := l.run(ctx, operation, slices.Concat([]any{text}, args)...)
	if err == nil && len(reply) == 0 {
		err = errReply
	}
	return reply, err
}

// TakeOver implements streams.Store.
func (l *ledger) TakeOver(ctx context.Context, streamID, key string) (r streams.Record, taken bool, err error) {
	reply, err := l.run(ctx, "take over", streamID, key)
	switch {
	case err != nil:
		return r, false, err
	case len(reply) != 2:
		return r, false, nil
	case json.Unmarshal([]byte(reply[1]), &r) != nil:
		return r, false, errReply
	}
	return r, true, nil
}

// Remove implements streams.Store.
func (l *ledger) Remove(ctx context.Context, streamID, key string) error {
	_, err := l.run(ctx, "remove", streamID, key)
	return err
}
