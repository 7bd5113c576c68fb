package httpserver

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/mark3labs/mcp-go/server"
)

const (
	// sessionPrefix begins each session id.
	sessionPrefix = "zego-mcp-"
	// maxEnded is how many ended sessions are remembered.
	maxEnded = 10000
)

// sessions makes and checks the ids of Streamable HTTP sessions. It remembers only the
// sessions that have ended, because the protocol wants status 404 for them. It accepts
// every other well-formed id, because another replica may have made it: requests of one
// session may go to any replica.
type sessions struct {
	keep time.Duration // When maxEnded is reached, sessions that ended longer ago are forgotten.

	mu    sync.Mutex           // guards what follows
	ended map[string]time.Time // By session id, when it ended.
}

func newSessions(keep time.Duration) *sessions {
	return &sessions{keep: keep, ended: map[string]time.Time{}}
}

// ResolveSessionIdManager returns the manager of the session that r belongs to. r is nil
// when mcp-go's sweeper asks, which looks for idle sessions.
//
//nolint:revive // mcp-go's name.
func (s *sessions) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	if r == nil {
		return sweeperSessions{s}
	}
	return s
}

// sweeperSessions is the session manager that the sweeper gets. The sweeper may free
// what mcp-go stores for an idle session, but the session must not end, because its
// client may be busy with another replica and come back.
type sweeperSessions struct{ *sessions }

// Terminate does nothing.
func (sweeperSessions) Terminate(string) (isNotAllowed bool, err error) { return false, nil }

// Generate returns a new session id.
func (s *sessions) Generate() string { return sessionPrefix + uuid.NewString() }

// Validate reports whether the session id has ended. It returns an error if Generate, of
// this or another replica, cannot have made id.
func (s *sessions) Validate(id string) (isTerminated bool, err error) {
	if id == "" {
		return false, nil // Clients may do without a session.
	}
	suffix, ok := strings.CutPrefix(id, sessionPrefix)
	if _, err := uuid.Parse(suffix); !ok || err != nil {
		return false, errors.New("invalid session id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ended := s.ended[id]
	return ended, nil
}

// Terminate ends a session.
func (s *sessions) Terminate(id string) (isNotAllowed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if len(s.ended) >= maxEnded {
		// Forget all that ended long ago, and at least one.
		for old, endedAt := range s.ended {
			if now.Sub(endedAt) > s.keep || len(s.ended) >= maxEnded {
				delete(s.ended, old)
			}
		}
	}
	s.ended[id] = now
	return false, nil
}
