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
	"time"
)

// maxAnswer bounds one answer, in bytes. ZEGO's largest page is a few dozen kilobytes.
const maxAnswer = 8 << 20

// httpAnswer is an HTTP answer that was read to its end.
type httpAnswer struct {
	status int
	header http.Header
	body   []byte // At most maxAnswer+1 bytes, so that a longer one is noticed. Nil for a redirect.

	retryAfter time.Duration // How long the server asks to wait before the next try; 0 if it does not.
}

func (a httpAnswer) isRedirect() bool { return a.status >= 300 && a.status < 400 }

// send signs req, sends it once and parses the answer. All that comes from the network or
// from net/http passes the scrubber here.
func (c *Client) send(ctx context.Context, req request) (answer, error) {
	secret := c.secret.Load()
	query := secret.sign(req.action.name)
	scrub := secret.scrubber(query)
	raw, err := c.do(ctx, query, req.body)
	switch {
	case err != nil && ctx.Err() != nil:
		return answer{}, &TransportError{Action: req.action.name, Err: context.Cause(ctx)}
	case err != nil:
		return answer{}, &TransportError{Action: req.action.name, Err: scrub.cause(err)}
	}
	c.clock.adjustTo(raw.header.Get("Date"))
	raw.retryAfter = parseRetryAfter(raw.header.Get("Retry-After"), c.clock.now())
	raw.body = scrub.body(raw.body)
	got, err := parseAnswer(req.action, raw, req.newDecoder())
	if err != nil {
		return answer{}, scrub.answerError(err)
	}
	got.RequestID = scrub.line(got.RequestID, maxRequestID)
	got.At = c.clock.now()
	return got, nil
}

// do makes one HTTP exchange, within the client's timeout. Its errors say why no complete
// answer came. They may hold the URL, so they must pass scrubber.cause.
func (c *Client) do(ctx context.Context, query url.Values, body []byte) (httpAnswer, error) {
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(attempt, http.MethodPost, c.endpoint+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return httpAnswer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return httpAnswer{}, c.describeTimeout(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got := httpAnswer{status: resp.StatusCode, header: resp.Header}
	if got.isRedirect() {
		return got, nil
	}
	got.body, err = readBody(resp)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return httpAnswer{}, fmt.Errorf("the answer broke off after %d bytes: %w", len(got.body), err)
	case err != nil:
		return httpAnswer{}, c.describeTimeout(err)
	}
	return got, nil
}

// readBody returns the body of resp, but at most maxAnswer+1 bytes. When reading fails it
// returns what has come.
func readBody(resp *http.Response) ([]byte, error) {
	const enough = 64 << 10 // The length is only what the server says, so a large one gets no more memory yet.
	var buf bytes.Buffer
	buf.Grow(int(min(resp.ContentLength, enough)) + bytes.MinRead) // An unknown length is -1.
	_, err := buf.ReadFrom(io.LimitReader(resp.Body, maxAnswer+1))
	return buf.Bytes(), err
}

// describeTimeout says of an error of net/http if it is the client's own timeout.
func (c *Client) describeTimeout(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("nothing came within %v: %w", c.timeout, context.DeadlineExceeded)
	}
	return describeFailure(err)
}

// describeFailure says in plain words what failed, as far as err tells that. It drops the
// *url.Error that net/http wraps around an error, which would only repeat the URL.
func describeFailure(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok && wrapped.Op != "parse" {
		err = wrapped.Err
	}
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case isOp && (op.Op == "proxyconnect" || op.Op == "socks connect"):
		return fmt.Errorf("cannot connect to the proxy that HTTPS_PROXY names: %w", err)
	case isOp && op.Op == "dial":
		return fmt.Errorf("cannot connect: %w", op)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the connection closed before an answer: %w", err)
	}
	return err
}

// noRedirects removes the address from redirects, so that net/http neither follows them nor
// reads the address. A redirect that is followed hands the signed query to another host.
type noRedirects struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t noRedirects) RoundTrip(req *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req)
	if resp != nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

// CloseIdleConnections closes those of the transport, see http.Client.CloseIdleConnections.
func (t noRedirects) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// newTransport returns a transport as Go's default one, but with errors that say so if the
// proxy fails. findProxy is as http.Transport.Proxy.
func newTransport(findProxy func(*http.Request) (*url.URL, error)) *http.Transport {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = func(req *http.Request) (*url.URL, error) {
		proxy, err := findProxy(req)
		if err != nil { // The error repeats the URL, which may hold a password.
			return nil, &proxyError{"is not a URL", true}
		}
		return proxy, nil
	}
	transport.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode == http.StatusOK {
			return nil
		}
		return &proxyError{
			fmt.Sprintf("refused the connection: HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)),
			!isTransientStatus(resp.StatusCode),
		}
	}
	return transport
}

// proxyError says that the proxy on the way to ZEGO made no connection.
type proxyError struct {
	reason    string
	permanent bool // It would refuse another try as well.
}

// Error names the environment variable that net/http takes the proxy from.
func (e *proxyError) Error() string { return "the proxy that HTTPS_PROXY names " + e.reason }

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
	return !w.observed.Load() && (!ok || op.Op != "dial")
}
