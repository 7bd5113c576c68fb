package httpserver

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// checkHostAndOrigin refuses requests that a web page in the user's browser could have
// sent: those of a page of another site, which Origin or Sec-Fetch-Site shows, and those
// of a page that made its own name resolve to this machine (DNS rebinding), which the Host
// shows.
//
// http.CrossOriginProtection does not replace it: that lets each GET pass, and /sse is
// one, wants the exact port of a trusted Origin, and does not look at Host.
func checkHostAndOrigin(next http.Handler, allowed, origins []string, log *slog.Logger) http.Handler {
	refused := refusals{log: log}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, origin := hostname(r.Host), r.Header.Get("Origin")
		switch {
		case !hostAllowed(host, allowed):
			refused.refuse(w, r, fmt.Sprintf("Host %q is not allowed; see --allow-host", host))
		case origin != "" && !slices.Contains(origins, origin) && !originAllowed(origin, host, allowed):
			refused.refuse(w, r, "this Origin is not allowed; see --allow-origin")
		case origin == "" && !siteAllowed(r.Header.Get("Sec-Fetch-Site")):
			refused.refuse(w, r, "a page of another origin sent this request")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// refusals answers requests that are refused. It logs one of them in a minute, because the
// operator's own proxy may send them.
type refusals struct {
	log *slog.Logger

	mu       sync.Mutex // guards what follows
	loggedAt time.Time
}

// refuse answers a request with status 403 and says why.
func (f *refusals) refuse(w http.ResponseWriter, r *http.Request, why string) {
	http.Error(w, "Forbidden: "+why, http.StatusForbidden)
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); f.loggedAt.IsZero() || now.Sub(f.loggedAt) >= time.Minute {
		f.loggedAt = now
		f.log.Warn("a request was refused (this is said at most once a minute)",
			"host", fmt.Sprintf("%.128q", r.Host), "origin", fmt.Sprintf("%.128q", r.Header.Get("Origin")), "why", fmt.Sprintf("%.200s", why))
	}
}

// siteAllowed reports whether a request without Origin may have the header Sec-Fetch-Site
// with this value. Browsers send no Origin for what a page embeds, such as an image. They
// send "none" for what the user opens.
func siteAllowed(site string) bool {
	return site == "" || site == "same-origin" || site == "none"
}

// hostAllowed reports whether clients may reach the server as host. IP addresses are
// safe because DNS rebinding needs a name, and localhost is always this machine.
func hostAllowed(host string, allowed []string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost" || slices.Contains(allowed, host)
}

// originAllowed reports whether pages of origin may use the server: those of this
// machine, of the Host that the request names, and of the allowed names, each with any
// port.
func originAllowed(origin, host string, allowed []string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	name := hostname(u.Host)
	if ip, err := netip.ParseAddr(name); err == nil && ip.IsLoopback() {
		return true
	}
	return name == "localhost" || name == host || slices.Contains(allowed, name)
}

// hostname returns host without port and brackets, in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
