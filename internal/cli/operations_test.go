package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
	"zego-mcp/internal/redisshare/redistest"
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
