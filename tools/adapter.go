package tools

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// adapter carries out the requests of clients. Every tool call, prompt, resource and
// completion goes through its method do.
type adapter struct{ cfg Config }

// requestKind says what a client asked for.
type requestKind string

const (
	kindTool       requestKind = "tool"
	kindPrompt     requestKind = "prompt"
	kindResource   requestKind = "resource"
	kindCompletion requestKind = "completion"
)

// request is one request of a client, as far as the adapter must know it.
type request struct {
	kind       requestKind
	name       string               // What the log calls it; never an argument.
	ownTimeout bool                 // The handler sets the time limit itself.
	call       *mcp.CallToolRequest // Nil unless kind is kindTool.
}

// deps is what a handler works with besides the arguments of the request.
type deps struct {
	project      *Project
	client       *zego.Client // Nil in prompts and completions.
	streams      *streams.Ledger
	confirmation confirmation
	audioDirs    []string
	timeout      time.Duration // Limit of one request.

	// progress tells the client how far the call is, if the client asked to know.
	progress func(done, total int, message string)
}

// do runs handle within the time limit, recovers from its panics, and writes one log line.
// The error is that of handle, or a *panicError.
func (a adapter) do(ctx context.Context, r request, handle func(context.Context, deps) error) (err error) {
	start := time.Now()
	if !r.ownTimeout {
		limit := a.cfg.Timeout
		if r.kind == kindCompletion {
			limit = min(limit, completionTimeout)
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit,
			fmt.Errorf("the call's time limit of %v is over: %w", limit, context.DeadlineExceeded))
		defer cancel()
	}
	var stats upstreamStats
	ctx = zego.WithObserver(ctx, zego.Observer{Call: stats.add})
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value: value, stack: debug.Stack()}
		}
		a.log(ctx, r, time.Since(start), &stats, err)
	}()
	project := a.cfg.Project(ctx)
	d := deps{
		project: project, streams: project.Streams, audioDirs: a.cfg.AudioDirs, timeout: a.cfg.Timeout,
		progress: func(int, int, string) {},
	}
	if r.call != nil {
		d.progress, d.confirmation = progressOf(ctx, *r.call), confirmationOf(ctx, *r.call)
	}
	return handle(ctx, d)
}

// log writes the one line of a request.
func (a adapter) log(ctx context.Context, r request, took time.Duration, stats *upstreamStats, err error) {
	what := map[requestKind]string{
		kindTool: "tool call", kindPrompt: "prompt", kindResource: "resource read", kindCompletion: "completion",
	}[r.kind]
	attrs := append([]slog.Attr{slog.String(string(r.kind), r.name), slog.Duration("took", took)}, stats.attrs()...)
	if offset := stats.clockOffset; offset != 0 {
		a.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "this machine's clock differs from ZEGO's; signing with theirs, but set it right",
			slog.Duration("behind", offset.Round(time.Second)))
	}
	level := slog.LevelInfo
	_, asks := errors.AsType[*elicitation](err)
	panicked, isPanic := errors.AsType[*panicError](err)
	switch {
	case isPanic:
		level, what = slog.LevelError, what+" failed: this is a fault of zego-mcp"
		attrs = append(attrs, slog.String("panic", fmt.Sprintf("%T", panicked.value)), slog.String("stack", string(panicked.stack)))
	case asks:
		what += " asks the user"
	case err != nil:
		level, what = slog.LevelWarn, what+" failed"
		attrs = append(attrs, slog.String("err", logText(err)))
	case r.kind == kindCompletion:
		level = slog.LevelDebug // One for each key that a user types.
	}
	a.cfg.Logger.LogAttrs(ctx, level, what, attrs...)
}

// progressOf returns a function that sends MCP progress notifications, or one that does
// nothing if the client asked for none.
func progressOf(ctx context.Context, req mcp.CallToolRequest) func(done, total int, message string) {
	s := server.ServerFromContext(ctx)
	if s == nil || req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return func(int, int, string) {}
	}
	return func(done, total int, message string) {
		// A client that has left needs no progress, so the error does not matter.
		_ = s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{
			"progressToken": req.Params.Meta.ProgressToken, "progress": done, "total": total, "message": message,
		})
	}
}

// panicError says that a handler panicked.
type panicError struct {
	value any
	stack []byte
}

// Error does not repeat the value, which may hold an argument.
func (e *panicError) Error() string {
	return "zego-mcp failed inside; its log says where. Please report it to its developers."
}
