package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// listen listens on the address that --listen gives.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w; choose HOST:PORT, with port 0 for any that is free", trimListenError(err))
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
