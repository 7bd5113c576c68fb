package httpserver

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// checkHostAndOrigin refuses requests that a web page in the user's browser could have
// sent: those of a page of another site, which Origin or Sec-Fetch-Site shows, and those
// of a page that made its own name resolve to this machine (DNS rebinding), which the Host
// shows.
//
// http.CrossOriginProtection does not replace it: that lets each GET pass, and /sse is
// one, wants the exact port of a trusted Origin, and does not look at Host.
func checkHostAndOrigin(next http.Handler, allowed, origins []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostname(r.Host)
		if !hostAllowed(host, allowed) {
			http.Error(w, fmt.Sprintf("Forbidden: Host %q is not allowed; see --allow-host", host), http.StatusForbidden)
			return
		}
		origin := r.Header.Get("Origin")
		if origin != "" && !slices.Contains(origins, origin) && !originAllowed(origin, host, allowed) {
			http.Error(w, "Forbidden: this Origin is not allowed; see --allow-origin", http.StatusForbidden)
			return
		}
		if origin == "" && !siteAllowed(r.Header.Get("Sec-Fetch-Site")) {
			http.Error(w, "Forbidden: a page of another origin sent this request", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
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
