// Package httpserver serves MCP over HTTP: Streamable HTTP at /mcp and, for old
// clients, SSE at /sse and /message. It refuses requests that a foreign web page could
// have sent, bounds what clients can take of the server, and lets running calls end at
// shutdown.
package httpserver

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
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
	// AllowedOrigins are the origins, such as https://app.example.com, whose pages may use the
	// server from a browser and read its answers. Default: those of this machine and of the
	// server's own host may use it.
	AllowedOrigins []string
	// TrustedProxies are the addresses of proxies that say by X-Forwarded-Host, X-Forwarded-Proto
	// and X-Forwarded-For for whom they send a request. Default: nobody is believed that.
	TrustedProxies []netip.Prefix
	// MaxSessions is how many Streamable HTTP sessions are kept, and how many streams
	// may be open at once. Default: DefaultMaxSessions.
	MaxSessions int
	// MaxCalls is how many requests may be worked on at once. Default: 500.
	MaxCalls int
	// SessionIdleTimeout is how long a Streamable HTTP session must not have been used
	// before it can be forgotten for the sake of a new one, when there are MaxSessions.
	// Default: one minute.
	SessionIdleTimeout time.Duration
	// Middleware wraps the endpoints, for example to authenticate clients. It gets
	// only requests whose Host and Origin are allowed. Their body is not read yet, and
	// its size is not limited there. Default: none.
	Middleware func(http.Handler) http.Handler
	// Observe wraps the endpoints together with the checks of Host and Origin and Middleware, for
	// example to count the answers. Default: none.
	Observe func(http.Handler) http.Handler
	// Subject returns who sent a request, given its context as Middleware has left it, or "" if
	// that is not known. A session can be used only by the subject that has opened it; for others
	// it does not exist. Default: it is not known of any request.
	Subject func(context.Context) string
	// Challenge is asked about each request message to /mcp before it is answered: method and
	// params are those of the message, and r has the context as Middleware has left it. If its
	// caller could have it answered with another token, Challenge returns the header
	// WWW-Authenticate that says with which one, and a text that says so in words. The client then
	// gets status 403. Otherwise challenge is empty. Default: nobody is challenged.
	Challenge func(r *http.Request, method string, params json.RawMessage) (challenge, text string)
	// Callbacks answers the requests to CallbackPath. Host and Origin of these are not checked,
	// and Middleware does not get them, so Callbacks must check who has sent them. Default: there
	// is no such path.
	Callbacks http.Handler
	// Metadata answers the requests below /.well-known/. Anyone may send them: neither their Host
	// and Origin are checked, nor does Middleware get them. Default: there are no such paths.
	Metadata http.Handler
	// Probes answers the requests to /healthz and /readyz. Host and Origin of these are not
	// checked, and Middleware does not get them. Default: there are no such paths.
	Probes http.Handler
	// Logger gets the messages of mcp-go and of the transports. Default: none.
	Logger *slog.Logger
}

// DefaultMaxSessions is the default of Options.MaxSessions.
const DefaultMaxSessions = 1000

// Handler serves one MCP server over HTTP. It must be closed, and refuses all requests
// after Drain or Close.
type Handler struct {
	chain      http.Handler                 // The checks, the middleware and the endpoints.
	subject    func(context.Context) string // Options.Subject.
	challenge  func(*http.Request, string, json.RawMessage) (challenge, text string)
	work       *workload
	streams    context.Context // Done when the streams are to end.
	endStreams context.CancelFunc
	sse        *sseServer
	sessions   *sessions                    // Of Streamable HTTP.
	streamable *server.StreamableHTTPServer // Nil with Options.SSEOnly.
}

// NewHandler returns a Handler for s. It does not change s.
func NewHandler(s *server.MCPServer, opts Options) *Handler {
	if opts.MaxSessions <= 0 {
		opts.MaxSessions = DefaultMaxSessions
	}
	if opts.MaxCalls <= 0 {
		opts.MaxCalls = 500
	}
	if opts.SessionIdleTimeout <= 0 {
		opts.SessionIdleTimeout = time.Minute
	}
	if opts.Middleware == nil {
		opts.Middleware = func(next http.Handler) http.Handler { return next }
	}
	if opts.Observe == nil {
		opts.Observe = func(next http.Handler) http.Handler { return next }
	}
	if opts.Subject == nil {
		opts.Subject = func(context.Context) string { return "" }
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		subject:   opts.Subject,
		challenge: opts.Challenge,
		work:      &workload{max: [kinds]int{bodies: opts.MaxCalls, calls: opts.MaxCalls, streams: opts.MaxSessions, callbacks: maxCallbacks}},
		sse:       &sseServer{mcp: s, log: opts.Logger, subject: opts.Subject, sessions: map[string]*sseSession{}},
		sessions:  newSessions(opts.MaxSessions, opts.SessionIdleTimeout),
	}
	h.streams, h.endStreams = context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.HandleFunc("/sse", h.serveSSE)
	mux.HandleFunc("/message", h.serveMessage)
	if !opts.SSEOnly {
		h.streamable = server.NewStreamableHTTPServer(s,
			server.WithSessionIdManager(h.sessions),
			server.WithHTTPContextFunc(h.sessions.introduce),
			server.WithHeartbeatInterval(30*time.Second),
			server.WithStreamableHTTPLogger(opts.Logger),
		)
		mux.HandleFunc("/mcp", h.serveStreamable)
	}
	outer := http.NewServeMux()
	endpoints := cors(opts.Middleware(mux), opts.AllowedOrigins)
	outer.Handle("/", opts.Observe(checkHostAndOrigin(endpoints, opts.AllowedHosts, opts.AllowedOrigins, opts.Logger)))
	if opts.Metadata != nil {
		outer.Handle("/.well-known/", opts.Metadata)
	}
	if opts.Callbacks != nil {
		outer.Handle(CallbackPath, h.boundCallbacks(opts.Callbacks))
	}
	if opts.Probes != nil {
		outer.Handle("/healthz", opts.Probes)
		outer.Handle("/readyz", opts.Probes)
	}
	h.chain = limitWrites(forwarded(outer, opts.TrustedProxies))
	return h
}

// Stats is what a Handler does at one moment.
type Stats struct {
	Sessions int // Open sessions of both transports.
	Streams  int // Open event streams.
	Calls    int // JSON-RPC requests that are not answered yet.
}

// Stats returns what h does now.
func (h *Handler) Stats() Stats {
	streams, calls := h.work.count()
	return Stats{Sessions: h.sessions.count() + h.sse.count(), Streams: streams, Calls: calls}
}

// serveSSE serves the stream of an SSE session.
func (h *Handler) serveSSE(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		return
	}
	end, ok := h.work.begin(streams)
	if !ok {
		refuse(w, tooManyStreams, 0)
		return
	}
	defer end()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.streams, cancel)()
	h.sse.serveStream(w, r.WithContext(ctx))
}

// serveMessage serves one message of an SSE session.
func (h *Handler) serveMessage(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if body, m, end, ok := h.accept(w, r); ok {
		h.sse.serveMessage(w, r, body, m, end)
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.chain.ServeHTTP(w, r)
}

// Drain waits until all requests of MCP clients are answered, or until ctx is done. Then it
// refuses further requests and ends the streams, which would otherwise last as long as
// their clients, and with them the calls that still run.
func (h *Handler) Drain(ctx context.Context) {
	h.work.drain(ctx)
	h.endStreams()
}

// Close refuses further requests and ends the streams and the calls. It waits for nothing.
func (h *Handler) Close() {
	h.work.close()
	h.endStreams()
}
