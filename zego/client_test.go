package zego_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const secret = zegosim.DefaultSecret

// ignoreAt leaves the time of an answer out of a comparison.
var ignoreAt = cmpopts.IgnoreFields(zego.DigitalHumanPage{}, "At")

// newClient returns a client of handler that retries at once and has no rate limit, unless
// opts says otherwise.
func newClient(t *testing.T, handler http.Handler, opts zego.Options) *zego.Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	opts.Endpoint = srv.URL
	if opts.RetryInterval == 0 {
		opts.RetryInterval = time.Microsecond
	}
	if opts.QPS == 0 {
		opts.QPS = -1
	}
	client, err := zego.New(zegosim.DefaultAppID, secret, opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// always returns a simulator whose every call meets fault.
func always(fault zegosim.Fault) *zegosim.Server {
	return &zegosim.Server{QPS: -1, Fault: func(string, int) *zegosim.Fault { return &fault }}
}

// traced returns a context, and the CallInfo of the last call that was made under it.
func traced(t *testing.T) (context.Context, *zego.CallInfo) {
	t.Helper()
	var info zego.CallInfo
	return zego.WithObserver(t.Context(), zego.Observer{Call: func(_ context.Context, call zego.CallInfo) { info = call }}), &info
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name             string
		appID            uint32
		secret, endpoint string
		want             string
	}{
		{"no AppId", 0, secret, "", "AppId must be a number from 1"},
		{"short secret", 1, "hunter2", "", "must have 32 characters, got 7"},
		{"http", 1, secret, "http://example.com", "must use https; http is allowed for loopback addresses only"},
		{"another scheme", 1, secret, "hunter2://example.com", "must use https"},
		{"no host", 1, secret, "https://", "must look like"},
		{"path", 1, secret, "https://example.com/hunter2", "must have no path"},
		{"query", 1, secret, "https://example.com?token=hunter2", "without user, query"},
		{"user", 1, secret, "https://me:hunter2@example.com", "without user"},
		{"no URL", 1, secret, "https://exa mple.com/%zz", "not a URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := zego.New(tt.appID, tt.secret, zego.Options{Endpoint: tt.endpoint})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret in %q", err)
			}
		})
	}
	for _, endpoint := range []string{"", "https://example.com", "https://example.com/", "http://localhost:1", "http://127.0.0.1:1/", "http://[::1]:1"} {
		if _, err := zego.New(1, secret, zego.Options{Endpoint: endpoint}); err != nil {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func TestOmittedIsNotSent(t *testing.T) {
	t.Parallel()
	sent := make(chan string, 10)
	sim := &zegosim.Server{QPS: -1, Observe: func(call zegosim.Call) { sent <- string(call.Body) }}
	client := newClient(t, sim, zego.Options{})
	for _, in := range []zego.ListDigitalHumansRequest{
		{}, {Offset: new(0)}, {Limit: new(20)}, {FetchMode: new(zego.FetchPrivate), Offset: new(3), Limit: new(1)},
	} {
		if _, err := client.ListDigitalHumans(t.Context(), in); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{`{}`, `{"Offset":0}`, `{"Limit":20}`, `{"FetchMode":3,"Offset":3,"Limit":1}`} {
		if got := <-sent; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEveryCode(t *testing.T) {
	t.Parallel()
	retryable := map[zego.Code]bool{
		zego.CodeSignatureExpired: true, zego.CodeStreamNotStarted: true, zego.CodeSystemError: true, zego.CodeSystemBusy: true,
		zego.CodeInsufficientResources: true, zego.CodeRateLimited: true, zego.CodeGatewayBodyUnreadable: true, zego.CodeGatewayInternal: true,
	}
	codes := []zego.Code{
		100000004, 100000005, 400000001, 400000002, 400000003, 400000004, 400000005, 400000006, 400000007, 400000008, 400000009,
		400000010, 400000015, 400000016, 400010000, 400010001, 400010002, 400010007, 400010008, 400010009,
		100000000, 100000001, 100000002, 100000003, 100000006, 100000007, 100000008, 100000009, 100000010, 100000011, 100000012,
		100000013, 100000014, 100000015, 100000016, 100000017,
		400000018, // Belongs to a predecessor of this API, so it is unknown.
	}
	for _, code := range codes {
		t.Run(strconv.Itoa(int(code)), func(t *testing.T) {
			t.Parallel()
			// The deadline is so near that no call is repeated.
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			client := newClient(t, always(zegosim.Fault{Code: code, Message: "why\nit failed"}), zego.Options{RetryInterval: time.Minute})
			_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
			var refusal *zego.Error
			if !errors.Is(err, code) || !errors.As(err, &refusal) {
				t.Fatalf("got %v", err)
			}
			if refusal.Action != "GetDigitalHumanList" || refusal.Message != "why it failed" || refusal.RequestID == "" || refusal.HTTPStatus != 200 {
				t.Errorf("got %+v", refusal)
			}
			if refusal.Retryable() != retryable[code] {
				t.Errorf("retryable: got %t", refusal.Retryable())
			}
			for _, part := range []string{strconv.Itoa(int(code)), refusal.RequestID, "GetDigitalHumanList", "why it failed"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in %q", part, err)
				}
			}
			if known := code != 400000018; known == strings.Contains(code.Error(), "unknown ZEGO") || code.Advice() == "" {
				t.Errorf("got %q, %q", code.Error(), code.Advice())
			}
		})
	}
}

func TestBadAnswers(t *testing.T) {
	t.Parallel()
	const page = `{"Code":0,"Message":"success","RequestId":"r","Data":`
	const empty = page + `{"Total":0}}`
	for _, tt := range []struct {
		name  string
		fault zegosim.Fault
		want  string // Part of the error; empty if there is none.
	}{
		{"HTML", zegosim.Fault{Body: "<html>Welcome</html>"}, "HTTP 200): an HTML page"},
		{"HTML with HTTP 502", zegosim.Fault{Status: 502, Body: " \n<!DOCTYPE html>"}, "HTTP 502): an HTML page"},
		{"HTTP 500 with envelope", zegosim.Fault{Status: 500, Code: zego.CodeInvalidParameter}, "code 400000001"},
		{"HTTP 500 without envelope", zegosim.Fault{Status: 500, Body: "oops", ContentType: "text/plain"}, "HTTP 500): not JSON (text/plain, 4 bytes)"},
		{"HTTP 500, empty", zegosim.Fault{Status: 500, Empty: true}, "HTTP 500): an empty body"},
		{"HTTP 500 with success", zegosim.Fault{Status: 500}, "Code 0 (success) with a failing HTTP status"},
		{"HTTP 400 with success", zegosim.Fault{Status: 400}, "Code 0 (success) with a failing HTTP status"},
		{"empty", zegosim.Fault{Empty: true}, "an empty body"},
		{"no envelope", zegosim.Fault{Body: `{"error":"no"}`}, "JSON without ZEGO's Code"},
		{"null", zegosim.Fault{Body: `null`}, "JSON without ZEGO's Code"},
		{"a list", zegosim.Fault{Body: `[]`}, "JSON that is not ZEGO's envelope"},
		{"Code is text", zegosim.Fault{Body: `{"Code":"0"}`}, "JSON that is not ZEGO's envelope"},
		{"broken off in JSON", zegosim.Fault{Body: `{"Code":0,"Me`}, "JSON that breaks off after 13 bytes"},
		{"broken connection", zegosim.Fault{Truncate: true}, "the answer broke off after"},
		{"dropped", zegosim.Fault{Drop: true}, "closed before an answer"},
		{"Data absent", zegosim.Fault{Body: `{"Code":0,"Message":"success"}`}, "success without Data"},
		{"Data null", zegosim.Fault{Body: page + `null}`}, "success without Data [request r]"},
		{"a refusal with odd Data", zegosim.Fault{Body: `{"Code":400000001,"Message":"no","RequestId":"r","Data":"x"}`}, "code 400000001"},
		{"no Code, odd Data", zegosim.Fault{Body: `{"Data":"x"}`}, "JSON without ZEGO's Code"},
		{"Data is a list", zegosim.Fault{Body: page + `[]}`}, "Data does not fit"},
		{"Total missing", zegosim.Fault{Body: page + `{"DigitalHumans":[]}}`}, "Total is missing"},
		{"Total is text", zegosim.Fault{Body: page + `{"Total":"1","DigitalHumans":[]}}`}, "Data does not fit"},
		{"Total negative", zegosim.Fault{Body: page + `{"Total":-1,"DigitalHumans":[]}}`}, "Total is -1"},
		{"Total largest", zegosim.Fault{Body: page + `{"Total":2147483647,"DigitalHumans":[]}}`}, ""},
		{"Total too large", zegosim.Fault{Body: page + `{"Total":2147483648,"DigitalHumans":[]}}`}, "Total is 2147483648"},
		{"list missing", zegosim.Fault{Body: page + `{"Total":1}}`}, "DigitalHumans is missing"},
		{"list missing, none expected", zegosim.Fault{Body: page + `{"Total":0}}`}, ""},
		{"list null, none expected", zegosim.Fault{Body: page + `{"Total":0,"DigitalHumans":null}}`}, ""},
		{"id missing", zegosim.Fault{Body: page + `{"Total":1,"DigitalHumans":[{"Name":"x"}]}}`}, "DigitalHumans[0]: field DigitalHumanId is missing"},
		{"unknown fields", zegosim.Fault{Body: `{"New":1,"Code":0,"Data":{"New":{},"Total":1,"DigitalHumans":[{"New":[],"DigitalHumanId":"x"}]}}`}, ""},
		{"redirect", zegosim.Fault{Redirect: "https://example.com/?Signature=x"}, "HTTP 302): a redirect, which is never followed"},
		{"as large as allowed", zegosim.Fault{Body: empty + strings.Repeat(" ", 8<<20-len(empty))}, ""},
		{"HTTP 300", zegosim.Fault{Status: 300, Body: empty}, "HTTP 300): a redirect, which is never followed"},
		{"oversized", zegosim.Fault{Body: empty + strings.Repeat(" ", 8<<20-len(empty)+1)}, "larger than 8 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := newClient(t, always(tt.fault), zego.Options{}).ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{})
			if tt.want == "" {
				if err != nil || got.DigitalHumans == nil {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, %v; want %q", got, err, tt.want)
			}
			if diff := cmp.Diff(zego.DigitalHumanPage{}, got); diff != "" {
				t.Errorf("a result besides the error: %s", diff)
			}
		})
	}
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		srv := httptest.NewServer(http.NotFoundHandler())
		srv.Close()
		client, err := zego.New(1, secret, zego.Options{Endpoint: srv.URL, RetryInterval: time.Microsecond})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.GetDigitalHuman(t.Context(), "x")
		if failed := new(zego.TransportError); !errors.As(err, &failed) || !strings.Contains(err.Error(), "cannot connect") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("reset", func(t *testing.T) {
		t.Parallel()
		client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}), zego.Options{})
		_, err := client.GetDigitalHuman(t.Context(), "x")
		if failed := new(zego.TransportError); !errors.As(err, &failed) || strings.Contains(err.Error(), "Signature") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a length for which no machine has memory", func(t *testing.T) {
		t.Parallel()
		client := mustNew(t, zego.Options{QPS: -1, RetryInterval: time.Microsecond, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: 1 << 62, Body: io.NopCloser(strings.NewReader(`{"Code`)), Request: r}, nil
		})}})
		if _, err := client.ListStreamTasks(t.Context()); err == nil || !strings.Contains(err.Error(), "JSON that breaks off after 6 bytes") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("stalled", func(t *testing.T) {
		t.Parallel()
		client := newClient(t, always(zegosim.Fault{Stall: true}), zego.Options{Timeout: 20 * time.Millisecond})
		_, err := client.GetDigitalHuman(t.Context(), "x")
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "nothing came within 20ms") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		client := newClient(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			cancel()
			<-r.Context().Done() // The request is cancelled.
			close(gone)
		}), zego.Options{})
		if _, err := client.GetDigitalHuman(ctx, "x"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		<-gone
	})
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		faults   []zegosim.Fault // Of the first attempts; further ones succeed.
		attempts int
		want     error // Nil if the last attempt succeeds.
	}{
		{"busy", []zegosim.Fault{{Code: zego.CodeSystemBusy}, {Code: zego.CodeSystemBusy}}, 3, nil},
		{"dropped", []zegosim.Fault{{Drop: true}}, 2, nil},
		{"broken off", []zegosim.Fault{{Truncate: true}}, 2, nil},
		{"HTTP 503 from a proxy", []zegosim.Fault{{Status: 503, Body: "<html>"}}, 2, nil},
		{"busy for good", []zegosim.Fault{{Code: zego.CodeSystemBusy}, {Code: zego.CodeSystemBusy}, {Code: zego.CodeSystemBusy}, {Code: zego.CodeSystemBusy}}, 4, zego.CodeSystemBusy},
		{"not found", []zegosim.Fault{{Code: zego.CodeDigitalHumanNotFound}}, 1, zego.CodeDigitalHumanNotFound},
		{"wrong signature", []zegosim.Fault{{Code: zego.CodeSignatureWrong}}, 1, zego.CodeSignatureWrong},
		{"expired twice", []zegosim.Fault{{Code: zego.CodeSignatureExpired}, {Code: zego.CodeSignatureExpired}}, 2, zego.CodeSignatureExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sim := &zegosim.Server{QPS: -1, RefuseReplay: true, Fault: func(_ string, call int) *zegosim.Fault {
				if call <= len(tt.faults) {
					return &tt.faults[call-1]
				}
				return nil
			}}
			ctx, info := traced(t)
			_, err := newClient(t, sim, zego.Options{}).ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if info.Attempts != tt.attempts || info.Action != "GetDigitalHumanList" || info.RequestID == "" || !errors.Is(info.Err, tt.want) {
				t.Errorf("got %+v, want %d attempts", info, tt.attempts)
			}
		})
	}

	t.Run("not when the delay would outlast the deadline", func(t *testing.T) {
		t.Parallel()
		ctx, info := traced(t)
		ctx, cancel := context.WithTimeout(ctx, 900*time.Millisecond)
		defer cancel()
		_, err := newClient(t, always(zegosim.Fault{Code: zego.CodeRateLimited}), zego.Options{}).ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
		if !errors.Is(err, zego.CodeRateLimited) || info.Attempts != 1 {
			t.Errorf("got %v after %d attempts", err, info.Attempts)
		}
	})
}

