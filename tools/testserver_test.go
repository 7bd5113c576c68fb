package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

var noon = time.Date(2026, 11, 23, 20, 0, 0, 0, time.FixedZone("CST", 8*3600))

// start returns an MCP server whose answers come from sim, and sim's URL.
func start(t *testing.T, sim *zegosim.Server, cfg tools.Config) (*server.MCPServer, string) {
	t.Helper()
	sim.Now = func() time.Time { return noon }
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint: srv.URL, Now: sim.Now, RetryInterval: time.Microsecond, QPS: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Project, cfg.Version = tools.OneProject(tools.Project{Client: client}), "test"
	return tools.NewServer(cfg), srv.URL
}

// stage is a server with all tools, and what there is around it.
type stage struct {
	*server.MCPServer
	sim     *zegosim.Server
	client  *zego.Client
	streams *streams.Ledger

	mu    sync.Mutex // guards what follows
	calls []zegosim.Call
	log   bytes.Buffer
}

// Write takes the log.
func (s *stage) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *stage) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// sent returns the bodies that came for an action.
func (s *stage) sent(action string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bodies []string
	for _, call := range s.calls {
		if call.Action == action {
			bodies = append(bodies, string(call.Body))
		}
	}
	return bodies
}

// count returns how many calls came.
func (s *stage) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// running returns what streams at ZEGO.
func (s *stage) running(t *testing.T) []zego.StreamTask {
	t.Helper()
	list, err := s.client.ListStreamTasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list.Tasks
}

func onStage(t *testing.T, sim *zegosim.Server, cfg tools.Config, opts streams.Options) *stage {
	t.Helper()
	s := &stage{sim: sim}
	sim.QPS = -1
	if sim.StartDelay == 0 {
		sim.StartDelay = -1
	}
	observe := sim.Observe
	sim.Observe = func(call zegosim.Call) {
		s.mu.Lock()
		s.calls = append(s.calls, call)
		s.mu.Unlock()
		if observe != nil {
			observe(call)
		}
	}
	srv := httptest.NewServer(sim)
	t.Cleanup(func() { srv.Close(); _ = sim.Close() })
	var err error
	s.client, err = zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: srv.URL, RetryInterval: time.Microsecond, QPS: -1, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	opts.Logger = slog.New(slog.NewTextHandler(s, nil))
	if cfg.Logger == nil {
		cfg.Logger = opts.Logger
	}
	s.streams = streams.New(s.client, opts)
	cfg.Project = tools.OneProject(tools.Project{
		Client: s.client, Streams: s.streams, Toolsets: everyToolset,
	})
	cfg.Local = true
	s.MCPServer = tools.NewServer(cfg)
	return s
}

// clock is the real one, turned.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) turn(d time.Duration) { c.ahead.Add(int64(d)) }

// do calls a tool that must succeed, and returns its result.
func (s *stage) do(t *testing.T, tool, arguments string) map[string]any {
	t.Helper()
	result := call(t.Context(), t, s.MCPServer, tool, arguments)
	text := textOf(t, result)
	if result.IsError {
		t.Fatalf("%s %s: %s", tool, arguments, text)
	}
	out := map[string]any{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// fails calls a tool that must fail with a text that holds each of wants.
func (s *stage) fails(t *testing.T, tool, arguments string, wants ...string) {
	t.Helper()
	result := call(t.Context(), t, s.MCPServer, tool, arguments)
	text := textOf(t, result)
	for _, want := range wants {
		if !result.IsError || result.StructuredContent != nil || !strings.Contains(text, want) {
			t.Errorf("%s %.200s: got %s, want %q", tool, arguments, text, want)
		}
	}
}

var (
	waver    = humanWith("wave_hand") // It has a voice of everybody's and gestures.
	everyone = publicVoice()
)

func humanWith(action string) string {
	for _, human := range zegosim.DefaultHumans() {
		for _, a := range human.Gestures {
			if a.Name == action {
				return human.ID
			}
		}
	}
	panic("no such action")
}

func publicVoice() string {
	for _, timbre := range zegosim.DefaultTimbres() {
		if timbre.DigitalHumanID == "" {
			return timbre.ID
		}
	}
	panic("no public voice")
}

// create starts a stream task and returns its TaskId.
func (s *stage) create(t *testing.T, more string) string {
	t.Helper()
	return s.do(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"%s}`, waver, more))["TaskId"].(string)
}

// call calls a tool with arguments as they stand in JSON.
func call(ctx context.Context, t *testing.T, s *server.MCPServer, tool, arguments string) *mcp.CallToolResult {
	t.Helper()
	params := fmt.Sprintf(`{"name":%q}`, tool)
	if arguments != "" {
		params = fmt.Sprintf(`{"name":%q,"arguments":%s}`, tool, arguments)
	}
	answer := s.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`+params+`}`))
	response, ok := answer.(mcp.JSONRPCResponse)
	if !ok {
		t.Fatalf("%s %s: got %+v, want a result", tool, arguments, answer)
	}
	var result *mcp.CallToolResult
	switch answered := response.Result.(type) {
	case *mcp.CallToolResult:
		result = answered
	case mcp.CallToolResult:
		result = &answered
	default:
		t.Fatalf("got a %T", response.Result)
	}
	recordOutcome(tool, result)
	return result
}

func textOf(t *testing.T, result *mcp.CallToolResult) string {
	t.Helper()
	if len(result.Content) != 1 {
		t.Fatalf("got %d blocks, want 1", len(result.Content))
	}
	return result.Content[0].(mcp.TextContent).Text
}

// rpc sends a request and returns its result, or its error.
func (s *stage) rpc(t *testing.T, method, params string) (result map[string]any, code int) {
	t.Helper()
	text, err := json.Marshal(s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`)))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Result map[string]any
		Error  struct{ Code int }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Result, answer.Error.Code
}

// everyToolset is a project's toolsets with which no tool is hidden.
var everyToolset = func() []tools.Toolset {
	sets, err := tools.ParseToolsets(tools.AllToolsets)
	if err != nil {
		panic(err)
	}
	return sets
}()

// listedTool is a tool in the answer to tools/list.
type listedTool struct {
	Name        string
	InputSchema struct {
		Required   []string
		Properties map[string]struct {
			Type, Pattern        string
			Minimum, Maximum     *int
			MinLength, MaxLength *int
			Enum                 []string
		}
	}
	Annotations struct{ ReadOnlyHint, DestructiveHint, IdempotentHint, OpenWorldHint *bool }
}

// listed returns the tools that a server with some toolsets offers to local agents.
func listed(t *testing.T, sets []tools.Toolset) []listedTool {
	t.Helper()
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: sets}), Local: true})
	var answer struct{ Tools []listedTool }
	if err := json.Unmarshal(list(t, s), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Tools
}

func list(t *testing.T, s *server.MCPServer) []byte {
	t.Helper()
	answer, ok := s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)).(mcp.JSONRPCResponse)
	if !ok {
		t.Fatal("tools/list was refused")
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(answer.Result); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}
