package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/leaktest"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// receiver is a receiver of traces without a network.
type receiver struct {
	answer func(n int, r *http.Request) (*http.Response, error) // n is 1 for the first request.

	mu       sync.Mutex // guards what follows
	requests []time.Duration
	began    time.Time
	header   http.Header
	body     []byte // Of all requests.
}

// RoundTrip implements http.RoundTripper.
func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.requests = append(r.requests, time.Since(r.began))
	n := len(r.requests)
	r.header = req.Header.Clone()
	r.body = append(r.body, body...)
	r.mu.Unlock()
	return r.answer(n, req)
}

// reply returns an answer with a status, a body, and header fields as names and values in turn.
func reply(status int, body string, header ...string) (*http.Response, error) {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(header); i += 2 {
		resp.Header.Set(header[i], header[i+1])
	}
	return resp, nil
}

const (
	testToken    = "Bearer token-of-the-receiver"
	testPassword = "password-of-the-receiver"
)

// newTestTracer returns a Tracer that sends to r, and its log. It must be ended.
func newTestTracer(t *testing.T, r *receiver, change func(*settings)) (*Tracer, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s := &settings{
		endpoint: &url.URL{Scheme: "http", Host: "127.0.0.1:4318", Path: "/v1/traces", User: url.UserPassword("us", testPassword)},
		header:   http.Header{"Authorization": {testToken}}, timeout: 10 * time.Second,
	}
	if change != nil {
		change(s)
	}
	logger := slog.New(slog.NewTextHandler(leaktest.Writer("the log of tracing", &log), nil))
	e := newExporter(s, logger)
	r.began = time.Now()
	e.client.Transport = r
	tracer := newTracer(Options{Version: "1.0"}, true, sdktrace.WithBatcher(e))
	tracer.exporter = e
	return tracer, &log
}

// makeSpans makes spans that have ended.
func makeSpans(tracer *Tracer, n int) {
	for range n {
		_, span := tracer.tracer.Start(context.Background(), "a span")
		span.End()
	}
}

// warnings returns the lines of the log that say that spans got lost, without their time.
func warnings(log *bytes.Buffer) []string {
	var lines []string
	for line := range strings.Lines(log.String()) {
		if _, rest, ok := strings.Cut(line, `level=WARN msg="traces get lost" `); ok {
			lines = append(lines, strings.TrimSpace(rest))
		}
	}
	return lines
}

// TestReceivers lets receivers answer in all kinds of ways.
func TestReceivers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		answer   func(n int, r *http.Request) (*http.Response, error)
		requests int           // At least.
		atLeast  time.Duration // From the first request to the last.
		want     []string
	}{
		{"takes all", func(int, *http.Request) (*http.Response, error) { return reply(200, "") }, 1, 0, nil},
		{"busy once", func(n int, _ *http.Request) (*http.Response, error) {
			return reply(map[bool]int{true: 503, false: 200}[n == 1], "busy")
		}, 2, 500 * time.Millisecond, nil},
		{"says when", func(n int, _ *http.Request) (*http.Response, error) {
			return reply(map[bool]int{true: 429, false: 200}[n == 1], "", "Retry-After", "7")
		}, 2, 7 * time.Second, nil},
		{"asks to wait too long", func(int, *http.Request) (*http.Response, error) {
			return reply(503, "", "Retry-After", "3600")
		}, 1, 0, []string{`spans=3 err="the receiver answered with status 503"`}},
		{"busy for good", func(int, *http.Request) (*http.Response, error) { return reply(502, "") }, 4, 10 * time.Second, []string{`spans=3 err="the receiver answered with status 502"`}},
		{"refuses", func(int, *http.Request) (*http.Response, error) { return reply(400, "bad") }, 1, 0, []string{`spans=3 err="the receiver answered with status 400"`}},
		{"redirects", func(int, *http.Request) (*http.Response, error) {
			return reply(307, "", "Location", "http://127.0.0.1:1/elsewhere")
		}, 1, 0, []string{`spans=3 err="the receiver answered with status 307"`}},
		{"is a web page", func(int, *http.Request) (*http.Response, error) {
			return reply(200, "<html>", "Content-Type", "text/html; charset=utf-8")
		}, 1, 0, []string{`spans=3 err="a web page answered: check the endpoint"`}},
		{"refuses some", func(int, *http.Request) (*http.Response, error) {
			return reply(200, "\x0a\x04\x12\x00\x08\x02", "Content-Type", "application/x-protobuf")
		}, 1, 0, []string{`spans=2 err="the receiver has refused some of them"`}},
		{"claims to have refused more than it got", func(int, *http.Request) (*http.Response, error) {
			return reply(200, "\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
		}, 1, 0, []string{`spans=3 err="the receiver has refused some of them"`}},
		{"sends nonsense", func(int, *http.Request) (*http.Response, error) { return reply(200, "\xff\xff\xff\xff\xff\x0a\x7f") }, 1, 0, nil},
		{"sends without end", func(int, *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(endless{})}, nil
		}, 1, 0, nil},
		{"is not there", func(int, *http.Request) (*http.Response, error) {
			return nil, errors.New("no route for " + testToken + " and " + testPassword + "\nat all")
		}, 4, 10 * time.Second, []string{`spans=3 err="no route for [secret] and [secret] at all"`}},
		{"does not answer", func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, 2, 10 * time.Second, []string{`spans=3 err="context deadline exceeded`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{answer: tt.answer}
				tracer, log := newTestTracer(t, r, nil)
				makeSpans(tracer, 3)
				time.Sleep(time.Minute) // The SDK sends after 5 s, and gives up after 30.
				synctest.Wait()
				took := r.requests[len(r.requests)-1] - r.requests[0]
				got := warnings(log)
				if len(got) != len(tt.want) || len(got) > 0 && !strings.HasPrefix(got[0], tt.want[0]) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if len(r.requests) < tt.requests || tt.requests == 1 && len(r.requests) != 1 || took < tt.atLeast || took > 31*time.Second {
					t.Errorf("got requests at %v, want %d in %v to 31s", r.requests, tt.requests, tt.atLeast)
				}
				if got := r.header.Get("Authorization"); got != testToken || r.header.Get("Content-Type") != "application/x-protobuf" {
					t.Errorf("got header %v", r.header)
				}
				tracer.End()
			})
		})
	}
}

