package httpserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
	"zego-mcp/tools"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// pingInterval is how often a client is sent a ping, which shows whether it is alive.
const pingInterval = 10 * time.Second

// sseServer is the HTTP+SSE transport of MCP 2024-11-05: a client opens a stream at /sse,
// posts its messages to /message, and gets the answers on the stream.
//
// It stands in for server.SSEServer of mcp-go v1.2.1. With that, calls go on when their
// client has left, nobody can know when an answer has been sent, an error of writing goes
// unnoticed, and pages of every origin may read the stream.
type sseServer struct {
	mcp     *server.MCPServer
	log     *slog.Logger
	subject func(context.Context) string // Options.Subject.

	mu       sync.Mutex // guards what follows
	sessions map[string]*sseSession
}

// serveStream opens a session, which ends with the request.
func (s *sseServer) serveStream(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	session := &sseSession{
		id: uuid.NewString(), ctx: ctx, subject: s.subject(ctx),
		notifications: make(chan mcp.JSONRPCNotification, 100),
		answers:       make(chan sseAnswer),
	}
	s.add(session)
	defer s.remove(session)
	if err := s.mcp.RegisterSession(ctx, session); err != nil {
		http.Error(w, "Session registration failed", http.StatusInternalServerError)
		return
	}
	defer s.mcp.UnregisterSession(ctx, session.id)

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Connection", "keep-alive")
	if err := session.run(w); err != nil {
		s.log.Info("an SSE session ended", "err", err)
	}
}

func (s *sseServer) add(session *sseSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[session.id] = session
}

func (s *sseServer) remove(session *sseSession) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session.id)
}

// errNoSession says that there is no such session, or that it is another subject's.
var errNoSession = errors.New("Invalid session ID") //nolint:staticcheck // Clients know this text from mcp-go.

// session returns the session that a request to /message names, or an error that says
// what is wrong.
func (s *sseServer) session(r *http.Request) (*sseSession, error) {
	id := r.URL.Query().Get("sessionId")
	if id == "" {
		return nil, errors.New("Missing sessionId") //nolint:staticcheck // Clients know this text from mcp-go.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.sessions[id]
	if !ok || session.subject != s.subject(r.Context()) {
		return nil, errNoSession
	}
	return session, nil
}

// count returns how many sessions are open.
func (s *sseServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// serveMessage takes one message of a client, and calls end when it has been answered on
// the stream of its session or cannot be answered.
func (s *sseServer) serveMessage(w http.ResponseWriter, r *http.Request, body []byte, m message, end func()) {
	session, err := s.session(r)
	code, status := mcp.INVALID_PARAMS, http.StatusBadRequest
	switch {
	case errors.Is(err, errNoSession) && s.subject(r.Context()) != "": // Without subjects, clients know 400 from mcp-go.
		status = http.StatusNotFound
	case err == nil && !json.Valid(body):
		err, code = errors.New("Parse error"), mcp.PARSE_ERROR //nolint:staticcheck // Clients know this text from mcp-go.
	}
	if err != nil {
		end()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(mcp.NewJSONRPCError(mcp.NewRequestId(nil), code, err.Error(), nil))
		return
	}
	// The call goes on after this request, but not after the session.
	ctx, cancel := context.WithCancel(tools.WithHeader(s.mcp.WithContext(context.WithoutCancel(r.Context()), session), r.Header))
	stop := context.AfterFunc(session.ctx, cancel)
	w.WriteHeader(http.StatusAccepted)
	go func() {
		defer cancel()
		defer stop()
		session.answer(s.handle(ctx, body, m), end)
	}()
}

// handle returns the answer to a message, or nil if it gets none.
func (s *sseServer) handle(ctx context.Context, body []byte, m message) (answer mcp.JSONRPCMessage) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in a request", "method", m.Method, "panic", p)
			if m.isRequest() {
				var id any
				_ = json.Unmarshal(m.ID, &id)
				answer = mcp.NewJSONRPCError(mcp.NewRequestId(id), mcp.INTERNAL_ERROR, "internal error", nil)
			}
		}
	}()
	return s.mcp.HandleMessage(ctx, body)
}

