package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"zego-mcp/tools"

	"github.com/coreos/go-oidc/v3/oidc"
)

// OIDCOptions names the identity provider whose tokens are valid, and the audience that they must
// be meant for.
type OIDCOptions struct {
	Issuer   string           // The provider's issuer URL: https, or http on loopback.
	Audience string           // What the claim aud of a token must hold; usually the URL of /mcp.
	Logger   *slog.Logger     // Default: nothing is logged.
	Now      func() time.Time // This machine's clock. Default: time.Now.
}

// OIDC checks the access tokens of an OpenID Connect provider, which must be JSON Web Tokens. It
// fetches the provider's keys when the first token comes.
type OIDC struct {
	opts     OIDCOptions
	keys     *keySet
	verifier *oidc.IDTokenVerifier
}

// clockError is how far the clock of the provider may be ahead.
const clockError = time.Minute

// errScope says that a token is valid, and has no scope of this server.
var errScope = errors.New("the token has no scope of this server")

// NewOIDC returns an OIDC. It fails if an option is malformed, and sends nothing.
func NewOIDC(opts OIDCOptions) (*OIDC, error) {
	if err := checkURL(opts.Issuer); err != nil {
		return nil, fmt.Errorf("--oidc-issuer %w", err)
	}
	if opts.Audience == "" {
		return nil, errors.New("--oidc-audience is needed, so that tokens for other servers are refused")
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	keys := &keySet{
		issuer: opts.Issuer, now: opts.Now, log: opts.Logger,
		client: &http.Client{
			Transport:     boundedTransport{http.DefaultTransport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	return &OIDC{opts: opts, keys: keys, verifier: oidc.NewVerifier(opts.Issuer, keys, &oidc.Config{
		ClientID: opts.Audience, SupportedSigningAlgs: algorithms, Now: opts.Now,
	})}, nil
}

// checkURL returns an error if text is not an https URL without user, query and fragment. It may
// be http for a loopback address.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be a URL such as https://id.example.com")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	loopback := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return errors.New("must be https (http only on loopback)")
	}
	return nil
}

// Scope returns the scope that lets a caller use a toolset.
func Scope(set tools.Toolset) string { return "zego:" + string(set) }

// ScopeAllStreams is the scope that lets a caller drive and stop the stream tasks of other callers,
// too. Clients are not told to ask for it: the provider gives it to few.
const ScopeAllStreams = "zego:all-streams"

// claims are the claims of a token that OIDC looks at, besides those that the verifier checks.
type claims struct {
	NotBefore float64         `json:"nbf"`
	Scope     json.RawMessage `json:"scope"` // RFC 9068; some providers write a list.
	Scp       json.RawMessage `json:"scp"`   // The same at Microsoft and Okta.
}

// verify returns what a token gives at a time. It returns errScope for a valid token without a
// scope of this server, and errUnavailable if the provider's keys are not known.
func (o *OIDC) verify(ctx context.Context, token string, now time.Time) (grant, error) {
	if strings.Count(token, ".") != 2 {
		return grant{}, errInvalid
	}
	verified, err := o.verifier.Verify(ctx, token)
	if err != nil && o.keys.missing(now) {
		return grant{}, errUnavailable
	}
	if err != nil {
		o.opts.Logger.Debug("a token was refused", "err", cutError(err))
		return grant{}, errInvalid
	}
	if hasAmbiguousClaim(verified) {
		return grant{}, errInvalid
	}
	var c claims
	if err := verified.Claims(&c); err != nil || verified.Subject == "" || !now.Before(verified.Expiry) {
		return grant{}, errInvalid
	}
	if c.NotBefore > float64(now.Add(clockError).Unix()) {
		return grant{}, errInvalid
	}
	scopes := append(scopesIn(c.Scope), scopesIn(c.Scp)...)
	caller := Caller{
		Caller:    tools.Caller{Subject: "oidc:" + verified.Subject, AllStreams: slices.Contains(scopes, ScopeAllStreams)},
		HasScopes: true,
		claims: func() map[string]json.RawMessage {
			all := map[string]json.RawMessage{}
			_ = verified.Claims(&all) // It is an object: it was read above.
			return all
		},
	}
	for _, set := range tools.Toolsets {
		if slices.Contains(scopes, Scope(set.Name)) {
			caller.Toolsets = append(caller.Toolsets, set.Name)
		}
	}
	if len(caller.Toolsets) == 0 {
		return grant{}, errScope
	}
	return grant{caller: caller, expiresAt: verified.Expiry}, nil
}

// checkedClaims are the claims by which a token is judged.
var checkedClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "scope", "scp"}

// hasAmbiguousClaim reports whether a token has a claim whose name differs from that of a checked
// one only by the case of letters. To encoding/json both are the same, so that the other claim,
// whose value a user may be free to choose, would be checked.
func hasAmbiguousClaim(token *oidc.IDToken) bool {
	var all map[string]json.RawMessage
	if token.Claims(&all) != nil {
		return true
	}
	for name := range all {
		if !slices.Contains(checkedClaims, name) && slices.ContainsFunc(checkedClaims, func(checked string) bool { return strings.EqualFold(checked, name) }) {
			return true
		}
	}
	return false
}

// scopesIn returns the scopes in a claim: a text with spaces between them, or a list.
func scopesIn(claim json.RawMessage) []string {
	var text string
	if json.Unmarshal(claim, &text) == nil {
		return strings.Fields(text)
	}
	return textsIn(claim) // Of another type it has no scopes.
}
