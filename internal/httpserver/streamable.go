package httpserver

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// serveStreamable serves Streamable HTTP with mcp-go.
func (h *Handler) serveStreamable(w http.ResponseWriter, r *http.Request) {
	if id := r.Header.Get(server.HeaderKeySessionID); id != "" && !belongsTo(id, h.subject(r.Context())) {
		http.Error(w, "Invalid session ID", http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodPost:
		h.servePost(w, r)
	case http.MethodGet:
		end, ok := h.work.begin(streams)
		if !ok {
			refuse(w, tooManyStreams, 0)
			return
		}
		defer end()
		h.giveSession(r)
		h.passOn(w, r, nil)
	default:
		h.passOn(w, r, nil)
	}
}

// servePost serves one message of a client.
func (h *Handler) servePost(w http.ResponseWriter, r *http.Request) {
	body, m, end, ok := h.accept(w, r)
	if !ok {
		return
	}
	defer end()
	if h.challenged(w, r, body, m) {
		return
	}
	switch m.Method {
	case "": // An answer of the client, or no message at all.
	case string(mcp.MethodInitialize):
		if isModern(r.Header, body) {
			break // mcp-go refuses it.
		}
		id, wait, ok := h.sessions.begin(readClientInfo(body), h.subject(r.Context()))
		if !ok {
			refuse(w, tooManySessions, wait)
			return
		}
		w.Header().Set(server.HeaderKeySessionID, id)
	case string(mcp.MethodNotificationCancelled):
		if isModern(r.Header, body) {
			// Clients of this version cancel a call by closing its request. mcp-go
			// would cancel the call of any client that has the same request id.
			w.WriteHeader(http.StatusAccepted)
			return
		}
		h.giveSession(r)
	default:
		h.giveSession(r)
	}
	h.passOn(w, r, body)
}

// challenged reports whether the caller needs another token for a message. If so, it answers the
// request: programs read the header, and users and models the error.
func (h *Handler) challenged(w http.ResponseWriter, r *http.Request, body []byte, m message) bool {
	if h.challenge == nil || !m.isRequest() {
		return false
	}
	var p struct{ Params json.RawMessage }
	_ = json.Unmarshal(body, &p) // parseMessage has found that it is a message.
	challenge, text := h.challenge(r, m.Method, p.Params)
	if challenge == "" {
		return false
	}
	var id any
	_ = json.Unmarshal(m.ID, &id)
	w.Header().Set("WWW-Authenticate", challenge)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(mcp.NewJSONRPCError(mcp.NewRequestId(id), mcp.INVALID_REQUEST, text, nil))
	return true
}

// giveSession puts a request that comes without a session into one of its own. Otherwise
// all such requests would be in one session in mcp-go, where they could cancel each other.
func (h *Handler) giveSession(r *http.Request) {
	if r.Header.Get(server.HeaderKeySessionID) == "" {
		r.Header.Set(server.HeaderKeySessionID, newSessionID(h.subject(r.Context())))
	}
}

// passOn lets mcp-go answer r, of which body is the body. The request is cancelled when the
// streams end.
func (h *Handler) passOn(w http.ResponseWriter, r *http.Request, body []byte) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.streams, cancel)()
	h.streamable.Handle(mcpWriter{w}, &server.HTTPRequest{Method: r.Method, URL: r.URL, Header: r.Header, Body: body, Context: ctx})
}

// mcpWriter is a server.HTTPResponseWriter.
type mcpWriter struct{ http.ResponseWriter }

func (w mcpWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w mcpWriter) CanStream() bool {
	_, ok := w.ResponseWriter.(http.Flusher)
	return ok
}