// sseSession is the session of a client with a stream at /sse. It is what mcp-go calls a
// server.SessionWithClientInfo.
type sseSession struct {
	id            string
	subject       string          // Who has opened it; empty: that is not known.
	ctx           context.Context // Done when the client has left.
	notifications chan mcp.JSONRPCNotification
	answers       chan sseAnswer // To the stream.
	initialized   atomic.Bool

	mu      sync.Mutex // guards what follows
	client  clientInfo
	version string // Of MCP, as agreed in initialize.
}

// ProtocolVersion implements [server.SessionWithProtocolVersion].
func (s *sseSession) ProtocolVersion() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// SetProtocolVersion is called by mcp-go when a version is agreed.
func (s *sseSession) SetProtocolVersion(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
}

// sseAnswer is an answer to a client's request.
type sseAnswer struct {
	text []byte
	sent func() // Called when the answer has been sent, or cannot be sent.
}

// answer sends an answer, if there is one, and makes sure that sent is called.
func (s *sseSession) answer(answer mcp.JSONRPCMessage, sent func()) {
	text, err := json.Marshal(answer)
	if answer == nil || err != nil {
		sent()
		return
	}
	select {
	case s.answers <- sseAnswer{text, sent}:
	case <-s.ctx.Done():
		sent()
	}
}

// run writes to the stream until the client has left. It returns an error if a write fails.
// A client that does not read makes it fail: see writeTimeout.
func (s *sseSession) run(w http.ResponseWriter) error {
	stream := eventStream{w, http.NewResponseController(w)}
	if err := stream.send("endpoint", []byte("/message?sessionId="+s.id)); err != nil {
		return err
	}
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	pingID := int64(1)
	for {
		select {
		case <-s.ctx.Done():
			return nil
		case n := <-s.notifications:
			if err := stream.sendJSON(n); err != nil {
				return err
			}
		case answer := <-s.answers:
			if err := s.sendAnswer(stream, answer); err != nil {
				return err
			}
		case <-ticker.C:
			ping := mcp.JSONRPCRequest{JSONRPC: mcp.JSONRPC_VERSION, ID: mcp.NewRequestId(pingID), Request: mcp.Request{Method: string(mcp.MethodPing)}}
			if err := stream.sendJSON(ping); err != nil {
				return err
			}
			pingID++
		}
	}
}

// sendAnswer sends an answer after the notifications that came before it, such as the
// progress of its call.
func (s *sseSession) sendAnswer(stream eventStream, answer sseAnswer) error {
	defer answer.sent()
	for {
		select {
		case n := <-s.notifications:
			if err := stream.sendJSON(n); err != nil {
				return err
			}
		default:
			return stream.send("message", answer.text)
		}
	}
}

// eventStream writes server-sent events.
type eventStream struct {
	w    http.ResponseWriter
	conn *http.ResponseController
}

func (s eventStream) send(event string, data []byte) error {
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", event, data); err != nil {
		return err
	}
	return s.conn.Flush()
}

func (s eventStream) sendJSON(message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return s.send("message", data)
}

// SessionID returns the id of the session.
func (s *sseSession) SessionID() string { return s.id }

// NotificationChannel returns the channel for notifications to the client.
func (s *sseSession) NotificationChannel() chan<- mcp.JSONRPCNotification { return s.notifications }

// Initialize notes that the client has sent initialize.
func (s *sseSession) Initialize() { s.initialized.Store(true) }

// Initialized reports whether the client has sent initialize.
func (s *sseSession) Initialized() bool { return s.initialized.Load() }

// SetClientInfo notes who the client is.
func (s *sseSession) SetClientInfo(info mcp.Implementation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client.implementation = keepImplementation(info)
}

// GetClientInfo returns who the client is.
func (s *sseSession) GetClientInfo() mcp.Implementation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client.implementation
}

// SetClientCapabilities notes what the client can do.
func (s *sseSession) SetClientCapabilities(capabilities mcp.ClientCapabilities) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client.capabilities = keepCapabilities(capabilities)
}

// GetClientCapabilities returns what the client can do.
func (s *sseSession) GetClientCapabilities() mcp.ClientCapabilities {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client.capabilities
}
