package health_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/health"
	"zego-mcp/zego"
)

// get asks a handler, and returns the status and the text of the answer.
func get(t *testing.T, h http.Handler, method, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
	return w.Code, w.Body.String()
}

func TestReady(t *testing.T) {
	t.Parallel()
	lost := &zego.TransportError{Action: "GetTimbreList", Err: errors.New("connection refused")}
	refused := &zego.Error{Action: "GetTimbreList", Code: zego.CodeSignatureWrong}
	left := &zego.TransportError{Action: "GetTimbreList", Err: context.Canceled}
	for _, tt := range []struct {
		name     string
		attempts []error
		later    time.Duration // How long after the attempts the probe comes.
		redis    error
		drain    bool
		want     string // A line of the details; the process is not ready if it begins with "!".
	}{
		{"nothing happened yet", nil, 0, nil, false, "zego    not asked yet"},
		{"an answer", []error{nil}, 2 * time.Second, nil, false, "zego    ok (answered 2s ago)"},
		{"a refusal is an answer", []error{lost, lost, lost, refused}, 0, nil, false, "zego    ok (answered 0s ago)"},
		{"one request without an answer", []error{nil, lost}, 0, nil, false, "zego    did not answer the last request (0s ago)"},
		{"three in a row", []error{nil, lost, lost, lost}, 29 * time.Second, nil, false, "!zego    did not answer the last 3 requests (29s ago)"},
		{"three in a row, a while ago", []error{lost, lost, lost}, 30 * time.Second, nil, false, "zego    did not answer the last 3 requests (30s ago)"},
		{"callers that left", []error{lost, left, left, left}, 0, nil, false, "zego    did not answer the last request (0s ago)"},
		{"no Redis", nil, 0, errors.New("dial 10.0.0.7: refused"), false, "!redis   has not answered yet"},
		{"ending", nil, 0, nil, true, "!server  ending"},
	} {
		now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		c := health.New(func() time.Time { return now })
		c.UseRedis(func(context.Context) error { return tt.redis })
		attempt, _ := c.AddProject()
		for _, err := range tt.attempts {
			attempt(t.Context(), zego.AttemptInfo{Err: err})
		}
		if tt.drain {
			c.Drain()
		}
		now = now.Add(tt.later)
		line, unready := strings.CutPrefix(tt.want, "!")
		status, first := http.StatusOK, "ready\n"
		if unready {
			status, first = http.StatusServiceUnavailable, "not ready\n"
		}
		if code, text := get(t, c.Handler(true), http.MethodGet, "/readyz"); code != status || !strings.HasPrefix(text, first) || !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("%s: got %d %q", tt.name, code, text)
		}
		if code, text := get(t, c.Handler(false), http.MethodGet, "/readyz"); code != status || text != first {
			t.Errorf("%s, for everyone: got %d %q", tt.name, code, text)
		}
		if code, text := get(t, c.Handler(false), http.MethodGet, "/healthz"); code != http.StatusOK || text != "ok\n" {
			t.Errorf("%s: the process: got %d %q", tt.name, code, text)
		}
	}
}

// TestTwoProjects lets ZEGO be silent to one of two projects, and then to both.
func TestTwoProjects(t *testing.T) {
	t.Parallel()
	c := health.New(nil)
	silent, removeSilent := c.AddProject()
	other, removeOther := c.AddProject()
	lost := zego.AttemptInfo{Err: &zego.TransportError{Action: "GetTimbreList", Err: errors.New("connection refused")}}
	expect := func(when string, want int, line string) {
		t.Helper()
		if code, text := get(t, c.Handler(true), http.MethodGet, "/readyz"); code != want || !strings.Contains(text, line) {
			t.Errorf("%s: got %d %q, want %d", when, code, text, want)
		}
	}
	other(t.Context(), zego.AttemptInfo{})
	for range 3 {
		silent(t.Context(), lost)
	}
	expect("one silent", http.StatusOK, "ok (answered 0s ago)")
	for range 3 {
		other(t.Context(), lost)
	}
	expect("both silent", http.StatusServiceUnavailable, "did not answer the last 3 requests")
	other(t.Context(), zego.AttemptInfo{})
	expect("one answers again", http.StatusOK, "ok (answered 0s ago)")
	removeOther()
	expect("without the one that answers", http.StatusServiceUnavailable, "did not answer the last 3 requests")
	removeSilent()
	expect("without both", http.StatusOK, "not asked yet")
}

func TestMethods(t *testing.T) {
	t.Parallel()
	h := health.New(nil).Handler(true)
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, _ := get(t, h, http.MethodHead, path); code != http.StatusOK {
			t.Errorf("HEAD %s: got %d", path, code)
		}
		if code, _ := get(t, h, http.MethodPost, path); code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: got %d", path, code)
		}
	}
	if _, text := get(t, h, http.MethodGet, "/readyz"); strings.Contains(text, "redis") {
		t.Errorf("without Redis: got %q", text)
	}
}

// TestManyProbes checks that however many probes come, Redis is asked once a second, and that
// a prober which gives up does not cancel that.
func TestManyProbes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	pings := 0
	c := health.New(func() time.Time { return now })
	c.UseRedis(func(ctx context.Context) error { pings++; return ctx.Err() })
	h := c.Handler(false)
	gone, leave := context.WithCancel(t.Context())
	leave()
	for range 100 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(gone, http.MethodGet, "/readyz", http.NoBody))
		if w.Code != http.StatusOK {
			t.Fatalf("got %d", w.Code)
		}
	}
	now = now.Add(time.Second)
	get(t, h, http.MethodGet, "/readyz")
	if pings != 2 {
		t.Errorf("Redis was asked %d times, want 2", pings)
	}
}

// TestRedisGoes asks whether a process is ready whose Redis comes late, goes, and comes back. When
// it goes, the other processes lose it, too, so none may become unready for it.
func TestRedisGoes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	refused := errors.New("connection refused")
	var redis error
	c := health.New(func() time.Time { return now })
	c.UseRedis(func(context.Context) error { return redis })
	for i, tt := range []struct {
		redis error
		code  int
		want  string
	}{
		{refused, http.StatusServiceUnavailable, "redis   has not answered yet"},
		{nil, http.StatusOK, "redis   ok"},
		{refused, http.StatusOK, "redis   does not answer; until it does, no stream is created, and each server keeps to a rate limit of its own"},
		{nil, http.StatusOK, "redis   ok"},
	} {
		redis = tt.redis
		now = now.Add(time.Minute)
		if code, text := get(t, c.Handler(true), http.MethodGet, "/readyz"); code != tt.code || !strings.Contains(text, "\n"+tt.want+"\n") {
			t.Errorf("step %d: got %d %q", i, code, text)
		}
		if up := c.RedisUp(); up != (tt.redis == nil) {
			t.Errorf("step %d: up %t", i, up)
		}
	}
}
