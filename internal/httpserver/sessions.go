package httpserver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	open  *simplelru.LRU[sessionKey, *session]
	ended *simplelru.LRU[sessionKey, struct{}]
}

// sessionKey is what a session id says. The id of a session that belongs to a subject has a hash
// of that subject, so that every replica knows whose session it is. No key is needed: who writes
// a subject of their own into an id names another session by that.
type sessionKey struct {
	random uuid.UUID
	owner  ownerHash
}

// ownerHash is a hash of a subject and of the random part of a session id. It is zero if the
// session belongs to nobody, because nobody had to say who they are.
type ownerHash [16]byte

// newSessionKey returns the key of a session of subject, which may be "".
func newSessionKey(random uuid.UUID, subject string) sessionKey {
	key := sessionKey{random: random}
	if subject != "" {
		sum := sha256.Sum256([]byte("zego-mcp session " + random.String() + " " + subject))
		copy(key.owner[:], sum[:])
	}
	return key
}

// id returns the session id.
func (k sessionKey) id() string {
	id := sessionPrefix + k.random.String()
	if k.owner != (ownerHash{}) {
		id += "-" + hex.EncodeToString(k.owner[:])
	}
	return id
}

// belongsTo reports whether the session id, if it is one, names a session of subject.
func belongsTo(id, subject string) bool {
	key, err := parseSessionID(id)
	return err != nil || key == newSessionKey(key.random, subject)
}

// session is an open session.
type session struct {
	client clientInfo
	used   time.Time // When its last request came.
}

func newSessions(maxOpen int, idle time.Duration) *sessions {
	// NewLRU fails only for a size below 1.
	open, _ := simplelru.NewLRU[sessionKey, *session](maxOpen, nil)
	ended, _ := simplelru.NewLRU[sessionKey, struct{}](maxEnded, nil)
	return &sessions{idle: idle, max: maxOpen, open: open, ended: ended}
}

// begin opens a session of subject, which may be "", and returns its id. If there are too many, the one that was not
// used for the longest time is forgotten: its client can go on, but cannot be shown forms.
// If that one is in use as well, begin reports false, and how long to wait.
func (s *sessions) begin(client clientInfo, subject string) (id string, wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.open.Len() >= s.max {
		if _, oldest, _ := s.open.GetOldest(); now.Sub(oldest.used) < s.idle {
			return "", s.idle - now.Sub(oldest.used), false
		}
	}
	key := newSessionKey(uuid.New(), subject)
	s.open.Add(key, &session{client: client, used: now}) // This removes the oldest if there are too many.
	return key.id(), 0, true
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

// newSessionID returns an id for a request of subject that comes without a session.
func newSessionID(subject string) string { return newSessionKey(uuid.New(), subject).id() }

// parseSessionID returns an error if newSessionID, of this or another replica, cannot have
// made id.
func parseSessionID(id string) (key sessionKey, err error) {
	const uuidLength = 36
	suffix, ok := strings.CutPrefix(id, sessionPrefix)
	owner := ""
	if ok && len(suffix) > uuidLength {
		suffix, owner = suffix[:uuidLength], suffix[uuidLength:]
	}
	key.random, err = uuid.Parse(suffix)
	if owner != "" && err == nil {
		_, err = hex.Decode(key.owner[:], []byte(owner[1:min(len(owner), 2*len(key.owner)+1)]))
	}
	if !ok || err != nil || key.id() != id {
		return sessionKey{}, errors.New("invalid session id")
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
