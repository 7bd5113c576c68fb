package zego_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// TestRetryAfter gets answers that ask to come again, in virtual time. The client waits as
// long as it is asked to, unless that is too long.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // Of the virtual time.
	in := func(d time.Duration) string { return start.Add(d).Format(http.TimeFormat) }
	for _, tt := range []struct {
		name     string
		status   int
		code     zego.Code // 0: the answer is not ZEGO's.
		header   string
		deadline time.Duration // 0: none.
		attempts int
		min, max time.Duration
	}{
		{"408", 408, 0, "", 0, 2, 0, time.Second},
		{"425", 425, 0, "", 0, 2, 0, time.Second},
		{"429", 429, 0, "", 0, 2, 0, time.Second},
		{"500", 500, 0, "", 0, 2, 0, time.Second},
		{"404", 404, 0, "1", 0, 1, 0, 0},
		{"426", 426, 0, "1", 0, 1, 0, 0},
		{"seconds", 429, 0, "7", 0, 2, 7 * time.Second, 7 * time.Second},
		{"no seconds", 429, 0, "0", 0, 2, 0, time.Second},
		{"a date", 503, 0, in(9 * time.Second), 0, 2, 9 * time.Second, 9 * time.Second},
		{"a date that is past", 503, 0, in(-time.Hour), 0, 2, 0, time.Second},
		{"not a time", 503, 0, "soon", 0, 2, 0, time.Second},
		{"negative", 503, 0, "-5", 0, 2, 0, time.Second},
		{"busy", 200, zego.CodeSystemBusy, "7", 0, 2, 7 * time.Second, 7 * time.Second},
		{"rate limit", 200, zego.CodeRateLimited, "7", 0, 2, 7 * time.Second, 7 * time.Second},
		{"429 and a code that can pass", 429, zego.CodeInsufficientResources, "7", 0, 2, 7 * time.Second, 7 * time.Second},
		{"429 and a code for good", 429, zego.CodeInvalidParameter, "7", 0, 1, 0, 0},
		{"the longest", 429, 0, "30", 0, 2, 30 * time.Second, 30 * time.Second},
		{"too long", 429, 0, "31", 0, 1, 0, 0},
		{"a century", 429, 0, "3155760000", 0, 1, 0, 0},
		{"longer than time", 429, 0, "99999999999999999999999", 0, 1, 0, 0},
		{"a date in a century", 429, 0, "Fri, 01 Jan 2100 00:00:00 GMT", 0, 1, 0, 0},
		{"after the deadline", 429, 0, "7", 7 * time.Second, 1, 0, 0},
		{"before the deadline", 429, 0, "7", 8 * time.Second, 2, 7 * time.Second, 7 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				client := mustNew(t, zego.Options{HTTPClient: &http.Client{Transport: inProcess{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if calls++; calls > 1 {
						_, _ = io.WriteString(w, succeeded(`{"TaskList":[]}`))
						return
					}
					if tt.header != "" {
						w.Header().Set("Retry-After", tt.header)
					}
					w.WriteHeader(tt.status)
					if tt.code != 0 {
						_, _ = io.WriteString(w, refused(tt.code))
					}
				})}}})
				ctx, info := traced(t)
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				began := time.Now()
				_, err := client.ListStreamTasks(ctx)
				if took := time.Since(began); info.Attempts != tt.attempts || took < tt.min || took > tt.max || (err == nil) != (tt.attempts == 2) {
					t.Errorf("got %v after %d attempts in %v, want %d in %v to %v", err, info.Attempts, took, tt.attempts, tt.min, tt.max)
				}
			})
		})
	}
}

func TestRetryableStatuses(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{
		200: false, 302: false, 400: false, 404: false, 407: false, 408: true, 409: false, 424: false, 425: true, 426: false, 428: false, 429: true,
		430: false, 499: false, 500: true, 503: true,
	} {
		if got := (&zego.ResponseError{HTTPStatus: status}).Retryable(); got != want {
			t.Errorf("HTTP %d: got %t", status, got)
		}
	}
}

