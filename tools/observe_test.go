package tools_test

import (
	"context"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestObserve checks what Config.Observe is told, and that the calls to ZEGO tell on behalf of
// which tool they are made.
func TestObserve(t *testing.T) {
	t.Parallel()
	var got []tools.RequestInfo
	s := newTestServer(t, &zegosim.Server{}, tools.Config{Observe: func(ctx context.Context, info tools.RequestInfo) {
		if info.Duration <= 0 || info.Duration > time.Minute || tools.RequestName(ctx) != info.Name {
			t.Errorf("got %+v on behalf of %q", info, tools.RequestName(ctx))
		}
		info.Duration = 0
		got = append(got, info)
	}}, streams.Options{})
	s.mustCall(t, "list_timbres", `{"Limit":1}`)
	callTool(t.Context(), t, s.MCPServer, "list_timbres", `{"Limit":0}`)
	callTool(t.Context(), t, s.MCPServer, "list_timbre", `{}`)
	s.rpc(t, "resources/read", `{"uri":"zego://stream-tasks/nobody"}`)
	want := []tools.RequestInfo{
		{Kind: "tool", Name: "list_timbres", Outcome: tools.Succeeded},
		{Kind: "tool", Name: "list_timbres", Outcome: tools.Failed, Problem: "1 invalid arguments"},
		{Kind: "tool", Name: "list_timbre", Outcome: tools.Failed, Problem: "the tool is not offered"},
		{Kind: "resource", Name: "stream_task", Outcome: tools.Failed, Problem: "resource not found: zego://stream-tasks/nobody"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if name := tools.RequestName(t.Context()); name != "" {
		t.Errorf("without a request: got %q", name)
	}
}
