package tools_test

import (
	"fmt"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

func TestPrompts(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	names := func(server *testServer) (names []string) {
		list, _ := server.rpc(t, "prompts/list", `{}`)
		for _, prompt := range list["prompts"].([]any) {
			names = append(names, prompt.(map[string]any)["name"].(string))
		}
		return names
	}
	if diff := cmp.Diff([]string{"choose_presenter", "go_live"}, names(s)); diff != "" {
		t.Error(diff)
	}
	assets := &testServer{MCPServer: tools.NewServer(tools.Config{})}
	if diff := cmp.Diff([]string{"choose_presenter"}, names(assets)); diff != "" {
		t.Error(diff)
	}
	var all strings.Builder
	for _, params := range []string{
		`{"name":"choose_presenter","arguments":{"Role":"a calm news anchor"}}`,
		`{"name":"choose_presenter","arguments":{"Role":"a teacher","DigitalHuman":"Sophia"}}`,
		`{"name":"go_live","arguments":{"Script":"Good evening.","RoomId":"studio"}}`,
		`{"name":"go_live","arguments":{"Script":"Good evening.","RoomId":"studio","DigitalHuman":"Sophia","Timbre":"Grace"}}`,
	} {
		got, _ := s.rpc(t, "prompts/get", params)
		_, _ = fmt.Fprintf(&all, "# %s\n%s\n\n", params, got["messages"].([]any)[0].(map[string]any)["content"].(map[string]any)["text"])
	}
	checkGolden(t, "prompts.txt", []byte(all.String()))
	if _, code := s.rpc(t, "prompts/get", `{"name":"go_live","arguments":{"Script":" "}}`); code == 0 {
		t.Error("got a prompt without its required arguments, want an error")
	}
}
