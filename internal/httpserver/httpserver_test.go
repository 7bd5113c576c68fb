package httpserver_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"zego-mcp/internal/httpserver"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const (
	hello    = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	callSlow = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"slow"}}`
)

// newServer returns a server with the tool "slow", which runs work if there is any and
// answers "done".
func newServer(work func(ctx context.Context)) *server.MCPServer {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("slow"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if work != nil {
			work(ctx)
		}
		return mcp.NewToolResultText("done"), nil
	})
	return s
}

// newHandler returns a Handler that is closed when the test ends.
func newHandler(t *testing.T, opts httpserver.Options) *httpserver.Handler {
	t.Helper()
	s := newServer(nil)
	h := httpserver.NewHandler(s, opts)
	t.Cleanup(h.Close)
	return h
}

// serve lets h answer one request to localhost. A stream ends at once, as its client
// does not wait.
func serve(h http.Handler, method, path string, body io.Reader, header map[string]string) *httptest.ResponseRecorder {
	ctx := context.Background()
	if method == http.MethodGet {
		left, leave := context.WithCancel(ctx)
		leave()
		ctx = left
	}
	r := httptest.NewRequestWithContext(ctx, method, path, body)
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	for name, value := range header {
		if name == "Host" {
			r.Host = value
		} else {
			r.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// endpoints are requests of each kind, with the status that is expected when nothing
// is wrong. The message has no session, which mcp-go refuses.
var endpoints = []struct {
	method, path string
	want         int
}{
	{http.MethodPost, "/mcp", http.StatusOK},
	{http.MethodGet, "/sse", http.StatusOK},
	{http.MethodPost, "/message", http.StatusBadRequest},
}

func TestHostAndOrigin(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpserver.Options{AllowedHosts: []string{"mcp.example.com"}})
	for _, tt := range []struct {
		name, host, origin string
		allowed            bool
	}{
		{"no Origin", "127.0.0.1:8080", "", true},
		{"localhost", "localhost:8080", "http://localhost:3000", true},
		{"IPv6", "[::1]:8080", "http://[::1]:6274", true},
		{"address in the local network", "192.168.1.5:8080", "", true},
		{"rebound name", "evil.example:8080", "", false},
		{"rebound name with its Origin", "evil.example:8080", "http://evil.example:8080", false},
		{"name that looks like localhost", "localhost.evil.example", "", false},
		{"foreign Origin", "127.0.0.1:8080", "https://evil.example", false},
		{"null Origin", "127.0.0.1:8080", "null", false},
		{"Origin that is no URL", "127.0.0.1:8080", "http://%zz", false},
		{"allowed", "mcp.example.com", "https://mcp.example.com", true},
		{"allowed, in capitals, with port", "MCP.Example.com:443", "", true},
		{"allowed Origin only", "127.0.0.1:8080", "https://mcp.example.com", true},
	} {
		for _, endpoint := range endpoints {
			header := map[string]string{"Host": tt.host}
			if tt.origin != "" {
				header["Origin"] = tt.origin
			}
			want := endpoint.want
			if !tt.allowed {
				want = http.StatusForbidden
			}
			w := serve(h, endpoint.method, endpoint.path, strings.NewReader(hello), header)
			if w.Code != want {
				t.Errorf("%s: %s %s: got %d %s, want %d", tt.name, endpoint.method, endpoint.path, w.Code, w.Body, want)
			}
			// Only pages of Options.AllowedOrigins may read the answers.
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s: %s: got Access-Control-Allow-Origin %q", tt.name, endpoint.path, got)
			}
		}
	}
}

// TestRefusalsAreLogged sends requests with a foreign Host. One in a minute is logged, with a part
// of the Host alone if it is long.
func TestRefusalsAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		h := newHandler(t, httpserver.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		header := map[string]string{"Host": "proxy.example" + strings.Repeat("x", 300), "Origin": "https://\x1b[2J.example"}
		for range 3 {
			serve(h, http.MethodPost, "/mcp", strings.NewReader(hello), header)
		}
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "proxy.examplexxx") || strings.Contains(text, "\x1b") || len(text) > 700 {
			t.Errorf("logged %q", text)
		}
		time.Sleep(time.Minute)
		serve(h, http.MethodPost, "/mcp", strings.NewReader(hello), header)
		if text := log.String(); strings.Count(text, "\n") != 2 {
			t.Errorf("a minute later: logged %q", text)
		}
	})
}

// TestCrossSite sends what a browser sends for a page of another site. Without Origin, only
// Sec-Fetch-Site tells it from what a client sends.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpserver.Options{})
	for _, tt := range []struct {
		site, origin string
		allowed      bool
	}{
		{"cross-site", "", false},
		{"same-site", "", false},
		{"same-origin", "", true},
		{"none", "", true},
		{"same-site", "http://localhost:3000", true},
		{"cross-site", "http://127.0.0.1:3000", true},
		{"cross-site", "https://evil.example", false},
	} {
		for _, endpoint := range endpoints {
			header := map[string]string{"Sec-Fetch-Site": tt.site}
			if tt.origin != "" {
				header["Origin"] = tt.origin
			}
			want := endpoint.want
			if !tt.allowed {
				want = http.StatusForbidden
			}
			if w := serve(h, endpoint.method, endpoint.path, strings.NewReader(hello), header); w.Code != want {
				t.Errorf("%s, Origin %q: %s: got %d, want %d", tt.site, tt.origin, endpoint.path, w.Code, want)
			}
		}
	}
}

// TestMiddleware refuses clients without a key in a middleware. It sees no request
// whose Host or Origin is wrong, and no body is read before it has decided.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	asked := 0
	h := newHandler(t, httpserver.Options{Middleware: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			if r.Header.Get("Authorization") != "key" {
				http.Error(w, "no key", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}})
	for _, endpoint := range endpoints {
		unread := iotest.ErrReader(errors.New("the body was read"))
		for _, header := range []map[string]string{{"Host": "evil.example"}, {"Origin": "https://evil.example"}} {
			header["Authorization"] = "key"
			if w := serve(h, endpoint.method, endpoint.path, unread, header); w.Code != http.StatusForbidden || asked != 0 {
				t.Errorf("%s: %v: got %d and asked the middleware %d times", endpoint.path, header, w.Code, asked)
			}
		}
		if w := serve(h, endpoint.method, endpoint.path, unread, nil); w.Code != http.StatusUnauthorized || asked != 1 {
			t.Errorf("%s: without key: got %d and asked the middleware %d times", endpoint.path, w.Code, asked)
		}
		header := map[string]string{"Authorization": "key"}
		if w := serve(h, endpoint.method, endpoint.path, strings.NewReader(hello), header); w.Code != endpoint.want || asked != 2 {
			t.Errorf("%s: with key: got %d and asked the middleware %d times", endpoint.path, w.Code, asked)
		}
		asked = 0
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpserver.Options{})
	fits := hello + strings.Repeat(" ", httpserver.MaxBody-len(hello))
	withoutLength := func(text string) io.Reader { return struct{ io.Reader }{strings.NewReader(text)} }
	for name, tt := range map[string]struct {
		body io.Reader
		want int
	}{
		"4 MiB":                     {strings.NewReader(fits), http.StatusOK},
		"4 MiB, without length":     {withoutLength(fits), http.StatusOK},
		"too large":                 {strings.NewReader(fits + " "), http.StatusRequestEntityTooLarge},
		"too large, without length": {withoutLength(fits + " "), http.StatusRequestEntityTooLarge},
		"breaks off":                {iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(hello))), http.StatusBadRequest},
	} {
		w := serve(h, http.MethodPost, "/mcp", tt.body, nil)
		if w.Code != tt.want {
			t.Errorf("%s: got %d %s, want %d", name, w.Code, w.Body, tt.want)
		}
		if tooLarge := w.Code == http.StatusRequestEntityTooLarge; tooLarge != (w.Header().Get("Connection") == "close") {
			t.Errorf("%s: got Connection %q", name, w.Header().Get("Connection"))
		}
	}
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpserver.Options{})
	const parseError, invalidRequest, unknownMethod = `"code":-32700`, `"code":-32600`, `"code":-32601`
	for _, tt := range []struct {
		body string
		code int
		want string
	}{
		{"", http.StatusBadRequest, parseError},
		{"hello", http.StatusBadRequest, parseError},
		{"[]", http.StatusBadRequest, parseError},
		{strings.Repeat("[", 100000), http.StatusBadRequest, parseError},
		{"{}", http.StatusOK, invalidRequest},
		{"null", http.StatusOK, invalidRequest},
		{`{"jsonrpc":"2.0","id":1,"method":"nothing"}`, http.StatusOK, unknownMethod},
		{`{"jsonrpc":"2.0","id":{},"method":"ping"}`, http.StatusOK, `"id":{},"result":{}`}, // mcp-go takes any id.
		{hello, http.StatusOK, `"serverInfo"`},
	} {
		if w := serve(h, http.MethodPost, "/mcp", strings.NewReader(tt.body), nil); w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%.50q: got %d %s, want %d %s", tt.body, w.Code, w.Body, tt.code, tt.want)
		}
	}
}

// TestDrain drains a Handler while a call runs, once with time enough and once without.
func TestDrain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		took, limit time.Duration
		answered    bool
	}{
		{time.Second, time.Minute, true},
		{time.Minute, time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(func(context.Context) { time.Sleep(tt.took) })
			h := httpserver.NewHandler(s, httpserver.Options{})
			defer h.Close()
			answered := make(chan string, 1)
			go func() {
				answered <- serve(h, http.MethodPost, "/mcp", strings.NewReader(callSlow), nil).Body.String()
			}()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
			defer cancel()
			h.Drain(ctx)
			if !tt.answered {
				if len(answered) != 0 || ctx.Err() == nil {
					t.Error("drained before its time was up")
				}
				<-answered
				return
			}
			select {
			case text := <-answered:
				if !strings.Contains(text, "done") {
					t.Errorf("the call in flight: got %s", text)
				}
			default:
				t.Error("drained before the call was answered")
			}
		})
	}
}
