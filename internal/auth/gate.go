package auth

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"zego-mcp/tools"
)

const (
	// DefaultCallsPerMinute is the default of Options.CallsPerMinute.
	DefaultCallsPerMinute = 600
	// maxToken is the length of the longest token that is looked at, in bytes.
	maxToken = 16 << 10
	// timeAfterExpiry is how long a request may go on after its token has expired.
	timeAfterExpiry = time.Minute
	// reportEvery is how often the log says at most that requests were refused.
	reportEvery = 10 * time.Second
)

// Options says whom a Gate admits.
type Options struct {
	Tokens *Tokens // The static tokens. Default: none.
	OIDC   *OIDC   // The identity provider. Default: none.
	// Toolsets are what the server offers. Clients are told to ask the identity provider for the
	// scopes of these.
	Toolsets []tools.Toolset
	// CallsPerMinute is how many POST requests each caller may send in a minute who has no limit
	// of its own. A negative number means no limit. Default: DefaultCallsPerMinute.
	CallsPerMinute int
	// Admit lets in a caller whose token is valid. It returns a context for the request with what
	// the caller may use, which ends when the caller may no longer use it; end is called at the
	// end of the request. If it reports false, the request is refused. Default: everybody is let
	// in.
	Admit  func(context.Context, Caller) (_ context.Context, end func(), ok bool)
	Logger *slog.Logger     // Default: nothing is logged.
	Now    func() time.Time // This machine's clock. Default: time.Now.
}

// Gate admits the HTTP requests that carry a valid bearer token.
type Gate struct {
	opts    Options
	rates   *rates
	refused refusals // Requests without a valid token.
	outside refusals // Requests that Options.Admit has refused.
}

// NewGate returns a Gate. Without Options.Tokens and Options.OIDC it admits nobody.
func NewGate(opts Options) *Gate {
	opts.CallsPerMinute = cmp.Or(opts.CallsPerMinute, DefaultCallsPerMinute)
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Admit == nil {
		opts.Admit = func(ctx context.Context, _ Caller) (context.Context, func(), bool) { return ctx, func() {}, true }
	}
	return &Gate{
		opts: opts, rates: newRates(),
		refused: refusals{log: opts.Logger, message: "refused requests without a valid token"},
		outside: refusals{log: opts.Logger, message: "refused requests of callers who belong to no project"},
	}
}

// Middleware lets next answer the requests that the gate admits. Their context holds the
// Caller, and ends when the token is revoked, or a minute after it has expired. Next does not
// get to see the token.
func (g *Gate) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hasTokenInQuery(r) {
			http.Error(w, "Tokens in the query are refused: send the header Authorization: Bearer …", http.StatusBadRequest)
			return
		}
		if len(r.Header["Authorization"]) > 1 {
			http.Error(w, "More than one Authorization header", http.StatusBadRequest)
			return
		}
		token, ok := bearerToken(r.Header.Get("Authorization"))
		if !ok {
			g.unauthorized(w, r, "")
			return
		}
		admitted, err := g.verify(r.Context(), token)
		if err != nil {
			g.refuse(w, r, err)
			return
		}
		if !g.withinRate(w, r, admitted.caller) {
			return
		}
		ctx, end := admitted.context(r.Context())
		defer end()
		ctx, leave, ok := g.opts.Admit(ctx, admitted.caller)
		if !ok {
			g.outside.count(g.opts.Now(), "subject", admitted.caller.SubjectForLog())
			http.Error(w, "Forbidden: nothing on this server is for you", http.StatusForbidden)
			return
		}
		defer leave()
		r = r.WithContext(ctx)
		r.Header = r.Header.Clone()
		r.Header.Del("Authorization")
		next.ServeHTTP(w, r)
	})
}

// verify returns what a token gives.
func (g *Gate) verify(ctx context.Context, token string) (grant, error) {
	if len(token) > maxToken {
		return grant{}, errInvalid
	}
	if g.opts.Tokens != nil {
		if admitted, err := g.opts.Tokens.verify(ctx, token, g.opts.Now()); err == nil {
			return admitted, nil
		}
	}
	if g.opts.OIDC != nil {
		return g.opts.OIDC.verify(ctx, token, g.opts.Now())
	}
	return grant{}, errInvalid
}

// refuse answers a request whose token verify has refused with err.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, errScope):
		g.refused.count(g.opts.Now())
		w.Header().Set("WWW-Authenticate", g.challenge(r, "insufficient_scope", g.scopes()))
		http.Error(w, "Forbidden: the token has none of the scopes "+g.scopes(), http.StatusForbidden)
	case errors.Is(err, errUnavailable): // With 401, clients would throw a token away that may be valid.
		g.refused.count(g.opts.Now())
		w.Header().Set("Retry-After", strconv.Itoa(int(fetchEvery.Seconds())))
		http.Error(w, "The identity provider does not answer, so tokens cannot be checked; try again later", http.StatusServiceUnavailable)
	default:
		g.unauthorized(w, r, "invalid_token")
	}
}

