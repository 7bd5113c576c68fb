package cli_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"zego-mcp/internal/leaktest"
	"zego-mcp/internal/redisshare/redistest"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// loggedAttr reads the log of a program up to the first line that has an attribute, and
// returns its text.
func loggedAttr(t *testing.T, p *program, name string) string {
	t.Helper()
	for {
		line, err := p.stderr.ReadString('\n')
		if err != nil {
			t.Fatalf("no %s logged: %v", name, err)
		}
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry[name] != nil {
			text, _ := entry[name].(string)
			return text
		}
	}
}

// get returns the status and the text of an answer, or 0 if there is none.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestProbes asks a server for its health where it serves MCP, and where --admin-listen says.
func TestProbes(t *testing.T) {
	t.Parallel()
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0")
	base := strings.TrimSuffix(loggedURL(t, p), "/mcp")
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusOK, "/metrics": http.StatusNotFound} {
		if code, text := get(t, base+path); code != want || strings.Contains(text, "zego") {
			t.Errorf("%s: got %d %q, want %d", path, code, text, want)
		}
	}
	p = start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	admin := loggedAttr(t, p, "admin_url")
	base = strings.TrimSuffix(loggedURL(t, p), "/mcp")
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, text := get(t, base+path); code != http.StatusNotFound {
			t.Errorf("%s beside MCP: got %d %q", path, code, text)
		}
		if code, text := get(t, admin+path); code != http.StatusOK {
			t.Errorf("%s: got %d %q", path, code, text)
		}
	}
}

