package httpserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// MaxBody bounds one request body, in bytes.
const MaxBody = 4 << 20

// bodyTimeout bounds how long a client may take to send a body.
const bodyTimeout = 30 * time.Second

// guard refuses what a web page in the user's browser could send to this server
// (a foreign Host or Origin, DNS rebinding included) and bodies over MaxBody.
func guard(next http.Handler, allowed []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostname(r.Host)
		if !isOwn(host) && !slices.Contains(allowed, host) {
			http.Error(w, fmt.Sprintf("Forbidden: Host %q is not allowed; see --allow-host", host), http.StatusForbidden)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" && !originAllowed(origin, host, allowed) {
			http.Error(w, "Forbidden: this Origin is not allowed; see --allow-host", http.StatusForbidden)
			return
		}
		if r.Method == http.MethodPost {
			body, err := readBody(w, r)
			if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
				w.Header().Set("Connection", "close")
				http.Error(w, fmt.Sprintf("Request body is larger than %d MiB", MaxBody>>20), http.StatusRequestEntityTooLarge)
				return
			}
			if err != nil {
				http.Error(w, "Request body did not arrive", http.StatusBadRequest)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > MaxBody {
		return nil, &http.MaxBytesError{Limit: MaxBody}
	}
	// Not http.Server.ReadTimeout: that would end long-lived streams too.
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer func() { _ = deadline.SetReadDeadline(time.Time{}) }()
	return io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
}

// isOwn reports whether host needs no permission: DNS rebinding needs a name,
// so addresses are safe, and localhost is this machine.
func isOwn(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost"
}

func originAllowed(origin, host string, allowed []string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	from := hostname(u.Host)
	if ip, err := netip.ParseAddr(from); err == nil && ip.IsLoopback() {
		return true
	}
	return from == "localhost" || from == host || slices.Contains(allowed, from)
}

// hostname is host without port and brackets, in lower case.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}
