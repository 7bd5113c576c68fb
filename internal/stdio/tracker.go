package stdio

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
)

// tracker knows which requests were read and not yet answered.
type tracker struct {
	mu       sync.Mutex                 // guards what follows
	pending  map[string]int             // By id: clients may reuse one.
	asked    map[string]json.RawMessage // Ids of the requests that the server sent, such as forms.
	progress chan struct{}              // Closed and renewed at each answer and each such request.
}

func newTracker() *tracker {
	return &tracker{pending: map[string]int{}, asked: map[string]json.RawMessage{}, progress: make(chan struct{})}
}

// message is what tells requests, answers and cancellations apart.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// note remembers a request and forgets a cancelled one, which may stay without
// an answer.
func (t *tracker) note(line []byte) (id, method string) {
	var m message
	if json.Unmarshal(line, &m) != nil || m.Version != mcp.JSONRPC_VERSION {
		return "", ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if m.Method == "" {
		delete(t.asked, key(m.ID))
		return "", ""
	}
	if m.Method == string(mcp.MethodNotificationCancelled) {
		var params struct {
			RequestID json.RawMessage `json:"requestId"`
		}
		if json.Unmarshal(m.Params, &params) == nil {
			delete(t.pending, key(params.RequestID))
		}
		return "", m.Method
	}
	id = key(m.ID)
	if id != "" {
		t.pending[id]++
	}
	return id, m.Method
}

// written notes an answer, or a request of the server's.
func (t *tracker) written(p []byte) {
	id, answers := identify(p)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch known := key(id); {
	case known == "":
		return
	case !answers:
		t.asked[known] = id
	default:
		if t.pending[known]--; t.pending[known] <= 0 {
			delete(t.pending, known)
		}
	}
	close(t.progress)
	t.progress = make(chan struct{})
}

// key makes equal ids equal, however they are spelt; "" is no valid id.
func key(id json.RawMessage) string {
	var v any
	if json.Unmarshal(id, &v) != nil {
		return ""
	}
	switch v := v.(type) {
	case string:
		return "s" + v
	case float64:
		return fmt.Sprint("n", v)
	}
	return ""
}

// identify returns the id of an answer or of a request of the server's, and which of
// both it is; of a notification, nil. It stops where that is clear, which is before
// mcp-go writes the result: a page of results is not parsed again.
func identify(p []byte) (id json.RawMessage, answers bool) {
	dec := json.NewDecoder(bytes.NewReader(p))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, false
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, false
		}
		if name == "result" || name == "error" {
			return id, true
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, false
		}
		if name == "id" {
			id = value
		}
	}
	return id, false
}

// takeAsked returns the ids of the requests that the server has sent, and forgets them.
func (t *tracker) takeAsked() []json.RawMessage {
	t.mu.Lock()
	defer t.mu.Unlock()
	asked := slices.Collect(maps.Values(t.asked))
	clear(t.asked)
	return asked
}

// waitAnswered waits until the request with that id is answered, or ctx is done.
func (t *tracker) waitAnswered(ctx context.Context, id string) {
	t.wait(ctx, func() bool { return t.pending[id] == 0 })
}

// waitAllAnswered waits until all requests are answered or the server asks
// something, and reports which; inTime is false if ctx was done before.
func (t *tracker) waitAllAnswered(ctx context.Context) (all, inTime bool) {
	inTime = t.wait(ctx, func() bool {
		all = len(t.pending) == 0
		return all || len(t.asked) > 0
	})
	return all, inTime
}

// wait reports whether ready, which is asked under the lock after each answer,
// came true before ctx was done.
func (t *tracker) wait(ctx context.Context, ready func() bool) bool {
	for {
		t.mu.Lock()
		ok, progress := ready(), t.progress
		t.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return false
		}
	}
}
