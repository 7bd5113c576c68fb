package httpserver

import (
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// forwardedHeaders are the headers by which a proxy says for whom it sends a request.
var forwardedHeaders = []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip"}

// forwardedHost matches what a proxy may give as the Host.
var forwardedHost = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z._:\[\]-]{1,255}$`) })

// forwarded passes requests on to next as the clients of the trusted proxies have sent them: with
// their Host, scheme and address. From others it takes none of the headers that say so. It always
// sets the scheme of the URL.
func forwarded(next http.Handler, trusted []netip.Prefix) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(r.Context())
		target := *r.URL
		r.URL, r.Header = &target, r.Header.Clone()
		r.URL.Scheme = "http"
		if r.TLS != nil {
			r.URL.Scheme = "https"
		}
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && isTrusted(peer.Addr(), trusted) {
			if host := lastOf(r.Header, "X-Forwarded-Host"); forwardedHost().MatchString(host) {
				r.Host = host
			}
			if scheme := lastOf(r.Header, "X-Forwarded-Proto"); scheme == "http" || scheme == "https" {
				r.URL.Scheme = scheme
			}
			if client, ok := clientAddr(r.Header, trusted); ok {
				r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
			}
		}
		for _, name := range forwardedHeaders {
			r.Header.Del(name)
		}
		next.ServeHTTP(w, r)
	})
}

func isTrusted(addr netip.Addr, trusted []netip.Prefix) bool {
	return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) })
}

// clientAddr returns the last address in X-Forwarded-For that is no trusted proxy's. What stands
// before it may be the client's invention.
func clientAddr(header http.Header, trusted []netip.Prefix) (netip.Addr, bool) {
	chain := strings.Split(strings.Join(header.Values("X-Forwarded-For"), ","), ",")
	for _, text := range slices.Backward(chain) {
		addr, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil {
			return netip.Addr{}, false
		}
		if !isTrusted(addr, trusted) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// lastOf returns the last value in the lists of a header. The nearest proxy has added it.
func lastOf(header http.Header, name string) string {
	all := strings.Split(strings.Join(header.Values(name), ","), ",")
	return strings.ToLower(strings.TrimSpace(all[len(all)-1]))
}
