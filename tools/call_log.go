package tools

import (
	"context"
	"log/slog"
	"sync"
	"time"
	"zego-mcp/zego"
)

// upstreamStats sums up the calls of ZEGO's API that one request made, for its line in the
// log. It holds nothing that a user wrote.
type upstreamStats struct {
	mu                sync.Mutex // guards what follows
	calls             int
	attempts          int           // Requests to ZEGO, repetitions included.
	cached            int           // Calls that were answered from the cache.
	shared            int           // Calls that took the answer of an equal call that was already running.
	code              zego.Code     // ZEGO's code for the last call that it refused; 0 if it refused none.
	action, requestID string        // Of the last call that was not ReadOnly, or of the last call if all were.
	acted             bool          // A call was not ReadOnly.
	queueTime         time.Duration // How long all calls together waited for the rate limit.
	clockOffset       time.Duration // How far this machine's clock is behind ZEGO's; 0 if that was not learnt.
}

// add adds one call. It has the type of zego.Observer's Call.
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
	// A call that changed something says more about the request than one that only read.
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

// attrs returns the attributes for the log line, or none if ZEGO was not called.
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
