// Package tools is what an agent sees: the MCP tools over ZEGO's Digital Human
// API, each in a file of its own, and the server that offers them.
package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
	"zego-mcp/schema"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// all lists every tool. Agents see them sorted by name.
var all = []interface {
	offered(Config) bool
	bind(Config) server.ServerTool
}{
	listDigitalHumans,
	getDigitalHuman,
	findDigitalHumans,
	listTimbres,
	listStreamTasks,
	getStreamTask,
	createStreamTask,
	driveByText,
	driveByAudio,
	driveByRTCStream,
	driveByAudioFile,
	doAction,
	interruptDrive,
	stopStreamTask,
}

// Config is what the tools work with.
type Config struct {
	Client      *zego.Client  // Nil when the configuration does not allow calls.
	Unavailable error         // Why Client is nil, and what the user can do about it.
	Simulated   bool          // Answers come from the simulator; agents are told so.
	Toolsets    []Toolset     // Which tools to offer; default: Assets.
	Timeout     time.Duration // Limit of one tool call; default 30 s.
	Logger      *slog.Logger  // One line per call; default: none.
	Version     string        // Of the server, told to clients.

	Streams   *Streams // The stream tasks of this process; default: NewStreams(Client, StreamOptions{}), which nobody stops.
	Local     bool     // Agents are on this machine: offer the tools that read its files.
	AudioDirs []string // Absolute; drive_by_audio_file reads below them; default: none.
}

// DefaultTimeout is the limit of one tool call.
const DefaultTimeout = 30 * time.Second

// NewServer returns an MCP server with all tools on it.
func NewServer(cfg Config) *server.MCPServer {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Toolsets) == 0 {
		cfg.Toolsets = []Toolset{Assets}
	}
	if cfg.Streams == nil {
		cfg.Streams = NewStreams(cfg.Client, StreamOptions{Logger: cfg.Logger})
	}
	title, instructions := "ZEGOCLOUD Digital Human", "Find digital humans (talking avatars) of a ZEGOCLOUD project. "+
		"Start with list_digital_humans. AvatarUrl values stop working after 24 hours: keep DigitalHumanId instead."
	if slices.Contains(cfg.Toolsets, Streaming) {
		instructions += " To put one on air: create_stream_task, then drive_by_text with a voice from list_timbres. " +
			"A stream costs money while it runs: always call stop_stream_task when it is no longer needed."
	}
	if cfg.Simulated {
		title += " (simulated)"
		instructions = "SIMULATED: every answer comes from a built-in simulator, not from ZEGOCLOUD; ids and pictures are made up. " + instructions
	}
	s := server.NewMCPServer("zego-mcp", cfg.Version,
		server.WithTitle(title),
		server.WithInstructions(instructions),
		server.WithToolCapabilities(false),
		server.WithPromptCapabilities(false),
		server.WithResourceCapabilities(false, false),
		server.WithCompletions(),
		server.WithPromptCompletionProvider(completions{cfg}),
		server.WithResourceCompletionProvider(completions{cfg}),
		server.WithRecovery(),
	)
	for _, tool := range all {
		if tool.offered(cfg) {
			s.AddTools(tool.bind(cfg))
		}
	}
	addPrompts(s, cfg)
	addResources(s, cfg)
	return s
}

// Knows reports whether there is a tool of that name in any toolset.
func Knows(name string) bool {
	s := NewServer(Config{Toolsets: []Toolset{Assets, Streaming}, Local: true})
	return s.GetTool(name) != nil
}

// effect says what a tool does to the world; the four MCP hints follow from it.
type effect int

const (
	reads    effect = iota // Changes nothing, costs nothing.
	acts                   // Each call does something more, which may cost.
	destroys               // Ends something; twice is as good as once.
)

func (e effect) annotations(title string) mcp.ToolAnnotation {
	return mcp.ToolAnnotation{
		Title:           title,
		ReadOnlyHint:    new(e == reads),
		DestructiveHint: new(e == destroys),
		IdempotentHint:  new(e != acts),
		OpenWorldHint:   new(true),
	}
}

// tool is the whole of one tool: what agents see of it and what it does.
type tool[In, Out any] struct {
	name, title, description string
	toolset                  Toolset
	effect                   effect
	local                    bool // Reads files of this machine.
	lasting                  bool // Sets its time limit itself, by what it is asked to do.
	run                      func(ctx context.Context, use resources, in In) (Out, error)
}

