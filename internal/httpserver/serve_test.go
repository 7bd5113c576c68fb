package httpserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/httpserver"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

// start serves a server whose tool "slow" runs work, until stop is called. done is
// closed when Serve has returned.
func start(t *testing.T, work func(ctx context.Context), opts httpserver.Options, grace time.Duration) (base string, stop context.CancelFunc, done chan struct{}) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	s := newServer(work)
	handler := httpserver.NewHandler(s, opts)
	ctx, stop := context.WithCancel(context.Background())
	done = make(chan struct{})
	go func() {
		defer close(done)
		if err := httpserver.Serve(ctx, listener, handler, opts.Logger, grace); err != nil {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() { stop(); <-done })
	return "http://" + listener.Addr().String(), stop, done
}

// post sends one message as an MCP client does, in no session if session is empty.
func post(t *testing.T, url, session, body string) (*http.Response, string) {
	t.Helper()
	resp, text, err := tryPost(t.Context(), url, session, body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, text
}

// tryPost is post for goroutines, which must not end the test.
func tryPost(ctx context.Context, url, session, body string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// TestClients connects mcp-go's clients over each transport and calls a tool.
func TestClients(t *testing.T) {
	t.Parallel()
	for _, sseOnly := range []bool{false, true} {
		base, _, _ := start(t, nil, httpserver.Options{SSEOnly: sseOnly}, time.Minute)
		clients := map[string]func() (*client.Client, error){
			"sse": func() (*client.Client, error) { return client.NewSSEMCPClient(base + "/sse") },
		}
		if sseOnly {
			if resp, _ := post(t, base+"/mcp", "", hello); resp.StatusCode != http.StatusNotFound {
				t.Errorf("/mcp with SSEOnly: got %s", resp.Status)
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

// TestBodyLimit sends bodies that are too large. A client that reads while it sends gets
// the answer, and so does one that reads only after it has sent everything.
func TestBodyLimit(t *testing.T) {
	t.Parallel()
	base, _, _ := start(t, nil, httpserver.Options{}, time.Minute)
	for _, path := range []string{"/mcp", "/message?sessionId=x"} {
		tooLarge := strings.NewReader(strings.Repeat(" ", httpserver.MaxBody+1))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, struct{ io.Reader }{tooLarge})
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
	const size = 8 * httpserver.MaxBody
	const head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	for name, request := range map[string]string{
		"with a length": head + fmt.Sprintf("Content-Length: %d\r\n\r\n", size) + strings.Repeat(" ", size),
		"in one chunk":  head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", size) + strings.Repeat(" ", size) + "\r\n0\r\n\r\n",
	} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Errorf("%s: sending the body: %v", name, err)
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 413 ") {
			t.Errorf("%s: got %q, %v", name, line, err)
		}
	}
}

// TestBodyLimitAtOnce has a client that stops in the middle of a body that is too large. It
// gets the answer at once, not when its time to send the body is over.
func TestBodyLimitAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dial, stop := servePipes(t, newServer(nil))
		defer stop()
		begin := time.Now()
		conn := dial(fmt.Sprintf("POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", 2*httpserver.MaxBody) + strings.Repeat(" ", httpserver.MaxBody+1))
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "HTTP/1.1 413 ") {
			t.Errorf("got %q, %v", line, err)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the answer took %v", took)
		}
		_ = conn.Close()
	})
}

// TestSessions sends requests with session ids of each kind, and ends a session.
func TestSessions(t *testing.T) {
	t.Parallel()
	base, _, _ := start(t, nil, httpserver.Options{}, time.Minute)
	const ping = `{"jsonrpc":"2.0","id":2,"method":"ping"}`
	resp, _ := post(t, base+"/mcp", "", hello)
	session := resp.Header.Get("Mcp-Session-Id")
	if session == "" {
		t.Fatal("no session id")
	}
	for name, tt := range map[string]struct {
		session string
		want    int
	}{
		"alive":               {session, http.StatusOK},
		"of another replica":  {"zego-mcp-6ba7b810-9dad-41d1-80b4-00c04fd430c8", http.StatusOK},
		"none":                {"", http.StatusOK},
		"without prefix":      {"x", http.StatusNotFound},
		"prefix without UUID": {"zego-mcp-1", http.StatusNotFound},
	} {
		if resp, text := post(t, base+"/mcp", tt.session, ping); resp.StatusCode != tt.want {
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
	if resp, _ := post(t, base+"/mcp", session, ping); resp.StatusCode != http.StatusNotFound {
		t.Errorf("ended: got %s, want 404", resp.Status)
	}
}

// logWatcher is a log handler. It sends to seen for each log message that contains text.
type logWatcher struct {
	slog.Handler
	text string
	seen chan struct{}
}

func watchLog(text string) logWatcher {
	return logWatcher{slog.DiscardHandler, text, make(chan struct{}, 10)}
}

func (l logWatcher) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, l.text) {
		l.seen <- struct{}{}
	}
	return nil
}

