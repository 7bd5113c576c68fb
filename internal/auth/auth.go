// Package auth decides who may use the server over HTTP, and what each caller may do.
package auth

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"zego-mcp/tools"
)

// Caller is who sent a request, and what that caller may do.
type Caller struct {
	tools.Caller
	// CallsPerMinute is how many POST requests the caller may send in a minute; 0: as many as
	// Options.CallsPerMinute says.
	CallsPerMinute int
	// HasScopes says that the caller's token has scopes, so that the caller may ask the identity
	// provider for a token with more of them.
	HasScopes bool
	// Token is the name of the static token that the caller has sent, or "".
	Token string

	claims func() map[string]json.RawMessage // Of the caller's access token; nil: it has none.
}

// Claim returns the values of a claim of the access token that the caller has sent: those of a
// list, or the one text. It returns none for a caller without an access token, and of a claim of
// another type.
func (c Caller) Claim(name string) []string {
	if c.claims == nil {
		return nil
	}
	claim := c.claims()[name]
	var text string
	if json.Unmarshal(claim, &text) == nil && text != "" {
		return []string{text}
	}
	return textsIn(claim)
}

// textsIn returns the texts of a list of texts in JSON, and none of anything else: of a list that
// also holds something else, encoding/json would return the texts.
func textsIn(claim json.RawMessage) []string {
	var list []string
	if json.Unmarshal(claim, &list) != nil {
		return nil
	}
	return list
}

// grant is what a valid token gives.
type grant struct {
	caller    Caller
	expiresAt time.Time       // Zero: never.
	revoked   context.Context // Done when the token is no longer valid; nil: that is not known.
}

// errInvalid says that a token is unknown, expired, malformed or meant for others. Clients get
// to know no more.
var errInvalid = errors.New("the token is not valid")

// errUnavailable says that nobody can tell now whether a token is valid.
var errUnavailable = errors.New("the identity provider does not answer")

// callerKey is the key of the Caller in a context.
type callerKey struct{}

// WithCaller returns a context that holds who sent a request.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerOf returns who sent the request to which ctx belongs. It reports false if nobody had to
// say who they are.
func CallerOf(ctx context.Context) (Caller, bool) {
	caller, ok := ctx.Value(callerKey{}).(Caller)
	return caller, ok
}

// Subject returns the Subject of the caller in ctx, or "" if there is none.
func Subject(ctx context.Context) string {
	caller, _ := CallerOf(ctx)
	return caller.Subject
}
