package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/cenkalti/backoff/v5"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	firstDelay = time.Second // Before the first repetition, about.
	maxAnswer  = 64 << 10    // Bytes that are read of an answer.

	// warnInterval is the least time between two lines in the log that say that spans got lost.
	warnInterval = time.Minute
)

// exporter sends spans to a receiver of OTLP over HTTP. It logs itself what gets lost, and returns
// no error: OpenTelemetry's SDK would do nothing else with that.
type exporter struct {
	settings *settings
	client   *http.Client
	log      *slog.Logger

	ending  chan struct{} // Closed by endOnce when nothing is repeated any more.
	endOnce sync.Once
	stop    context.Context    // Done when nothing is sent any more.
	cancel  context.CancelFunc // Ends stop.

	mu     sync.Mutex // guards what follows
	lost   int        // Spans that got lost since the last line that said so.
	warned time.Time  // When the last such line was written.
	failed bool       // The last spans got lost.
}

func newExporter(s *settings, log *slog.Logger) *exporter {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = s.tls
	e := &exporter{settings: s, log: log, ending: make(chan struct{}), client: &http.Client{
		Transport: transport, Timeout: s.timeout,
		// A redirect would take the header, which may hold a token, to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	e.stop, e.cancel = context.WithCancel(context.Background()) //nolint:gosec // The method end sees to it that cancel is called.
	return e
}

// end makes the exporter give up after the next failure, and after a time limit in any case.
func (e *exporter) end(limit time.Duration) {
	e.endOnce.Do(func() {
		close(e.ending)
		time.AfterFunc(limit, e.cancel)
	})
}

// Shutdown implements [sdktrace.SpanExporter].
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// ExportSpans implements [sdktrace.SpanExporter]. It repeats a request that may succeed later,
// until ctx is done. Meanwhile the SDK queues further spans, and drops those that are too many.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.stop, cancel)()
	body := encode(spans)
	if e.settings.gzip {
		body = compressed(body)
	}
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval = firstDelay
	for {
		refused, err := e.post(ctx, body)
		failure, _ := errors.AsType[*exportError](err)
		switch {
		case err == nil && refused == 0:
			e.noteSuccess()
			return nil
		case err == nil:
			e.warn(int(min(refused, uint64(len(spans)))), "the receiver has refused some of them") //nolint:gosec // It is at most len(spans).
			return nil
		case failure == nil || !failure.retry || !e.wait(ctx, max(failure.after, delays.NextBackOff())):
			why := e.scrub(err.Error())
			if e.stop.Err() != nil {
				why = "the receiver did not answer before the server ended"
			}
			e.warn(len(spans), why)
			return nil
		}
	}
}

// compressed returns body in the form of gzip.
func compressed(body []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(body) // A bytes.Buffer takes all.
	_ = w.Close()
	return out.Bytes()
}

// wait waits before a repetition. It returns false if there is to be none.
func (e *exporter) wait(ctx context.Context, delay time.Duration) bool {
	select {
	case <-e.ending:
		return false
	default:
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return false
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.ending:
		return true // One last time.
	case <-ctx.Done():
		return false
	}
}

// exportError says why a receiver has not taken spans.
type exportError struct {
	text  string        // It may hold what net/http says.
	retry bool          // The same request may succeed later.
	after time.Duration // How long the receiver asks to wait.
}

func (e *exportError) Error() string { return e.text }

// post sends spans once. It returns how many of them the receiver has refused for good.
func (e *exporter) post(ctx context.Context, body []byte) (refused uint64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.settings.endpoint.String(), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	maps.Copy(req.Header, e.settings.header)
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "OTLP-Exporter-Go-zego-mcp")
	if e.settings.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := e.client.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err // Without the URL, which may hold a password.
	}
	if err != nil {
		return 0, &exportError{text: err.Error(), retry: true}
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode/100 != 2:
		return 0, &exportError{fmt.Sprintf("the receiver answered with status %d", resp.StatusCode), isTransient(resp.StatusCode), retryAfter(resp.Header)}
	case mediaType == "text/html":
		return 0, &exportError{text: "a web page answered: check the endpoint"}
	case err != nil:
		return 0, &exportError{text: "the receiver's answer broke off"} // It may have taken the spans.
	}
	return rejected(answer), nil
}

// isTransient reports whether the specification of OTLP allows to repeat a request that got this
// status.
func isTransient(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter returns how long a receiver asks to wait, or 0 if it does not ask.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 16); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// scrub returns a text of net/http without what the settings hold that may be secret, in one line
// of at most 300 bytes.
func (e *exporter) scrub(text string) string {
	password, _ := e.settings.endpoint.User.Password()
	secrets := []string{password, e.settings.endpoint.RawQuery}
	for _, values := range e.settings.header {
		secrets = append(secrets, values...)
	}
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[secret]")
		}
	}
	const longest = 300
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\ufffd"), unicode.IsControl), " ")
}

// warn logs that spans got lost, and why, at most once in warnInterval.
func (e *exporter) warn(lost int, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lost += lost
	e.failed = true
	if !e.warned.IsZero() && time.Since(e.warned) < warnInterval {
		return
	}
	e.log.Warn("traces get lost", "spans", e.lost, "err", why)
	e.warned, e.lost = time.Now(), 0
}

// noteSuccess logs that the receiver takes spans again, if the last ones got lost.
func (e *exporter) noteSuccess() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed {
		e.log.Info("traces are received again", "lost_spans", e.lost)
		e.failed, e.lost = false, 0
	}
}
