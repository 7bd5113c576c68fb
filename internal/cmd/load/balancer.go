package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"
)

// probeInterval is how often the balancer asks each server whether it is ready.
const probeInterval = 250 * time.Millisecond

// noLog is for what net/http reports: connections of servers that are gone.
var noLog = log.New(io.Discard, "", 0)

// balancer is a reverse proxy that sends each request to the next server that is ready. It
// ignores sessions, and repeats nothing.
type balancer struct {
	client *http.Client // Asks for the readiness.

	mu       sync.Mutex // guards what follows, and the field ready of each backend
	backends []*backend
	next     int
}

// backend is a server behind the balancer.
type backend struct {
	url   *url.URL
	proxy *httputil.ReverseProxy
	ready bool
}

func newBalancer() *balancer {
	return &balancer{client: &http.Client{Timeout: 2 * time.Second}}
}

// newBackend returns a backend that is not ready yet.
func newBackend(address string) (*backend, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return &backend{url: target}, nil
}

// add makes a server known, and asks whether it is ready.
func (b *balancer) add(ctx context.Context, added *backend) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConnsPerHost = 1000
	added.proxy = &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(added.url) },
		Transport:     transport,
		FlushInterval: -1, // Events are sent as they come.
		ErrorLog:      noLog,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			if r.Context().Err() == nil { // Not because the client has left.
				b.setReady(added, false)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	ready := b.isReady(ctx, added)
	b.mu.Lock()
	defer b.mu.Unlock()
	added.ready = ready
	b.backends = append(b.backends, added)
}

// ServeHTTP implements http.Handler.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	chosen := b.choose()
	if chosen == nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	chosen.proxy.ServeHTTP(w, r)
}

// choose returns the next server that is ready, or nil.
func (b *balancer) choose() *backend {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.backends {
		b.next = (b.next + 1) % len(b.backends)
		if chosen := b.backends[b.next]; chosen.ready {
			return chosen
		}
	}
	return nil
}

// probe asks all servers for their readiness, again and again, until ctx is done.
func (b *balancer) probe(ctx context.Context) {
	for sleep(ctx, probeInterval) == nil {
		b.probeOnce(ctx)
	}
}

// probeOnce asks all servers for their readiness.
func (b *balancer) probeOnce(ctx context.Context) {
	b.mu.Lock()
	backends := slices.Clone(b.backends)
	b.mu.Unlock()
	for _, backend := range backends {
		b.setReady(backend, b.isReady(ctx, backend))
	}
}

func (b *balancer) setReady(backend *backend, ready bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	backend.ready = ready
}

// isReady asks a server whether it is ready.
func (b *balancer) isReady(ctx context.Context, backend *backend) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, backend.url.JoinPath("readyz").String(), nil)
	if err != nil {
		return false
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
