package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// listen listens on the address that a flag such as --listen gives.
func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; choose HOST:PORT, with port 0 for any that is free", flag, trimListenError(err))
	}
	return listener, nil
}

// trimListenError removes the words "listen tcp" from err: the flag's name says as much.
func trimListenError(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		return fmt.Errorf("%s: %w", op.Addr, op.Err)
	}
	return err
}

// localURL returns a URL by which programs of this machine reach a listener. everywhere
// reports whether the listener listens on all addresses of the machine.
func localURL(address net.Addr) (url string, everywhere bool) {
	parsed, err := netip.ParseAddrPort(address.String())
	if err != nil || !parsed.Addr().IsUnspecified() {
		return "http://" + address.String(), false
	}
	host := "127.0.0.1"
	if parsed.Addr().Is6() {
		host = "localhost" // It stands for 127.0.0.1 and ::1, whichever the listener takes.
	}
	return fmt.Sprintf("http://%s:%d", host, parsed.Port()), true
}
