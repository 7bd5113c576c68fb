package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/leaktest"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/server"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func TestMain(m *testing.M) {
	os.Exit(leaktest.Tests{M: m, Secrets: []string{zegosim.DefaultSecret, testToken, testPassword}}.Run())
}

// traced is an MCP server whose spans are recorded.
type traced struct {
	*server.MCPServer
	spans  *tracetest.SpanRecorder
	tracer *Tracer
}

// newTraced returns a server over stdio that works with sim.
func newTraced(t *testing.T, sim *zegosim.Server, sampler sdktrace.Sampler) *traced {
	t.Helper()
	srv := httptest.NewServer(leaktest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" || r.Header.Get("Tracestate") != "" || r.Header.Get("Baggage") != "" {
			t.Errorf("ZEGO gets the header %v", r.Header)
		}
		sim.ServeHTTP(w, r)
	})))
	t.Cleanup(func() { srv.Close(); _ = sim.Close() })
	s := &traced{spans: tracetest.NewSpanRecorder()}
	s.tracer = newTracer(Options{Version: "1.0", Stdio: true}, true, sdktrace.WithSpanProcessor(s.spans), sdktrace.WithSampler(sampler))
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint: srv.URL, RetryInterval: time.Microsecond, CacheTTL: time.Minute, QPS: -1, Observer: s.tracer.Observer(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.MCPServer = tools.NewServer(tools.Config{
		Project: tools.OneProject(tools.Project{
			Client: client, Toolsets: []tools.Toolset{tools.Assets, tools.Streaming},
			Streams: streams.New(client, streams.Options{Logger: slog.New(slog.DiscardHandler)}),
		}),
		Local: true, Trace: s.tracer.Request,
	})
	return s
}

// send sends a request with a method and parameters, which are JSON.
func (s *traced) send(t *testing.T, method, params string) {
	t.Helper()
	s.HandleMessage(t.Context(), fmt.Appendf(nil, `{"jsonrpc":"2.0","id":"q1","method":%q,"params":%s}`, method, params))
}

// described is what tests compare of a span.
type described struct {
	Name, Kind, Parent, Status string
	Attributes                 map[string]any
	Events                     []string
}

// describe returns the spans that have ended, and forgets them.
func (s *traced) describe() []described {
	names := map[trace.SpanID]string{}
	for _, span := range s.spans.Ended() {
		names[span.SpanContext().SpanID()] = span.Name()
	}
	var all []described
	for _, span := range s.spans.Ended() {
		d := described{Name: span.Name(), Kind: span.SpanKind().String(), Attributes: map[string]any{}, Status: span.Status().Description}
		if parent := span.Parent(); parent.IsValid() {
			d.Parent = names[parent.SpanID()]
			if parent.IsRemote() {
				d.Parent = parent.SpanID().String()
			}
		}
		for _, kv := range span.Attributes() {
			if kv.Key != "zego.queue_seconds" {
				d.Attributes[string(kv.Key)] = kv.Value.AsInterface()
			}
		}
		for _, event := range span.Events() {
			d.Events = append(d.Events, event.Name)
		}
		all = append(all, d)
	}
	s.spans.Reset()
	return all
}

const (
	testTraceID     = "4bf92f3577b34da6a3ce929d0e0e4736"
	testParent      = "00f067aa0ba902b7"
	testTraceparent = "00-" + testTraceID + "-" + testParent + "-01"
)

