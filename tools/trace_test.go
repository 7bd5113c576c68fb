package tools_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestTrace checks what Config.Trace is told of requests, that they are handled under the
// context that it returns, and that the log has the id of the trace.
func TestTrace(t *testing.T) {
	t.Parallel()
	type traceKey struct{}
	var started []tools.RequestStart
	var ended []tools.Outcome
	s := newTestServer(t, &zegosim.Server{}, tools.Config{
		Trace: func(ctx context.Context, start tools.RequestStart) (context.Context, string, func(tools.RequestInfo)) {
			started = append(started, start)
			return context.WithValue(ctx, traceKey{}, "a trace"), "0123abcd", func(info tools.RequestInfo) { ended = append(ended, info.Outcome) }
		},
		Observe: func(ctx context.Context, _ tools.RequestInfo) {
			if ctx.Value(traceKey{}) != "a trace" {
				t.Error("the request has another context than that of its trace")
			}
		},
	}, streams.Options{})
	const meta = `"_meta":{"traceparent":"00-1-2-01","progressToken":1}`
	for _, message := range []string{
		`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"list_timbres","arguments":{"Limit":1},` + meta + `}}`,
		`{"jsonrpc":"2.0","id":10000000,"method":"tools/call","params":{"name":"list_timbre"}}`,
		`{"jsonrpc":"2.0","id":"q1","method":"prompts/get","params":{"name":"choose_presenter","arguments":{"Role":"teacher"},` + meta + `}}`,
		`{"jsonrpc":"2.0","id":"q2","method":"resources/read","params":{"uri":"zego://stream-tasks/nobody",` + meta + `}}`,
		`{"jsonrpc":"2.0","id":"q3","method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"choose_presenter"},"argument":{"name":"Role","value":"t"},` + meta + `}}`,
	} {
		s.HandleMessage(t.Context(), json.RawMessage(message))
	}
	parent := map[string]any{"traceparent": "00-1-2-01"}
	want := []tools.RequestStart{
		{Kind: "tool", Name: "list_timbres", ID: "7", Meta: parent},
		{Kind: "tool", Name: "list_timbre", ID: "10000000"},
		{Kind: "prompt", Name: "choose_presenter", ID: "q1", Meta: parent},
		{Kind: "resource", Name: "stream_task", URI: "zego://stream-tasks/nobody", ID: "q2", Meta: parent},
		{Kind: "completion", Name: "choose_presenter", ID: "q3", Meta: parent},
	}
	for i := range started {
		started[i].Header = nil
	}
	if diff := cmp.Diff(want, started); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]tools.Outcome{tools.Succeeded, tools.Failed, tools.Succeeded, tools.Failed, tools.Succeeded}, ended); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if log := s.logText(); strings.Count(log, "trace_id=0123abcd") < 4 {
		t.Errorf("got log %s", log)
	}
}
