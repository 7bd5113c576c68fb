// Package zego is a client of ZEGOCLOUD's Digital Human API.
//
//	client, err := zego.New(appID, serverSecret, zego.Options{})
//	page, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Limit: new(10)})
//	if errors.Is(err, zego.CodeServiceNotEnabled) { … }
//
// A Client signs each request, keeps to ZEGO's rate limit, and repeats a request if that
// is safe and may help. It checks that an answer is as ZEGO documents it. A call fails
// with one of these errors:
//
//   - [*Error]: ZEGO refused the call. errors.Is finds its [Code].
//   - [*TransportError]: no complete answer came, or ctx ended.
//   - [*ResponseError]: an answer came that is not ZEGO's.
//   - [*QueueError]: the call would have waited for the rate limit past its deadline.
//   - [*LostAnswerError]: the call may have been carried out and must not be repeated.
//   - [*ListChangedError]: a list changed while an iterator read its pages.
//   - [*SpeechError]: audio could not be sent to its end.
//   - [*PanicError]: the program has a fault.
//
// A Client is safe for concurrent use. It writes no logs; see [Observer]. The server
// secret, the signature and signed URLs appear in no error, and no text from the network
// makes an error long.
package zego

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultEndpoint is ZEGO's production endpoint in mainland China. Customers of ZEGO's
// overseas plan get another one from ZEGO.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/accessing-server-apis
const DefaultEndpoint = "https://aigc-digitalhuman-api.zegotech.cn"

// Options changes how a Client works. Each field that is zero has the default that its
// comment names.
type Options struct {
	// Endpoint is the base URL of the API, without a path. It must use https; http is
	// allowed for loopback addresses. Default: DefaultEndpoint.
	Endpoint string
	// HTTPClient makes the requests. The Client never follows redirects, whatever
	// HTTPClient says. Default: a new client with keep-alive.
	HTTPClient *http.Client
	// Timeout limits one request, from connecting to the end of the answer. It does not
	// include retries and the wait for the rate limit: limit those with the context of
	// the call. Default: 15 s.
	Timeout time.Duration
	// RetryInterval is the time before the first retry of a request, and before the
	// second look at the status of a stream task. Later intervals are longer. Default:
	// 200 ms.
	RetryInterval time.Duration
	// Now is the clock that requests are signed with. Default: time.Now.
	Now func() time.Time

	// QPS is how many requests of each action may reach ZEGO in a second. Below 0 there
	// is no limit. Default: DefaultQPS.
	QPS int
	// Limiter replaces the client's own limiter, so that processes can share one limit.
	// QPS is then ignored. Default: none.
	Limiter Limiter
	// CacheTTL is how long pages of the lists of digital humans and timbres are kept.
	// Default: 0, they are not kept.
	CacheTTL time.Duration
	// Cache keeps the same pages where other processes find them, besides the client's
	// own memory. It has no effect without a CacheTTL. Default: none.
	Cache Cache

	// Observer is told of every call and every request to ZEGO. Default: nobody is.
	Observer Observer
}

// Client calls the Digital Human API for one project. [New] returns one. It need not be
// closed.
type Client struct {
	appID         uint32
	endpoint      string
	http          *http.Client
	timeout       time.Duration
	retryInterval time.Duration
	clock         *clock
	secret        atomic.Pointer[secretUse]
	closed        atomic.Bool

	limiter  Limiter
	running  callGroup
	memory   memoryCache
	cache    Cache
	cacheTTL time.Duration
	observer Observer
}

// secretUse is all that a Client does with the server secret. The secret itself is in closures
// only, so that printing a Client cannot show it.
type secretUse struct {
	sign        func(action string) url.Values
	scrubber    func(query url.Values) scrubber
	viewerToken func(ViewerTokenRequest) (ViewerToken, error)
	cachePrefix string // Of keys in Client.cache.
}

// ClockOffset returns how far ZEGO's clock is ahead of this machine's, as the answers that
// the client got have shown it: 0 before the first answer, and if they differ by less than
// 2 s.
func (c *Client) ClockOffset() time.Duration { return c.clock.offset() }

