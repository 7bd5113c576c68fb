package httpserver

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/mark3labs/mcp-go/server"
)

const (
	// sessionPrefix begins each session id.
	sessionPrefix = "zego-mcp-"
	// maxEnded is how many ended sessions are remembered.
	maxEnded = 10000
)

// sessions makes and checks the ids of Streamable HTTP sessions. It remembers what the
// clients of open sessions can do, and which sessions have ended, because the protocol
// wants status 404 for them. It accepts every other well-formed id, because another replica
// may have made it: requests of one session may go to any replica.
//
// mcp-go gets no session to keep, because it takes 11 KiB for each. It makes one for each
// request instead, and gets the client's capabilities from introduce.
type sessions struct {
	idle time.Duration // A session that was not used for so long can be forgotten for another.

	mu    sync.Mutex // guards what follows
	max   int        // How many open sessions are remembered at most.
	open  *simplelru.LRU[uuid.UUID, *session]
	ended *simplelru.LRU[uuid.UUID, struct{}]
}

// session is an open session.
type session struct {
	client clientInfo
	used   time.Time // When its last request came.
}

func newSessions(maxOpen int, idle time.Duration) *sessions {
	// NewLRU fails only for a size below 1.
	open, _ := simplelru.NewLRU[uuid.UUID, *session](maxOpen, nil)
	ended, _ := simplelru.NewLRU[uuid.UUID, struct{}](maxEnded, nil)
	return &sessions{idle: idle, max: maxOpen, open: open, ended: ended}
}

// begin opens a session and returns its id. If there are too many, the one that was not
// used for the longest time is forgotten: its client can go on, but cannot be shown forms.
// If that one is in use as well, begin reports false, and how long to wait.
func (s *sessions) begin(client clientInfo) (id string, wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.open.Len() >= s.max {
		if _, oldest, _ := s.open.GetOldest(); now.Sub(oldest.used) < s.idle {
			return "", s.idle - now.Sub(oldest.used), false
		}
	}
	key := uuid.New()
	s.open.Add(key, &session{client: client, used: now}) // This removes the oldest if there are too many.
	return sessionPrefix + key.String(), 0, true
}

// count returns how many sessions are open.
func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open.Len()
}

// introduce tells mcp-go what the client of a request said when its session began. It has
// the form of a server.HTTPContextFunc.
func (s *sessions) introduce(ctx context.Context, r *http.Request) context.Context {
	client, ok := s.use(r.Header.Get(server.HeaderKeySessionID))
	if !ok {
		return ctx
	}
	if session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
		session.SetClientInfo(client.implementation)
		session.SetClientCapabilities(client.capabilities)
	}
	return ctx
}

// use returns the client of the open session id, and notes that the session is in use.
func (s *sessions) use(id string) (clientInfo, bool) {
	key, err := parseSessionID(id)
	if err != nil {
		return clientInfo{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.open.Get(key)
	if !ok {
		return clientInfo{}, false
	}
	session.used = time.Now()
	return session.client, true
}

// newSessionID returns an id for a request that comes without a session.
func newSessionID() string { return sessionPrefix + uuid.NewString() }

// parseSessionID returns an error if newSessionID, of this or another replica, cannot have
// made id.
func parseSessionID(id string) (uuid.UUID, error) {
	suffix, ok := strings.CutPrefix(id, sessionPrefix)
	key, err := uuid.Parse(suffix)
	if !ok || err != nil {
		return uuid.Nil, errors.New("invalid session id")
	}
	return key, nil
}

// Generate returns no id, so that mcp-go keeps no session. Handler.servePost gives the
// client its id.
func (s *sessions) Generate() string { return "" }

// Validate reports whether the session id has ended. It returns an error if id is
// malformed.
func (s *sessions) Validate(id string) (isTerminated bool, err error) {
	if id == "" {
		return false, nil // Clients may do without a session.
	}
	key, err := parseSessionID(id)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended.Contains(key), nil
}

// Terminate ends a session. It does nothing if id is malformed.
func (s *sessions) Terminate(id string) (isNotAllowed bool, err error) {
	key, err := parseSessionID(id)
	if err != nil {
		return false, nil //nolint:nilerr // There is no such session, so it has ended.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open.Remove(key)
	s.ended.Add(key, struct{}{})
	return false, nil
}