// endless is a body that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestReceiverGone lets the receiver be gone for ten minutes, and come back.
func TestReceiverGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var gone atomic.Bool
		gone.Store(true)
		r := &receiver{answer: func(int, *http.Request) (*http.Response, error) {
			if gone.Load() {
				return nil, io.ErrUnexpectedEOF
			}
			return reply(200, "")
		}}
		tracer, log := newTestTracer(t, r, nil)
		const minutes = 10
		for range minutes * 60 {
			makeSpans(tracer, 1)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if got := len(warnings(log)); got < minutes/2 || got > minutes {
			t.Errorf("got %d warnings in %d minutes: %s", got, minutes, log)
		}
		gone.Store(false)
		makeSpans(tracer, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := log.String(); strings.Count(got, "traces are received again") != 1 {
			t.Errorf("got %s", got)
		}
		tracer.End()
	})
}

// TestManySpans makes 10,000 spans at once while the receiver does not answer. Nobody may wait
// for it, and the end may take two seconds.
func TestManySpans(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}}
		tracer, log := newTestTracer(t, r, nil)
		makeSpans(tracer, 10_000)
		if took := time.Since(r.began); took > 0 {
			t.Errorf("making spans took %v", took)
		}
		begin := time.Now()
		tracer.End()
		if took := time.Since(begin); took > flushTimeout+time.Second {
			t.Errorf("the end took %v", took)
		}
		synctest.Wait()
		if got := warnings(log); len(got) != 1 || !strings.Contains(got[0], "before the server ended") {
			t.Errorf("got %q, want one warning", got)
		}
	})
}

// TestEndSendsWhatIsLeft ends a Tracer at once after its spans.
func TestEndSendsWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{answer: func(int, *http.Request) (*http.Response, error) { return reply(200, "") }}
		tracer, log := newTestTracer(t, r, func(s *settings) { s.gzip = true })
		makeSpans(tracer, 600)
		tracer.End()
		zipped, err := gzip.NewReader(bytes.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(zipped)
		if got := bytes.Count(body, []byte("a span")); got != 600 || err != nil || r.header.Get("Content-Encoding") != "gzip" {
			t.Errorf("got %d spans, %v", got, err)
		}
		if log.Len() > 0 {
			t.Errorf("got %s", log)
		}
	})
}

// TestField reads fields of messages that are cut anywhere.
func TestField(t *testing.T) {
	t.Parallel()
	var inner, m message
	inner.number(1, 300)
	m.fixed32(4, 7)
	m.fixed64(5, 7)
	m.number(6, 1<<40)
	m.text(7, "text")
	m.message(1, inner)
	if got := rejected(m); got != 300 {
		t.Errorf("got %d, want 300", got)
	}
	if text, _ := field(m, 7); string(text) != "text" {
		t.Errorf("got %q", text)
	}
	for n := range m {
		if got := rejected(m[:n]); got != 0 {
			t.Errorf("the first %d bytes: got %d", n, got)
		}
	}
	if diff := cmp.Diff(uint64(0), rejected([]byte("<html>503</html>"))); diff != "" {
		t.Error(diff)
	}
}
