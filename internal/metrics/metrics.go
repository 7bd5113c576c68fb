// Package metrics counts what a server does, and shows it to Prometheus.
package metrics

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"zego-mcp/tools"
	"zego-mcp/zego"

	"github.com/VictoriaMetrics/metrics"
)

// Path is the path under which Prometheus expects metrics.
const Path = "/metrics"

// The metrics. Each needs an entry in help.
const (
	buildInfo        = "zego_mcp_build_info"
	toolCalls        = "zego_mcp_tool_calls_total"
	toolDuration     = "zego_mcp_tool_call_duration_seconds"
	apiCalls         = "zego_mcp_api_calls_total"
	apiRequests      = "zego_mcp_api_requests_total"
	apiDuration      = "zego_mcp_api_request_duration_seconds"
	apiQueue         = "zego_mcp_api_queue_seconds"
	streamsRunning   = "zego_mcp_streams_running"
	streamsMax       = "zego_mcp_streams_max"
	streamedSeconds  = "zego_mcp_streamed_seconds_total"
	sessions         = "zego_mcp_sessions"
	eventStreams     = "zego_mcp_event_streams"
	httpCalls        = "zego_mcp_http_calls_running"
	httpResponses    = "zego_mcp_http_responses_total"
	auditWriteErrors = "zego_mcp_audit_write_errors_total"
	redisUp          = "zego_mcp_redis_up"
)

// help explains each metric to those who read /metrics.
var help = map[string]string{
	buildInfo:        "Always 1; the labels tell the version, the commit and the Go version of the program.",
	toolCalls:        "Calls of tools by outcome: ok, error (the arguments were wrong, or ZEGO or the tool refused), asks_user, panic.",
	toolDuration:     "How long calls of tools took, waits for ZEGO and for the end of speech included.",
	apiCalls:         "Calls of ZEGO's API by where the answer came from: zego, cache, shared (an equal call was already running), none (nothing was sent).",
	apiRequests:      "Requests to ZEGO, repetitions included, by ZEGO's code: 0 for success, none if no usable answer came.",
	apiDuration:      "How long requests to ZEGO took, without the wait for the rate limit.",
	apiQueue:         "How long calls of ZEGO's API waited for the rate limit.",
	streamsRunning:   "Stream tasks of this server that may be running, and that ZEGO bills.",
	streamsMax:       "How many stream tasks may run at once: --max-tasks.",
	streamedSeconds:  "How long the stream tasks of this server have run.",
	sessions:         "Open MCP sessions over HTTP.",
	eventStreams:     "Event streams that clients have open.",
	httpCalls:        "Requests of MCP clients over HTTP that are not answered yet.",
	httpResponses:    "HTTP responses to MCP clients by path and status; 401 and 403 are refused logins.",
	auditWriteErrors: "Lines that could not be written to the audit log.",
	redisUp:          "1 if Redis answers, and 0 if not: then no stream is created, and each server keeps to a rate limit of its own.",
}

// other is the label of everything that has no label of its own, so that nobody can make this
// program keep more and more labels.
const other = "other"

var (
	// toolBuckets end at a minute, because a call waits at most 50 s for the end of speech.
	toolBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
	// apiBuckets and queueBuckets end at --timeout's default.
	apiBuckets   = []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	queueBuckets = []float64{0.001, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
)

// Metrics counts what one server does. Its methods are safe for concurrent use.
type Metrics struct {
	set *metrics.Set

	mu       sync.Mutex // guards what follows
	projects []*Project
}

// Project is a ZEGO project whose streams are counted.
type Project struct {
	AppID      uint32
	MaxStreams func() int // How many may run at once.
	// Usage returns how many streams run, and how long all have run so far.
	Usage func() (running int, streamed time.Duration)
}

// Server is the state of an HTTP server for MCP clients.
type Server struct {
	Sessions, EventStreams, Calls int
}

// New returns Metrics of a program with a version, which was built from a commit.
func New(version, commit string) *Metrics {
	metrics.ExposeMetadata(true)
	m := &Metrics{set: metrics.NewSet()}
	m.set.NewGauge(name(buildInfo, "version", version, "commit", commit, "go_version", runtime.Version()), func() float64 { return 1 })
	// A counter that begins at 0 lets Prometheus see its first increase.
	for _, tool := range tools.Names() {
		m.set.NewCounter(name(toolCalls, "tool", tool, "outcome", string(tools.Succeeded)))
		m.set.NewCounter(name(toolCalls, "tool", tool, "outcome", string(tools.Failed)))
		m.set.NewCounter(name(toolCalls, "tool", tool, "outcome", string(tools.Panicked)))
	}
	return m
}

// name returns a metric with labels, which are names and values in turn.
func name(metric string, labels ...string) string {
	var text strings.Builder
	text.WriteString(metric)
	separator := "{"
	for label := range slices.Chunk(labels, 2) {
		fmt.Fprintf(&text, "%s%s=%q", separator, label[0], label[1])
		separator = ","
	}
	text.WriteString("}")
	return text.String()
}

// Request counts a request of a client. It has the type of tools.Config's Observe.
func (m *Metrics) Request(_ context.Context, request tools.RequestInfo) {
	if request.Kind != "tool" {
		return
	}
	tool := request.Name
	if _, ok := tools.ToolsetOf(tool); !ok {
		tool = other
	}
	m.set.GetOrCreateCounter(name(toolCalls, "tool", tool, "outcome", string(request.Outcome))).Inc()
	m.set.GetOrCreatePrometheusHistogramExt(name(toolDuration, "tool", tool), toolBuckets).Update(request.Duration.Seconds())
}

// Observer returns an observer that counts the calls of ZEGO's API.
func (m *Metrics) Observer() zego.Observer { return zego.Observer{Call: m.call, Attempt: m.attempt} }

func (m *Metrics) call(_ context.Context, call zego.CallInfo) {
	source := "none"
	switch {
	case call.Shared:
		source = "shared"
	case call.Cached:
		source = "cache"
	case call.Attempts > 0:
		source = "zego"
	}
	m.set.GetOrCreateCounter(name(apiCalls, "action", call.Action, "source", source)).Inc()
	if source == "zego" || source == "none" { // The wait of a shared call is that of the first one.
		m.set.GetOrCreatePrometheusHistogramExt(name(apiQueue, "action", call.Action), queueBuckets).Update(call.QueueTime.Seconds())
	}
}

func (m *Metrics) attempt(_ context.Context, attempt zego.AttemptInfo) {
	code := strconv.Itoa(int(attempt.Code))
	switch {
	case attempt.Err != nil && attempt.Code == 0:
		code = "none"
	case attempt.Code != 0 && !attempt.Code.Known():
		code = other
	}
	m.set.GetOrCreateCounter(name(apiRequests, "action", attempt.Action, "code", code)).Inc()
	m.set.GetOrCreatePrometheusHistogramExt(name(apiDuration, "action", attempt.Action), apiBuckets).Update(attempt.Duration.Seconds())
}

// AddProject shows the streams of a project until remove is called.
func (m *Metrics) AddProject(p Project) (remove func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.projects = append(m.projects, &p)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.projects = slices.DeleteFunc(m.projects, func(other *Project) bool { return other == &p })
	}
}

