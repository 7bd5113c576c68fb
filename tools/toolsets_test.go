package tools_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

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

// TestHiddenTools checks that tools of a toolset that the project does not allow are not
// listed, and that a call of one says how to turn it on.
func TestHiddenTools(t *testing.T) {
	t.Parallel()
	calledZEGO := false
	s, _ := newAssetsServer(t, &zegosim.Server{Observe: func(zegosim.Call) { calledZEGO = true }}, tools.Config{})
	listed := listTools(t, s)
	hidden := 0
	for _, tool := range toolDefinitions(t, allToolsets) {
		if slices.ContainsFunc(toolDefinitions(t, nil), func(other toolDefinition) bool { return other.Name == tool.Name }) {
			continue
		}
		hidden++
		if strings.Contains(string(listed), `"`+tool.Name+`"`) {
			t.Errorf("%s is listed", tool.Name)
		}
		text := refusalOf(t, s, tool.Name)
		if !strings.HasPrefix(text, tool.Name+" belongs to the toolset streaming") || !strings.Contains(text, "--toolsets all (or ZEGO_TOOLSETS=all)") {
			t.Errorf("%s: got %s", tool.Name, text)
		}
	}
	if hidden < 8 || calledZEGO {
		t.Errorf("%d tools are hidden, ZEGO was called: %t", hidden, calledZEGO)
	}
	// Without Config.Local, agents may be on other machines.
	remote := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: allToolsets})})
	if strings.Contains(string(listTools(t, remote)), "drive_by_audio_file") {
		t.Error("a tool that reads files of this machine is offered to other machines")
	}
	if text := refusalOf(t, remote, "drive_by_audio_file"); !strings.Contains(text, "only over stdio") {
		t.Errorf("got %s", text)
	}
}

// sendCall calls a tool and returns the answer, which may be a protocol error.
func sendCall(t *testing.T, s *server.MCPServer, tool string) mcp.JSONRPCMessage {
	t.Helper()
	message, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": 1, "method": "tools/call",
		"params": map[string]any{"name": tool, "arguments": map[string]any{"TaskId": "x"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.HandleMessage(t.Context(), message)
}

// refusalOf calls a tool that the server does not offer, and returns the text of its refusal.
func refusalOf(t *testing.T, s *server.MCPServer, tool string) string {
	t.Helper()
	answer, ok := sendCall(t, s, tool).(mcp.JSONRPCResponse)
	if !ok {
		t.Fatalf("%s: got %+v, want a result", tool, answer)
	}
	result, ok := answer.Result.(*mcp.CallToolResult)
	if !ok || !result.IsError {
		t.Fatalf("%.100s: got %+v, want a tool error", tool, answer.Result)
	}
	return textOf(t, result)
}

// TestUnknownTool calls tools that do not exist, one of them by the name of the tool that
// answers for others. MCP demands a protocol error, which names what exists.
func TestUnknownTool(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{}, tools.Config{})
	const known = " (known: find_digital_humans, get_digital_human, get_stream_task, list_digital_humans, list_stream_tasks, list_timbres, preview_digital_humans)' not found: tool not found"
	for name, want := range map[string]string{
		"fly":                    `tool '"fly"` + known,
		"":                       `tool '""` + known,
		"tool_not_offered":       `tool '"tool_not_offered"` + known,
		"x\x1b[2J\n":             `tool '"x\x1b[2J\n"` + known,
		strings.Repeat("x", 900): `tool '"` + strings.Repeat("x", 128) + `…"` + known,
	} {
		answer, ok := sendCall(t, s, name).(mcp.JSONRPCError)
		if !ok || answer.Error.Code != mcp.INVALID_PARAMS || answer.Error.Message != want {
			t.Errorf("%.100q: got %+v, want %s", name, answer, want)
		}
	}
	if strings.Contains(string(listTools(t, s)), "tool_not_offered") {
		t.Error("the tool that answers for others is listed")
	}
}

// TestMisspeltTool calls tools by almost their names. The answer is a result, which a model
// reads.
func TestMisspeltTool(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{}, tools.Config{})
	for name, want := range map[string]string{
		"list_digital_human": `unknown tool "list_digital_human"; did you mean "list_digital_humans"? (known: find_digital_humans, get_digital_human, get_stream_task, list_digital_humans, list_stream_tasks, list_timbres, preview_digital_humans)`,
		"CreateStreamTask": `unknown tool "CreateStreamTask"; did you mean "create_stream_task"?` + "\n" +
			"create_stream_task belongs to the toolset streaming (tools that create, drive and stop streams, which ZEGO bills), which is off.\n" +
			"What to do: Ask the user to turn it on, by starting zego-mcp with --toolsets all (or ZEGO_TOOLSETS=all).",
	} {
		if got := refusalOf(t, s, name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// TestShortenedTool calls tools by some words of their names. A word that several tools have
// names none of them.
func TestShortenedTool(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{}, tools.Config{})
	for name, want := range map[string]string{
		"create_stream": "create_stream_task", "stop-stream": "stop_stream_task", "list_streams": "list_stream_tasks",
		"List_Humans": "list_digital_humans", "get_human": "get_digital_human", "interrupt": "interrupt_drive",
	} {
		if got := refusalOf(t, s, name); !strings.Contains(got, "did you mean \""+want+"\"?") {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"stream", "digital_human", "drive_by", "_", "create_stream_now"} {
		if answer, ok := sendCall(t, s, name).(mcp.JSONRPCError); !ok {
			t.Errorf("%s: got %+v, want a protocol error", name, answer)
		}
	}
}

// TestInstructions checks that the instructions name the operator's limits and say how to
// turn on what is off.
func TestInstructions(t *testing.T) {
	t.Parallel()
	instructions := func(project tools.Project) string {
		return serverInstructions(t, tools.Config{Project: tools.OneProject(project)})
	}
	ledger := streams.New(nil, streams.Options{MaxTasks: 7, MaxTTL: 5 * time.Minute})
	on := instructions(tools.Project{Toolsets: allToolsets, Streams: ledger})
	if !strings.Contains(on, "7 streams at once (--max-tasks), each for at most 300 seconds (--max-ttl)") || strings.Contains(on, "ZEGO_TOOLSETS") {
		t.Errorf("got %s", on)
	}
	off := instructions(tools.Project{Streams: ledger})
	if strings.Contains(off, "create_stream_task") || !strings.Contains(off, "The toolset streaming") || !strings.Contains(off, "ZEGO_TOOLSETS=all") {
		t.Errorf("got %s", off)
	}
	if got := instructions(tools.Project{Toolsets: []tools.Toolset{tools.Streaming}}); strings.Contains(got, "find_digital_humans") {
		t.Errorf("got %s", got)
	}
}

// serverInstructions returns the instructions in the answer to initialize.
func serverInstructions(t *testing.T, cfg tools.Config) string {
	t.Helper()
	s := &testServer{MCPServer: tools.NewServer(cfg)}
	answer, _ := s.rpc(t, "initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}`)
	return answer["instructions"].(string)
}
