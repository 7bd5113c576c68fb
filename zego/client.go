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
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
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
	Endpoint      string           // Base URL, https (http only for loopback); default DefaultEndpoint.
	HTTPClient    *http.Client     // Default: one of its own with keep-alive. Redirects are never followed.
	Timeout       time.Duration    // Limit of one attempt, connection and answer included; default 15 s.
	RetryInterval time.Duration    // Before the first retry or look at a status, longer before later ones; default 200 ms.
	Now           func() time.Time // Clock of the signatures; default time.Now.

	QPS      int           // Calls per second and action; default DefaultQPS, below 0 no limit.
	Limiter  Limiter       // In place of QPS, for a limit that processes share.
	CacheTTL time.Duration // How long pages of the asset lists are kept; default 0, not at all.
	Cache    Cache         // Besides the client's own memory, one that processes share; default none.

	Observer Observer // Is told of every call and every request to ZEGO; default none.
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

	limiter  Limiter
	running  callGroup
	memory   memoryCache
	cache    Cache
	cacheTTL time.Duration
	prefix   string // Of keys in cache.
	observer Observer
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
	if opts.RetryInterval <= 0 {
		opts.RetryInterval = 200 * time.Millisecond
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	switch {
	case opts.Limiter != nil:
	case opts.QPS < 0:
		opts.Limiter = noLimit{}
	case opts.QPS == 0:
		opts.Limiter = NewLimiter(DefaultQPS)
	default:
		opts.Limiter = NewLimiter(opts.QPS)
	}
	if opts.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 32 // Bursts of calls all go to one host.
		opts.HTTPClient = &http.Client{Transport: transport}
	}
	httpClient := *opts.HTTPClient
	// A followed redirect would hand the signed query to another host.
	httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	memory, err := newMemoryCache()
	if err != nil {
		return nil, fmt.Errorf("zego: %w", err)
	}
	clock := &clock{local: opts.Now}
	return &Client{
		endpoint: strings.TrimSuffix(opts.Endpoint, "/") + "/",
		http:     &httpClient,
		timeout:  opts.Timeout,
		pause:    opts.RetryInterval,
		clock:    clock,
		sign:     signer(appID, serverSecret, clock.now),
		scrub: func(text, signature string) string {
			return strings.NewReplacer(serverSecret, "[secret]", signature, "[signature]").Replace(text)
		},
		limiter:  opts.Limiter,
		memory:   memory,
		cache:    opts.Cache,
		cacheTTL: opts.CacheTTL,
		prefix:   "zego-mcp:" + strconv.FormatUint(uint64(appID), 10) + ":",
		observer: opts.Observer,
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
	Code      *Code  `json:"Code"`
	Message   string `json:"Message"`
	RequestID string `json:"RequestId"`
	Data      any    `json:"Data"` // Where to decode it to: a page is parsed once, not twice.
}

// answer is a successful answer, as it is shared and cached.
type answer struct {
	RequestID string    `json:"RequestId"`
	At        time.Time `json:"At"`   // When it came, by ZEGO's clock.
	Data      any       `json:"Data"` // A *T that nobody changes.

	httpStatus int // Of the answer as it came from ZEGO; not kept in a shared cache.
}

// apiAction is one of ZEGO's actions and how it may be called. The zero value of each
// property is the careful one.
type apiAction struct {
	name          string // As in the query of a request, e.g. "GetDigitalHumanList".
	readOnly      bool   // It changes nothing at ZEGO.
	coalesce      bool   // Equal calls that run at the same time share one request.
	cacheable     bool   // Answers may be kept for Options.CacheTTL. Needs coalesce.
	nonIdempotent bool   // Never repeated once it may have been carried out; see LostAnswerError.
	noData        bool   // ZEGO documents no Data in the answer.
}

// data is the Data object of an answer, a *T.
type data[T any] interface {
	*T
	// check reports a field that ZEGO documents as always there and that is not.
	check() error
	// clone returns a copy that the caller may change.
	clone() T
}

// decoder returns where to decode Data to, a pointer to a nil *T, and a function
// that then returns the *T, or nil if there was no Data.
type decoder func() (into any, decoded func() (any, error))

// call carries out an action. The call ends with ctx.
func call[T any, D data[T]](ctx context.Context, c *Client, act apiAction, in any) (T, answer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return *new(T), answer{}, fmt.Errorf("zego: %s: encode request: %w", act.name, err)
	}
	start := time.Now()
	got, info, err := c.ask(ctx, act, body, func() (any, func() (any, error)) {
		var out D
		return &out, func() (any, error) {
			if out == nil {
				return nil, nil
			}
			return out, out.check()
		}
	})
	info.Action, info.ReadOnly, info.RequestID, info.Err = act.name, act.readOnly, got.RequestID, err
	info.Start, info.Duration = start, time.Since(start)
	c.observeCall(ctx, info)
	if err != nil {
		return *new(T), answer{}, err
	}
	return got.Data.(D).clone(), got, nil
}

