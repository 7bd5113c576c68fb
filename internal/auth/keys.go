package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// fetchEvery is how often the keys of the provider are fetched at most. Whoever sends tokens
	// of keys that do not exist causes no more requests than that.
	fetchEvery = 10 * time.Second
	// keysFreshFor is after what time the keys are fetched again, although they are known.
	keysFreshFor = 15 * time.Minute
	// keysValidFor is how long keys are used while the provider does not answer.
	keysValidFor = 24 * time.Hour
	// fetchTimeout bounds the time of one fetch, and maxFetched the bytes of each answer.
	fetchTimeout = 5 * time.Second
	maxFetched   = 1 << 20
)

// algorithms are the algorithms with which tokens may be signed. All have a public key: with one
// of the others, whoever knows the public key could sign.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
	oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// keySet holds the public keys of a provider. It fetches them when they are needed first, when
// they are no longer fresh, and when a token names another one. It is an oidc.KeySet.
//
// It stands in for oidc.RemoteKeySet, which fetches the keys for each token that names an unknown
// key, and reads answers of any length.
type keySet struct {
	issuer string
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	mu        sync.Mutex // guards what follows
	keys      []jose.JSONWebKey
	fetchedAt time.Time     // When the keys came.
	triedAt   time.Time     // When the last fetch began.
	fetching  chan struct{} // Closed when the running fetch has ended; nil if none runs.
}

var errNoKey = errors.New("no key of the provider fits")

// VerifySignature returns the payload of a token that one of the keys has signed.
func (s *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	allowed := make([]jose.SignatureAlgorithm, len(algorithms))
	for i, algorithm := range algorithms {
		allowed[i] = jose.SignatureAlgorithm(algorithm)
	}
	signed, err := jose.ParseSigned(token, allowed)
	if err != nil || len(signed.Signatures) != 1 {
		return nil, errInvalid
	}
	header := signed.Signatures[0].Header
	if !mayBeAccessToken(header) {
		return nil, errInvalid
	}
	for _, key := range s.keysFor(ctx, header) {
		if payload, err := signed.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, errNoKey
}

// mayBeAccessToken reports whether the header of a token calls it an access token (RFC 9068), or does
// not say what it is for. The same key may sign what is no access token, such as a logout token.
func mayBeAccessToken(header jose.Header) bool {
	kind, says := header.ExtraHeaders[jose.HeaderType]
	if !says {
		return true
	}
	name, _ := kind.(string)
	switch strings.TrimPrefix(strings.ToLower(name), "application/") {
	case "jwt", "at+jwt":
		return true
	}
	return false
}

// keysFor returns the keys that may have signed a token with a header. It fetches them if there
// is none, and then waits for the fetch, but not longer than ctx.
func (s *keySet) keysFor(ctx context.Context, header jose.Header) []jose.JSONWebKey {
	s.mu.Lock()
	now := s.now()
	found := s.find(header, now)
	if len(found) == 0 || now.Sub(s.fetchedAt) > keysFreshFor {
		s.startFetch(now)
	}
	fetching := s.fetching
	s.mu.Unlock()
	if len(found) > 0 || fetching == nil {
		return found
	}
	select {
	case <-fetching:
	case <-ctx.Done():
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(header, now)
}

// find returns the known keys that fit a header. s.mu must be held.
func (s *keySet) find(header jose.Header, now time.Time) []jose.JSONWebKey {
	if now.Sub(s.fetchedAt) > keysValidFor {
		return nil
	}
	var found []jose.JSONWebKey
	for _, key := range s.keys {
		if (header.KeyID == "" || key.KeyID == header.KeyID) && (key.Algorithm == "" || key.Algorithm == header.Algorithm) {
			found = append(found, key)
		}
	}
	return found
}

// missing reports whether the provider was asked for its keys and none is known, so that nobody can
// tell which tokens are valid.
func (s *keySet) missing(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.triedAt.IsZero() && (len(s.keys) == 0 || now.Sub(s.fetchedAt) > keysValidFor)
}

// startFetch begins to fetch the keys, unless that was tried lately. s.mu must be held.
func (s *keySet) startFetch(now time.Time) {
	if s.fetching != nil || !s.triedAt.IsZero() && now.Sub(s.triedAt) < fetchEvery {
		return
	}
	s.triedAt = now
	done := make(chan struct{})
	s.fetching = done
	go func() {
		keys, err := s.fetch()
		s.mu.Lock()
		defer s.mu.Unlock()
		defer close(done)
		s.fetching = nil
		if err != nil {
			s.log.Warn("the identity provider's keys cannot be fetched", "issuer", s.issuer, "err", cutError(err))
			return
		}
		s.keys, s.fetchedAt = keys, now
	}()
}

// fetch asks the provider where its keys are, and then for the keys.
func (s *keySet) fetch() ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, s.client), s.issuer)
	if err != nil {
		return nil, err
	}
	var found struct {
		JWKSURI string `json:"jwks_uri"`
	}
	if err := provider.Claims(&found); err != nil {
		return nil, err
	}
	if err := checkURL(found.JWKSURI); err != nil {
		return nil, fmt.Errorf("jwks_uri %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, found.JWKSURI, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("jwks_uri answers %d", resp.StatusCode)
	}
	return parseKeys(text)
}

// parseKeys reads a JSON Web Key Set. It leaves out the keys that are not for signatures, not
// public, or of a kind that is not known.
func parseKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct{ Keys []json.RawMessage }
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("what jwks_uri answers is no JSON Web Key Set")
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && key.Valid() && key.IsPublic() && (key.Use == "" || key.Use == "sig") {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("what jwks_uri answers has no public key for signatures")
	}
	return keys, nil
}

// cutError returns the text of an error in one line, cut: it may hold a whole page.
func cutError(err error) string {
	const limit = 300
	text := err.Error()
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

// boundedTransport bounds the answers of a provider.
type boundedTransport struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxFetched)
	}
	return resp, err
}
