package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"zego-mcp/schema"
	"zego-mcp/tools"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

var update = flag.Bool("update", false, "rewrite the golden files")

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

// golden compares got with a file, or rewrites it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
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

// TestToolsList keeps what agents see of the tools in golden files, one per
// toolset, and holds every tool to what clients accept.
func TestToolsList(t *testing.T) {
	t.Parallel()
	for name, sets := range map[string][]tools.Toolset{
		"tools-assets.json": nil,
		"tools-all.json":    everyToolset,
	} {
		got := list(t, tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: sets}), Local: true}))
		golden(t, name, got)
		var answer struct {
			Tools []struct {
				Name, Title, Description  string
				InputSchema, OutputSchema json.RawMessage
				Annotations               struct {
					Title                                                        string
					ReadOnlyHint, DestructiveHint, IdempotentHint, OpenWorldHint *bool
				}
			}
		}
		if err := json.Unmarshal(got, &answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Tools) == 0 {
			t.Error("no tools")
		}
		for _, tool := range answer.Tools {
			if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(tool.Name) || len("zego-mcp")+len(tool.Name) > 60 {
				t.Errorf("%s: bad name", tool.Name)
			}
			if tool.Title == "" || tool.Title != tool.Annotations.Title || !strings.HasSuffix(tool.Description, ".") || len(tool.Description) > 700 {
				t.Errorf("%s: bad words", tool.Name)
			}
			for _, text := range []json.RawMessage{tool.InputSchema, tool.OutputSchema} {
				if err := schema.Check(text); err != nil {
					t.Errorf("%s: %v", tool.Name, err)
				}
			}
			if !bytes.Contains(tool.InputSchema, []byte(`"additionalProperties": false`)) {
				t.Errorf("%s takes arguments that it does not know", tool.Name)
			}
			a := tool.Annotations
			if a.ReadOnlyHint == nil || a.DestructiveHint == nil || a.IdempotentHint == nil || a.OpenWorldHint == nil {
				t.Errorf("%s: a hint is left to the client", tool.Name)
				continue
			}
			if *a.ReadOnlyHint && *a.DestructiveHint || name == "tools-assets.json" && !*a.ReadOnlyHint {
				t.Errorf("%s: hints are wrong", tool.Name)
			}
		}
		// What every agent pays for in each conversation: about 4 characters a token.
		var paid bytes.Buffer
		if err := json.Compact(&paid, got); err != nil {
			t.Fatal(err)
		}
		if most := map[string]int{"tools-assets.json": 12000, "tools-all.json": 25000}[name]; paid.Len() > most {
			t.Errorf("%s: tools/list has %d characters, more than %d", name, paid.Len(), most)
		}
	}
}

// TestTranscripts replays conversations: each line that begins with > is a message
// to the server, the lines with < below it are the answer.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.transcript")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, url := start(t, &zegosim.Server{QPS: -1}, tools.Config{})
			var got strings.Builder
			for line := range strings.Lines(string(text)) {
				message, ok := strings.CutPrefix(line, "> ")
				if strings.HasPrefix(line, "< ") {
					continue
				}
				got.WriteString(line)
				if !ok {
					continue
				}
				var answer bytes.Buffer
				enc := json.NewEncoder(&answer)
				enc.SetEscapeHTML(false)
				if err := enc.Encode(s.HandleMessage(t.Context(), json.RawMessage(message))); err != nil {
					t.Fatal(err)
				}
				got.WriteString("< " + strings.ReplaceAll(answer.String(), url, "http://simulator"))
			}
			golden(t, filepath.Base(path), []byte(got.String()))
		})
	}
}

