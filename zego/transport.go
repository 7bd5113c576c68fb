package zego

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
)

// maxAnswer bounds one answer, in bytes. ZEGO's largest page is a few dozen kilobytes.
const maxAnswer = 8 << 20

// httpAnswer is an HTTP answer that was read to its end.
type httpAnswer struct {
	status int
	header http.Header
	body   []byte // At most maxAnswer+1 bytes, so that a longer one is noticed. Nil for a redirect.
}

func (a httpAnswer) isRedirect() bool { return a.status >= 300 && a.status < 400 }

// send signs req, sends it once and parses the answer.
func (c *Client) send(ctx context.Context, req request) (answer, error) {
	query := c.sign(req.action.name)
	raw, err := c.do(ctx, query, req.body)
	if err != nil {
		return answer{}, &TransportError{Action: req.action.name, Err: err}
	}
	scrub := func(text string) string { return c.scrub(text, query.Get("Signature")) }
	c.clock.adjustTo(raw.header.Get("Date"))
	got, err := parseAnswer(req.action, raw, req.newDecoder(), scrub)
	if err != nil {
		return answer{}, err
	}
	got.At = c.clock.now()
	return got, nil
}

// do makes one HTTP exchange, within the client's timeout. Its errors say why no complete
// answer came, and do not hold the URL.
func (c *Client) do(ctx context.Context, query url.Values, body []byte) (httpAnswer, error) {
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(attempt, http.MethodPost, c.endpoint+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return httpAnswer{}, withoutURL(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return httpAnswer{}, c.transportCause(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	got := httpAnswer{status: resp.StatusCode, header: resp.Header}
	if got.isRedirect() {
		return got, nil
	}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return httpAnswer{}, fmt.Errorf("the answer broke off after %d bytes: %w", len(got.body), err)
	case err != nil:
		return httpAnswer{}, c.transportCause(ctx, err)
	}
	return got, nil
}

// transportCause turns an error of net/http into the cause of a TransportError. It tells
// the end of the caller's ctx from the client's own timeout, and removes the URL.
func (c *Client) transportCause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("nothing came within %v: %w", c.timeout, context.DeadlineExceeded)
	}
	return withoutURL(err)
}

// withoutURL removes the *url.Error that net/http wraps around an error: it holds the
// signed URL.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fmt.Errorf("cannot connect: %w", op)
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the connection closed before an answer: %w", err)
	}
	return err
}

// sendWatch observes whether a request left this machine.
type sendWatch struct {
	written func() // Called once the request was written.

	observed atomic.Bool // The transport tells what it does.
	left     atomic.Bool // The head of the request was written.
}

func (w *sendWatch) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { w.observed.Store(true) },
		WroteHeaders: func() { w.left.Store(true) },
		WroteRequest: func(httptrace.WroteRequestInfo) {
			w.left.Store(true)
			w.written()
		},
	}
}

// sent reports whether the request may have arrived; err is how the attempt ended. A
// transport that tells nothing is taken to have sent the request, unless its error says
// that it could not connect.
func (w *sendWatch) sent(err error) bool {
	if w.left.Load() || err == nil {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return !w.observed.Load() && !(ok && op.Op == "dial")
}
