// Package zego is a client of ZEGOCLOUD's Digital Human API: it signs each
// request, decodes each answer strictly, and turns refusals into typed errors.
//
//	client, err := zego.New(appID, serverSecret, zego.Options{})
//	page, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Limit: new(10)})
//	if errors.Is(err, zego.CodeServiceNotEnabled) { … }
//
// A Client is safe for concurrent use. The server secret, the signature and
// signed URLs appear in no error and no log.
package zego

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// DefaultEndpoint is ZEGO's production endpoint in mainland China. ZEGO tells
// customers of its overseas plan another one.
const DefaultEndpoint = "https://aigc-digitalhuman-api.zegotech.cn"

// maxAnswer bounds one answer; ZEGO's largest page is a few dozen kilobytes.
const maxAnswer = 8 << 20

// Options changes how a Client works. The zero value means the defaults.
type Options struct {
	Endpoint   string           // Base URL, https (http only for loopback); default DefaultEndpoint.
	HTTPClient *http.Client     // Default: one of its own with keep-alive. Redirects are never followed.
	Timeout    time.Duration    // Limit of one attempt, connection and answer included; default 15 s.
	Pause      time.Duration    // Before the first retry, longer before later ones; default 200 ms.
	Now        func() time.Time // Clock of the signatures; default time.Now.
}

// Client calls the Digital Human API for one AppId.
type Client struct {
	endpoint string
	http     *http.Client
	timeout  time.Duration
	pause    time.Duration
	clock    *clock
	sign     func(action string) url.Values
	scrub    func(text, signature string) string
}

// New returns a Client for the project appID. The serverSecret is the
// 32-character ServerSecret of the project in the ZEGOCLOUD console.
func New(appID uint32, serverSecret string, opts Options) (*Client, error) {
	if appID == 0 {
		return nil, errors.New("zego: AppId must be a number from 1 to 4294967295")
	}
	if len(serverSecret) != 32 {
		return nil, fmt.Errorf("zego: ServerSecret must have 32 characters, got %d", len(serverSecret))
	}
	if opts.Endpoint == "" {
		opts.Endpoint = DefaultEndpoint
	}
	if err := checkEndpoint(opts.Endpoint); err != nil {
		return nil, err
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 15 * time.Second
	}
	if opts.Pause <= 0 {
		opts.Pause = 200 * time.Millisecond
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 32 // Bursts of calls all go to one host.
		opts.HTTPClient = &http.Client{Transport: transport}
	}
	httpClient := *opts.HTTPClient
	// A followed redirect would hand the signed query to another host.
	httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	clock := &clock{own: opts.Now}
	return &Client{
		endpoint: strings.TrimSuffix(opts.Endpoint, "/") + "/",
		http:     &httpClient,
		timeout:  opts.Timeout,
		pause:    opts.Pause,
		clock:    clock,
		sign:     signer(appID, serverSecret, clock.now),
		scrub: func(text, signature string) string {
			return strings.NewReplacer(serverSecret, "[secret]", signature, "[signature]").Replace(text)
		},
	}, nil
}

// checkEndpoint refuses what would send a signed query in the clear or to the
// wrong place. It never repeats userinfo or query of what it refuses.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("zego: endpoint is not a URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Hostname() == "":
		return errors.New("zego: endpoint must look like " + DefaultEndpoint + ", without user, query or fragment")
	case u.Path != "" && u.Path != "/":
		return errors.New("zego: endpoint must have no path, got " + u.Path)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("zego: endpoint must use https; http is allowed for loopback addresses only")
	}
	return fmt.Errorf("zego: endpoint must use https, got %q", u.Scheme)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// envelope is what each answer is wrapped in. Data is absent in some successes.
type envelope struct {
	Code      *Code           `json:"Code"`
	Message   string          `json:"Message"`
	RequestID string          `json:"RequestId"`
	Data      json.RawMessage `json:"Data"`
}

// data is the Data object of an answer.
type data interface {
	// check reports a field that ZEGO documents as always there and that is not.
	check() error
}

// call carries out an action and decodes its Data into out. It returns ZEGO's
// request id. The call ends with ctx.
func (c *Client) call(ctx context.Context, action string, in any, out data) (requestID string, err error) {
	body, err := json.Marshal(in)
	if err != nil {
		return "", fmt.Errorf("zego: %s: encode request: %w", action, err)
	}
	start := time.Now()
	info := CallInfo{Action: action}
	err = c.retry(ctx, func() (err error) {
		info.Attempts++
		requestID, err = c.send(ctx, action, body, out)
		return err
	}, &info)
	if trace, ok := ctx.Value(traceKey{}).(func(CallInfo)); ok {
		info.Took, info.RequestID, info.Err = time.Since(start), requestID, err
		if refusal, ok := errors.AsType[*Error](err); ok {
			info.Code = refusal.Code
		}
		trace(info)
	}
	return requestID, err
}

