package stdio

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// tracker knows the requests that have no answer yet, from the client and from the
// server. The keys of its maps are made by canonicalID.
type tracker struct {
	mu             sync.Mutex                 // guards what follows
	pending        map[string]int             // The client's requests. A client may use an id twice at a time.
	serverRequests map[string]json.RawMessage // The server's requests, with their ids as sent.
	changed        chan struct{}              // Closed and replaced when the server has sent an answer or a request.
}

func newTracker() *tracker {
	return &tracker{pending: map[string]int{}, serverRequests: map[string]json.RawMessage{}, changed: make(chan struct{})}
}

// trackFromClient takes note of a message of the client, whose ids are those that mcp-go's
// server gets: a request becomes pending, a cancelled request is pending no more, since
// mcp-go may leave it without an answer, and an answer settles a request of the server.
func (t *tracker) trackFromClient(m *message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case m.isAnswer():
		delete(t.serverRequests, canonicalID(m.ID))
	case m.isCancellation():
		var params cancelledParams
		if json.Unmarshal(m.Params, &params) == nil {
			delete(t.pending, canonicalID(params.RequestID))
		}
	case m.isRequest():
		t.pending[canonicalID(m.ID)]++
	}
}

// trackFromServer takes note of a message of the server: an answer settles one of the
// client's requests, and a request waits for the client. A message without an id changes
// nothing.
func (t *tracker) trackFromServer(rawID json.RawMessage, isAnswer bool) {
	id := canonicalID(rawID)
	if id == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if isAnswer {
		if t.pending[id]--; t.pending[id] <= 0 {
			delete(t.pending, id)
		}
	} else {
		t.serverRequests[id] = rawID
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// canonicalID returns the same string for ids that are equal but written differently,
// such as 1 and 1.0. It returns "" for what is no id: JSON-RPC ids are strings or numbers.
func canonicalID(id json.RawMessage) string {
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

// parseID returns the id of a message of mcp-go's server, or nil if it has none, and
// whether the message is an answer. Results can be large; parseID does not parse them,
// because mcp-go writes the id before the result.
func parseID(message []byte) (id json.RawMessage, isAnswer bool) {
	dec := json.NewDecoder(bytes.NewReader(message))
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

// takeServerRequests returns the ids of the server's requests, and forgets the requests.
func (t *tracker) takeServerRequests() []json.RawMessage {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := slices.Collect(maps.Values(t.serverRequests))
	clear(t.serverRequests)
	return ids
}

// waitForAnswer waits until the client's request with this id is answered, or ctx is done.
func (t *tracker) waitForAnswer(ctx context.Context, rawID json.RawMessage) {
	id := canonicalID(rawID)
	t.wait(ctx, func() bool { return t.pending[id] == 0 })
}

// allAnswered reports whether all requests of the client are answered.
func (t *tracker) allAnswered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pending) == 0
}

// waitForAllAnswers waits until all requests of the client are answered, or there is a
// request of the server, and reports which of the two. If ctx is done first, ok is false.
func (t *tracker) waitForAllAnswers(ctx context.Context) (allAnswered, ok bool) {
	ok = t.wait(ctx, func() bool {
		allAnswered = len(t.pending) == 0
		return allAnswered || len(t.serverRequests) > 0
	})
	return allAnswered, ok
}

// wait waits until condition is true or ctx is done, and reports whether condition is
// true. It calls condition with t.mu held: once at the start, and after each change.
func (t *tracker) wait(ctx context.Context, condition func() bool) bool {
	for {
		t.mu.Lock()
		met, changed := condition(), t.changed
		t.mu.Unlock()
		if met {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}
