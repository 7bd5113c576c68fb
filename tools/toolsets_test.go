package tools_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
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
// listed and cannot be called.
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
		answer := s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool.Name+`","arguments":{"TaskId":"x"}}}`))
		if refused, ok := answer.(mcp.JSONRPCError); !ok || refused.Error.Code != mcp.INVALID_PARAMS {
			t.Errorf("%s: got %+v", tool.Name, answer)
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
}
