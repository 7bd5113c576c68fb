package stdio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// session is the client as mcp-go's server sees it: it can be told and asked things.
type session struct {
	write         func(message any) // Sends the client a message.
	notifications chan mcp.JSONRPCNotification
	initialized   atomic.Bool

	mu           sync.Mutex // guards what follows
	info         mcp.Implementation
	capabilities mcp.ClientCapabilities
	version      string                   // Of MCP, as agreed in initialize.
	lastID       int64                    // Id of the last request that was sent to the client.
	requests     map[int64]chan<- message // What waits for the client's answer, by id.

	gone chan struct{} // Closed when the client answers no more.
}

var (
	_ server.SessionWithClientInfo      = (*session)(nil)
	_ server.SessionWithElicitation     = (*session)(nil)
	_ server.SessionWithProtocolVersion = (*session)(nil)
)

func newSession(write func(message any)) *session {
	return &session{
		write:         write,
		notifications: make(chan mcp.JSONRPCNotification, 100), // As many as in mcp-go's own sessions.
		requests:      map[int64]chan<- message{},
		gone:          make(chan struct{}),
	}
}

// SessionID implements [server.ClientSession]. Over stdio there is one client.
func (s *session) SessionID() string { return "stdio" }

// NotificationChannel implements [server.ClientSession].
func (s *session) NotificationChannel() chan<- mcp.JSONRPCNotification { return s.notifications }

// Initialize implements [server.ClientSession].
func (s *session) Initialize() { s.initialized.Store(true) }

// Initialized implements [server.ClientSession].
func (s *session) Initialized() bool { return s.initialized.Load() }

// GetClientInfo implements [server.SessionWithClientInfo].
func (s *session) GetClientInfo() mcp.Implementation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

// SetClientInfo implements [server.SessionWithClientInfo].
func (s *session) SetClientInfo(info mcp.Implementation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info = info
}

// GetClientCapabilities implements [server.SessionWithClientInfo].
func (s *session) GetClientCapabilities() mcp.ClientCapabilities {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.capabilities
}

// SetClientCapabilities implements [server.SessionWithClientInfo].
func (s *session) SetClientCapabilities(capabilities mcp.ClientCapabilities) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capabilities = capabilities
}

// ProtocolVersion implements [server.SessionWithProtocolVersion].
func (s *session) ProtocolVersion() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// SetProtocolVersion is called by mcp-go when a version is agreed.
func (s *session) SetProtocolVersion(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
}

// RequestElicitation implements [server.SessionWithElicitation]: it asks the user of the
// client, and waits for the answer until ctx is done or the client answers no more.
func (s *session) RequestElicitation(ctx context.Context, request mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	answered := make(chan message, 1)
	s.mu.Lock()
	s.lastID++
	id := s.lastID
	s.requests[id] = answered
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.requests, id)
	}()
	s.write(mcp.JSONRPCRequest{
		JSONRPC: mcp.JSONRPC_VERSION, ID: mcp.NewRequestId(id),
		Request: mcp.Request{Method: string(mcp.MethodElicitationCreate)}, Params: request.Params,
	})
	select {
	case m := <-answered:
		return elicitationResult(m)
	case <-s.gone:
		return nil, errors.New("elicitation request failed: the client is gone")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// elicitationResult returns what the user has answered.
func elicitationResult(m message) (*mcp.ElicitationResult, error) {
	if m.Error != nil {
		var details struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(m.Error, &details) // Of a malformed error, the message stays empty.
		return nil, fmt.Errorf("elicitation request failed: %s", details.Message)
	}
	var result mcp.ElicitationResult
	if err := json.Unmarshal(m.Result, &result); err != nil {
		return nil, fmt.Errorf("read the answer to an elicitation: %w", err)
	}
	return &result, nil
}

// deliver hands an answer of the client to the request that waits for it. It does nothing
// if none does.
func (s *session) deliver(m message) {
	id, err := strconv.ParseInt(string(m.ID), 10, 64)
	if err != nil {
		return
	}
	s.mu.Lock()
	answered := s.requests[id]
	delete(s.requests, id) // A second answer has no effect.
	s.mu.Unlock()
	if answered != nil {
		answered <- m
	}
}

// end lets every request to the client fail, now and later, because no answer is read any
// more. It must be called once.
func (s *session) end() { close(s.gone) }
