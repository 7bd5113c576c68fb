package httpserver_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/httpserver"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// cancelSlow cancels callSlow.
const cancelSlow = `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2}}`

// modern returns a message of protocol version 2026-07-28, and the headers for it.
func modern(method, params string) (body string, header map[string]string) {
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
	id := `"id":2,`
	if strings.HasPrefix(method, "notifications/") {
		id = ""
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0",%s"method":%q,"params":{%s,%s}}`, id, method, params, meta),
		map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": "slow"}
}

// TestCancel cancels a call in each way that a client may try, while the call has one of
// the sessions that calls may have. Only the client itself can cancel it.
func TestCancel(t *testing.T) {
	t.Parallel()
	modernCall, modernHeader := modern("tools/call", `"name":"slow"`)
	modernCancel, modernCancelHeader := modern("notifications/cancelled", `"requestId":2`)
	const own, other = "zego-mcp-6ba7b810-9dad-41d1-80b4-00c04fd430c8", "zego-mcp-6ba7b811-9dad-41d1-80b4-00c04fd430c8"
	inSession := func(id string) map[string]string { return map[string]string{"Mcp-Session-Id": id} }
	for name, tt := range map[string]struct {
		call         string
		header       map[string]string
		cancel       string
		cancelHeader map[string]string
		cancelled    bool
	}{
		"own session":                    {callSlow, inSession(own), cancelSlow, inSession(own), true},
		"another session":                {callSlow, inSession(own), cancelSlow, inSession(other), false},
		"no session":                     {callSlow, nil, cancelSlow, nil, false},
		"no session, by a modern client": {callSlow, nil, modernCancel, modernCancelHeader, false},
		"a session, by a modern client":  {callSlow, inSession(own), modernCancel, modernCancelHeader, false},
		"modern":                         {modernCall, modernHeader, modernCancel, modernCancelHeader, false},
		"modern, by an old client":       {modernCall, modernHeader, cancelSlow, nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			started, cancelled := 0, 0
			h := httpserver.NewHandler(newServer(func(ctx context.Context) {
				started++
				select {
				case <-ctx.Done():
					cancelled++
				case <-time.After(time.Second):
				}
			}), httpserver.Options{})
			defer h.Close()
			done := make(chan struct{})
			go func() {
				defer close(done)
				serve(h, http.MethodPost, "/mcp", strings.NewReader(tt.call), tt.header)
			}()
			synctest.Wait()
			if w := serve(h, http.MethodPost, "/mcp", strings.NewReader(tt.cancel), tt.cancelHeader); w.Code != http.StatusAccepted {
				t.Errorf("%s: got %d %s", name, w.Code, w.Body)
			}
			<-done
			if started != 1 || cancelled == 1 != tt.cancelled {
				t.Errorf("%s: started %d, cancelled %d", name, started, cancelled)
			}
		})
	}
}

// TestModernCancel closes the request of a modern client, which cancels its call.
func TestModernCancel(t *testing.T) {
	t.Parallel()
	running, cancelled := make(chan struct{}), make(chan struct{})
	base, _, _ := start(t, func(ctx context.Context) {
		close(running)
		<-ctx.Done()
		close(cancelled)
	}, httpserver.Options{}, time.Minute)
	body, header := modern("tools/call", `"name":"slow"`)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	go func() {
		<-running
		leave()
	}()
	if resp, err := http.DefaultClient.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("got %s", resp.Status)
	}
	<-cancelled
}