// ask gets the answer of a call from where it comes soonest: the cache, an equal
// call in flight, or ZEGO.
func (c *Client) ask(ctx context.Context, act apiAction, body []byte, decode decoder) (answer, CallInfo, error) {
	if !act.coalesce {
		var info CallInfo
		got, err := c.retry(ctx, act, body, decode, &info)
		return got, info, err
	}
	key := act.name + " " + string(body)
	keep := act.cacheable && c.cacheTTL > 0
	if keep {
		if got, ok := c.memory.get(key); ok {
			return got, CallInfo{Cached: true}, nil
		}
	}
	got, info, err := c.running.do(ctx, key, func(ctx context.Context, info *CallInfo) (answer, error) {
		if keep && c.cache != nil {
			if got, ok := c.recall(ctx, key, decode); ok {
				info.Cached = true
				return got, nil
			}
		}
		got, err := c.retry(ctx, act, body, decode, info)
		if err == nil && keep {
			c.memory.set(key, got, c.cacheTTL)
			if text, err := json.Marshal(got); err == nil && c.cache != nil {
				c.cache.Set(ctx, c.prefix+key, text, c.cacheTTL)
			}
		}
		return got, err
	})
	if err != nil && ctx.Err() != nil {
		err = &TransportError{Action: act.name, Err: context.Cause(ctx)}
	}
	return got, info, err
}

// recall reads an answer that another process left in the shared cache.
func (c *Client) recall(ctx context.Context, key string, decode decoder) (answer, bool) {
	text, ok := c.cache.Get(ctx, c.prefix+key)
	into, decoded := decode()
	got := answer{Data: into}
	if !ok || json.Unmarshal(text, &got) != nil {
		return answer{}, false
	}
	var err error
	got.Data, err = decoded()
	return got, err == nil && got.Data != nil
}

// attempt waits for its turn and calls once.
func (c *Client) attempt(ctx context.Context, act apiAction, body []byte, decode decoder, info *CallInfo) (answer, error) {
	queued := time.Now()
	turn, err := c.limiter.Acquire(ctx, act.name)
	start := time.Now()
	info.QueueTime += start.Sub(queued)
	if err != nil {
		return answer{}, err
	}
	info.Attempts++
	got, err := c.send(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { turn.Sent() },
	}), act, body, decode)
	c.observeAttempt(ctx, AttemptInfo{
		Action: act.name, Number: info.Attempts, Start: start, Duration: time.Since(start), QueueTime: start.Sub(queued),
		HTTPStatus: got.httpStatus, RequestID: got.RequestID, Err: err,
	})
	_, unanswered := errors.AsType[*TransportError](err)
	defer turn.Done(!unanswered)
	if err != nil && !neverLeft(err) {
		turn.Sent() // Perhaps: it broke while it was written.
		if _, refused := errors.AsType[*Error](err); act.nonIdempotent && !refused {
			err = &LostAnswerError{Action: act.name, Err: err}
		}
	}
	return got, err
}

// neverLeft reports that no connection was made.
func neverLeft(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// send signs and sends a call, and decodes its answer.
func (c *Client) send(ctx context.Context, act apiAction, body []byte, decode decoder) (answer, error) {
	attempt, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	query := c.sign(act.name)
	req, err := http.NewRequestWithContext(attempt, http.MethodPost, c.endpoint+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return answer{}, &TransportError{Action: act.name, Err: withoutURL(err)}
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, &TransportError{Action: act.name, Err: c.cause(ctx, err)}
	}
	defer func() { _ = resp.Body.Close() }()

	var requestID string
	bad := func(format string, args ...any) error {
		reason := c.scrub(fmt.Sprintf(format, args...), query.Get("Signature"))
		return &ResponseError{Action: act.name, HTTPStatus: resp.StatusCode, RequestID: requestID, Reason: reason}
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return answer{}, bad("a redirect, which is never followed because the request is signed; check the endpoint")
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return answer{}, &TransportError{Action: act.name, Err: fmt.Errorf("the answer broke off after %d bytes: %w", len(text), err)}
	case err != nil:
		return answer{}, &TransportError{Action: act.name, Err: c.cause(ctx, err)}
	case len(text) > maxAnswer:
		return answer{}, bad("the answer is larger than %d MiB", maxAnswer>>20)
	}
	into, decoded := decode()
	env := envelope{Data: into}
	err = json.Unmarshal(text, &env)
	var misfit error // Of Data, which does not matter to a refusal.
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && strings.HasPrefix(wrong.Field+".", "Data.") {
		misfit, err = err, nil
	}
	if err != nil || env.Code == nil {
		return answer{}, bad("%s", whatCame(resp.Header.Get("Content-Type"), text, err))
	}
	requestID = oneLine(c.scrub(env.RequestID, query.Get("Signature")), 100)
	switch {
	case *env.Code != 0:
		if *env.Code == CodeSignatureExpired {
			c.clock.adjustTo(resp.Header.Get("Date"))
		}
		return answer{}, &Error{
			Action: act.name, Code: *env.Code, RequestID: requestID, HTTPStatus: resp.StatusCode,
			Message: oneLine(c.scrub(env.Message, query.Get("Signature")), 500),
		}
	case resp.StatusCode >= 400:
		return answer{}, bad("Code 0 (success) with a failing HTTP status")
	case act.noData:
		misfit = json.Unmarshal([]byte("{}"), into) // Whatever came, it is not documented.
	}
	data, err := decoded()
	switch {
	case misfit != nil:
		err = misfit
	case data == nil:
		return answer{}, bad("success without Data")
	}
	if err != nil {
		return answer{}, bad("Data does not fit ZEGO's documentation: %v", err)
	}
	return answer{RequestID: requestID, At: c.clock.now(), Data: data, httpStatus: resp.StatusCode}, nil
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
