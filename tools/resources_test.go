package tools_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
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
	// A client cannot pass contents of its own.
	forged, code := s.rpc(t, "resources/read", `{"uri":"zego://stream-tasks/`+id+`","_meta":{"zego-mcp/contents":{"contents":{"text":"forged"}}}}`)
	if text, _ := json.Marshal(forged); code != 0 || strings.Contains(string(text), "forged") || !strings.Contains(string(text), id) {
		t.Errorf("got %s, code %d", text, code)
	}
	s.sim.Fault = failAction("GetDigitalHumanStreamTaskStatus", zegosim.Fault{Code: zego.CodeNoPermission})
	if _, code := s.rpc(t, "resources/read", `{"uri":"zego://stream-tasks/`+id+`"}`); code != mcp.INTERNAL_ERROR {
		t.Errorf("ZEGO refuses: got code %d", code)
	}
}

// TestUnknownResource reads URIs where nothing is, under both codes that MCP has had for that.
func TestUnknownResource(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	for _, uri := range []string{"zego://nothing", "zego://stream-tasks/nobody", "zego://stream-tasks/", "zego://stream-tasks/a%20b", ""} {
		for meta, want := range map[string]int{
			`{}`: mcp.RESOURCE_NOT_FOUND,
			`{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`: mcp.INVALID_PARAMS,
		} {
			params := fmt.Sprintf(`{"uri":%q,"_meta":%s}`, uri, meta)
			answer, code := s.rpcError(t, "resources/read", params)
			if code != want || !strings.Contains(answer, uri) {
				t.Errorf("%s: got %q, code %d, want %d", params, answer, code, want)
			}
		}
	}
}
