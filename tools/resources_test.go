package tools_test

import (
	"encoding/json"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
)

func TestStreamTaskResource(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	id := s.createTask(t, ``)
	templates, _ := s.rpc(t, "resources/templates/list", `{}`)
	if got := templates["resourceTemplates"].([]any)[0].(map[string]any)["uriTemplate"]; got != "zego://stream-tasks/{TaskId}" {
		t.Errorf("got %v", got)
	}
	read, _ := s.rpc(t, "resources/read", `{"uri":"zego://stream-tasks/`+id+`"}`)
	var task map[string]any
	if err := json.Unmarshal([]byte(read["contents"].([]any)[0].(map[string]any)["text"].(string)), &task); err != nil || task["TaskId"] != id || task["Status"] != 3.0 {
		t.Errorf("got %v, %v", task, err)
	}
	// mcp-go 1.2 gives every error of a handler the code of an internal error. It finds no
	// handler for zego://other.
	for uri, want := range map[string]int{"zego://stream-tasks/nobody": mcp.INTERNAL_ERROR, "zego://other": mcp.RESOURCE_NOT_FOUND, "zego://stream-tasks/": mcp.INTERNAL_ERROR} {
		if _, code := s.rpc(t, "resources/read", `{"uri":"`+uri+`"}`); code != want {
			t.Errorf("%s: got %d, want %d", uri, code, want)
		}
	}
}

// TestUnknownResource reads a URI that no resource has, under both codes that MCP has had
// for that.
func TestUnknownResource(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	for params, want := range map[string]int{
		`{"uri":"zego://nothing"}`: mcp.RESOURCE_NOT_FOUND,
		`{"uri":"zego://nothing","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}`: mcp.INVALID_PARAMS,
	} {
		if _, code := s.rpc(t, "resources/read", params); code != want {
			t.Errorf("%s: got code %d, want %d", params, code, want)
		}
	}
}
