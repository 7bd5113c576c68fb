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

// sessions hands out ids for Streamable HTTP sessions. It remembers only ended
// ones, as the protocol wants 404 for them: a session that another replica
// began is served as well, so that no sticky sessions are needed.
type sessions struct {
	keep time.Duration

	mu    sync.Mutex // guards what follows
	ended map[string]time.Time
}

// mostEnded bounds how many ended sessions are remembered.
const mostEnded = 10000

func newSessions(keep time.Duration) *sessions {
	return &sessions{keep: keep, ended: map[string]time.Time{}}
}

// ResolveSessionIdManager returns s for requests. mcp-go's sweeper, which has none,
// may forget what it keeps of an idle session, but not end it: the session may be
// in use at another replica, and goes on here when its client comes back.
//
//nolint:revive // mcp-go's name.
func (s *sessions) ResolveSessionIdManager(r *http.Request) server.SessionIdManager {
	if r == nil {
		return forgetful{s}
	}
	return s
}

// forgetful ends no sessions.
type forgetful struct{ *sessions }

// Terminate does nothing.
func (forgetful) Terminate(string) (isNotAllowed bool, err error) { return false, nil }

const idPrefix = "zego-mcp-"

// Generate returns a new session id.
func (s *sessions) Generate() string { return idPrefix + uuid.NewString() }

// Validate reports whether a session has ended; an id that is not ours is an error.
func (s *sessions) Validate(id string) (isTerminated bool, err error) {
	if id == "" {
		return false, nil // Sessions are optional for the client.
	}
	rest, ok := strings.CutPrefix(id, idPrefix)
	if _, err := uuid.Parse(rest); !ok || err != nil {
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
	if len(s.ended) >= mostEnded {
		for old, at := range s.ended {
			if now.Sub(at) > s.keep || len(s.ended) >= mostEnded {
				delete(s.ended, old)
			}
		}
	}
	s.ended[id] = now
	return false, nil
}
