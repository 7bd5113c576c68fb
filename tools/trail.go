package tools

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego"
)

// trail is what one tool call asked of ZEGO, for its line in the log. None of it is
// a user's content.
type trail struct {
	mu                sync.Mutex // guards what follows
	calls, attempts   int
	cached, shared    int
	code              zego.Code
	action, requestID string // Of the last call that did something, or else of the last.
	waited            time.Duration
	clockOff          time.Duration
}

func (t *trail) add(_ context.Context, call zego.CallInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	t.attempts += call.Attempts
	if call.Cached {
		t.cached++
	}
	if call.Shared {
		t.shared++
	}
	// What a tool does tells more than what it looks up for that.
	if !looksUp(call.Action) || looksUp(t.action) {
		t.action, t.requestID = call.Action, call.RequestID
	}
	t.waited += call.QueueTime
	if call.Code != 0 {
		t.code = call.Code
	}
	if call.ClockOffset != 0 {
		t.clockOff = call.ClockOffset
	}
}

// looksUp reports whether an action of ZEGO's only reads.
func looksUp(action string) bool {
	return action == "" || strings.HasPrefix(action, "Get") || strings.HasPrefix(action, "Query")
}

// attrs is called when all calls are over.
func (t *trail) attrs() []slog.Attr {
	if t.calls == 0 {
		return nil
	}
	attrs := []slog.Attr{slog.String("action", t.action)}
	if t.calls > 1 {
		attrs = append(attrs, slog.Int("calls", t.calls))
	}
	attrs = append(attrs, slog.Int("attempts", t.attempts), slog.Int("code", int(t.code)), slog.String("request_id", t.requestID))
	if t.cached > 0 {
		attrs = append(attrs, slog.Int("cached", t.cached))
	}
	if t.shared > 0 {
		attrs = append(attrs, slog.Int("shared", t.shared))
	}
	if waited := t.waited.Round(time.Millisecond); waited > 0 {
		attrs = append(attrs, slog.Duration("waited", waited))
	}
	return attrs
}
