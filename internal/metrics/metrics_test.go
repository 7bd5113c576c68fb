package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/metrics"
	"zego-mcp/tools"
	"zego-mcp/zego"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape returns the metrics by name, as Prometheus reads them.
func scrape(t *testing.T, m *metrics.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// sample returns a metric as text: its labels and its value, for a histogram the count and sum.
func sample(family *dto.MetricFamily, metric *dto.Metric) string {
	var labels []string
	for _, label := range metric.GetLabel() {
		labels = append(labels, label.GetName()+"="+label.GetValue())
	}
	slices.Sort(labels)
	value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
	text := fmt.Sprint(value)
	if h := metric.GetHistogram(); h != nil {
		text = fmt.Sprintf("%d, %g", h.GetSampleCount(), h.GetSampleSum())
	}
	return fmt.Sprintf("%s{%s} %s", family.GetName(), strings.Join(labels, ","), text)
}

// used returns Metrics that have seen one of everything.
func used(t *testing.T) *metrics.Metrics {
	t.Helper()
	m := metrics.New("v1.2.3", "abc")
	for _, request := range []tools.RequestInfo{
		{Kind: "tool", Name: "list_timbres", Outcome: tools.Succeeded, Duration: 2 * time.Second},
		{Kind: "tool", Name: "list_timbres", Outcome: tools.Failed, Duration: time.Second},
		{Kind: "tool", Name: "x\"\n} 1", Outcome: tools.Failed, Duration: time.Second},
		{Kind: "tool", Name: "another unknown one", Outcome: tools.Failed, Duration: time.Second},
		{Kind: "resource", Name: "zego://x", Outcome: tools.Succeeded},
	} {
		m.Request(t.Context(), request)
	}
	o := m.Observer()
	for _, call := range []zego.CallInfo{
		{Action: "GetTimbreList", Attempts: 2, QueueTime: 300 * time.Millisecond},
		{Action: "GetTimbreList", Cached: true},
		{Action: "GetTimbreList", Shared: true, Attempts: 2, QueueTime: time.Hour},
		{Action: "DoAction", QueueTime: time.Second, Err: errors.New("gave up")},
	} {
		o.Call(t.Context(), call)
	}
	for _, attempt := range []zego.AttemptInfo{
		{Action: "GetTimbreList", Duration: time.Second},
		{Action: "GetTimbreList", Duration: time.Second, Code: zego.CodeSystemBusy, Err: &zego.Error{Code: zego.CodeSystemBusy}},
		{Action: "GetTimbreList", Duration: time.Second, Code: 123, Err: &zego.Error{Code: 123}},
		{Action: "GetTimbreList", Duration: time.Second, Err: &zego.TransportError{Err: context.DeadlineExceeded}},
	} {
		o.Attempt(t.Context(), attempt)
	}
	m.AddProject(metrics.Project{AppID: 7, MaxStreams: func() int { return 3 }, Usage: func() (int, time.Duration) { return 2, 90 * time.Second }})
	m.AddProject(metrics.Project{AppID: 8, MaxStreams: func() int { return 1 }, Usage: func() (int, time.Duration) { return 0, 0 }})
	m.AddProject(metrics.Project{AppID: 9, MaxStreams: func() int { return 1 }, Usage: func() (int, time.Duration) { return 1, 0 }})()
	// One that ends, beside one that begins.
	m.AddProject(metrics.Project{AppID: 8, MaxStreams: func() int { return 4 }, Usage: func() (int, time.Duration) { return 1, time.Second }})
	m.AddServer(func() metrics.Server { return metrics.Server{Sessions: 4, EventStreams: 5, Calls: 6} })
	m.AuditErrors()()
	m.AddRedis(func() bool { return false })
	m.Middleware(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/wp-admin", http.NoBody))
	return m
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	families := scrape(t, used(t))
	var got []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			got = append(got, sample(family, metric))
		}
	}
	for _, want := range []string{
		"zego_mcp_tool_calls_total{outcome=ok,tool=list_timbres} 1",
		"zego_mcp_tool_calls_total{outcome=error,tool=list_timbres} 1",
		"zego_mcp_tool_calls_total{outcome=error,tool=other} 2",
		"zego_mcp_tool_calls_total{outcome=ok,tool=create_stream_task} 0",
		"zego_mcp_tool_calls_total{outcome=panic,tool=create_stream_task} 0",
		"zego_mcp_tool_call_duration_seconds{tool=list_timbres} 2, 3",
		"zego_mcp_api_calls_total{action=GetTimbreList,source=zego} 1",
		"zego_mcp_api_calls_total{action=GetTimbreList,source=cache} 1",
		"zego_mcp_api_calls_total{action=GetTimbreList,source=shared} 1",
		"zego_mcp_api_calls_total{action=DoAction,source=none} 1",
		"zego_mcp_api_queue_seconds{action=GetTimbreList} 1, 0.3",
		"zego_mcp_api_queue_seconds{action=DoAction} 1, 1",
		"zego_mcp_api_requests_total{action=GetTimbreList,code=0} 1",
		"zego_mcp_api_requests_total{action=GetTimbreList,code=400010002} 1",
		"zego_mcp_api_requests_total{action=GetTimbreList,code=other} 1",
		"zego_mcp_api_requests_total{action=GetTimbreList,code=none} 1",
		"zego_mcp_api_request_duration_seconds{action=GetTimbreList} 4, 4",
		"zego_mcp_streams_running{app_id=7} 2",
		"zego_mcp_streams_running{app_id=8} 1",
		"zego_mcp_streams_max{app_id=8} 4",
		"zego_mcp_streamed_seconds_total{app_id=8} 1",
		"zego_mcp_streams_max{app_id=7} 3",
		"zego_mcp_streamed_seconds_total{app_id=7} 90",
		"zego_mcp_sessions{} 4",
		"zego_mcp_redis_up{} 0",
		"zego_mcp_event_streams{} 5",
		"zego_mcp_http_calls_running{} 6",
		"zego_mcp_http_responses_total{code=404,path=other} 1",
		"zego_mcp_audit_write_errors_total{} 1",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	for name, family := range families {
		if family.GetHelp() == "" || family.GetType() == dto.MetricType_UNTYPED {
			t.Errorf("%s has the help %q and the type %v", name, family.GetHelp(), family.GetType())
		}
		if isCounter := family.GetType() == dto.MetricType_COUNTER; strings.HasPrefix(name, "zego_mcp_") && isCounter != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %v", name, family.GetType())
		}
	}
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	if info := families["zego_mcp_build_info"]; info == nil || !strings.Contains(sample(info, info.GetMetric()[0]), "version=v1.2.3") {
		t.Errorf("got %v", info)
	}
}