// New returns a Client for the project appID, a number from 1 to 4294967295. serverSecret
// is the project's ServerSecret of 32 characters. Both are in the ZEGOCLOUD console. New
// makes no request: it fails only if an argument is malformed.
func New(appID uint32, serverSecret string, opts Options) (*Client, error) {
	if appID == 0 {
		return nil, errors.New("zego: AppId must be a number from 1 to 4294967295")
	}
	if err := checkSecret(serverSecret); err != nil {
		return nil, err
	}
	opts.setDefaults()
	if err := checkEndpoint(opts.Endpoint); err != nil {
		return nil, err
	}
	memory, err := newMemoryCache()
	if err != nil {
		return nil, fmt.Errorf("zego: %w", err)
	}
	httpClient := *opts.HTTPClient
	httpClient.Transport = noRedirects{httpClient.Transport}
	c := &Client{
		appID:         appID,
		endpoint:      strings.TrimSuffix(opts.Endpoint, "/") + "/",
		http:          &httpClient,
		timeout:       opts.Timeout,
		retryInterval: opts.RetryInterval,
		clock:         &clock{local: opts.Now},
		limiter:       opts.Limiter,
		memory:        memory,
		cache:         opts.Cache,
		cacheTTL:      opts.CacheTTL,
		observer:      opts.Observer,
	}
	c.useSecret(serverSecret)
	return c, nil
}

// SetSecret lets the client use another ServerSecret of the same project, because the one
// before has been renewed. Requests that were sent already keep theirs. SetSecret fails, and
// changes nothing, if the secret is malformed.
func (c *Client) SetSecret(serverSecret string) error {
	if err := checkSecret(serverSecret); err != nil {
		return err
	}
	c.useSecret(serverSecret)
	return nil
}

// useSecret sets the secret, which checkSecret has accepted.
func (c *Client) useSecret(serverSecret string) {
	c.secret.Store(&secretUse{
		sign:        signer(c.appID, serverSecret, c.clock.now),
		scrubber:    newScrubber(serverSecret),
		viewerToken: viewerTokens(c.appID, serverSecret, c.clock.now),
		cachePrefix: cachePrefix(c.appID, serverSecret, strings.TrimSuffix(c.endpoint, "/")),
	})
}

func checkSecret(serverSecret string) error {
	if len(serverSecret) != 32 {
		return fmt.Errorf("zego: ServerSecret must have 32 characters, got %d", len(serverSecret))
	}
	return nil
}

// ErrClosed is the cause of the errors of a Client that was closed.
var ErrClosed = errors.New("the client is closed")

// Close lets all later calls fail, with a *TransportError whose cause is ErrClosed, and closes
// the connections that are not in use. Calls that run go on. It is for programs that no longer
// serve a project; others need not call it.
func (c *Client) Close() {
	c.closed.Store(true)
	c.http.CloseIdleConnections()
}

// cachePrefix returns the beginning of a client's keys in a shared cache. It depends on the
// secret and the endpoint as well, so that nobody reads the answers of a project without its
// secret, or those of another endpoint. It does not tell the secret.
func cachePrefix(appID uint32, serverSecret, endpoint string) string {
	mac := hmac.New(sha256.New, []byte(serverSecret))
	mac.Write([]byte("zego-mcp cache of " + endpoint))
	return fmt.Sprintf("zego-mcp:%d:%x:", appID, mac.Sum(nil)[:8])
}

// setDefaults gives each option that is zero its default.
func (o *Options) setDefaults() {
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint
	}
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Second
	}
	if o.RetryInterval <= 0 {
		o.RetryInterval = 200 * time.Millisecond
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	switch {
	case o.Limiter != nil:
	case o.QPS < 0:
		o.Limiter = noLimit{}
	case o.QPS == 0:
		o.Limiter = NewLimiter(DefaultQPS)
	default:
		o.Limiter = NewLimiter(o.QPS)
	}
	if o.HTTPClient == nil {
		transport := newTransport(http.ProxyFromEnvironment)
		transport.MaxIdleConnsPerHost = 100 // Bursts of calls all go to one host.
		o.HTTPClient = &http.Client{Transport: transport}
	}
}

// checkEndpoint returns an error if requests to endpoint would be unencrypted or would not
// reach ZEGO's API. The error repeats nothing of endpoint, which may hold secrets.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("zego: endpoint is not a URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Hostname() == "":
		return errors.New("zego: endpoint must look like " + DefaultEndpoint + ", without user, query or fragment")
	case u.Path != "" && u.Path != "/":
		return errors.New("zego: endpoint must have no path")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case u.Scheme == "http":
		return errors.New("zego: endpoint must use https; http is allowed for loopback addresses only")
	}
	return errors.New("zego: endpoint must use https")
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}
