// Package tools is what an agent sees: the MCP server with its tools, prompts and
// resources over ZEGO's Digital Human API. Each tool, prompt and resource has a file of its
// own and an entry in one of the lists below.
package tools

import (
	"context"
	"log/slog"
	"net/http"
	"time"
	"zego-mcp/tools/pictures"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// anyTool is a tool with any arguments and any result.
type anyTool interface {
	info() toolInfo
	serverTool(adapter) (served server.ServerTool, addSchemas func(*mcp.Tool))
}

// allTools lists every tool that a model can call. Agents see them sorted by name.
var allTools = []anyTool{
	listDigitalHumans,
	getDigitalHuman,
	findDigitalHumans,
	previewDigitalHumans,
	listTimbres,
	listStreamTasks,
	getStreamTask,
	createStreamTask,
	createViewerLink,
	watchStreamTask,
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
	galleryResource,
}

// Config says how the server works.
type Config struct {
	// Project returns the ZEGO project that a request works with; it must not return nil.
	// It is called for each request of a client with the context of that request, and by
	// NewServer with a background context. Default: a project without a client, in which
	// every tool call fails.
	Project func(context.Context) *Project

	Simulated bool          // Answers come from the simulator; agents are told so.
	Timeout   time.Duration // Time limit of one request; default DefaultTimeout.
	// SpeechWait is how long a call waits for the end of speech before it answers that the
	// speech goes on. Default: Timeout, but at most DefaultSpeechWait.
	SpeechWait time.Duration
	Logger     *slog.Logger // Gets one line per request; default: nothing is logged.
	Version    string       // Version of the server, which clients are told.
	// Observe is told how each request of a client ended. It must be safe for concurrent use, and
	// return soon. Default: nobody is told.
	Observe func(context.Context, RequestInfo)
	// Trace is called when a request of a client begins. It returns the context under which the
	// request is handled, the id of its trace for the log, which may be "", and a function that is
	// called when the request has ended. It must be safe for concurrent use, and return soon.
	// Default: there are no traces.
	Trace func(context.Context, RequestStart) (traced context.Context, traceID string, end func(RequestInfo))

	Local bool // Agents are on this machine: offer the tools that read its files.
	// AudioClient reads the beginning of the files that drive_by_audio speaks, to learn how long
	// they are. Default: nil, so that this is not known.
	AudioClient *http.Client
	// Watch returns the URL of a page on this machine where a stream task can be watched, for
	// watch_stream_task. Default: nil, and the tool is not offered.
	Watch func(ctx context.Context, taskID string) (url string, err error)
	// Pictures makes the thumbnails of digital humans. Default: one that fetches them from the
	// internet alone, and not from a simulator.
	Pictures *pictures.Store
	// ViewerURL makes the links of create_viewer_link. Default: it answers code for a page.
	ViewerURL ViewerURLTemplate
	AudioDirs []string // Absolute paths of the directories that drive_by_audio_file may read; default: none.
}

// DefaultTimeout is the default of Config.Timeout.
const DefaultTimeout = 30 * time.Second

// DefaultSpeechWait is the longest default of Config.SpeechWait. Many clients give a call up
// after a minute.
const DefaultSpeechWait = 50 * time.Second

// Project is what a request may use: a ZEGO project, and what the caller may do there.
type Project struct {
	Client      *zego.Client    // Nil if the configuration does not allow calls.
	Unavailable error           // Why Client is nil, and what the user can do about it.
	Streams     *streams.Ledger // The stream tasks that this process created in the project; its owner closes it.
	Speech      *speech.Tracker // What their digital humans speak; its owner closes it.
	Toolsets    []Toolset       // Which tools, prompts and resources may be used; empty: the default toolsets.
	Name        string          // Names the project in the log; empty: it is the only one.
	Pictures    *pictures.Store // Makes the thumbnails of its digital humans; nil: Config.Pictures does.

	caller Caller // Who uses the project; For sets it.
}

// client returns the project's client, or an error that says why there is none.
func (p *Project) client() (*zego.Client, error) {
	if p.Client == nil {
		return nil, &unavailableError{p.Unavailable}
	}
	return p.Client, nil
}

// OneProject returns a function for Config.Project that gives every request the same
// project. If project.Streams is nil, it becomes a ledger with the default limits. The
// caller cannot stop the tasks in that ledger, so they may outlive the process. If
// project.Speech is nil, it becomes a tracker without callbacks.
func OneProject(project Project) func(context.Context) *Project {
	if project.Streams == nil {
		project.Streams = streams.New(project.Client, streams.Options{})
	}
	if project.Speech == nil {
		project.Speech = speech.New(project.Client, speech.Options{})
	}
	return func(context.Context) *Project { return &project }
}

// NewServer returns an MCP server with all tools, prompts and resources. A client sees and
// can use only those whose toolset its project allows.
//
// NewServer panics if a tool in the lists has no effect, or if a tool, prompt or resource
// has no known toolset.
func NewServer(cfg Config) *server.MCPServer {
	cfg = cfg.withDefaults()
	a := adapter{cfg}
	filter := toolsetFilter{cfg: cfg, toolsets: map[string]Toolset{}, forApps: map[string]bool{}, addSchemas: map[string]func(*mcp.Tool){}}
	hooks := &server.Hooks{}
	refuseLongValues(hooks)
	announceApps(hooks)
	instructCallers(hooks, cfg)
	filter.addTo(hooks)
	title := "ZEGOCLOUD Digital Human"
	if cfg.Simulated {
		title += " (simulated)"
	}
	s := server.NewMCPServer("zego-mcp", cfg.Version, append(keepOrigins(cfg, hooks),
		server.WithTitle(title),
		server.WithInstructions(instructions(cfg, cfg.Project(context.Background()))),
		server.WithToolCapabilities(false),
		server.WithToolFilter(filter.tools),
		server.WithPromptCapabilities(false),
		server.WithPromptFilter(filter.prompts),
		server.WithResourceCapabilities(false, false),
		server.WithHooks(hooks),
		server.WithExtensions(map[string]any{AppsExtension: map[string]any{}}),
		server.WithCompletions(),
		server.WithPromptCompletionProvider(completions{a}),
		server.WithResourceCompletionProvider(completions{a}),
	)...)
	for _, t := range allTools {
		if info := t.info(); cfg.offers(info) {
			filter.add(kindTool, info.name, info.toolset)
			s.AddTools(filter.serverTool(t, a))
		}
	}
	for _, t := range appTools {
		filter.addForApps(kindTool, t.info().name, t.info().toolset)
		s.AddTools(filter.serverTool(t, a))
	}
	s.AddTools(filter.notOffered(a))
	for _, p := range allPrompts {
		filter.add(kindPrompt, p.Name, p.toolset)
		s.AddPrompt(p.Prompt, p.handler(a))
	}
	for _, r := range allResources {
		filter.add(kindResource, r.uri, r.toolset)
		if r.forApps {
			filter.addForApps(kindResource, r.uri, r.toolset)
		}
		r.register(s, hooks, a)
	}
	return s
}

// withDefaults returns the configuration with the defaults of what is not set.
func (c Config) withDefaults() Config {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.SpeechWait <= 0 {
		c.SpeechWait = min(c.Timeout, DefaultSpeechWait)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Pictures == nil {
		c.Pictures = pictures.NewStore(pictures.NewFetcher(pictures.FetcherOptions{}))
	}
	if c.Project == nil {
		c.Project = OneProject(Project{})
	}
	return c
}

// offers reports whether a server with this configuration has a tool, whoever calls it.
func (c Config) offers(t toolInfo) bool {
	return (!t.local || c.Local) && (!t.watches || c.Watch != nil)
}

// toolsetFilter hides from a client the tools, prompts and resources whose toolset its
// project does not allow. For tools and prompts, mcp-go applies the filter to lists and to
// calls; a call of a tool that is not allowed is answered by notOfferedTool.
type toolsetFilter struct {
	cfg      Config
	toolsets map[string]Toolset // By kind and name, as in "tool get_stream_task".
	forApps  map[string]bool    // What is only for clients that show apps, by kind and name.
	// addSchemas adds to a tool that a client gets to see its schemas, by the tool's name.
	addSchemas map[string]func(*mcp.Tool)
}

// serverTool returns a tool as mcp-go serves it, without its schemas.
func (f toolsetFilter) serverTool(t anyTool, a adapter) server.ServerTool {
	served, addSchemas := t.serverTool(a)
	f.addSchemas[served.Tool.Name] = addSchemas
	return served
}

// add records the toolset of a tool, prompt or resource. It panics if there is no such
// toolset.
func (f toolsetFilter) add(kind requestKind, name string, set Toolset) {
	if !set.known() {
		panic("tools: " + string(kind) + " " + name + " has no known toolset")
	}
	f.toolsets[string(kind)+" "+name] = set
}

// addForApps is like add, for what only clients that show apps may use.
func (f toolsetFilter) addForApps(kind requestKind, name string, set Toolset) {
	f.add(kind, name, set)
	f.forApps[string(kind)+" "+name] = true
}

// allows reports whether a client may use a tool, prompt or resource.
func (f toolsetFilter) allows(ctx context.Context, kind requestKind, name string) bool {
	key := string(kind) + " " + name
	return f.cfg.Project(ctx).allows(f.toolsets[key]) && (!f.forApps[key] || clientShowsApps(ctx))
}

func (f toolsetFilter) tools(ctx context.Context, all []mcp.Tool) []mcp.Tool {
	allowed := keep(all, func(t mcp.Tool) bool { return t.Name == notOfferedTool || f.allows(ctx, kindTool, t.Name) })
	if !clientShowsApps(ctx) {
		for i := range allowed {
			allowed[i] = withoutPage(allowed[i])
		}
	}
	return allowed
}

func (f toolsetFilter) prompts(ctx context.Context, all []mcp.Prompt) []mcp.Prompt {
	return keep(all, func(p mcp.Prompt) bool { return f.allows(ctx, kindPrompt, p.Name) })
}

// addTo filters the lists of resources by hooks, because mcp-go has no filters for them.
// The hook of a resource checks the toolset when the resource is read. The hooks also
// hide notOfferedTool from the list of tools, add the schemas to that list, let notOfferedTool
// answer the calls of tools that are not offered, and refuse prompts in words.
func (f toolsetFilter) addTo(hooks *server.Hooks) {
	hooks.AddBeforeCallTool(f.redirectCall)
	hooks.AddBeforeGetPrompt(f.refuseGetPrompt)
	hooks.AddAfterListTools(func(_ context.Context, _ any, _ *mcp.ListToolsRequest, result *mcp.ListToolsResult) {
		result.Tools = keep(result.Tools, func(t mcp.Tool) bool { return t.Name != notOfferedTool })
		for i := range result.Tools {
			f.addSchemas[result.Tools[i].Name](&result.Tools[i])
		}
	})
	hooks.AddAfterListResources(func(ctx context.Context, _ any, _ *mcp.ListResourcesRequest, result *mcp.ListResourcesResult) {
		result.Resources = keep(result.Resources, func(r mcp.Resource) bool { return f.allows(ctx, kindResource, r.URI) })
	})
	hooks.AddAfterListResourceTemplates(func(ctx context.Context, _ any, _ *mcp.ListResourceTemplatesRequest, result *mcp.ListResourceTemplatesResult) {
		result.ResourceTemplates = keep(result.ResourceTemplates, func(r mcp.ResourceTemplate) bool {
			return f.allows(ctx, kindResource, r.URITemplate.Raw())
		})
	})
}

// keep returns a new slice of the items for which wanted is true.
func keep[T any](items []T, wanted func(T) bool) []T {
	kept := make([]T, 0, len(items))
	for _, item := range items {
		if wanted(item) {
			kept = append(kept, item)
		}
	}
	return kept
}
