package pictures

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
	"zego-mcp/schema"
)

const (
	// MaxBytes is the size of the largest file that is fetched.
	MaxBytes = 5 << 20

	fetchTimeout = 10 * time.Second // For one file, with its redirects.
	maxRedirects = 3
)

// FetchError says in words why a file could not be fetched, or why it is no picture. It holds
// nothing of the URL, which is signed.
type FetchError struct {
	Reason string
	// Gone is true if the server has no such file, or no longer: the URL may have expired.
	Gone bool
}

// Error returns the reason.
func (e *FetchError) Error() string { return e.Reason }

// Fetcher fetches files from the internet. It connects only to public addresses (see
// [schema.IsPublicAddress]), so that a URL cannot make this machine send requests to its own
// network. It uses no proxy.
type Fetcher struct {
	opts FetcherOptions
	http *http.Client
}

// FetcherOptions changes how a [Fetcher] connects. Each field that is zero has the default
// that its comment names.
type FetcherOptions struct {
	// LoopbackHost is the host and port of a server on this machine, the simulator, from which
	// files may be fetched over http. Default: none.
	LoopbackHost string
	// Lookup returns the addresses of a host name. Default: those of the DNS.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Dial connects to an address and port. Default: that of net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Timeout limits one file, with its redirects. Default: 10 s.
	Timeout time.Duration
	// TLS is the configuration of TLS. Default: that of net/http.
	TLS *tls.Config
}

// NewFetcher returns a Fetcher. It need not be closed.
func NewFetcher(opts FetcherOptions) *Fetcher {
	if opts.Lookup == nil {
		opts.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if opts.Dial == nil {
		opts.Dial = (&net.Dialer{Timeout: 3 * time.Second}).DialContext
	}
	if opts.Timeout <= 0 {
		opts.Timeout = fetchTimeout
	}
	f := &Fetcher{opts: opts}
	f.http = &http.Client{
		Transport: &http.Transport{
			DialContext: f.dial, TLSClientConfig: opts.TLS, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: 10 * time.Second,
			MaxConnsPerHost: maxFetches, MaxIdleConnsPerHost: maxFetches, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return &FetchError{Reason: "too many redirects"}
			}
			if req.URL.Host == opts.LoopbackHost {
				return &FetchError{Reason: "its host is not on the internet"}
			}
			return checkURL(req.URL, "") // Also a redirect of the simulator must lead to the internet.
		},
	}
	return f
}

// dial connects to a public address of the host. It looks the name up itself and connects to
// the address that it has checked, so that the name cannot mean another one a moment later.
func (f *Fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if address == f.opts.LoopbackHost {
		return f.opts.Dial(ctx, network, address)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	if addr, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{addr}
	} else if addrs, err = f.opts.Lookup(ctx, host); err != nil {
		return nil, &FetchError{Reason: "its host name is not known"}
	}
	err = &FetchError{Reason: "its host is not on the internet"}
	for _, addr := range addrs {
		if !schema.IsPublicAddress(addr) {
			continue
		}
		var conn net.Conn
		if conn, err = f.opts.Dial(ctx, network, net.JoinHostPort(addr.Unmap().String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// checkURL returns an error unless u is an https URL, or an http URL of loopbackHost.
func checkURL(u *url.URL, loopbackHost string) error {
	isLoopback := u.Scheme == "http" && loopbackHost != "" && u.Host == loopbackHost
	if !isLoopback && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return &FetchError{Reason: "its URL is no https URL"}
	}
	return nil
}

// Fetch returns the file at an https URL, and its media type as the server says it. It returns
// a *[FetchError] if there is none, if it is larger than maxBytes, or if it takes longer than
// 10 seconds.
func (f *Fetcher) Fetch(ctx context.Context, rawURL string, maxBytes int64) (file []byte, mediaType string, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.opts.Timeout)
	defer cancel()
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, "", &FetchError{Reason: "its URL is malformed"}
	}
	if err := checkURL(u, f.opts.LoopbackHost); err != nil {
		return nil, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, "", &FetchError{Reason: "its URL is malformed"}
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return nil, "", inWords(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusForbidden, http.StatusNotFound, http.StatusGone, http.StatusBadRequest, http.StatusUnauthorized:
		return nil, "", &FetchError{Reason: fmt.Sprintf("its server answers with status %d", resp.StatusCode), Gone: true}
	default:
		return nil, "", &FetchError{Reason: fmt.Sprintf("its server answers with status %d", resp.StatusCode)}
	}
	tooLarge := &FetchError{Reason: fmt.Sprintf("it is larger than %d kB", maxBytes>>10)}
	if resp.ContentLength > maxBytes {
		return nil, "", tooLarge
	}
	file, err = io.ReadAll(io.LimitReader(resp.Body, maxBytes+1))
	switch {
	case err != nil:
		return nil, "", inWords(ctx, err)
	case int64(len(file)) > maxBytes:
		return nil, "", tooLarge
	}
	return file, resp.Header.Get("Content-Type"), nil
}

// inWords returns an error of net/http as a FetchError, without the URL that stands in it.
func inWords(ctx context.Context, err error) error {
	if own, ok := errors.AsType[*FetchError](err); ok {
		return own
	}
	if ctx.Err() != nil {
		return &FetchError{Reason: "its server took too long"}
	}
	return &FetchError{Reason: "its server cannot be reached, or broke off"}
}