// send makes one attempt.
func (c *Client) send(ctx context.Context, action string, body []byte, out data) (string, error) {
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	query := c.sign(action)
	req, err := http.NewRequestWithContext(attempt, http.MethodPost, c.endpoint+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return "", &TransportError{Action: action, Err: withoutURL(err)}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return "", &TransportError{Action: action, Err: c.cause(ctx, err)}
	}
	defer func() { _ = resp.Body.Close() }()

	bad := func(requestID, format string, args ...any) error {
		reason := c.scrub(fmt.Sprintf(format, args...), query.Get("Signature"))
		return &ResponseError{Action: action, HTTPStatus: resp.StatusCode, RequestID: requestID, Reason: reason}
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return "", bad("", "a redirect, which is never followed because the request is signed; check the endpoint")
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "", &TransportError{Action: action, Err: fmt.Errorf("the answer broke off after %d bytes: %w", len(answer), err)}
	case err != nil:
		return "", &TransportError{Action: action, Err: c.cause(ctx, err)}
	case len(answer) > maxAnswer:
		return "", bad("", "the answer is larger than %d MiB", maxAnswer>>20)
	}
	var env envelope
	if err := json.Unmarshal(answer, &env); err != nil || env.Code == nil {
		return "", bad("", "%s", whatCame(resp.Header.Get("Content-Type"), answer, err))
	}
	env.RequestID = oneLine(c.scrub(env.RequestID, query.Get("Signature")), 100)
	if *env.Code != 0 {
		if *env.Code == CodeSignatureExpired {
			c.clock.learn(resp.Header.Get("Date"))
		}
		return env.RequestID, &Error{
			Action: action, Code: *env.Code, RequestID: env.RequestID, HTTPStatus: resp.StatusCode,
			Message: oneLine(c.scrub(env.Message, query.Get("Signature")), 500),
		}
	}
	if resp.StatusCode >= 400 {
		return env.RequestID, bad(env.RequestID, "Code 0 (success) with a failing HTTP status")
	}
	if len(env.Data) == 0 || string(env.Data) == "null" {
		return env.RequestID, bad(env.RequestID, "success without Data")
	}
	if err := json.Unmarshal(env.Data, out); err != nil {
		return env.RequestID, bad(env.RequestID, "Data does not fit ZEGO's documentation: %v", err)
	}
	if err := out.check(); err != nil {
		return env.RequestID, bad(env.RequestID, "Data does not fit ZEGO's documentation: %v", err)
	}
	return env.RequestID, nil
}

// cause says why no answer came, without the URL. The caller's own end of the
// call is told apart from the time limit of the attempt.
func (c *Client) cause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("nothing came within %v: %w", c.timeout, context.DeadlineExceeded)
	}
	return withoutURL(err)
}

// withoutURL drops what net/http wraps around a failure: the signed URL.
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

// whatCame describes an answer that is not ZEGO's envelope. Its text is not
// repeated: error pages like to show the URL.
func whatCame(contentType string, answer []byte, err error) string {
	trimmed := bytes.TrimSpace(answer)
	var syntax *json.SyntaxError
	switch {
	case len(trimmed) == 0:
		return "an empty body"
	case trimmed[0] == '<':
		return "an HTML page instead of JSON, perhaps of a proxy on the way; check the endpoint"
	case err == nil:
		return "JSON without ZEGO's Code"
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(answer)):
		return fmt.Sprintf("JSON that breaks off after %d bytes", len(answer))
	case errors.As(err, &syntax):
		return fmt.Sprintf("not JSON (%s, %d bytes)", oneLine(contentType, 60), len(answer))
	}
	return "JSON that is not ZEGO's envelope: " + err.Error()
}

// oneLine makes foreign text fit into one line of an error.
func oneLine(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// CallInfo tells how one call of a Client went.
type CallInfo struct {
	Action    string
	Attempts  int
	Took      time.Duration
	Code      Code          // What ZEGO refused with; 0 otherwise.
	ClockOff  time.Duration // How far this machine's clock is behind ZEGO's, when that was learnt in this call.
	RequestID string        // Empty when no answer came.
	Err       error
}

type traceKey struct{}

// WithTrace returns a context under which each finished call is told to trace.
// Calls made side by side tell it side by side.
func WithTrace(ctx context.Context, trace func(CallInfo)) context.Context {
	return context.WithValue(ctx, traceKey{}, trace)
}