// TestSpans checks the spans of requests of clients, and of the requests to ZEGO.
func TestSpans(t *testing.T) {
	t.Parallel()
	s := newTraced(t, &zegosim.Server{Fault: func(action string, n int) *zegosim.Fault {
		if action == "GetDigitalHumanList" && n == 1 {
			return &zegosim.Fault{Status: 503, Body: "<html>busy</html>"}
		}
		return nil
	}}, sdktrace.AlwaysSample())
	common := func(method string, more map[string]any) map[string]any {
		attributes := map[string]any{"mcp.method.name": method, "jsonrpc.request.id": "q1", "network.transport": "pipe", "zego_mcp.outcome": "ok"}
		maps.Copy(attributes, more)
		return attributes
	}
	tool := func(name string, more map[string]any) map[string]any {
		attributes := common("tools/call", map[string]any{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name})
		maps.Copy(attributes, more)
		return attributes
	}
	attempt := func(action string, number int, more map[string]any) map[string]any {
		attributes := map[string]any{"zego.action": action, "zego.attempt": int64(number), "http.request.method": "POST", "http.response.status_code": int64(200), "zego.code": int64(0)}
		maps.Copy(attributes, more)
		return attributes
	}
	failed := map[string]any{"zego_mcp.outcome": "error", "error.type": "tool_error"}
	for _, tt := range []struct {
		name, method, params string
		want                 []described
	}{
		{"a call with a parent", "tools/call", `{"name":"list_digital_humans","arguments":{"Limit":1},"_meta":{"traceparent":"` + testTraceparent + `"}}`, []described{
			{Name: "GetDigitalHumanList", Kind: "client", Parent: "tools/call list_digital_humans", Status: "*", Attributes: attempt("GetDigitalHumanList", 1, map[string]any{"http.response.status_code": int64(503), "error.type": "503", "zego.code": nil})},
			{Name: "GetDigitalHumanList", Kind: "client", Parent: "tools/call list_digital_humans", Attributes: attempt("GetDigitalHumanList", 2, map[string]any{"http.request.resend_count": int64(1), "zego.request_id": "*"})},
			{Name: "tools/call list_digital_humans", Kind: "server", Parent: testParent, Attributes: tool("list_digital_humans", nil)},
		}},
		{"a cached page", "tools/call", `{"name":"list_digital_humans","arguments":{"Limit":1}}`, []described{
			{Name: "tools/call list_digital_humans", Kind: "server", Attributes: tool("list_digital_humans", nil), Events: []string{"answer from the cache"}},
		}},
		{"what ZEGO refuses", "tools/call", `{"name":"get_stream_task","arguments":{"TaskId":"private words"}}`, []described{
			{Name: "GetDigitalHumanStreamTaskStatus", Kind: "client", Parent: "tools/call get_stream_task", Status: "task not found (code 400000005)", Attributes: attempt("GetDigitalHumanStreamTaskStatus", 1, map[string]any{"zego.code": int64(400000005), "error.type": "400000005", "zego.request_id": "*"})},
			{Name: "tools/call get_stream_task", Kind: "server", Status: "*", Attributes: tool("get_stream_task", failed)},
		}},
		{"wrong arguments", "tools/call", `{"name":"list_timbres","arguments":{"private words":1}}`, []described{
			{Name: "tools/call list_timbres", Kind: "server", Status: "1 invalid arguments", Attributes: tool("list_timbres", failed)},
		}},
		{"a misspelt tool", "tools/call", `{"name":"list_timbre","arguments":{}}`, []described{
			{Name: "tools/call", Kind: "server", Status: "the tool is not offered", Attributes: tool("", map[string]any{"zego_mcp.outcome": "error", "error.type": "tool_error", "gen_ai.tool.name": nil})},
		}},
		{"a prompt", "prompts/get", `{"name":"choose_presenter","arguments":{"Role":"private words"}}`, []described{
			{Name: "prompts/get choose_presenter", Kind: "server", Attributes: common("prompts/get", map[string]any{"gen_ai.prompt.name": "choose_presenter"})},
		}},
		{"a resource", "resources/read", `{"uri":"zego://stream-tasks/none","_meta":{"traceparent":"` + testTraceparent + `"}}`, []described{
			{Name: "GetDigitalHumanStreamTaskStatus", Kind: "client", Parent: "resources/read", Status: "task not found (code 400000005)", Attributes: attempt("GetDigitalHumanStreamTaskStatus", 1, map[string]any{"zego.code": int64(400000005), "error.type": "400000005", "zego.request_id": "*"})},
			{Name: "resources/read", Kind: "server", Parent: testParent, Status: "*", Attributes: common("resources/read", map[string]any{"mcp.resource.uri": "zego://stream-tasks/none", "zego_mcp.outcome": "error", "error.type": "_OTHER"})},
		}},
		{"a completion", "completion/complete", `{"ref":{"type":"ref/prompt","name":"choose_presenter"},"argument":{"name":"Role","value":"private words"}}`, []described{
			{Name: "completion/complete", Kind: "server", Attributes: common("completion/complete", nil)},
		}},
	} {
		s.send(t, tt.method, tt.params)
		got := s.describe()
		if text := fmt.Sprint(got); strings.Contains(text, "private") || strings.Contains(text, "127.0.0.1") || strings.Contains(text, "Signature") {
			t.Errorf("%s: too much is shown: %s", tt.name, text)
		}
		for i := range min(len(got), len(tt.want)) {
			if tt.want[i].Status == "*" && got[i].Status != "" {
				got[i].Status = "*"
			}
			maps.DeleteFunc(tt.want[i].Attributes, func(_ string, value any) bool { return value == nil })
			if tt.want[i].Attributes["zego.request_id"] == "*" && got[i].Attributes["zego.request_id"] != nil {
				got[i].Attributes["zego.request_id"] = "*"
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestParents checks which of the spans that a client names becomes the parent.
func TestParents(t *testing.T) {
	t.Parallel()
	const other = "00-11111111111111111111111111111111-2222222222222222-01"
	for _, tt := range []struct {
		name           string
		meta           map[string]any
		header         http.Header
		parent, linked string
		state          string
	}{
		{"nobody names one", nil, nil, "", "", ""},
		{"in the header", nil, http.Header{"Traceparent": {testTraceparent}, "Tracestate": {"a=1", "b=2"}}, testParent, "", "a=1,b=2"},
		{"in _meta", map[string]any{"traceparent": testTraceparent, "tracestate": "rojo=1"}, nil, testParent, "", "rojo=1"},
		{"in both", map[string]any{"traceparent": testTraceparent}, http.Header{"Traceparent": {other}}, testParent, "2222222222222222", ""},
		{"the same in both", map[string]any{"traceparent": testTraceparent}, http.Header{"Traceparent": {testTraceparent}}, testParent, "", ""},
		{"malformed in _meta", map[string]any{"traceparent": "00-0"}, http.Header{"Traceparent": {testTraceparent}}, testParent, "", ""},
		{"two headers", nil, http.Header{"Traceparent": {testTraceparent, other}}, "", "", ""},
		{"zero ids", map[string]any{"traceparent": "00-00000000000000000000000000000000-0000000000000000-01"}, nil, "", "", ""},
		{"upper case", map[string]any{"traceparent": strings.ToUpper(testTraceparent)}, nil, "", "", ""},
		{"forbidden version", map[string]any{"traceparent": "ff" + testTraceparent[2:]}, nil, "", "", ""},
		{"no text", map[string]any{"traceparent": 7}, nil, "", "", ""},
		{"control characters", map[string]any{"traceparent": testTraceparent + "\r\n"}, nil, "", "", ""},
		{"very long", map[string]any{"traceparent": testTraceparent + strings.Repeat("-0", 1<<20)}, nil, "", "", ""},
		{"a state that is very long", map[string]any{"traceparent": testTraceparent, "tracestate": "a=" + strings.Repeat("1", 2000)}, nil, testParent, "", ""},
		{"a malformed state", map[string]any{"traceparent": testTraceparent, "tracestate": "a=1,a=2,\x00"}, nil, testParent, "", ""},
	} {
		recorder := tracetest.NewSpanRecorder()
		tracer := newTracer(Options{}, true, sdktrace.WithSpanProcessor(recorder))
		_, traceID, end := tracer.Request(t.Context(), tools.RequestStart{Kind: "tool", Name: "list_timbres", Meta: tt.meta, Header: tt.header})
		end(tools.RequestInfo{Outcome: tools.Succeeded})
		span := recorder.Ended()[0]
		parent, linked := "", ""
		if span.Parent().IsValid() {
			parent = span.Parent().SpanID().String()
		}
		if links := span.Links(); len(links) > 0 {
			linked = links[0].SpanContext.SpanID().String()
		}
		if parent != tt.parent || linked != tt.linked || span.SpanContext().TraceState().String() != tt.state || (traceID == testTraceID) != (parent == testParent) {
			t.Errorf("%s: got parent %q, link %q, state %q, trace %s", tt.name, parent, linked, span.SpanContext().TraceState(), traceID)
		}
	}
	tracer := newTracer(Options{}, false)
	if _, traceID, _ := tracer.Request(t.Context(), tools.RequestStart{Meta: map[string]any{"traceparent": testTraceparent}}); traceID == testTraceID {
		t.Error("the parent is taken although it is not to be")
	}
}

// TestSampling checks that requests to ZEGO share the fate of the request that led to them, and
// that the log has the id of a trace that is not sent.
func TestSampling(t *testing.T) {
	t.Parallel()
	s := newTraced(t, &zegosim.Server{}, sdktrace.ParentBased(sdktrace.AlwaysSample()))
	s.send(t, "tools/call", `{"name":"list_timbres","_meta":{"traceparent":"00-`+testTraceID+`-`+testParent+`-00"}}`)
	if got := s.describe(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestForeignTexts puts texts of any length and form into what a client can choose.
func TestForeignTexts(t *testing.T) {
	t.Parallel()
	recorder := tracetest.NewSpanRecorder()
	tracer := newTracer(Options{}, true, sdktrace.WithSpanProcessor(recorder))
	long := "\xff" + strings.Repeat("é", 1000)
	_, _, end := tracer.Request(t.Context(), tools.RequestStart{Kind: "resource", Name: long, URI: long, ID: long, Session: long, ProtocolVersion: long})
	end(tools.RequestInfo{Kind: "resource", Outcome: tools.Failed, Problem: long})
	tracer.attempt(t.Context(), zego.AttemptInfo{Action: "GetTimbreList", Number: 1, RequestID: long, Err: context.Canceled})
	for _, span := range recorder.Ended() {
		texts := []string{span.Name(), span.Status().Description}
		for _, kv := range span.Attributes() {
			texts = append(texts, kv.Value.String())
		}
		if i := slices.IndexFunc(texts, func(text string) bool { return len([]rune(text)) > 201 || strings.Contains(text, "\xff") }); i >= 0 {
			t.Errorf("%s: got %q", span.Name(), texts[i])
		}
	}
}