// TestClientInfo has a client that says more of itself than is kept. A later request of
// the session knows its name, cut, and what it can do.
func TestClientInfo(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 50_000)
	greeting := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"` + long + `","version":"1","icons":[{"src":"data:` + long + `"}]},
		"capabilities":{"elicitation":{},"experimental":{"x":{"y":"z"}}}}}`
	var got mcp.Implementation
	var capabilities mcp.ClientCapabilities
	h := httpserver.NewHandler(newServer(func(ctx context.Context) {
		session := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo)
		got, capabilities = session.GetClientInfo(), session.GetClientCapabilities()
	}), httpserver.Options{})
	t.Cleanup(h.Close)
	check := func(transport string) {
		if got.Name != long[:128] || got.Version != "1" || got.Icons != nil {
			t.Errorf("%s: got the client %.200v", transport, got)
		}
		if capabilities.Elicitation == nil || capabilities.Experimental != nil {
			t.Errorf("%s: got the capabilities %v", transport, capabilities)
		}
		got, capabilities = mcp.Implementation{}, mcp.ClientCapabilities{}
	}
	w := serve(h, http.MethodPost, "/mcp", strings.NewReader(greeting), nil)
	serve(h, http.MethodPost, "/mcp", strings.NewReader(callSlow), map[string]string{"Mcp-Session-Id": w.Header().Get("Mcp-Session-Id")})
	check("http")
	synctest.Test(t, func(t *testing.T) {
		stream, messages := openSSE(t, h, 0)
		serve(h, http.MethodPost, messages, strings.NewReader(greeting), nil)
		synctest.Wait()
		serve(h, http.MethodPost, messages, strings.NewReader(callSlow), nil)
		synctest.Wait()
		check("sse")
		stream.left()
		<-stream.done
	})
}

// TestMaxSessions opens more sessions than there may be. The last one must wait until the
// oldest has not been used for a while, and that one can be used nevertheless.
func TestMaxSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := httpserver.NewHandler(newServer(nil), httpserver.Options{MaxSessions: 2})
		defer h.Close()
		greet := func() (status int, retryAfter, id string) {
			w := serve(h, http.MethodPost, "/mcp", strings.NewReader(hello), nil)
			return w.Code, w.Header().Get("Retry-After"), w.Header().Get("Mcp-Session-Id")
		}
		call := func(id string) int {
			return serve(h, http.MethodPost, "/mcp", strings.NewReader(callSlow), map[string]string{"Mcp-Session-Id": id}).Code
		}
		_, _, first := greet()
		time.Sleep(10 * time.Second)
		_, _, second := greet()
		if code := call(first); code != http.StatusOK {
			t.Fatalf("got %d", code)
		}
		status, retryAfter, _ := greet()
		if status != http.StatusServiceUnavailable || retryAfter != "60" {
			t.Errorf("too many sessions: got %d, Retry-After %q", status, retryAfter)
		}
		wait, _ := strconv.Atoi(retryAfter)
		time.Sleep(time.Duration(wait) * time.Second)
		if status, _, _ := greet(); status != http.StatusOK {
			t.Errorf("after Retry-After: got %d", status)
		}
		for _, id := range []string{first, second} {
			if code := call(id); code != http.StatusOK {
				t.Errorf("a session that was forgotten: got %d", code)
			}
		}
		// A session that has ended leaves its place.
		serve(h, http.MethodDelete, "/mcp", nil, map[string]string{"Mcp-Session-Id": second})
		if code := call(second); code != http.StatusNotFound {
			t.Errorf("a session that has ended: got %d", code)
		}

		streams := []*sseStream{}
		for range 2 {
			stream, _ := openSSE(t, h, 0)
			streams = append(streams, stream)
		}
		for _, path := range []string{"/sse", "/mcp"} {
			if w := serve(h, http.MethodGet, path, nil, nil); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
				t.Errorf("too many streams: %s: got %d", path, w.Code)
			}
		}
		streams[0].left()
		<-streams[0].done
		if w := serve(h, http.MethodGet, "/mcp", nil, nil); w.Code != http.StatusOK {
			t.Errorf("after a stream has ended: got %d", w.Code)
		}
	})
}

// TestMaxCalls makes more calls at once than there may be, over both transports. What is
// not a call gets through, so that a client can still cancel one.
func TestMaxCalls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := httpserver.NewHandler(newServer(func(context.Context) { time.Sleep(time.Second) }), httpserver.Options{MaxCalls: 1})
		defer h.Close()
		_, messages := openSSE(t, h, 0)
		serve(h, http.MethodPost, messages, strings.NewReader(callSlow), nil)
		synctest.Wait()
		for _, path := range []string{"/mcp", messages} {
			if w := serve(h, http.MethodPost, path, strings.NewReader(callSlow), nil); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" {
				t.Errorf("%s: got %d, Retry-After %q", path, w.Code, w.Header().Get("Retry-After"))
			}
			if w := serve(h, http.MethodPost, path, strings.NewReader(cancelSlow), nil); w.Code != http.StatusAccepted {
				t.Errorf("%s: a notification: got %d", path, w.Code)
			}
		}
		time.Sleep(2 * time.Second)
		if w := serve(h, http.MethodPost, "/mcp", strings.NewReader(callSlow), nil); w.Code != http.StatusOK {
			t.Errorf("after the call: got %d", w.Code)
		}
		h.Close()
	})
}

// TestSessionMemory abandons sessions of a client that says much of itself. Each may leave
// 2 KiB. It does not run in parallel, because it measures the heap.
func TestSessionMemory(t *testing.T) { //nolint:paralleltest // See above.
	const sessions = 200
	h := newHandler(t, httpserver.Options{})
	greeting := strings.Replace(hello, `"name":"x"`, `"name":"`+strings.Repeat("x", 5_000)+`"`, 1)
	greeting = strings.Replace(greeting, `"capabilities":{}`, `"capabilities":{"elicitation":{},"roots":{},"experimental":{"x":{"`+strings.Repeat("y", 5_000)+`":1}}}`, 1)
	heap := func() int {
		runtime.GC()
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return int(stats.HeapAlloc)
	}
	serve(h, http.MethodPost, "/mcp", strings.NewReader(greeting), nil)
	before := heap()
	for range sessions {
		if w := serve(h, http.MethodPost, "/mcp", strings.NewReader(greeting), nil); w.Code != http.StatusOK {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	perSession := (heap() - before) / sessions
	t.Logf("an abandoned session leaves %d bytes", perSession)
	if perSession > 2<<10 {
		t.Errorf("an abandoned session leaves %d bytes, want at most 2 KiB", perSession)
	}
	runtime.KeepAlive(h)
}