func (l logWatcher) Enabled(context.Context, slog.Level) bool { return true }

// TestShutdown stops the server while a call runs. The call is answered.
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
			}, httpserver.Options{}, time.Minute)
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

// TestShutdownEndsStreams stops the server while clients only listen, on streams and
// on a connection without a request. All are ended properly, and at once.
func TestShutdownEndsStreams(t *testing.T) {
	t.Parallel()
	log := watchLog("unanswered")
	base, stop, done := start(t, nil, httpserver.Options{Logger: slog.New(log)}, time.Minute)
	resp, _ := post(t, base+"/mcp", "", hello)
	streams := map[string]io.Reader{}
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
		reader := bufio.NewReader(stream.Body)
		streams[path] = reader
		if path == "/sse" {
			if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "endpoint") {
				t.Fatalf("got %q, %v", line, err)
			}
		}
	}
	unused, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unused.Close() }()
	streams["a connection without a request"] = unused
	begin := time.Now()
	stop()
	<-done
	// http.Server.Shutdown alone would wait 5 s for the connection, and a minute for the streams.
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("the end took %v", took)
	}
	for name, stream := range streams {
		if _, err := io.ReadAll(stream); err != nil {
			t.Errorf("%s: got %v, want EOF", name, err)
		}
	}
	if len(log.seen) != 0 {
		t.Error("streams were cut off, not ended")
	}
}

// TestGraceEnds stops the server while a call runs that does not end in time. The call
// is cancelled, its client gets no answer, and Serve does not wait for it.
func TestGraceEnds(t *testing.T) {
	t.Parallel()
	const grace = 10 * time.Millisecond
	running, cancelled, release := make(chan struct{}), make(chan error, 1), make(chan struct{})
	log := watchLog("ended with requests unanswered")
	base, stop, done := start(t, func(ctx context.Context) {
		close(running)
		<-ctx.Done()
		cancelled <- ctx.Err()
		<-release
	}, httpserver.Options{Logger: slog.New(log)}, grace)
	defer close(release)
	answered := make(chan error, 1)
	go func() {
		_, _, err := tryPost(t.Context(), base+"/mcp", "", callSlow)
		answered <- err
	}()
	<-running
	begin := time.Now()
	stop()
	<-done
	if waited := time.Since(begin); waited < grace {
		t.Errorf("gave up after %v, want %v", waited, grace)
	}
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Errorf("the call's context: got %v, want it cancelled", err)
	}
	if err := <-answered; err == nil {
		t.Error("the call was answered")
	}
	if len(log.seen) != 1 {
		t.Errorf("warned %d times, want once", len(log.seen))
	}
}

// TestServeTwice serves the same server again after a shutdown. The second shutdown
// waits for a running call as well.
func TestServeTwice(t *testing.T) {
	t.Parallel()
	running, release := make(chan struct{}), make(chan struct{})
	s := newServer(func(ctx context.Context) {
		running <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
			t.Error("the call was cancelled")
		}
	})
	for range 2 {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		served := make(chan error, 1)
		handler := httpserver.NewHandler(s, httpserver.Options{})
		go func() { served <- httpserver.Serve(ctx, listener, handler, slog.New(slog.DiscardHandler), time.Minute) }()
		answered := make(chan error, 1)
		go func() {
			_, text, err := tryPost(t.Context(), "http://"+listener.Addr().String()+"/mcp", "", callSlow)
			if err == nil && !strings.Contains(text, "done") {
				err = fmt.Errorf("got %s", text)
			}
			answered <- err
		}()
		<-running
		stop()
		release <- struct{}{}
		if err := <-answered; err != nil {
			t.Errorf("the call in flight: %v", err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// TestSlowClient sends a request word by word.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	base, _, _ := start(t, nil, httpserver.Options{}, time.Minute)
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
