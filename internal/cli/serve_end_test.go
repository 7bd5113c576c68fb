package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/cli"
	"zego-mcp/zego/zegosim"
)

// serveHere runs a server in this process until end is called, which returns its exit code. It
// returns the URL that the server logs.
func serveHere(t *testing.T, variables map[string]string, args ...string) (url string, end func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	logs, log := io.Pipe()
	exit := make(chan int, 1)
	go func() {
		exit <- cli.Run(ctx, append([]string{"serve"}, args...), func(name string) string { return variables[name] }, strings.NewReader(""), io.Discard, log)
		_ = log.Close()
	}()
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(logs)
		for lines.Scan() {
			if url := firstMatch(`"serving MCP".*"url":"([^"]+)"`, lines.Text()); url != "" {
				found <- url
			}
		}
		close(found)
	}()
	url = <-found
	if url == "" {
		t.Fatalf("the server does not start, exit code %d", <-exit)
	}
	return url, func() int {
		cancel()
		return <-exit
	}
}

// TestNothingGoesOn serves in this process, with streams that run, event streams that are open, and
// traces that nobody receives. When serve has ended, none of its goroutines is left. It does not run
// in parallel, because it counts goroutines.
func TestNothingGoesOn(t *testing.T) { //nolint:paralleltest // See above.
	dir := t.TempDir()
	tokens, file := filepath.Join(dir, "tokens.json"), filepath.Join(dir, "projects.toml")
	token := newToken(t, "alice", "--file", tokens, "--toolsets", "all")
	const two = `
[[projects]]
name = "a"
app_id = 1
tokens = ["alice"]
[[projects]]
name = "b"
app_id = 2
`
	if err := os.WriteFile(file, []byte(two), 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"ZEGO_LOG_FORMAT": "json", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
	create := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_stream_task","arguments":{"DigitalHumanId":%q,"RoomId":"r","WaitUntilStreaming":false}}}`, zegosim.DefaultHumans()[0].ID)
	before := 0
	for round := range 4 {
		url, end := serveHere(t, variables, "--transport", "http", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--simulate", "--toolsets", "all",
			"--auth-tokens", tokens, "--projects", file, "--audit-log", filepath.Join(dir, "audit.log"), "--log-level", "info")
		if _, text := post(t, url, token, "", create); !strings.Contains(text, "TaskId") {
			t.Errorf("got %s", text)
		}
		ctx, leave := context.WithCancel(t.Context())
		for _, path := range []string{"/mcp", "/sse"} {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/mcp")+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "text/event-stream")
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }() //nolint:gocritic // There are few.
		}
		if code := end(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		leave()
		http.DefaultClient.CloseIdleConnections()
		if round == 0 { // What is made once for the process stays.
			before = settled()
			continue
		}
		if after := settled(); after > before {
			var stacks bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			t.Fatalf("round %d: %d goroutines, before %d:\n%s", round, after, before, stacks.String())
		}
	}
}

// settled returns how many goroutines are left when their number has not changed for a while.
func settled() int {
	last := runtime.NumGoroutine()
	for quiet := 0; quiet < 50; quiet++ {
		time.Sleep(10 * time.Millisecond)
		if n := runtime.NumGoroutine(); n != last {
			last, quiet = n, 0
		}
	}
	return last
}
