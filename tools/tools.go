// Package tools is what an agent sees: the MCP server with its tools, prompts and
// resources over ZEGO's Digital Human API. Each of them stands in a file of its own and
// in one of the lists below.
package tools

import (
	"context"
	"log/slog"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// allTools lists every tool. Agents see them sorted by name.
var allTools = []interface {
	info() toolInfo
	serverTool(adapter) server.ServerTool
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

// allPrompts lists every prompt.
var allPrompts = []prompt{
	choosePresenter,
	goLive,
}

// allResources lists every resource and resource template.
var allResources = []resource{
	streamTaskResource,
}

// Config says how the server works.
type Config struct {
	// Project returns the ZEGO project that a request works with. Tools, prompts,
	// resources and completions ask it once per request. Default: a project without a
	// client, in which every call fails.
	Project func(context.Context) *Project

	Simulated bool          // Answers come from the simulator; agents are told so.
	Timeout   time.Duration // Limit of one tool call; default DefaultTimeout.
	Logger    *slog.Logger  // Gets one line per request; default: none.
	Version   string        // Version of the server, told to clients.

	Local     bool     // Agents are on this machine: offer the tools that read its files.
	AudioDirs []string // Absolute; drive_by_audio_file reads files below them; default: none.
}

// DefaultTimeout is the limit of one tool call.
const DefaultTimeout = 30 * time.Second

// Project is what a request may use: a ZEGO project, and what its caller may do there.
type Project struct {
	Client      *zego.Client    // Nil if the configuration does not allow calls.
	Unavailable error           // Why Client is nil, and what the user can do about it.
	Streams     *streams.Ledger // The stream tasks that this process created in the project.
	Toolsets    []Toolset       // Which tools, prompts and resources are offered; empty: the default ones.
}

// client returns the project's client, or an error that says why there is none.
func (p *Project) client() (*zego.Client, error) {
	if p.Client == nil {
		return nil, &unavailableError{p.Unavailable}
	}
	return p.Client, nil
}

// OneProject returns a function for Config.Project that answers every request with
// project. If project has no Streams it gets a ledger with the default limits, whose
// tasks are not stopped at the end.
func OneProject(project Project) func(context.Context) *Project {
	if project.Streams == nil {
		project.Streams = streams.New(project.Client, streams.Options{})
	}
	return func(context.Context) *Project { return &project }
}

// NewServer returns an MCP server with all tools, prompts and resources. A client sees
// and can use those whose toolset its project has.
//
// It panics if a tool, prompt or resource in the lists is not completely described.
func NewServer(cfg Config) *server.MCPServer {
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Project == nil {
		cfg.Project = OneProject(Project{})
	}
	a := adapter{cfg}
	offered := offers{cfg: cfg, toolsets: map[string]Toolset{}}
	title := "ZEGOCLOUD Digital Human"
	if cfg.Simulated {
		title += " (simulated)"
	}
	s := server.NewMCPServer("zego-mcp", cfg.Version,
		server.WithTitle(title),
		server.WithInstructions(instructions(cfg)),
		server.WithToolCapabilities(false),
		server.WithToolFilter(offered.tools),
		server.WithPromptCapabilities(false),
		server.WithPromptFilter(offered.prompts),
		server.WithResourceCapabilities(false, false),
		server.WithHooks(offered.resourceHooks()),
		server.WithCompletions(),
		server.WithPromptCompletionProvider(completions{a}),
		server.WithResourceCompletionProvider(completions{a}),
	)
	for _, t := range allTools {
		if info := t.info(); !info.local || cfg.Local {
			offered.add(kindTool, info.name, info.toolset)
			s.AddTools(t.serverTool(a))
		}
	}
	for _, p := range allPrompts {
		offered.add(kindPrompt, p.Name, p.toolset)
		s.AddPrompt(p.Prompt, p.handler(a))
	}
	for _, r := range allResources {
		offered.add(kindResource, r.uri, r.toolset)
		r.register(s, a)
	}
	return s
}

// instructions tells models what the server is for. They are those of the project that
// Config.Project returns for a background context.
func instructions(cfg Config) string {
	text := "Find digital humans (talking avatars) of a ZEGOCLOUD project. " +
		"Start with list_digital_humans. AvatarUrl values stop working after 24 hours: keep DigitalHumanId instead."
	if cfg.Project(context.Background()).offers(Streaming) {
		text += " To put one on air: create_stream_task, then drive_by_text with a voice from list_timbres. " +
			"A stream costs money while it runs: always call stop_stream_task when it is no longer needed."
	}
	if cfg.Simulated {
		text = "SIMULATED: every answer comes from a built-in simulator, not from ZEGOCLOUD; ids and pictures are made up. " + text
	}
	return text
}

// offers hides from a client the tools, prompts and resources whose toolset its project
// does not have. mcp-go asks it about lists and about calls.
type offers struct {
	cfg      Config
	toolsets map[string]Toolset // By kind and name.
}

// add records the toolset of a tool, prompt or resource.
func (o offers) add(kind requestKind, name string, set Toolset) {
	if !set.known() {
		panic("tools: " + string(kind) + " " + name + " has no known toolset")
	}
	o.toolsets[string(kind)+" "+name] = set
}

func (o offers) has(ctx context.Context, kind requestKind, name string) bool {
	return o.cfg.Project(ctx).offers(o.toolsets[string(kind)+" "+name])
}

func (o offers) tools(ctx context.Context, all []mcp.Tool) []mcp.Tool {
	return keep(all, func(t mcp.Tool) bool { return o.has(ctx, kindTool, t.Name) })
}

func (o offers) prompts(ctx context.Context, all []mcp.Prompt) []mcp.Prompt {
	return keep(all, func(p mcp.Prompt) bool { return o.has(ctx, kindPrompt, p.Name) })
}

// resourceHooks filters the lists of resources, for which mcp-go has no filters. Reading a
// resource checks its toolset itself.
func (o offers) resourceHooks() *server.Hooks {
	hooks := &server.Hooks{}
	hooks.AddAfterListResources(func(ctx context.Context, _ any, _ *mcp.ListResourcesRequest, result *mcp.ListResourcesResult) {
		result.Resources = keep(result.Resources, func(r mcp.Resource) bool { return o.has(ctx, kindResource, r.URI) })
	})
	hooks.AddAfterListResourceTemplates(func(ctx context.Context, _ any, _ *mcp.ListResourceTemplatesRequest, result *mcp.ListResourceTemplatesResult) {
		result.ResourceTemplates = keep(result.ResourceTemplates, func(r mcp.ResourceTemplate) bool {
			return o.has(ctx, kindResource, r.URITemplate.Raw())
		})
	})
	return hooks
}

// keep returns the items for which wanted is true, in a slice of its own.
func keep[T any](items []T, wanted func(T) bool) []T {
	kept := make([]T, 0, len(items))
	for _, item := range items {
		if wanted(item) {
			kept = append(kept, item)
		}
	}
	return kept
}
