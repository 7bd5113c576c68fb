// Package httpserver serves MCP over HTTP: Streamable HTTP at /mcp and, for old
// clients, SSE at /sse and /message, behind guards for Host, Origin and size.
package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/server"
)

// Options says what to serve.
type Options struct {
	SSEOnly      bool          // Serve the SSE pair alone.
	AllowedHosts []string      // Names other than the machine's own under which clients may reach the server.
	Grace        time.Duration // How long calls in flight may take at shutdown.
	IdleSession  time.Duration // When an abandoned session is forgotten; default 30 minutes.
	Logger       *slog.Logger
}

// flushTime is how long the last answers may take onto the wire.
const flushTime = 200 * time.Millisecond

// Serve serves s on listener until ctx is done, then takes no new connection
// and lets the calls in flight finish, for at most opts.Grace.
func Serve(ctx context.Context, listener net.Listener, s *server.MCPServer, opts Options) error {
	if opts.IdleSession <= 0 {
		opts.IdleSession = 30 * time.Minute
	}
	calls := &inFlight{}
	server.WithToolHandlerMiddleware(calls.count)(s)

	// Streams live as long as their client; they end when the last call was answered.
	streams, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()

	mux := http.NewServeMux()
	// mcp-go's own protection knows no allowed names; guard is as strict and does.
	sse := server.NewSSEServer(s, server.WithUseFullURLForMessageEndpoint(false), server.WithKeepAlive(true),
		server.WithSSEDisableLocalhostProtection(true))
	mux.Handle("/sse", endingWith(streams, sse.SSEHandler()))
	mux.Handle("/message", sse.MessageHandler())
	if !opts.SSEOnly {
		streamable := server.NewStreamableHTTPServer(s,
			server.WithSessionIdManagerResolver(newSessions(opts.IdleSession, time.Now)),
			server.WithSessionIdleTTL(opts.IdleSession),
			server.WithHeartbeatInterval(30*time.Second),
			server.WithDisableLocalhostProtection(true),
			server.WithStreamableHTTPLogger(opts.Logger),
		)
		defer func() { _ = streamable.Shutdown(context.WithoutCancel(ctx)) }()
		mux.Handle("/mcp", endingWith(streams, streamable))
	}

	unused := &silent{conns: map[net.Conn]bool{}}
	srv := &http.Server{
		ConnState:         unused.note,
		Handler:           guard(mux, opts.AllowedHosts),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(opts.Logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), opts.Grace)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- srv.Shutdown(ending) }()
	if calls.wait(ending) {
		// mcp-go writes answers onto SSE streams later, and tells nobody when.
		flush := time.NewTimer(flushTime)
		defer flush.Stop()
		select {
		case <-flush.C:
		case <-ending.Done():
		}
	}
	endStreams()
	unused.close()
	if err := <-stopped; err != nil {
		opts.Logger.Warn("ended with requests unanswered", "err", err)
		_ = srv.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
