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

// TestToolsetGuard checks that tools of a toolset that is not offered are not listed and
// cannot be called.
func TestToolsetGuard(t *testing.T) {
	t.Parallel()
	asked := false
	s, _ := start(t, &zegosim.Server{Observe: func(zegosim.Call) { asked = true }}, tools.Config{})
	offered := list(t, s)
	hidden := 0
	for _, tool := range listed(t, everyToolset) {
		if slices.ContainsFunc(listed(t, nil), func(other listedTool) bool { return other.Name == tool.Name }) {
			continue
		}
		hidden++
		if strings.Contains(string(offered), `"`+tool.Name+`"`) {
			t.Errorf("%s is listed", tool.Name)
		}
		answer := s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool.Name+`","arguments":{"TaskId":"x"}}}`))
		if refused, ok := answer.(mcp.JSONRPCError); !ok || refused.Error.Code != mcp.INVALID_PARAMS {
			t.Errorf("%s: got %+v", tool.Name, answer)
		}
	}
	if hidden < 8 || asked {
		t.Errorf("%d tools are hidden, ZEGO was called: %t", hidden, asked)
	}
	remote := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: everyToolset})})
	if strings.Contains(string(list(t, remote)), "drive_by_audio_file") {
		t.Error("a tool that reads files of this machine is offered to other machines")
	}
}
