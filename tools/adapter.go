package tools

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
	"zego-mcp/tools/pictures"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// adapter does what every request of a client needs: a time limit, the project, recovery
// from panics, and a line in the log. Every tool call, prompt, resource and completion goes
// through its method do.
type adapter struct{ cfg Config }

// requestKind says what a client asked for.
type requestKind string

const (
	kindTool       requestKind = "tool"
	kindPrompt     requestKind = "prompt"
	kindResource   requestKind = "resource"
	kindCompletion requestKind = "completion"
)

// request is what the adapter must know about one request of a client.
type request struct {
	kind       requestKind
	name       string               // Name of the tool, prompt or resource, for the log.
	uri        string               // Of the resource that is read; otherwise empty.
	ownTimeout bool                 // The handler sets its own time limit.
	call       *mcp.CallToolRequest // Nil unless kind is kindTool.
}

// deps is what a handler works with besides the arguments of the request.
type deps struct {
	project      *Project
	client       *zego.Client // Set from project by tools and resources; nil in prompts and completions.
	streams      *streams.Ledger
	confirmation confirmation
	audioDirs    []string
	audioClient  *http.Client // Config.AudioClient.
	speech       *speech.Tracker
	timeout      time.Duration                                 // Config.Timeout.
	simulated    bool                                          // Config.Simulated.
	viewerURL    ViewerURLTemplate                             // Config.ViewerURL.
	watch        func(context.Context, string) (string, error) // Config.Watch.
	pictures     *pictures.Store                               // Project.Pictures, or Config.Pictures.
	answerBy     time.Time                                     // When a call that waits for the end of speech has to answer.

	// progress sends the client an MCP progress notification, if the client asked for them.
	// done need not increase; the client gets values that do.
	progress func(done, total int, message string)
}

// do calls handle within the time limit and writes the log line of the request. It returns
// the error of handle, or a *panicError if handle panicked.
func (a adapter) do(ctx context.Context, r request, handle func(context.Context, deps) error) (err error) {
	start := time.Now()
	if !r.ownTimeout {
		limit := a.cfg.Timeout
		if r.kind == kindCompletion {
			limit = min(limit, completionTimeout)
		}
		var cancel context.CancelFunc
		ctx, cancel = withTimeLimit(ctx, limit)
		defer cancel()
	}
	var stats upstreamStats
	ctx = zego.WithObserver(ctx, zego.Observer{Call: stats.add})
	project := &Project{}
	ctx = context.WithValue(ctx, requestNameKey{}, r.name)
	ctx, traceID, endTrace := a.trace(ctx, r)
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value: value, stack: debug.Stack()}
		}
		if inner, ok := errors.AsType[*zego.PanicError](err); ok {
			err = &panicError{value: inner.Value, stack: inner.Stack}
		}
		took := time.Since(start)
		a.log(ctx, r, project, traceID, took, &stats, err)
		a.observe(ctx, r, took, err, endTrace)
	}()
	project = a.cfg.Project(ctx)
	d := deps{
		project: project, streams: project.Streams, speech: project.Speech,
		simulated: a.cfg.Simulated, timeout: a.cfg.Timeout,
		viewerURL: a.cfg.ViewerURL, watch: a.cfg.Watch, pictures: a.cfg.Pictures,
		audioDirs: a.cfg.AudioDirs, audioClient: a.cfg.AudioClient,
		answerBy: start.Add(a.cfg.SpeechWait - min(time.Second, a.cfg.SpeechWait/10)),
		progress: func(int, int, string) {},
	}
	if project.Pictures != nil {
		d.pictures = project.Pictures
	}
	if r.call != nil {
		d.progress, d.confirmation = progressOf(ctx, *r.call), confirmationOf(ctx, *r.call)
	}
	return handle(ctx, d)
}

// observe tells Config.Observe and the trace of a request how it ended.
func (a adapter) observe(ctx context.Context, r request, took time.Duration, err error, endTrace func(RequestInfo)) {
	info := RequestInfo{Kind: string(r.kind), Name: r.name, Outcome: outcomeOf(err), Duration: took}
	if info.Outcome == Failed {
		info.Problem = logText(err)
	}
	endTrace(info)
	if a.cfg.Observe != nil {
		a.cfg.Observe(ctx, info)
	}
}