// TestResponses counts the responses of a handler that flushes, as event streams do.
func TestResponses(t *testing.T) {
	t.Parallel()
	m := metrics.New("", "")
	srv := httptest.NewServer(m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/sse":
			w.(http.Flusher).Flush()
			_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		case "/mcp":
			w.WriteHeader(http.StatusUnauthorized)
		}
	})))
	t.Cleanup(srv.Close)
	for _, path := range []string{"/sse", "/mcp", "/mcp", "/message"} {
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	family := scrape(t, m)["zego_mcp_http_responses_total"]
	var got []string
	for _, metric := range family.GetMetric() {
		got = append(got, sample(family, metric))
	}
	slices.Sort(got)
	want := []string{
		"zego_mcp_http_responses_total{code=200,path=/message} 1",
		"zego_mcp_http_responses_total{code=200,path=/sse} 1",
		"zego_mcp_http_responses_total{code=401,path=/mcp} 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDeploy checks that the dashboard and the alert rules of deploy name only metrics that
// there are, and that the dashboard shows each.
func TestDeploy(t *testing.T) {
	t.Parallel()
	families := scrape(t, used(t))
	shown := ""
	for _, file := range []string{"grafana-dashboard.json", "prometheus-rules.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "deploy", file))
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("there is no ", file)
		}
		shown += string(text)
	}
	for _, name := range regexp.MustCompile(`zego_mcp_[a-z_]+`).FindAllString(shown, -1) {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if families[name] == nil && families[base] == nil {
			t.Errorf("deploy names %s, which there is not", name)
		}
	}
	for name := range families {
		if strings.HasPrefix(name, "zego_mcp_") && !strings.Contains(shown, name) {
			t.Errorf("deploy does not show %s", name)
		}
	}
}
