package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Serve serves h on listener until ctx is done. Then it takes no new connections, and
// running calls have grace to end. It closes h and listener. It returns nil if it
// ended because of ctx, even when calls were cut off, and otherwise the listener's error.
func Serve(ctx context.Context, listener net.Listener, h *Handler, log *slog.Logger, grace time.Duration) error {
	defer h.Close()
	unused := &unusedConns{conns: map[net.Conn]bool{}}
	srv := &http.Server{
		ConnState:         unused.track,
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      writeTimeout, // Handler extends it with each write.
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	graceCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	shutDown(graceCtx, srv, h, unused, log)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// shutDown ends srv. Requests that still run when ctx is done get no answer.
func shutDown(ctx context.Context, srv *http.Server, h *Handler, unused *unusedConns, log *slog.Logger) {
	// Shutdown returns when all requests have ended, and the clients' event streams end
	// only after Drain, so both must run at the same time.
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Shutdown(ctx) }()
	h.Drain(ctx)
	unused.closeAll()
	if err := <-stopped; err != nil {
		log.Warn("ended with requests unanswered", "err", err)
		_ = srv.Close()
	}
}

// unusedConns holds the connections on which no request has come yet.
// http.Server.Shutdown would wait five seconds for each of them.
type unusedConns struct {
	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]bool
	closed bool // closeAll was called.
}

// track is a hook for http.Server.ConnState.
func (u *unusedConns) track(conn net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(u.conns, conn)
	case u.closed:
		_ = conn.Close()
	default:
		u.conns[conn] = true
	}
}

// closeAll closes the unused connections, and each that comes later.
func (u *unusedConns) closeAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for conn := range u.conns {
		_ = conn.Close()
	}
}
