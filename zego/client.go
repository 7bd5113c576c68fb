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
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DefaultEndpoint is ZEGO's production endpoint in mainland China. ZEGO tells
// customers of its overseas plan another one.
const DefaultEndpoint = "https://aigc-digitalhuman-api.zegotech.cn"

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
	endpoint      string
	http          *http.Client
	timeout       time.Duration
	retryInterval time.Duration
	clock         *clock
	sign          func(action string) url.Values
	scrub         func(text, signature string) string

	limiter     Limiter
	running     callGroup
	memory      memoryCache
	cache       Cache
	cacheTTL    time.Duration
	cachePrefix string // Of keys in cache.
	observer    Observer
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
	opts.setDefaults()
	if err := checkEndpoint(opts.Endpoint); err != nil {
		return nil, err
	}
	memory, err := newMemoryCache()
	if err != nil {
		return nil, fmt.Errorf("zego: %w", err)
	}
	httpClient := *opts.HTTPClient
	// A followed redirect would hand the signed query to another host.
	httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	clock := &clock{local: opts.Now}
	return &Client{
		endpoint:      strings.TrimSuffix(opts.Endpoint, "/") + "/",
		http:          &httpClient,
		timeout:       opts.Timeout,
		retryInterval: opts.RetryInterval,
		clock:         clock,
		sign:          signer(appID, serverSecret, clock.now),
		scrub: func(text, signature string) string {
			return strings.NewReplacer(serverSecret, "[secret]", signature, "[signature]").Replace(text)
		},
		limiter:     opts.Limiter,
		memory:      memory,
		cache:       opts.Cache,
		cacheTTL:    opts.CacheTTL,
		cachePrefix: "zego-mcp:" + strconv.FormatUint(uint64(appID), 10) + ":",
		observer:    opts.Observer,
	}, nil
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
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 32 // Bursts of calls all go to one host.
		o.HTTPClient = &http.Client{Transport: transport}
	}
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