func TestWrongClock(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			client := newClient(t, &zegosim.Server{}, zego.Options{Now: func() time.Time { return time.Now().Add(off) }})
			for i, attempts := range []int{2, 1, 1} {
				ctx, info := traced(t)
				if _, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{}); err != nil || info.Attempts != attempts {
					t.Errorf("call %d: got %v after %d attempts, want %d", i, err, info.Attempts, attempts)
				}
				if learnt := info.ClockOffset != 0; learnt != (i == 0) || learnt && (info.ClockOffset+off).Abs() > 5*time.Second {
					t.Errorf("call %d: got ClockOffset %v, want %v once", i, info.ClockOffset, -off)
				}
			}
		})
	}
}

func TestAllDigitalHumans(t *testing.T) {
	t.Parallel()
	client := newClient(t, &zegosim.Server{QPS: -1}, zego.Options{})
	var got []string
	for human, err := range client.AllDigitalHumans(t.Context(), zego.FetchAll) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, human.ID)
	}
	var want []string
	for _, human := range zegosim.DefaultHumans() {
		want = append(want, human.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	t.Run("stops when the caller does", func(t *testing.T) {
		for _, err := range client.AllDigitalHumans(t.Context(), zego.FetchPublic) {
			if err != nil {
				t.Error(err)
			}
			break
		}
	})
	t.Run("yields the error and ends", func(t *testing.T) {
		t.Parallel()
		sim := &zegosim.Server{QPS: -1, Fault: func(_ string, call int) *zegosim.Fault {
			if call > 1 {
				return &zegosim.Fault{Code: zego.CodeNoPermission}
			}
			return nil
		}}
		var ok, failed int
		for _, err := range newClient(t, sim, zego.Options{}).AllDigitalHumans(t.Context(), zego.FetchAll) {
			if err == nil {
				ok++
			} else if failed++; !errors.Is(err, zego.CodeNoPermission) {
				t.Error(err)
			}
		}
		if failed != 1 || ok > 20 {
			t.Errorf("got %d and %d errors", ok, failed)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
