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
	dialer := &net.Dialer{Timeout: 3 * time.Second, Control: checkPublic}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
}

// checkPublic returns an error for an address that is not public. It has the type of net.Dialer's
// Control, which gets the addresses that a name has been resolved to.
func checkPublic(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !schema.IsPublicAddress(to.Addr()) {
		return errors.New("not an address of the internet")
	}
	return nil
}
