package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"time"
	"zego-mcp/internal/reload"
	"zego-mcp/tools"
)

// Tokens are the static bearer tokens of a token file. They are read again when the file
// changes. A file that has become broken changes nothing, and the log says so.
type Tokens struct {
	file *reload.Files[[]knownToken]
}

// knownToken is an entry of the token file.
type knownToken struct {
	sum       [sha256.Size]byte
	caller    Caller
	expiresAt time.Time
	revoked   context.Context // Done when the entry has left the file.
	revoke    context.CancelFunc
}

// OpenTokens reads a token file; it fails as ReadTokens does.
func OpenTokens(file string, log *slog.Logger) (*Tokens, error) {
	read := func(previous []knownToken) ([]knownToken, error) { return readKnownTokens(file, previous) }
	files, err := reload.Open([]string{file}, read, log)
	if err != nil {
		return nil, err
	}
	return &Tokens{files}, nil
}

// Reread reads the token file, whether or not it has changed.
func (t *Tokens) Reread() { t.file.Reread() }

// Len returns how many tokens there are.
func (t *Tokens) Len() int { return len(t.file.Get()) }

// readKnownTokens reads a token file. It revokes the tokens that were known before and are no
// longer there, or are there with other rights.
func readKnownTokens(file string, previous []knownToken) ([]knownToken, error) {
	entries, err := ReadTokens(file)
	if err != nil {
		return nil, err
	}
	known := make([]knownToken, len(entries))
	for i, entry := range entries {
		known[i] = newKnownToken(entry)
	}
	for _, old := range previous {
		kept := false
		for i := range known {
			if known[i].sameAs(old) {
				known[i].revoked, known[i].revoke = old.revoked, old.revoke
				kept = true
			}
		}
		if !kept {
			old.revoke()
		}
	}
	for i := range known {
		if known[i].revoked == nil {
			known[i].revoked, known[i].revoke = context.WithCancel(context.Background())
		}
	}
	return known, nil
}

// newKnownToken returns an entry, which ReadTokens has checked, without revoked and revoke.
func newKnownToken(entry Token) knownToken {
	sets, _ := tools.ParseToolsets(strings.Join(entry.Toolsets, ","))
	known := knownToken{
		caller: Caller{
			Caller:         tools.Caller{Subject: "token:" + entry.Name, Toolsets: sets, MaxTasks: entry.MaxTasks, AllStreams: entry.AllStreams},
			CallsPerMinute: entry.CallsPerMinute, Token: entry.Name,
		},
		expiresAt: entry.Expires,
	}
	_, _ = hex.Decode(known.sum[:], []byte(entry.SHA256))
	return known
}

// sameAs reports whether two entries give the same token the same rights.
func (t knownToken) sameAs(other knownToken) bool {
	return t.sum == other.sum && t.caller.Subject == other.caller.Subject && t.expiresAt.Equal(other.expiresAt) &&
		slices.Equal(t.caller.Toolsets, other.caller.Toolsets)
}

// verify returns what a token gives at a time. It takes as long for a token that is nearly right
// as for any other.
func (t *Tokens) verify(_ context.Context, token string, now time.Time) (grant, error) {
	sum := sha256.Sum256([]byte(token))
	var found *knownToken
	known := t.file.Get()
	for i := range known {
		if subtle.ConstantTimeCompare(sum[:], known[i].sum[:]) == 1 {
			found = &known[i]
		}
	}
	if found == nil || !found.expiresAt.IsZero() && !now.Before(found.expiresAt) {
		return grant{}, errInvalid
	}
	return grant{caller: found.caller, expiresAt: found.expiresAt, revoked: found.revoked}, nil
}
