package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/internal/leaktest"
	"zego-mcp/tools"
	"zego-mcp/tools/pictures"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// simulatorTime is the time at which newAssetsServer's simulator stands still.
var simulatorTime = time.Date(2026, 11, 23, 20, 0, 0, 0, time.FixedZone("CST", 8*3600))

// newAssetsServer returns an MCP server with the default toolsets, whose answers come from
// sim, and the URL of sim. The clock of both stands still at simulatorTime.
func newAssetsServer(t *testing.T, sim *zegosim.Server, cfg tools.Config) (*server.MCPServer, string) {
	t.Helper()
	sim.Now = func() time.Time { return simulatorTime }
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint: srv.URL, Now: sim.Now, RetryInterval: time.Microsecond, QPS: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Pictures = picturesOf(srv.URL)
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Minute // The simulator draws its pictures slowly under the race detector.
	}
	cfg.Project, cfg.Version = tools.OneProject(tools.Project{Client: client}), "test"
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(leaktest.Writer("the log of tools", io.Discard), nil))
	}
	return tools.NewServer(cfg), srv.URL
}

// picturesOf returns a store that may fetch pictures from the simulator with this URL.
func picturesOf(simulator string) *pictures.Store {
	return pictures.NewStore(pictures.NewFetcher(pictures.FetcherOptions{LoopbackHost: strings.TrimPrefix(simulator, "http://"), Timeout: 10 * time.Minute}))
}

// testServer is an MCP server with all toolsets in front of a simulator of ZEGO. It records
// its log and the requests that the simulator gets.
type testServer struct {
	*server.MCPServer
	sim     *zegosim.Server
	client  *zego.Client // For requests that do not come from a tool.
	streams *streams.Ledger
	speech  *speech.Tracker

	mu       sync.Mutex // guards what follows
	requests []zegosim.Call
	log      bytes.Buffer
}

// Write appends to the log.
func (s *testServer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *testServer) logText() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// requestBodies returns the bodies of the requests that the simulator got for an action.
func (s *testServer) requestBodies(action string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bodies []string
	for _, request := range s.requests {
		if request.Action == action {
			bodies = append(bodies, string(request.Body))
		}
	}
	return bodies
}

// requestCount returns how many requests the simulator got.
func (s *testServer) requestCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

// requestCountOf returns how many requests the simulator got for an action.
func (s *testServer) requestCountOf(action string) int { return len(s.requestBodies(action)) }

// runningTasks asks the simulator which stream tasks run, also those of other programs.
func (s *testServer) runningTasks(t *testing.T) []zego.StreamTask {
	t.Helper()
	list, err := s.client.ListStreamTasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list.Tasks
}

// newTestServer starts a testServer for sim. The simulator has no rate limit, and streams
// start at once unless sim.StartDelay is set.
func newTestServer(t *testing.T, sim *zegosim.Server, cfg tools.Config, opts streams.Options) *testServer {
	t.Helper()
	srv := httptest.NewServer(sim)
	t.Cleanup(func() { srv.Close(); _ = sim.Close() })
	return newTestServerOf(t, sim, cfg, opts, speech.Options{}, zego.Options{Endpoint: srv.URL, RetryInterval: time.Microsecond, Timeout: 2 * time.Second})
}

// newVirtualServer returns a testServer that reaches sim without a network, so that it can be
// used in a synctest bubble, where time is virtual.
func newVirtualServer(t *testing.T, sim *zegosim.Server, cfg tools.Config, opts streams.Options, speechOpts speech.Options) *testServer {
	t.Helper()
	s := newTestServerOf(t, sim, cfg, opts, speechOpts, zego.Options{Endpoint: "http://127.0.0.1:1", HTTPClient: &http.Client{Transport: inProcess{sim}}})
	t.Cleanup(func() { s.streams.Close(context.Background()); s.speech.Close() })
	return s
}

// inProcess lets a handler answer requests without a network.
type inProcess struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (p inProcess) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if recover() != nil { // The handler has dropped the connection.
			resp, err = nil, io.ErrUnexpectedEOF
		}
	}()
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// newTestServerOf does the work of newTestServer and newVirtualServer.
func newTestServerOf(t *testing.T, sim *zegosim.Server, cfg tools.Config, opts streams.Options, speechOpts speech.Options, clientOpts zego.Options) *testServer {
	t.Helper()
	s := &testServer{sim: sim}
	sim.QPS = -1
	if sim.StartDelay == 0 {
		sim.StartDelay = -1
	}
	observe := sim.Observe
	sim.Observe = func(call zegosim.Call) {
		s.mu.Lock()
		s.requests = append(s.requests, call)
		s.mu.Unlock()
		if observe != nil {
			observe(call)
		}
	}
	clientOpts.QPS = -1
	var err error
	s.client, err = zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, clientOpts)
	if err != nil {
		t.Fatal(err)
	}
	opts.Logger = slog.New(slog.NewTextHandler(leaktest.Writer("the log of tools", s), nil))
	if opts.StopTimeout == 0 {
		opts.StopTimeout = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = opts.Logger
	}
	s.streams = streams.New(s.client, opts)
	speechOpts.Logger = opts.Logger
	s.speech = speech.New(s.client, speechOpts)
	cfg.Project = tools.OneProject(tools.Project{
		Client: s.client, Streams: s.streams, Speech: s.speech, Toolsets: allToolsets,
	})
	cfg.Local = true
	s.MCPServer = tools.NewServer(cfg)
	return s
}