// unauthorized answers a request without a valid token. code is an error code of RFC 6750, or
// "" if there was no token.
func (g *Gate) unauthorized(w http.ResponseWriter, r *http.Request, code string) {
	g.refused.count(g.opts.Now())
	text := "Unauthorized: send the header Authorization: Bearer …"
	if code != "" {
		text = "Unauthorized: the token is not valid"
	}
	w.Header().Set("WWW-Authenticate", g.challenge(r, code, g.scopes()))
	http.Error(w, text, http.StatusUnauthorized)
}

// StepUp returns the header WWW-Authenticate for a request of a caller who lacks a toolset, and a
// text that says the same in words. It names the scopes that the caller has besides the one that
// is lacking, because many clients ask for exactly the scopes that they are told. It returns empty
// texts if the caller's token is not from the identity provider: no scope would help.
//
// MCP specification: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization#scope-challenge-handling
func (g *Gate) StepUp(r *http.Request, lacking tools.Lacking) (challenge, text string) {
	caller, _ := CallerOf(r.Context())
	var scopes []string
	for _, set := range tools.Toolsets {
		if set.Name == lacking.Toolset || slices.Contains(caller.Toolsets, set.Name) {
			scopes = append(scopes, Scope(set.Name))
		}
	}
	needs := lacking.Name + " needs the scope " + Scope(lacking.Toolset)
	challenge = g.challenge(r, "insufficient_scope", strings.Join(scopes, " ")) + `, error_description="` + needs + `"`
	return challenge, needs + ", which the caller's token does not have.\n" +
		"What to do: Ask the user to log in to this server again and to grant that scope, or to give the client a token that has it. Calling again with the same token does not help."
}

// challenge returns the header WWW-Authenticate for a refused request. code is an error code of
// RFC 6750, or "". With an identity provider, it says where a client learns how to get a token, and
// for which scopes.
func (g *Gate) challenge(r *http.Request, code, scopes string) string {
	challenge := `Bearer realm="zego-mcp"`
	if code != "" {
		challenge += `, error="` + code + `"`
	}
	if g.opts.OIDC != nil {
		// The characters that would end a quoted string do not occur in a URL that url.URL writes.
		challenge += `, resource_metadata="` + g.metadataURL(r) + `", scope="` + scopes + `"`
	}
	return challenge
}

// withinRate reports whether the caller may send one more request now. If not, it answers the
// request.
func (g *Gate) withinRate(w http.ResponseWriter, r *http.Request, caller Caller) bool {
	limit := cmp.Or(caller.CallsPerMinute, g.opts.CallsPerMinute)
	if r.Method != http.MethodPost || limit < 0 {
		return true
	}
	wait, ok := g.rates.admit(caller.Subject, limit, g.opts.Now())
	if !ok {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(wait.Seconds())))))
		http.Error(w, "Too many calls in a minute; try again later", http.StatusTooManyRequests)
	}
	return ok
}

// context returns the context of a request with the token. end must be called at its end.
func (g grant) context(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancel(WithCaller(ctx, g.caller))
	stopTimer, stopWatching := func() bool { return true }, func() bool { return true }
	if !g.expiresAt.IsZero() {
		stopTimer = time.AfterFunc(time.Until(g.expiresAt.Add(timeAfterExpiry)), cancel).Stop
	}
	if g.revoked != nil {
		stopWatching = context.AfterFunc(g.revoked, cancel)
	}
	return ctx, func() {
		stopTimer()
		stopWatching()
		cancel()
	}
}

// bearerToken returns the token of an Authorization header. It reports false if there is none,
// or credentials of another kind.
func bearerToken(header string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(strings.TrimSpace(header), " ")
	token = strings.TrimSpace(token)
	return token, strings.EqualFold(scheme, "bearer") && token != ""
}

// hasTokenInQuery reports whether the query of a request seems to hold a token. URLs are kept in
// logs and histories, where others find them.
func hasTokenInQuery(r *http.Request) bool {
	if r.URL.RawQuery == "" {
		return false
	}
	for name, values := range r.URL.Query() {
		switch strings.ToLower(name) {
		case "access_token", "token", "authorization", "bearer", "api_key", "apikey":
			return true
		}
		for _, value := range values {
			if strings.HasPrefix(value, tokenPrefix) || looksLikeJWT(value) {
				return true
			}
		}
	}
	return false
}

// looksLikeJWT reports whether a text has the form of a signed JSON Web Token: three parts, of which
// the first is a JSON object in base64.
func looksLikeJWT(text string) bool {
	return strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") == 2
}

// refusals counts refused requests. Its log has one line for all of them in a while, because
// there may be thousands in a second.
type refusals struct {
	log     *slog.Logger
	message string

	mu         sync.Mutex // guards what follows
	unreported int
	reportedAt time.Time
}

// count counts a request. attrs describe it, for the log.
func (r *refusals) count(now time.Time, attrs ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unreported++
	if now.Sub(r.reportedAt) < reportEvery {
		return
	}
	r.log.Warn(r.message, append([]any{"requests", r.unreported}, attrs...)...)
	r.unreported, r.reportedAt = 0, now
}
