package httpserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"zego-mcp/internal/httpserver"
)

// TestAllowedOrigins sends requests of pages of an allowed origin, and of some that only look
// like it. The answers that refuse a login may be read too.
func TestAllowedOrigins(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpserver.Options{AllowedOrigins: []string{"https://app.example.com"}, Middleware: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}})
	for _, tt := range []struct {
		origin, method string
		status         int
		allowed        bool
	}{
		{"https://app.example.com", http.MethodGet, 200, true},
		{"http://localhost:3000", http.MethodGet, 200, false},
		{"https://app.example.com", http.MethodPost, 200, true},
		{"https://app.example.com", http.MethodOptions, 204, true},
		{"http://localhost:3000", http.MethodPost, 200, false},
		{"http://app.example.com", http.MethodPost, 403, false},
		{"https://app.example.com:8443", http.MethodPost, 403, false},
		{"https://app.example.com.evil.example", http.MethodOptions, 403, false},
		{"null", http.MethodOptions, 403, false},
	} {
		header := map[string]string{"Origin": tt.origin, "Authorization": "x"}
		if tt.method == http.MethodOptions {
			header = map[string]string{"Origin": tt.origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
		}
		path := "/mcp"
		if tt.method == http.MethodGet {
			path = "/sse"
		}
		w := serve(h, tt.method, path, strings.NewReader(hello), header)
		got := w.Header().Get("Access-Control-Allow-Origin")
		if w.Code != tt.status || (got == tt.origin) != tt.allowed || got != "" && !tt.allowed {
			t.Errorf("%s %s: got %d %q", tt.method, tt.origin, w.Code, got)
		}
	}
	w := serve(h, http.MethodPost, "/mcp", strings.NewReader(hello), map[string]string{"Origin": "https://app.example.com"})
	if w.Code != http.StatusUnauthorized || w.Header().Get("Access-Control-Allow-Origin") == "" || !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "WWW-Authenticate") {
		t.Errorf("without credentials: got %d %v", w.Code, w.Header())
	}
}

// TestForwarded sends requests with the headers of a proxy, from a proxy and from others.
func TestForwarded(t *testing.T) {
	t.Parallel()
	var seen string
	h := newHandler(t, httpserver.Options{
		AllowedHosts:   []string{"mcp.example.com"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Middleware: func(http.Handler) http.Handler {
			return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				seen = fmt.Sprint(r.URL.Scheme, " ", r.Host, " ", r.RemoteAddr, " ", len(r.Header.Values("X-Forwarded-For")))
			})
		},
	})
	for _, tt := range []struct{ peer, host, proto, addresses, want string }{
		{"10.1.2.3:99", "mcp.example.com", "https", "192.0.2.7", "https mcp.example.com 192.0.2.7:0 0"},
		{"10.1.2.3:99", "evil.example, mcp.example.com", "http,https", "6.6.6.6, 192.0.2.7, 10.9.9.9", "https mcp.example.com 192.0.2.7:0 0"},
		{"[::ffff:10.1.2.3]:99", "mcp.example.com", "https", "2001:db8::1", "https mcp.example.com [2001:db8::1]:0 0"},
		{"10.1.2.3:99", "evil.example", "https", "192.0.2.7", ""},
		{"10.1.2.3:99", "a\"b", "gopher", "unknown", "http localhost 10.1.2.3:99 0"},
		{"192.0.2.7:99", "mcp.example.com", "https", "127.0.0.1", "http localhost 192.0.2.7:99 0"},
	} {
		seen = ""
		r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(hello))
		r.Host, r.RemoteAddr = "localhost", tt.peer
		r.Header.Set("X-Forwarded-Host", tt.host)
		r.Header.Set("X-Forwarded-Proto", tt.proto)
		r.Header.Set("X-Forwarded-For", tt.addresses)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if seen != tt.want {
			t.Errorf("%v: got %q", tt, seen)
		}
	}
}
