package tools_test

import (
	"fmt"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
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
}

// TestRefusedPrompts asks for prompts that cannot be given. mcp-go puts the words between
// "prompt '" and "' not found: prompt not found".
func TestRefusedPrompts(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	assets := &testServer{MCPServer: tools.NewServer(tools.Config{})}
	for _, tt := range []struct {
		s            *testServer
		params, want string
	}{
		{s, `{"name":"go_live","arguments":{"Script":" ","RoomId":"r"}}`, "go_live (Script is required)"},
		{s, `{"name":"go_live"}`, "go_live (Script is required; RoomId is required)"},
		{s, `{"name":"choose_presenter","arguments":{"role":"x"}}`, `choose_presenter (Role is required; unknown argument "role"; did you mean "Role"? (known: Role, DigitalHuman))`},
		{s, `{"name":"choose_presenter","arguments":{"Role":"x","a":"","b":""}}`, `choose_presenter (unknown argument "a" (known: Role, DigitalHuman))`},
		{s, `{"name":"golive"}`, `"golive"; did you mean "go_live"? (known: choose_presenter, go_live)`},
		{s, `{"name":"x\u001b[2J"}`, `"x\x1b[2J" (known: choose_presenter, go_live)`},
		{assets, `{"name":"golive"}`, `"golive" (known: choose_presenter)`},
		{assets, `{"name":"go_live","arguments":{"Script":"x","RoomId":"r"}}`, "go_live (of the toolset streaming, which is off: ask the user to turn it on, by starting zego-mcp with --toolsets all (or ZEGO_TOOLSETS=all))"},
	} {
		got, code := tt.s.rpcError(t, "prompts/get", tt.params)
		if want := "prompt '" + tt.want + "' not found: prompt not found"; got != want || code != mcp.INVALID_PARAMS {
			t.Errorf("%s: got %s, code %d, want %s", tt.params, got, code, want)
		}
	}
	long := fmt.Sprintf(`{"name":"go_live","arguments":{%q:"x"}}`, strings.Repeat("x", 1<<20))
	if got, code := s.rpcError(t, "prompts/get", long); len(got) > 400 || code != mcp.INVALID_PARAMS {
		t.Errorf("got %d bytes, code %d", len(got), code)
	}
}

// TestTTLOfLongScript checks that a model is told to let a stream live longer than by default, if
// its script takes longer.
func TestTTLOfLongScript(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	for _, tt := range []struct {
		characters int
		want       string
	}{
		{1000, "Call create_stream_task and wait"}, // 310 s, and two minutes for what comes before and after.
		{1500, "Call create_stream_task and wait"},
		{1600, "Call create_stream_task with TTL=6"},
		{2000, "Call create_stream_task with TTL=7"},
	} {
		params := fmt.Sprintf(`{"name":"go_live","arguments":{"Script":%q,"RoomId":"studio"}}`, strings.Repeat("字", tt.characters))
		got, _ := s.rpc(t, "prompts/get", params)
		if text := fmt.Sprint(got["messages"]); !strings.Contains(text, tt.want) {
			t.Errorf("%d characters: got %.900s, want %s", tt.characters, text, tt.want)
		}
	}
}