// testClock is the real clock plus an offset.
type testClock struct{ offset atomic.Int64 }

func (c *testClock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *testClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// mustCall calls a tool and returns its result. The test fails if the call does.
func (s *testServer) mustCall(t *testing.T, tool, arguments string) map[string]any {
	t.Helper()
	result := callTool(t.Context(), t, s.MCPServer, tool, arguments)
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

// mustFail calls a tool. The test fails unless the call does, with a text that contains each
// of wants.
func (s *testServer) mustFail(t *testing.T, tool, arguments string, wants ...string) {
	t.Helper()
	result := callTool(t.Context(), t, s.MCPServer, tool, arguments)
	text := textOf(t, result)
	for _, want := range wants {
		if !result.IsError || result.StructuredContent != nil || !strings.Contains(text, want) {
			t.Errorf("%s %.200s: got %s, want %q", tool, arguments, text, want)
		}
	}
}

var (
	humanWithGesture = findHuman("wave_hand") // A DigitalHumanId.
	publicTimbre     = findPublicTimbre()     // A TimbreId that every digital human can speak with.
)

func findHuman(gesture string) string {
	for _, human := range zegosim.DefaultHumans() {
		for _, g := range human.Gestures {
			if g.Name == gesture {
				return human.ID
			}
		}
	}
	panic("no digital human has the gesture " + gesture)
}

func findPublicTimbre() string {
	for _, timbre := range zegosim.DefaultTimbres() {
		if timbre.DigitalHumanID == "" {
			return timbre.ID
		}
	}
	panic("no public timbre")
}

// createArguments returns arguments for create_stream_task: the required ones, and more,
// which is empty or begins with a comma.
func createArguments(more string) string {
	return fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"%s}`, humanWithGesture, more)
}

// createTask starts a stream task with createArguments(more) and returns its TaskId.
func (s *testServer) createTask(t *testing.T, more string) string {
	t.Helper()
	return s.mustCall(t, "create_stream_task", createArguments(more))["TaskId"].(string)
}

// failAction returns a function for zegosim.Server.Fault that fails each request for an
// action.
func failAction(action string, fault zegosim.Fault) func(string, int) *zegosim.Fault {
	return func(requested string, _ int) *zegosim.Fault {
		if requested == action {
			return &fault
		}
		return nil
	}
}

// callTool calls a tool. arguments is JSON; if it is empty, the call has none.
func callTool(ctx context.Context, t *testing.T, s *server.MCPServer, tool, arguments string) *mcp.CallToolResult {
	t.Helper()
	params := fmt.Sprintf(`{"name":%q}`, tool)
	if arguments != "" {
		params = fmt.Sprintf(`{"name":%q,"arguments":%s}`, tool, arguments)
	}
	answer := s.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`+params+`}`))
	seeAnswer(t, answer)
	response, ok := answer.(mcp.JSONRPCResponse)
	if !ok {
		t.Fatalf("%s %s: got %+v, want a result", tool, arguments, answer)
	}
	var result *mcp.CallToolResult
	switch value := response.Result.(type) {
	case *mcp.CallToolResult:
		result = value
	case mcp.CallToolResult:
		result = &value
	default:
		t.Fatalf("got a %T", response.Result)
	}
	recordOutcome(tool, result)
	return result
}

// seeAnswer lets leaktest look through an answer of the server.
func seeAnswer(t *testing.T, answer any) {
	t.Helper()
	text, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	leaktest.See("an answer of tools", string(text))
}

// textOf returns the text of a result, which must be its only content.
func textOf(t *testing.T, result *mcp.CallToolResult) string {
	t.Helper()
	if len(result.Content) != 1 {
		t.Fatalf("got %d blocks, want 1", len(result.Content))
	}
	return result.Content[0].(mcp.TextContent).Text
}

// rpc sends a JSON-RPC request and returns its result, or the code of its error.
func (s *testServer) rpc(t *testing.T, method, params string) (result map[string]any, code int) {
	t.Helper()
	answer := s.send(t, method, params)
	return answer.Result, answer.Error.Code
}

// rpcError sends a JSON-RPC request and returns the error, or "" and 0 if there is none.
func (s *testServer) rpcError(t *testing.T, method, params string) (message string, code int) {
	t.Helper()
	answer := s.send(t, method, params)
	return answer.Error.Message, answer.Error.Code
}

// rpcAnswer is the answer to a JSON-RPC request.
type rpcAnswer struct {
	Result map[string]any
	Error  struct {
		Code    int
		Message string
	}
}

func (s *testServer) send(t *testing.T, method, params string) (answer rpcAnswer) {
	t.Helper()
	text, err := json.Marshal(s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`)))
	if err != nil {
		t.Fatal(err)
	}
	leaktest.See("an answer of tools", string(text))
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// allToolsets holds every toolset.
var allToolsets = func() []tools.Toolset {
	sets, err := tools.ParseToolsets(tools.AllToolsets)
	if err != nil {
		panic(err)
	}
	return sets
}()

// toolDefinition is a tool in the answer to tools/list.
type toolDefinition struct {
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

// toolDefinitions returns the tools that a server with these toolsets offers to local agents.
func toolDefinitions(t *testing.T, sets []tools.Toolset) []toolDefinition {
	t.Helper()
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: sets}), Local: true, Watch: watchNothing})
	var answer struct{ Tools []toolDefinition }
	if err := json.Unmarshal(listTools(t, s), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Tools
}

// listTools returns the result of tools/list as indented JSON.
func listTools(t *testing.T, s *server.MCPServer) []byte {
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