// AddServer shows the state of an HTTP server. It must be called at most once.
func (m *Metrics) AddServer(state func() Server) {
	m.set.NewGauge(sessions, func() float64 { return float64(state().Sessions) })
	m.set.NewGauge(eventStreams, func() float64 { return float64(state().EventStreams) })
	m.set.NewGauge(httpCalls, func() float64 { return float64(state().Calls) })
}

// AddRedis shows whether Redis answers. It must be called at most once.
func (m *Metrics) AddRedis(up func() bool) {
	m.set.NewGauge(redisUp, func() float64 {
		if up() {
			return 1
		}
		return 0
	})
}

// AuditErrors returns a function that counts a line which could not be written to the audit
// log.
func (m *Metrics) AuditErrors() (count func()) {
	return m.set.GetOrCreateCounter(auditWriteErrors).Inc
}

// Handler answers requests to Path.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		m.write(w)
	})
	return mux
}

// write writes all metrics in Prometheus' text format.
func (m *Metrics) write(w io.Writer) {
	var text bytes.Buffer
	m.set.WritePrometheus(&text)
	m.writeProjects(&text)
	metrics.WriteProcessMetrics(&text)
	out := bufio.NewWriter(w)
	for line := range bytes.Lines(text.Bytes()) {
		_, _ = out.Write(line[:len(line)-1])
		if metric, ok := bytes.CutPrefix(line, []byte("# HELP ")); ok { // The library writes it without a text.
			_, _ = out.WriteString(" " + helpOf(string(bytes.TrimSpace(metric))))
		}
		_ = out.WriteByte('\n')
	}
	_ = out.Flush() // If the client is gone, nobody needs the rest.
}

// helpOf returns the text that explains a metric.
func helpOf(metric string) string {
	text, ok := help[metric]
	switch {
	case ok:
		return text
	case strings.HasPrefix(metric, "go_"):
		return "Of the Go runtime."
	}
	return "Of the process, as the operating system tells it."
}

// writeProjects writes what is known of the projects.
func (m *Metrics) writeProjects(w io.Writer) {
	m.mu.Lock()
	projects := slices.Clone(m.projects)
	m.mu.Unlock()
	if len(projects) == 0 {
		return
	}
	type sum struct {
		running, limit int
		streamed       time.Duration
	}
	sums := map[uint32]sum{}
	for _, p := range projects { // One that ends and one that begins may have the same AppID.
		count, total := p.Usage()
		before := sums[p.AppID]
		sums[p.AppID] = sum{before.running + count, p.MaxStreams(), before.streamed + total}
	}
	var running, limits, streamed bytes.Buffer
	for _, appID := range slices.Sorted(maps.Keys(sums)) {
		of, labels := sums[appID], fmt.Sprintf(`{app_id="%d"}`, appID)
		fmt.Fprintf(&running, "%s%s %d\n", streamsRunning, labels, of.running)
		fmt.Fprintf(&limits, "%s%s %d\n", streamsMax, labels, of.limit)
		fmt.Fprintf(&streamed, "%s%s %g\n", streamedSeconds, labels, of.streamed.Seconds())
	}
	_, _ = fmt.Fprintf(w, "# HELP %s\n# TYPE %[1]s gauge\n%s# HELP %s\n# TYPE %[3]s gauge\n%s# HELP %s\n# TYPE %[5]s counter\n%s",
		streamsRunning, &running, streamsMax, &limits, streamedSeconds, &streamed)
}