// withTimeLimit returns a context that ends after the time limit of a call, with a cause that
// says so.
func withTimeLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit,
		fmt.Errorf("the call's time limit of %v is over: %w", limit, context.DeadlineExceeded))
}

// log writes the line of a request, and a warning before it if the request has shown that
// this machine's clock is wrong.
func (a adapter) log(ctx context.Context, r request, project *Project, traceID string, took time.Duration, stats *upstreamStats, err error) {
	message := map[requestKind]string{
		kindTool: "tool call", kindPrompt: "prompt", kindResource: "resource read", kindCompletion: "completion",
	}[r.kind]
	attrs := append([]slog.Attr{slog.String(string(r.kind), r.name), slog.Duration("took", took)}, stats.attrs()...)
	if project.Name != "" {
		attrs = append(attrs, slog.String("project", project.Name))
	}
	if caller := project.caller; caller.Subject != "" {
		attrs = append(attrs, slog.String("subject", caller.SubjectForLog()))
	}
	if session := a.session(ctx); session != "" {
		attrs = append(attrs, slog.String("session", session))
	}
	if traceID != "" {
		attrs = append(attrs, slog.String("trace_id", traceID))
	}
	if offset := stats.clockOffset; offset != 0 {
		a.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "this machine's clock differs from ZEGO's; set it (until then, requests are signed with ZEGO's time)",
			slog.Duration("behind", offset.Round(time.Second)))
	}
	level := slog.LevelInfo
	_, asksUser := errors.AsType[*elicitation](err)
	panicked, isPanic := errors.AsType[*panicError](err)
	switch {
	case isPanic:
		level, message = slog.LevelError, message+" failed: this is a fault of zego-mcp"
		attrs = append(attrs, slog.String("panic", fmt.Sprintf("%T", panicked.value)), slog.String("stack", string(panicked.stack)))
	case asksUser:
		message += " asks the user"
	case err != nil:
		level, message = slog.LevelWarn, message+" failed"
		attrs = append(attrs, slog.String("err", logText(err)))
	case r.kind == kindCompletion:
		level = slog.LevelDebug // Clients ask for completions at each key that a user types.
	}
	a.cfg.Logger.LogAttrs(ctx, level, message, attrs...)
}

// progressOf returns a function that sends MCP progress notifications, or one that does
// nothing if the client asked for none.
func progressOf(ctx context.Context, req mcp.CallToolRequest) func(done, total int, message string) {
	s := server.ServerFromContext(ctx)
	if s == nil || req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return func(int, int, string) {}
	}
	var values increasingProgress
	return func(done, total int, message string) {
		values.mu.Lock() // Also while sending, so that the notifications are sent in order.
		defer values.mu.Unlock()
		value, ok := values.next(done, total)
		if !ok {
			return
		}
		// An error means that the client has left, and then it needs no progress.
		_ = s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{
			"progressToken": req.Params.Meta.ProgressToken, "progress": value, "total": total, "message": message,
		})
	}
}

// increasingProgress makes the progress values of one call increase with each
// notification, as MCP demands.
type increasingProgress struct {
	mu      sync.Mutex // guards what follows
	started bool       // A value was sent.
	done    int        // The greatest value that a tool reported.
	repeats int        // How often a tool reported no greater value since.
}

// next returns the value to send when a tool reports done. A value that is not greater than
// the last one becomes a little greater, but less than the next integer: the message is
// still of use, and many clients wait longer for a call that reports progress. Such a value
// must stay below total; if it would not, next returns false, and nothing is to be sent.
func (p *increasingProgress) next(done, total int) (value float64, ok bool) {
	if !p.started || done > p.done {
		p.started, p.done, p.repeats = true, done, 0
		return float64(done), true
	}
	if p.done >= total {
		return 0, false
	}
	p.repeats++
	// 1, 1.5, 1.67, 1.75 and so on.
	return float64(p.done) + float64(p.repeats)/float64(p.repeats+1), true
}

// panicError says that a handler panicked.
type panicError struct {
	value any // What was passed to panic.
	stack []byte
}

// Error does not repeat the value, because it may hold an argument.
func (e *panicError) Error() string {
	return "zego-mcp failed inside; its log says where. Please report it to its developers."
}