// TestReadinessGoesFirst sends SIGTERM to a server with --drain-delay: it must say that it is
// not ready, and go on to serve calls.
func TestReadinessGoesFirst(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0", "--drain-delay", "5s", "--redis-url", "redis://"+redis.Address)
	base := strings.TrimSuffix(loggedURL(t, p), "/mcp")
	if code, text := get(t, base+"/readyz"); code != http.StatusOK {
		t.Errorf("before the signal: got %d %q", code, text)
	}
	begin := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	code, text := 0, ""
	for code != http.StatusServiceUnavailable && time.Since(begin) < 4*time.Second {
		code, text = get(t, base+"/readyz")
	}
	if code != http.StatusServiceUnavailable {
		t.Errorf("after the signal: got %d %q", code, text)
	}
	if answer := call(t, base, "list_digital_humans", `{"Limit":1}`); !strings.Contains(answer, `"Total":64`) {
		t.Errorf("after the signal: got %s", answer)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
	if took := time.Since(begin); took < 5*time.Second {
		t.Errorf("it ended after %v, want 5s", took)
	}
}

// TestMetrics scrapes a server that has carried out a few calls.
func TestMetrics(t *testing.T) {
	t.Parallel()
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0", "--toolsets", "all", "--admin-listen", "127.0.0.1:0")
	admin := loggedAttr(t, p, "admin_url")
	base := strings.TrimSuffix(loggedURL(t, p), "/mcp")
	call(t, base, "list_digital_humans", `{"Limit":1}`)
	call(t, base, "list_digital_humans", `{"Limit":1}`)
	call(t, base, "list_digital_humans", `{"Limit":0}`)
	call(t, base, "list_digital_human", `{}`)
	call(t, base, "create_stream_task", `{"DigitalHumanId":"`+zegosim.DefaultHumans()[0].ID+`","RoomId":"studio"}`)
	refused, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/sse", nil)
	if err != nil {
		t.Fatal(err)
	}
	refused.Host = "proxy.example"
	resp, err := http.DefaultClient.Do(refused)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	_, text := get(t, admin+"/metrics")
	for _, want := range []string{
		`zego_mcp_http_responses_total{path="/sse",code="403"} 1`,
		`zego_mcp_tool_calls_total{tool="list_digital_humans",outcome="ok"} 2`,
		`zego_mcp_tool_calls_total{tool="list_digital_humans",outcome="error"} 1`,
		`zego_mcp_tool_calls_total{tool="other",outcome="error"} 1`,
		`zego_mcp_tool_call_duration_seconds_count{tool="create_stream_task"} 1`,
		`zego_mcp_api_calls_total{action="GetDigitalHumanList",source="cache"} 1`,
		`zego_mcp_api_requests_total{action="CreateDigitalHumanStreamTask",code="0"} 1`,
		fmt.Sprintf(`zego_mcp_streams_running{app_id="%d"} 1`, zegosim.DefaultAppID),
		fmt.Sprintf(`zego_mcp_streams_max{app_id="%d"} 3`, zegosim.DefaultAppID),
		`zego_mcp_http_responses_total{path="/mcp",code="200"} 5`,
		"zego_mcp_sessions 0", "zego_mcp_build_info{", "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

// TestTraces lets a receiver get the traces of a server, which are sent at the end. The log says
// which trace and which session a call belongs to.
func TestTraces(t *testing.T) {
	received := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- r.URL.Path + " " + r.Header.Get("Authorization") + " " + string(body)
	}))
	t.Cleanup(receiver.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20for-the-receiver")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	t.Setenv("OTEL_TRACES_SAMPLER", "sometimes")
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0")
	base := strings.TrimSuffix(loggedURL(t, p), "/mcp")
	call(t, base, "list_digital_humans", `{"Limit":1}`)
	traceID := loggedAttr(t, p, "trace_id")
	call(t, base, "list_digital_humans", `{"Limit":1}`)
	if session := loggedAttr(t, p, "session"); !strings.HasPrefix(session, "zego-mcp-") {
		t.Errorf("got session %q", session)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
	rawID, err := hex.DecodeString(traceID)
	if err != nil || len(rawID) != 16 {
		t.Fatalf("got trace id %q, %v", traceID, err)
	}
	select {
	case got := <-received:
		for _, want := range []string{
			"/v1/traces Bearer for-the-receiver ", string(rawID), "tools/call list_digital_humans", "GetDigitalHumanList",
			"zego-mcp", "deployment.environment.name", "mcp.session.id",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in %q", want, got)
			}
		}
		if strings.Contains(got, "Signature") || strings.Contains(got, zegosim.DefaultSecret) {
			t.Errorf("too much is sent: %q", got)
		}
	default:
		t.Error("nothing was received")
	}
}

// TestAuditLog creates, drives and stops streams, and reads who did it from the audit log: a
// client, and at the end the server. SIGHUP lets the server open the file again.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.log")
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0", "--toolsets", "all", "--audit-log", path)
	base := strings.TrimSuffix(loggedURL(t, p), "/mcp")
	create := func() string {
		created := call(t, base, "create_stream_task", `{"DigitalHumanId":"`+zegosim.DefaultHumans()[0].ID+`","RoomId":"studio"}`)
		_, rest, _ := strings.Cut(created, `\"TaskId\":\"`)
		task, _, _ := strings.Cut(rest, `\"`)
		return task
	}
	first := create()
	call(t, base, "drive_by_text", fmt.Sprintf(`{"TaskId":%q,"Text":"confidential","TimbreId":%q}`, first, zegosim.DefaultTimbres()[0].ID))
	call(t, base, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, first))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := p.stderr.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "opened the audit log again") {
			break
		}
	}
	second := create()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	type entry struct{ By, Tool, Reason, Action, TaskID, RoomID, Outcome string }
	read := func(file string) (entries []entry) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "confidential") || strings.Contains(string(text), zegosim.DefaultSecret) {
			t.Errorf("the audit log says too much: %s", text)
		}
		for line := range strings.Lines(string(text)) {
			var e entry
			if err := json.Unmarshal([]byte(line), &e); err != nil || !strings.Contains(line, `"StreamId":"zego-mcp-`) || !strings.Contains(line, `"RequestId":"`) {
				t.Errorf("got %s, %v", line, err)
			}
			entries = append(entries, e)
		}
		return entries
	}
	if diff := cmp.Diff([]entry{
		{"client", "create_stream_task", "", "CreateDigitalHumanStreamTask", first, "studio", "ok"},
		{"client", "drive_by_text", "", "DriveByText", first, "studio", "ok"},
		{"client", "stop_stream_task", "", "StopDigitalHumanStreamTask", first, "studio", "ok"},
	}, read(path+".1")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]entry{
		{"client", "create_stream_task", "", "CreateDigitalHumanStreamTask", second, "studio", "ok"},
		{"server", "", "server_ends", "StopDigitalHumanStreamTask", second, "studio", "ok"},
	}, read(path)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCallsEndBeforeTheServer sends SIGTERM to a server while it creates a stream, which takes
// some seconds more. The call must succeed, and the server must stop the stream after that.
func TestCallsEndBeforeTheServer(t *testing.T) {
	t.Parallel()
	creating := make(chan struct{})
	sim := &zegosim.Server{QPS: -1, StartDelay: 4 * time.Second, Observe: func(c zegosim.Call) {
		if c.Action == "CreateDigitalHumanStreamTask" {
			close(creating)
		}
	}}
	upstream := httptest.NewServer(leaktest.Handler(sim))
	t.Cleanup(upstream.Close)
	p := start(t, "serve", "--transport", "http", "--listen", "127.0.0.1:0", "--toolsets", "all",
		"--endpoint", upstream.URL, "--app-id", fmt.Sprint(zegosim.DefaultAppID))
	base := strings.TrimSuffix(loggedURL(t, p), "/mcp")
	go func() {
		<-creating
		_ = p.Process.Signal(syscall.SIGTERM)
	}()
	created := call(t, base, "create_stream_task", `{"DigitalHumanId":"`+zegosim.DefaultHumans()[0].ID+`","RoomId":"studio"}`)
	if !strings.Contains(created, `\"StatusName\":\"streaming\"`) {
		t.Errorf("got %s", created)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: upstream.URL})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := client.ListStreamTasks(t.Context()); err != nil || len(list.Tasks) != 0 {
		t.Errorf("at the end: got %+v, %v", list, err)
	}
}