// TestResult holds the two forms of a result to each other and to the schema.
func TestResult(t *testing.T) {
	t.Parallel()
	humans := []zego.DigitalHuman{{ID: "a", Name: `<b> & "知" `, AvatarURL: "https://x.test/a.png?a=1&b=2"}, {ID: "b"}, {ID: "c", IsPublic: true}}
	s, _ := start(t, &zegosim.Server{QPS: -1, Humans: humans}, tools.Config{})
	for _, tt := range []struct {
		arguments string
		ids       []string
		next      any
	}{
		{``, []string{"a", "b", "c"}, nil},
		{`null`, []string{"a", "b", "c"}, nil},
		{`{}`, []string{"a", "b", "c"}, nil},
		{`{"Limit":"2"}`, []string{"a", "b"}, 2.0},
		{`{"Limit":1.0,"Offset":1e0}`, []string{"b"}, 2.0},
		{`{"Limit":2,"Offset":1}`, []string{"b", "c"}, nil},
		{`{"FetchMode":2}`, []string{"c"}, nil},
		{`{"FetchMode":3,"Limit":1}`, []string{"a"}, 1.0},
		{`{"Offset":3}`, []string{}, nil},
		{`{"Offset":1000000}`, []string{}, nil},
	} {
		result := call(t.Context(), t, s, "list_digital_humans", tt.arguments)
		text := textOf(t, result)
		structured, err := json.Marshal(result.StructuredContent)
		if err != nil || result.IsError {
			t.Fatalf("%s: %v %s", tt.arguments, err, text)
		}
		var fromText, fromStructure map[string]any
		if json.Unmarshal([]byte(text), &fromText) != nil || json.Unmarshal(structured, &fromStructure) != nil {
			t.Fatalf("%s: not JSON: %s", tt.arguments, text)
		}
		if diff := cmp.Diff(fromText, fromStructure); diff != "" {
			t.Errorf("%s: text and structuredContent differ:\n%s", tt.arguments, diff)
		}
		if strings.Contains(text, `\u0026`) || strings.Contains(text, "null") || strings.Contains(text, "\n") {
			t.Errorf("%s: got %s", tt.arguments, text)
		}
		ids := []string{}
		for _, human := range fromText["DigitalHumans"].([]any) {
			ids = append(ids, human.(map[string]any)["DigitalHumanId"].(string))
		}
		if diff := cmp.Diff(tt.ids, ids); diff != "" || fromText["NextOffset"] != tt.next || fromText["AvatarUrlsExpireAt"] != "2026-11-24T12:00:00Z" {
			t.Errorf("%s: got %s", tt.arguments, text)
		}
	}
}

// TestGetDigitalHuman gets a digital human of the list by its id: both describe it equally.
func TestGetDigitalHuman(t *testing.T) {
	t.Parallel()
	s, _ := start(t, &zegosim.Server{QPS: -1}, tools.Config{})
	var page, human map[string]any
	if err := json.Unmarshal([]byte(textOf(t, call(t.Context(), t, s, "list_digital_humans", `{"Limit":1}`))), &page); err != nil {
		t.Fatal(err)
	}
	listed := page["DigitalHumans"].([]any)[0].(map[string]any)
	result := call(t.Context(), t, s, "get_digital_human", fmt.Sprintf(`{"DigitalHumanId":%q}`, listed["DigitalHumanId"]))
	if err := json.Unmarshal([]byte(textOf(t, result)), &human); err != nil || result.IsError {
		t.Fatal(err, textOf(t, result))
	}
	if human["AvatarUrlExpiresAt"] != "2026-11-24T12:00:00Z" || human["RequestId"] == "" {
		t.Errorf("got %v", human)
	}
	delete(human, "AvatarUrlExpiresAt")
	delete(human, "RequestId")
	if diff := cmp.Diff(listed, human); diff != "" {
		t.Errorf("(-listed +got):\n%s", diff)
	}
}

