package tools

import (
	"context"
	"log/slog"
	"sync"
	"time"
	"zego-mcp/zego"
)

// upstreamStats sums up what one request asked of ZEGO, for its line in the log. It holds
// no user's content.
type upstreamStats struct {
	mu                sync.Mutex // guards what follows
	calls, attempts   int
	cached, shared    int
	code              zego.Code     // The last refusal.
	action, requestID string        // Of the last call that acted, or else of the last one.
	acted             bool          // action changes something.
	queueTime         time.Duration // Waiting for the rate limit.
	clockOffset       time.Duration // 0 unless it was learnt in this request.
}

// add is a zego.Observer's Call function.
func (s *upstreamStats) add(_ context.Context, call zego.CallInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.attempts += call.Attempts
	if call.Cached {
		s.cached++
	}
	if call.Shared {
		s.shared++
	}
	// The action that changes something tells more than those that look things up for it.
	if !call.ReadOnly || !s.acted {
		s.action, s.requestID, s.acted = call.Action, call.RequestID, !call.ReadOnly
	}
	s.queueTime += call.QueueTime
	if call.Code != 0 {
		s.code = call.Code
	}
	if call.ClockOffset != 0 {
		s.clockOffset = call.ClockOffset
	}
}

// attrs returns the log attributes. It must be called after all calls are over.
func (s *upstreamStats) attrs() []slog.Attr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == 0 {
		return nil
	}
	attrs := []slog.Attr{slog.String("action", s.action)}
	if s.calls > 1 {
		attrs = append(attrs, slog.Int("calls", s.calls))
	}
	attrs = append(attrs, slog.Int("attempts", s.attempts), slog.Int("code", int(s.code)), slog.String("request_id", s.requestID))
	if s.cached > 0 {
		attrs = append(attrs, slog.Int("cached", s.cached))
	}
	if s.shared > 0 {
		attrs = append(attrs, slog.Int("shared", s.shared))
	}
	if waited := s.queueTime.Round(time.Millisecond); waited > 0 {
		attrs = append(attrs, slog.Duration("waited", waited))
	}
	return attrs
}