// resources is what a tool works with besides its arguments.
type resources struct {
	*zego.Client
	// progress tells the client how far the call is, if it asked to know.
	progress     func(done, total int, message string)
	confirmation confirmation
	streams      *Streams
	audioDirs    []string
	timeout      time.Duration // Of one call.
}

func (t tool[In, Out]) offered(cfg Config) bool {
	return slices.Contains(cfg.Toolsets, t.toolset) && (cfg.Local || !t.local)
}

// bind is the one adapter between a tool and MCP: decode, run, log, encode.
func (t tool[In, Out]) bind(cfg Config) server.ServerTool {
	input := schema.Input[In]()
	return server.ServerTool{
		Tool: mcp.Tool{
			Name:            t.name,
			Title:           t.title,
			Description:     t.description,
			RawInputSchema:  input.JSON(),
			RawOutputSchema: schema.Output[Out](),
			Annotations:     t.effect.annotations(t.title),
		},
		// The error is always nil: a refused call is a result that the model can read.
		Handler: func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			start := time.Now()
			if !t.lasting {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeoutCause(ctx, cfg.Timeout,
					fmt.Errorf("the call's time limit of %v is over: %w", cfg.Timeout, context.DeadlineExceeded))
				defer cancel()
			}
			var upstream trail
			ctx = zego.WithObserver(ctx, zego.Observer{Call: upstream.add})
			result, err := t.call(ctx, cfg, input, req)
			attrs := append([]slog.Attr{slog.String("tool", t.name), slog.Duration("took", time.Since(start))}, upstream.attrs()...)
			if off := upstream.clockOff; off != 0 {
				cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "this machine's clock differs from ZEGO's; signing with theirs, but set it right",
					slog.Duration("behind", off.Round(time.Second)))
			}
			if ask, ok := errors.AsType[*askError](err); ok {
				cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "tool call asks the user", attrs...)
				return ask.result(), nil
			}
			if err != nil {
				attrs = append(attrs, slog.String("err", summary(err)))
				cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "tool call failed", attrs...)
				return mcp.NewToolResultError(explain(err)), nil
			}
			cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "tool call", attrs...)
			return result, nil
		},
	}
}

func (t tool[In, Out]) call(ctx context.Context, cfg Config, input *schema.Schema[In], req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	arguments := req.Params.Arguments
	if req.Params.RawArguments != nil {
		arguments = req.Params.RawArguments
	}
	in, err := input.Decode(arguments)
	if err != nil {
		return nil, err
	}
	if cfg.Client == nil {
		return nil, &unavailableError{cfg.Unavailable}
	}
	out, err := t.run(ctx, resources{
		Client: cfg.Client, progress: progressOf(ctx, req), confirmation: confirmationOf(ctx, req),
		streams: cfg.Streams, audioDirs: cfg.AudioDirs, timeout: cfg.Timeout,
	}, in)
	if err != nil {
		return nil, err
	}
	text, err := compact(out)
	if err != nil {
		return nil, err
	}
	return mcp.NewToolResultStructured(out, text), nil
}

// progressOf returns a function that sends MCP progress notifications, or one that
// does nothing if the client asked for none.
func progressOf(ctx context.Context, req mcp.CallToolRequest) func(done, total int, message string) {
	s := server.ServerFromContext(ctx)
	if s == nil || req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
		return func(int, int, string) {}
	}
	return func(done, total int, message string) {
		// A client that has left needs no progress.
		_ = s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{
			"progressToken": req.Params.Meta.ProgressToken, "progress": done, "total": total, "message": message,
		})
	}
}

// compact encodes a result for models: one line, without HTML escapes, which
// a model would copy into a URL.
func compact(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// unavailableError says that the configuration does not allow calls.
type unavailableError struct{ err error }

func (e *unavailableError) Error() string { return e.err.Error() }

// summary is err for the log: arguments can hold a user's content, which does
// not belong there.
func summary(err error) string {
	if invalid, ok := errors.AsType[*schema.ArgumentError](err); ok {
		return fmt.Sprintf("%d invalid arguments", len(invalid.Problems))
	}
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		return refusal.Code.Error() // ZEGO's message may repeat an argument.
	}
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return refused.why
	}
	return err.Error()
}
