package tools

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
	"zego-mcp/schema"
)

// PublicClient returns an HTTP client for URLs that a model has passed, which connects only to
// public addresses: see [schema.IsPublicAddress]. Such a URL can then not make this server send
// requests to machines of its own network. The client uses no proxy. A connection may take 3
// seconds to open.
func PublicClient() *http.Client {
	dialer := &net.Dialer{Timeout: 3 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !schema.IsPublicAddress(to.Addr()) {
			return errors.New("not an address of the internet")
		}
		return nil
	}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
}