// TestBadArguments sends nothing upstream, whatever is wrong.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	sent := make(chan string, 100)
	s, _ := start(t, &zegosim.Server{QPS: -1, Observe: func(call zegosim.Call) { sent <- call.Action }}, tools.Config{})
	const known = "(known: FetchMode, Offset, Limit)"
	for _, tt := range []struct{ tool, arguments, want string }{
		{"list_digital_humans", `{"Limit":50}`, "Limit must be an integer from 1 to 20, got 50"},
		{"list_digital_humans", `{"Limit":0}`, "Limit must be an integer from 1 to 20, got 0"},
		{"list_digital_humans", `{"Limit":-1}`, "Limit must be an integer from 1 to 20, got -1"},
		{"list_digital_humans", `{"Limit":2.5}`, "Limit must be an integer from 1 to 20, got 2.5"},
		{"list_digital_humans", `{"Limit":true}`, "Limit must be an integer from 1 to 20, got true"},
		{"list_digital_humans", `{"Limit":""}`, `Limit must be an integer from 1 to 20, got ""`},
		{"list_digital_humans", `{"Limit":[]}`, "Limit must be an integer from 1 to 20, got []"},
		{"list_digital_humans", `{"Limit":null}`, "Limit must be an integer from 1 to 20, got null"},
		{"list_digital_humans", `{"FetchMode":0}`, "FetchMode must be an integer from 1 to 3, got 0"},
		{"list_digital_humans", `{"FetchMode":4}`, "FetchMode must be an integer from 1 to 3, got 4"},
		{"list_digital_humans", `{"FetchMode":"private"}`, `FetchMode must be an integer from 1 to 3, got "private"`},
		{"list_digital_humans", `{"Offset":-1}`, "Offset must be an integer from 0 to 1000000, got -1"},
		{"list_digital_humans", `{"Offset":1000001}`, "Offset must be an integer from 0 to 1000000, got 1000001"},
		{"list_digital_humans", `{"limit":5}`, `unknown argument "limit"; did you mean "Limit"? ` + known},
		{"list_digital_humans", `{"PageSize":5}`, `unknown argument "PageSize" ` + known},
		{
			"list_digital_humans", `{"FetchMode":9,"Offset":-5,"Limit":99,"x":1}`,
			"FetchMode must be an integer from 1 to 3, got 9\nOffset must be an integer from 0 to 1000000, got -5\n" +
				"Limit must be an integer from 1 to 20, got 99\nunknown argument \"x\" " + known,
		},
		{"list_digital_humans", `[]`, "arguments must be a JSON object, got []"},
		{"list_digital_humans", `"Limit=5"`, `arguments must be a JSON object, got "Limit=5"`},
		{"get_digital_human", ``, "DigitalHumanId is required"},
		{"get_digital_human", `{"DigitalHumanId":""}`, "DigitalHumanId must have 1 to 128 characters, got 0"},
		{"get_digital_human", `{"DigitalHumanId":7}`, "DigitalHumanId must be a string, got 7"},
		{"get_digital_human", `{"DigitalHumanID":"x"}`, "DigitalHumanId is required\n" + `unknown argument "DigitalHumanID"; did you mean "DigitalHumanId"? (known: DigitalHumanId)`},
	} {
		result := call(t.Context(), t, s, tt.tool, tt.arguments)
		if diff := cmp.Diff(tt.want, textOf(t, result)); diff != "" || !result.IsError || result.StructuredContent != nil {
			t.Errorf("%s %s: (-want +got):\n%s", tt.tool, tt.arguments, diff)
		}
	}
	if len(sent) > 0 {
		t.Errorf("%d calls went upstream", len(sent))
	}
}

