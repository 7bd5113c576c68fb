package httpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/httpserver"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`

// start serves a server with the tool "slow", which runs do. stop begins the end;
// done is closed after it.
func start(t *testing.T, do func(ctx context.Context), opts httpserver.Options) (base string, stop context.CancelFunc, done chan struct{}) {
	t.Helper()
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("slow"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if do != nil {
			do(ctx)
		}
		return mcp.NewToolResultText("done"), nil
	})
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Grace == 0 {
		opts.Grace = time.Minute
	}
	ctx, stop := context.WithCancel(context.Background())
	done = make(chan struct{})
	go func() {
		defer close(done)
		if err := httpserver.Serve(ctx, listener, s, opts); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return "http://" + listener.Addr().String(), stop, done
}

// post sends one message as an MCP client does.
func post(t *testing.T, url, session, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	for name, value := range header {
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestClients(t *testing.T) {
	t.Parallel()
	for _, sseOnly := range []bool{false, true} {
		base, _, _ := start(t, nil, httpserver.Options{SSEOnly: sseOnly})
		clients := map[string]func() (*client.Client, error){
			"sse": func() (*client.Client, error) { return client.NewSSEMCPClient(base + "/sse") },
		}
		if sseOnly {
			if resp, _ := post(t, base+"/mcp", "", hello, nil); resp.StatusCode != http.StatusNotFound {
				t.Errorf("sse alone serves /mcp: %s", resp.Status)
			}
		} else {
			clients["http"] = func() (*client.Client, error) { return client.NewStreamableHttpClient(base + "/mcp") }
		}
		for name, connect := range clients {
			c, err := connect()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(t.Context()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var req mcp.InitializeRequest
			req.Params.ProtocolVersion = mcp.ProtocolVersion20251125
			if _, err := c.Initialize(t.Context(), req); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			var call mcp.CallToolRequest
			call.Params.Name = "slow"
			if result, err := c.CallTool(t.Context(), call); err != nil || result.IsError {
				t.Errorf("%s: got %v, %v", name, result, err)
			}
			if err := c.Close(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestGuard(t *testing.T) {
	t.Parallel()
	base, _, _ := start(t, nil, httpserver.Options{AllowedHosts: []string{"mcp.example.com"}})
	port := base[strings.LastIndex(base, ":"):]
	for _, tt := range []struct {
		name, host, origin string
		want               int
	}{
		{"no Origin", "", "", 200},
		{"localhost", "localhost" + port, "http://localhost:3000", 200},
		{"IPv6", "[::1]" + port, "http://[::1]:6274", 200},
		{"address of another machine's view", "192.168.1.5:8080", "", 200},
		{"rebound name", "evil.example" + port, "", 403},
		{"rebound name with its Origin", "evil.example" + port, "http://evil.example" + port, 403},
		{"name that looks like localhost", "localhost.evil.example", "", 403},
		{"foreign Origin", "", "https://evil.example", 403},
		{"null Origin", "", "null", 403},
		{"Origin that is no URL", "", "http://%zz", 403},
		{"allowed", "mcp.example.com", "https://mcp.example.com", 200},
		{"allowed, in capitals, with port", "MCP.Example.com:443", "", 200},
		{"allowed Origin only", "", "https://mcp.example.com", 200},
	} {
		header := map[string]string{}
		if tt.host != "" {
			header["Host"] = tt.host
		}
		if tt.origin != "" {
			header["Origin"] = tt.origin
		}
		if resp, text := post(t, base+"/mcp", "", hello, header); resp.StatusCode != tt.want {
			t.Errorf("%s: got %s %s, want %d", tt.name, resp.Status, text, tt.want)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	base, _, _ := start(t, nil, httpserver.Options{})
	fits := hello + strings.Repeat(" ", httpserver.MaxBody-len(hello))
	if resp, _ := post(t, base+"/mcp", "", fits, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("4 MiB: got %s", resp.Status)
	}
	// Chunked, so that no length warns the server.
	for _, path := range []string{"/mcp", "/message?sessionId=x"} {
		body := io.LimitReader(strings.NewReader(fits+"    "), httpserver.MaxBody+1)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, struct{ io.Reader }{body})
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %s, want 413", path, resp.Status)
		}
	}
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	base, _, _ := start(t, nil, httpserver.Options{})
	for _, body := range []string{"", "hello", "[]", "{}", "null", `{"jsonrpc":"2.0","id":{},"method":"ping"}`, strings.Repeat("[", 100000)} {
		if resp, _ := post(t, base+"/mcp", "", body, nil); resp.StatusCode >= 500 {
			t.Errorf("%.20q: got %s", body, resp.Status)
		}
	}
	if resp, _ := post(t, base+"/mcp", "", hello, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("after garbage: got %s", resp.Status)
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	base, _, _ := start(t, nil, httpserver.Options{})
	const ping = `{"jsonrpc":"2.0","id":2,"method":"ping"}`
	resp, _ := post(t, base+"/mcp", "", hello, nil)
	session := resp.Header.Get("Mcp-Session-Id")
	if session == "" {
		t.Fatal("no session id")
	}
	for name, tt := range map[string]struct {
		session string
		want    int
	}{
		"alive":               {session, 200},
		"of another replica":  {"zego-mcp-6ba7b810-9dad-41d1-80b4-00c04fd430c8", 200},
		"none":                {"", 200},
		"not one of ours":     {"x", 404},
		"prefix without uuid": {"zego-mcp-1", 404},
	} {
		if resp, text := post(t, base+"/mcp", tt.session, ping, nil); resp.StatusCode != tt.want {
			t.Errorf("%s: got %s %s, want %d", name, resp.Status, text, tt.want)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, base+"/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Mcp-Session-Id", session)
	ended, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = ended.Body.Close()
	if resp, _ := post(t, base+"/mcp", session, ping, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("ended: got %s, want 404", resp.Status)
	}
}

// TestShutdown stops the server while a call runs; the call is answered.
// swept tells of the sweeper's log lines.
type swept struct {
	slog.Handler
	session chan struct{}
}

func (s swept) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "Sweeping") {
		s.session <- struct{}{}
	}
	return nil
}

func (s swept) Enabled(context.Context, slog.Level) bool { return true }

// TestIdleSessionGoesOn: what is kept of an idle session is forgotten, but its client
// may come back, for it may have been busy with another replica.
func TestIdleSessionGoesOn(t *testing.T) {
	t.Parallel()
	sweeper := swept{slog.DiscardHandler, make(chan struct{}, 10)}
	base, _, _ := start(t, nil, httpserver.Options{IdleSession: time.Millisecond, Logger: slog.New(sweeper)})
	resp, _ := post(t, base+"/mcp", "", hello, nil)
	session := resp.Header.Get("Mcp-Session-Id")
	<-sweeper.session
	if resp, text := post(t, base+"/mcp", session, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`, nil); resp.StatusCode != http.StatusOK {
		t.Errorf("got %d %s", resp.StatusCode, text)
	}
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"http", "sse"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			running, release := make(chan struct{}), make(chan struct{})
			base, stop, done := start(t, func(ctx context.Context) {
				close(running)
				select {
				case <-release:
				case <-ctx.Done():
					t.Error("the call was cancelled")
				}
			}, httpserver.Options{})
			var c *client.Client
			var err error
			if transport == "http" {
				c, err = client.NewStreamableHttpClient(base + "/mcp")
			} else {
				c, err = client.NewSSEMCPClient(base + "/sse")
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			var req mcp.InitializeRequest
			req.Params.ProtocolVersion = mcp.ProtocolVersion20251125
			if _, err := c.Initialize(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			answered := make(chan error, 1)
			go func() {
				var call mcp.CallToolRequest
				call.Params.Name = "slow"
				_, err := c.CallTool(t.Context(), call)
				answered <- err
			}()
			<-running
			stop()
			close(release)
			if err := <-answered; err != nil {
				t.Errorf("the call in flight: %v", err)
			}
			<-done
			_ = c.Close()
		})
	}
}

// TestShutdownEndsStreams does not wait for clients that only listen.
func TestShutdownEndsStreams(t *testing.T) {
	t.Parallel()
	base, stop, done := start(t, nil, httpserver.Options{})
	resp, _ := post(t, base+"/mcp", "", hello, nil)
	for _, path := range []string{"/mcp", "/sse"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("Mcp-Session-Id", resp.Header.Get("Mcp-Session-Id"))
		stream, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = stream.Body.Close() }()
		if path == "/sse" {
			if line, err := bufio.NewReader(stream.Body).ReadString('\n'); err != nil || !strings.Contains(line, "endpoint") {
				t.Fatalf("got %q, %v", line, err)
			}
		}
	}
	silent, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	stop()
	<-done
}

// TestGraceEnds gives up on a call that outlasts the grace.
func TestGraceEnds(t *testing.T) {
	t.Parallel()
	running := make(chan struct{})
	base, stop, done := start(t, func(ctx context.Context) {
		close(running)
		<-ctx.Done()
	}, httpserver.Options{Grace: 10 * time.Millisecond})
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/mcp", bytes.NewReader([]byte(
			`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow"}}`)))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-running
	stop()
	<-done
}

func TestSlowClientIsServed(t *testing.T) {
	t.Parallel()
	base, _, _ := start(t, nil, httpserver.Options{})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	head := fmt.Sprintf("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n", len(hello))
	for part := range strings.SplitSeq(head+hello, " ") {
		_, _ = io.WriteString(conn, part)
		if !strings.HasSuffix(part, "}}}") {
			_, _ = io.WriteString(conn, " ")
		}
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Errorf("got %q, %v", line, err)
	}
}
