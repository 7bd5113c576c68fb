// Package httpserver serves MCP over HTTP: Streamable HTTP at /mcp and, for old
// clients, SSE at /sse and /message. It refuses requests that a foreign web page could
// have sent, limits the size of bodies, and lets running tool calls end at shutdown.
package httpserver

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/mark3labs/mcp-go/server"
)

// Options says what a Handler serves and to whom.
type Options struct {
	// SSEOnly leaves out /mcp.
	SSEOnly bool
	// AllowedHosts are host names, in lower case and without port, under which clients
	// may reach the server, besides localhost and IP addresses.
	AllowedHosts []string
	// SessionIdleTimeout is how long mcp-go keeps what it stores of a Streamable HTTP
	// session that is not used. Default: 30 minutes.
	SessionIdleTimeout time.Duration
	// Middleware wraps the endpoints, for example to authenticate clients. It gets
	// only requests whose Host and Origin are allowed. Their body is not read yet, and
	// its size is not limited there. Default: none.
	Middleware func(http.Handler) http.Handler
	// Logger gets mcp-go's messages. Default: none.
	Logger *slog.Logger
}

// flushTime is how long the last answers may take to reach their SSE stream.
const flushTime = 200 * time.Millisecond

// Handler serves one MCP server over HTTP. It must be closed, and serves no streams
// after Drain or Close.
type Handler struct {
	chain      http.Handler // The checks, the middleware and the endpoints.
	calls      *Calls
	endStreams context.CancelFunc
	streamable *server.StreamableHTTPServer // Nil with Options.SSEOnly.
}

// NewHandler returns a Handler for s, of which calls counts the tool calls. It does not
// change s.
func NewHandler(s *server.MCPServer, calls *Calls, opts Options) *Handler {
	if opts.SessionIdleTimeout <= 0 {
		opts.SessionIdleTimeout = 30 * time.Minute
	}
	if opts.Middleware == nil {
		opts.Middleware = func(next http.Handler) http.Handler { return next }
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	streams, endStreams := context.WithCancel(context.Background())
	h := &Handler{calls: calls, endStreams: endStreams}
	mux := http.NewServeMux()
	sse := newSSE(s)
	mux.Handle("/sse", cancelWhenDone(streams, sse.SSEHandler()))
	mux.Handle("/message", sse.MessageHandler())
	if !opts.SSEOnly {
		h.streamable = newStreamable(s, opts)
		mux.Handle("/mcp", cancelWhenDone(streams, h.streamable))
	}
	h.chain = checkHostAndOrigin(opts.Middleware(limitBody(mux)), opts.AllowedHosts)
	return h
}

func newSSE(s *server.MCPServer) *server.SSEServer {
	return server.NewSSEServer(s,
		server.WithUseFullURLForMessageEndpoint(false),
		server.WithKeepAlive(true),
		// checkHostAndOrigin protects as well, and knows the allowed names.
		server.WithSSEDisableLocalhostProtection(true),
	)
}

func newStreamable(s *server.MCPServer, opts Options) *server.StreamableHTTPServer {
	return server.NewStreamableHTTPServer(s,
		server.WithSessionIdManagerResolver(newSessions(opts.SessionIdleTimeout)),
		server.WithSessionIdleTTL(opts.SessionIdleTimeout),
		server.WithHeartbeatInterval(30*time.Second),
		// checkHostAndOrigin protects as well, and knows the allowed names.
		server.WithDisableLocalhostProtection(true),
		server.WithStreamableHTTPLogger(opts.Logger),
	)
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.chain.ServeHTTP(w, r)
}

// Drain waits until no tool call runs and the answers are sent, or until ctx is done.
// Then it ends the streams, which would otherwise last as long as their clients, and
// cancels the calls that still run at /mcp. The caller ensures that no new calls come.
func (h *Handler) Drain(ctx context.Context) {
	if h.calls.wait(ctx) {
		// mcp-go writes an answer to its SSE stream after the call has ended, and
		// does not report when.
		flush := time.NewTimer(flushTime)
		defer flush.Stop()
		select {
		case <-flush.C:
		case <-ctx.Done():
		}
	}
	h.endStreams()
}

// Close ends the streams and forgets all Streamable HTTP sessions. It waits for
// nothing.
func (h *Handler) Close() {
	h.endStreams()
	if h.streamable != nil {
		_ = h.streamable.Shutdown(context.Background()) // It can only fail with a server of its own.
	}
}

// cancelWhenDone cancels the requests that next serves when ctx is done.
func cancelWhenDone(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requestCtx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		next.ServeHTTP(w, r.WithContext(requestCtx))
	})
}