// TestFaults shows what a model reads when things go wrong.
func TestFaults(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, fault := range []struct {
		name string
		zegosim.Fault
	}{
		{"busy for good", zegosim.Fault{Code: zego.CodeSystemBusy, Message: "system busy"}},
		{"clock", zegosim.Fault{Code: zego.CodeSignatureExpired, Message: "signature expired"}},
		{"wrong secret", zegosim.Fault{Code: zego.CodeSignatureWrong, Message: "signature wrong"}},
		{"not enabled", zegosim.Fault{Code: zego.CodeServiceNotEnabled}},
		{"unknown code", zegosim.Fault{Code: 400000018, Message: "resource resolution error"}},
		{"gateway", zegosim.Fault{Code: zego.CodeGatewayNoAppConfig, Message: "no app"}},
		{"HTML", zegosim.Fault{Status: 403, Body: "<html>Blocked by the firewall</html>"}},
		{"HTTP 500", zegosim.Fault{Status: 500, Empty: true}},
		{"redirect", zegosim.Fault{Redirect: "http://login.example/"}},
		{"dropped", zegosim.Fault{Drop: true}},
		{"Data absent", zegosim.Fault{Body: `{"Code":0,"Message":"success","RequestId":"r-1"}`}},
	} {
		s, _ := start(t, &zegosim.Server{QPS: -1, Fault: func(string, int) *zegosim.Fault { return &fault.Fault }}, tools.Config{})
		result := call(t.Context(), t, s, "list_digital_humans", `{}`)
		if !result.IsError || result.StructuredContent != nil {
			t.Errorf("%s: got %+v", fault.name, result)
		}
		_, _ = fmt.Fprintf(&all, "# %s\n%s\n\n", fault.name, textOf(t, result))
	}
	golden(t, "faults.txt", []byte(all.String()))
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Unavailable: errors.New("ZEGO_APP_ID is not set")})})
	result := call(t.Context(), t, s, "list_digital_humans", `{}`)
	if got := textOf(t, result); !result.IsError || got != "ZEGO_APP_ID is not set" {
		t.Errorf("got %q", got)
	}
	if got := textOf(t, call(t.Context(), t, s, "list_digital_humans", `{"Limit":0}`)); !strings.HasPrefix(got, "Limit must") {
		t.Errorf("got %q, want the arguments checked first", got)
	}
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	s, _ := start(t, &zegosim.Server{Fault: func(string, int) *zegosim.Fault { return &zegosim.Fault{Stall: true} }}, tools.Config{Timeout: 30 * time.Millisecond})
	result := call(t.Context(), t, s, "list_digital_humans", ``)
	if got := textOf(t, result); !result.IsError || !strings.Contains(got, "time limit of 30ms is over") {
		t.Errorf("got %q", got)
	}
}

// TestCancel cancels a call as mcp-go does, and waits for the upstream call to stop.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s, _ := start(t, &zegosim.Server{
		Fault:   func(string, int) *zegosim.Fault { return &zegosim.Fault{Stall: true} },
		Observe: func(zegosim.Call) { cancel() },
	}, tools.Config{})
	result := call(ctx, t, s, "list_digital_humans", ``)
	if got := textOf(t, result); !result.IsError || got != "GetDigitalHumanList was cancelled." {
		t.Errorf("got %q", got)
	}
	// The stalled handler ends only when its caller hangs up; start's Close waits for it.
}

func TestLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, _ := start(t, &zegosim.Server{QPS: -1}, tools.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "took" {
				return slog.Attr{}
			}
			return a
		},
	}))})
	call(t.Context(), t, s, "list_digital_humans", `{"Limit":1}`)
	call(t.Context(), t, s, "get_digital_human", `{"DigitalHumanId":"private words"}`)
	call(t.Context(), t, s, "get_digital_human", `{"private words":1}`)
	want := `level=INFO msg="tool call" tool=list_digital_humans action=GetDigitalHumanList attempts=1 code=0 request_id=00000000-0000-4000-8000-000000000001
level=WARN msg="tool call failed" tool=get_digital_human action=GetDigitalHumanInfo attempts=1 code=400000003 request_id=00000000-0000-4000-8000-000000000002 err="digital human not found (code 400000003)"
level=WARN msg="tool call failed" tool=get_digital_human err="2 invalid arguments"
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSimulatedSaysSo(t *testing.T) {
	t.Parallel()
	for simulated, want := range map[bool]bool{true: true, false: false} {
		s := tools.NewServer(tools.Config{Simulated: simulated})
		answer := s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`))
		text, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(text, []byte(`(simulated)"`)) && bytes.Contains(text, []byte("SIMULATED")); got != want {
			t.Errorf("simulated %t: got %s", simulated, text)
		}
	}
}

func TestParseToolsets(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"": "[assets]", "assets": "[assets]", "streaming": "[streaming]", " Assets , streaming,": "[assets streaming]",
		"all": "[assets streaming]", "assets,assets": "[assets]", "assets,billing": `unknown toolset "billing" (known: assets, streaming, all)`,
	} {
		sets, err := tools.ParseToolsets(list)
		got := fmt.Sprint(sets)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", list, got, want)
		}
	}
}
