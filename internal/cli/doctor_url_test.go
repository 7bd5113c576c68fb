package cli_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"zego-mcp/internal/leaktest"
	"zego-mcp/zego/zegosim"
)

// doctorURL runs doctor --url, and returns what it printed and whether it found no fault.
func doctorURL(t *testing.T, url string, env ...string) (output string, ok bool) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], "doctor", "--url", url, "--timeout", "20s")
	command.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	out, err := command.CombinedOutput()
	leaktest.See("the output of doctor", string(out))
	return string(out), err == nil
}

// matchAll checks that a text has a match of each pattern at the beginning of a line.
func matchAll(t *testing.T, text string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile("(?m)^" + pattern).MatchString(text) {
			t.Errorf("no %q in\n%s", pattern, text)
		}
	}
}

// TestDoctorURL checks a server of this program from outside.
func TestDoctorURL(t *testing.T) {
	t.Parallel()
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0")
	url := loggedURL(t, p)
	for _, address := range []string{url, strings.TrimSuffix(url, "/mcp")} {
		out, ok := doctorURL(t, address)
		if !ok {
			t.Errorf("%s: it found a fault", address)
		}
		matchAll(t, out, "ok    connection   reached 127", "ok    tls          none; fine", "ok    health       ready", "ok    login        none; fine",
			"ok    session      opened with zego-mcp .*, MCP 2025-11-25", "ok    tools        [0-9]+ are offered", "ok    call         list_digital_humans succeeded")
	}
	if out, ok := doctorURL(t, strings.Replace(url, "/mcp", "/elsewhere", 1)); ok || !strings.Contains(out, "FAIL  session") {
		t.Errorf("a wrong path: got %s", out)
	}
	for _, wrong := range []string{"localhost:8080", "https://user:hunter2@example.com/mcp", "https://example.com/mcp?token=hunter2", "ftp://example.com"} {
		if out, ok := doctorURL(t, wrong); ok || !strings.Contains(out, "--url must be") || strings.Contains(out, "hunter2") {
			t.Errorf("%s: got %s", wrong, out)
		}
	}
	if out, ok := doctorURL(t, "http://127.0.0.1:1/mcp"); ok || !strings.Contains(out, "FAIL  connection   127.0.0.1:1: ") {
		t.Errorf("nothing listens: got %s", out)
	}
}

// TestDoctorLogin checks servers that ask for a token over TLS.
func TestDoctorLogin(t *testing.T) {
	t.Parallel()
	var metadata string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch token := r.Header.Get("Authorization"); {
		case r.URL.Path == "/readyz":
			http.NotFound(w, r)
		case strings.HasPrefix(r.URL.Path, "/.well-known/oauth-protected-resource/mcp"):
			_, _ = w.Write([]byte(metadata))
		case token != "Bearer good":
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "no", http.StatusUnauthorized)
		default:
			http.Error(w, "broken", http.StatusInternalServerError)
		}
	})
	srv := httptest.NewTLSServer(handler)
	t.Cleanup(srv.Close)
	metadata = `{"resource":"` + srv.URL + `/mcp","authorization_servers":["https://login.example.com"]}`
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	trust := "SSL_CERT_FILE=" + file
	out, _ := doctorURL(t, srv.URL)
	matchAll(t, out, "FAIL  tls          .*Use a certificate that clients trust")
	out, _ = doctorURL(t, srv.URL, trust)
	matchAll(t, out, "ok    tls          TLS 1.3, and a certificate that is valid until 20", "ok    health       not served here .HTTP 404", "FAIL  login        a token is needed. Set ZEGO_MCP_TOKEN",
		"ok    metadata     clients can log in at https://login.example.com")
	out, _ = doctorURL(t, srv.URL, trust, "ZEGO_MCP_TOKEN=hunter2")
	matchAll(t, out, "FAIL  login        the token of ZEGO_MCP_TOKEN is refused")
	if strings.Contains(out, "hunter2") {
		t.Errorf("the token shows: %s", out)
	}
	out, _ = doctorURL(t, srv.URL, trust, "ZEGO_MCP_TOKEN=good")
	matchAll(t, out, "ok    login        the token is accepted, a wrong one is refused", "FAIL  session ")
}

// TestCallersOverHTTP checks a server that asks for a token from outside, and that its audit log
// names the caller.
func TestCallersOverHTTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tokens, log := filepath.Join(dir, "tokens.json"), filepath.Join(dir, "audit.log")
	command := exec.CommandContext(t.Context(), os.Args[0], "token", "new", "alice", "--toolsets", "all", "--file", tokens)
	command.Env = append(os.Environ(), asProgram+"=1")
	token, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0", "--toolsets", "all", "--auth-tokens", tokens, "--audit-log", log)
	url := loggedURL(t, p)
	out, ok := doctorURL(t, url, "ZEGO_MCP_TOKEN="+string(token))
	if !ok || strings.Contains(out, strings.TrimSpace(string(token))) {
		t.Errorf("got %s", out)
	}
	matchAll(t, out, "ok    login        the token is accepted, a wrong one is refused", "ok    call ")
	out, _ = doctorURL(t, url)
	matchAll(t, out, "ok    health       ready", "FAIL  login        a token is needed")

	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_stream_task","arguments":{"DigitalHumanId":"` + zegosim.DefaultHumans()[0].ID + `","RoomId":"studio"}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	text, err := os.ReadFile(log)
	if err != nil || !strings.Contains(string(text), `"by":"client","subject":"token:alice","tool":"create_stream_task"`) {
		t.Errorf("got %s, %v", text, err)
	}
}