// TestPermanentFailures checks that a failure which another try cannot mend is met once, and
// says so.
func TestPermanentFailures(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	untrusted.StartTLS()
	defer untrusted.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	failing := func(err error) zego.Options {
		return zego.Options{HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, err })}}
	}
	dns := func(err net.DNSError) zego.Options {
		return failing(&net.OpError{Op: "dial", Net: "tcp", Err: &err})
	}
	malformed := &url.Error{Op: "parse", URL: "https://example.com/%zz", Err: url.EscapeError("%zz")}
	for _, tt := range []struct {
		name      string
		opts      zego.Options
		want      string
		retryable bool
	}{
		{"untrusted certificate", zego.Options{Endpoint: untrusted.URL}, "certificate", false},
		{"HTTP where HTTPS is expected", zego.Options{Endpoint: "https" + strings.TrimPrefix(plain.URL, "http")}, "HTTP response to HTTPS client", false},
		{"no such host", dns(net.DNSError{Err: "no such host", Name: "zego.invalid", IsNotFound: true}), "cannot connect: dial tcp: lookup zego.invalid: no such host", false},
		{"no such host for now", dns(net.DNSError{Err: "no such host", Name: "zego.invalid", IsNotFound: true, IsTemporary: true}), "no such host", true},
		{"name server down", dns(net.DNSError{Err: "server misbehaving", Name: "zego.invalid"}), "server misbehaving", true},
		{"malformed URL", failing(malformed), `invalid URL escape "%zz"`, false},
		{"refused", failing(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}), "cannot connect: dial tcp: connection refused", true},
		{"reset", failing(errors.New("connection reset")), "connection reset", true},
	} {
		tt.opts.RetryInterval, tt.opts.QPS = time.Microsecond, -1
		ctx, info := traced(t)
		_, err := mustNew(t, tt.opts).ListStreamTasks(ctx)
		failed, ok := errors.AsType[*zego.TransportError](err)
		if !ok || failed.Retryable() != tt.retryable || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q, retryable %t", tt.name, err, tt.want, tt.retryable)
		}
		if attempts := map[bool]int{false: 1, true: 4}[tt.retryable]; info.Attempts != attempts {
			t.Errorf("%s: %d attempts, want %d", tt.name, info.Attempts, attempts)
		}
	}
	if op, ok := errors.AsType[*net.OpError](second(mustNew(t, dns(net.DNSError{IsNotFound: true})).ListStreamTasks(t.Context()))); !ok || op.Op != "dial" {
		t.Errorf("got %v, want the failed dial", op)
	}
	if ended := (&zego.TransportError{Err: context.DeadlineExceeded}); !ended.Retryable() {
		t.Error("the end of a context is said to be permanent")
	}
}

func second[T any](_ T, err error) error { return err }

// TestProxyFails sends requests through a proxy that fails. The error names the environment
// variable that the proxy comes from, and a proxy that refuses for good is asked once.
func TestProxyFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		status   int // Of the proxy's answer; 0: nobody listens.
		want     string
		attempts int
	}{
		{"nobody listens", 0, "cannot connect to the proxy that HTTPS_PROXY names: proxyconnect tcp: dial tcp 127.0.0.1", 4},
		{"forbidden", 403, "the proxy that HTTPS_PROXY names refused the connection: HTTP 403 Forbidden", 1},
		{"wants a password", 407, "HTTP 407 Proxy Authentication Required", 1},
		{"fails", 502, "HTTP 502 Bad Gateway", 4},
	} {
		var asked atomic.Int64
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, r.URL.String())
		}))
		if tt.status == 0 {
			proxy.Close()
		}
		address, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		transport := zego.NewTransport(http.ProxyURL(address))
		ctx, info := traced(t)
		_, err = mustNew(t, zego.Options{RetryInterval: time.Microsecond, HTTPClient: &http.Client{Transport: transport}}).ListStreamTasks(ctx)
		failed, ok := errors.AsType[*zego.TransportError](err)
		if !ok || !strings.Contains(err.Error(), tt.want) || info.Attempts != tt.attempts || failed.Retryable() != (tt.attempts > 1) {
			t.Errorf("%s: got %v after %d attempts, want %q after %d", tt.name, err, info.Attempts, tt.want, tt.attempts)
		}
		if want := tt.attempts * min(tt.status, 1); int(asked.Load()) != want {
			t.Errorf("%s: the proxy was asked %d times, want %d", tt.name, asked.Load(), want)
		}
		proxy.Close()
	}
	invalid := zego.NewTransport(func(*http.Request) (*url.URL, error) { return nil, errors.New("invalid proxy address hunter2") })
	_, err := mustNew(t, zego.Options{HTTPClient: &http.Client{Transport: invalid}}).ListStreamTasks(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the proxy that HTTPS_PROXY names is not a URL") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// TestProxyWorks sends a request through a proxy that connects, and one past it.
func TestProxyWorks(t *testing.T) {
	t.Parallel()
	sim := httptest.NewTLSServer(&zegosim.Server{})
	defer sim.Close()
	var connected atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upstream, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = upstream.Close() }()
		connected.Add(1)
		w.WriteHeader(http.StatusOK)
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = client.Close() }()
		go func() { _, _ = io.Copy(upstream, client) }()
		_, _ = io.Copy(client, upstream)
	}))
	defer proxy.Close()
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	for want, findProxy := range map[int64]func(*http.Request) (*url.URL, error){
		0: func(*http.Request) (*url.URL, error) { return nil, nil }, 1: http.ProxyURL(address),
	} {
		connected.Store(0)
		transport := zego.NewTransport(findProxy)
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		client := mustNew(t, zego.Options{Endpoint: sim.URL, HTTPClient: &http.Client{Transport: transport}})
		if _, err := client.ListStreamTasks(t.Context()); err != nil || connected.Load() != want {
			t.Errorf("got %v, %d connections of the proxy, want %d", err, connected.Load(), want)
		}
		transport.CloseIdleConnections()
	}
}
