package httpserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/internal/httpserver"
	"zego-mcp/zego"
)

const callbackSecret = "secret-of-callbacks"

// callbackBody returns a callback about a drive, signed with a secret.
func callbackBody(secret string, sent time.Time) string {
	timestamp := strconv.FormatInt(sent.UnixMilli(), 10)
	body, _ := json.Marshal(map[string]any{
		"AppId": 1, "TaskId": "t", "EventType": 4, "Nonce": "n", "Timestamp": timestamp,
		"Signature": zego.CallbackSignature(secret, timestamp, "n"), "EventTime": sent.UnixMilli(),
		"Detail": map[string]any{"DriveId": "d", "Status": 4},
	})
	return string(body)
}

// TestCallbacks posts callbacks as ZEGO does: to a public Host, and without an Origin.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	var taken atomic.Int32
	handler := zego.CallbackHandler(callbackSecret, func(context.Context, zego.Event) error {
		taken.Add(1)
		return nil
	})
	h := newHandler(t, httpserver.Options{Callbacks: handler, Middleware: func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no password", http.StatusUnauthorized) })
	}})
	public := map[string]string{"Host": "zego.example.com"}
	good := callbackBody(callbackSecret, time.Now())
	for _, tt := range []struct {
		name, method, path, body string
		want                     int
	}{
		{"good", http.MethodPost, "/callbacks/zego", good, http.StatusNoContent},
		{"wrong signature", http.MethodPost, "/callbacks/zego", callbackBody("another", time.Now()), http.StatusUnauthorized},
		{"old", http.MethodPost, "/callbacks/zego", callbackBody(callbackSecret, time.Now().Add(-11*time.Minute)), http.StatusUnauthorized},
		{"10 MB", http.MethodPost, "/callbacks/zego", strings.Repeat(" ", 10_000_000) + good, http.StatusBadRequest},
		{"no JSON", http.MethodPost, "/callbacks/zego", "hello", http.StatusBadRequest},
		{"GET", http.MethodGet, "/callbacks/zego", "", http.StatusMethodNotAllowed},
		{"a path below", http.MethodPost, "/callbacks/zego/x", good, http.StatusForbidden},
		{"a path beside", http.MethodPost, "/callbacks", good, http.StatusForbidden},
		{"MCP", http.MethodPost, "/mcp", hello, http.StatusForbidden},
	} {
		if got := serve(h, tt.method, tt.path, strings.NewReader(tt.body), public); got.Code != tt.want || strings.Contains(got.Body.String(), callbackSecret) {
			t.Errorf("%s: got %d %s, want %d", tt.name, got.Code, got.Body, tt.want)
		}
	}
	if got := taken.Load(); got != 1 {
		t.Errorf("%d callbacks were taken, want 1", got)
	}
	without := newHandler(t, httpserver.Options{})
	if got := serve(without, http.MethodPost, "/callbacks/zego", strings.NewReader(good), nil); got.Code != http.StatusNotFound {
		t.Errorf("without a secret: got %d", got.Code)
	}
}

// TestTooManyCallbacks checks that callbacks are bounded, and do not take the place of MCP
// clients.
func TestTooManyCallbacks(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	h := newHandler(t, httpserver.Options{MaxCalls: 1, Callbacks: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })})
	answers := make(chan int, 60)
	for range 60 {
		go func() { answers <- serve(h, http.MethodPost, "/callbacks/zego", strings.NewReader(""), nil).Code }()
	}
	for range 10 {
		if got := <-answers; got != http.StatusServiceUnavailable {
			t.Errorf("got %d", got)
		}
	}
	if got := serve(h, http.MethodPost, "/mcp", strings.NewReader(hello), nil); got.Code != http.StatusOK {
		t.Errorf("an MCP client got %d", got.Code)
	}
	close(release)
	for range 50 {
		if got := <-answers; got != http.StatusOK {
			t.Errorf("got %d", got)
		}
	}
}

// TestProbeChecks checks that probes reach a server by any Host, and without a password.
func TestProbeChecks(t *testing.T) {
	t.Parallel()
	probes := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.URL.Path)) })
	refuseAll := func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no password", http.StatusUnauthorized) })
	}
	for path, want := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusOK, "/healthz/x": http.StatusForbidden} {
		with := serve(newHandler(t, httpserver.Options{Probes: probes, Middleware: refuseAll}), http.MethodGet, path, nil, map[string]string{"Host": "pod.example.com"})
		if with.Code != want || want == http.StatusOK && with.Body.String() != path {
			t.Errorf("%s: got %d %s, want %d", path, with.Code, with.Body, want)
		}
		if without := serve(newHandler(t, httpserver.Options{}), http.MethodGet, path, nil, nil); without.Code != http.StatusNotFound {
			t.Errorf("%s without probes: got %d", path, without.Code)
		}
	}
}
