package auth_test

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/internal/auth"
	"zego-mcp/tools"

	"github.com/go-jose/go-jose/v4"
)

const audience = "https://mcp.example.com/mcp"

// provider is an identity provider for tests.
type provider struct {
	*httptest.Server
	fetches atomic.Int32 // How often its keys were fetched.

	mu   sync.Mutex // guards what follows
	keys []jose.JSONWebKey
	jwks http.HandlerFunc // In place of the keys, if it is not nil.
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.jwks != nil {
			p.jwks(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: p.keys})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// signingKey is a key of a provider.
type signingKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

func newRSA(t *testing.T, id string) signingKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return signingKey{id, jose.RS256, key}
}

// publish makes the provider hand out these keys and no others.
func (p *provider) publish(keys ...signingKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = nil
	for _, key := range keys {
		p.keys = append(p.keys, jose.JSONWebKey{Key: key.private.Public(), KeyID: key.id, Algorithm: string(key.algorithm), Use: "sig"})
	}
}

// claims returns the claims of a valid token with some of them replaced. A nil value removes one.
func (p *provider) claims(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": p.URL, "aud": audience, "sub": "alice", "scope": "openid zego:assets",
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

func sign(t *testing.T, key any, algorithm jose.SignatureAlgorithm, kid string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// signAs signs a token with the header typ, if it is not empty, and further headers.
func signAs(t *testing.T, key signingKey, typ jose.ContentType, headers map[jose.HeaderKey]any, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	opts := (&jose.SignerOptions{}).WithHeader("kid", key.id)
	if typ != "" {
		opts = opts.WithType(typ)
	}
	for name, value := range headers {
		opts = opts.WithHeader(name, value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.algorithm, Key: key.private}, opts)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// signText signs what may be no claims.
func signText(t *testing.T, key signingKey, payload string) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: key.algorithm, Key: key.private}, (&jose.SignerOptions{}).WithHeader("kid", key.id))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (k signingKey) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	return sign(t, k.private, k.algorithm, k.id, claims)
}

// newGate returns a gate for the tokens of p. now may be nil.
func (p *provider) newGate(t *testing.T, audience string, now func() time.Time) *auth.Gate {
	t.Helper()
	log, _ := newLog()
	checker, err := auth.NewOIDC(auth.OIDCOptions{Issuer: p.URL, Audience: audience, Logger: log, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return auth.NewGate(auth.Options{OIDC: checker, Toolsets: []tools.Toolset{tools.Assets, tools.Streaming}, Logger: log, Now: now})
}

// TestOIDC sends tokens that are valid, and tokens that somebody made up.
func TestOIDC(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	key, stranger := newRSA(t, "one"), newRSA(t, "one")
	elliptical, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second := signingKey{"two", jose.ES256, elliptical}
	p.publish(key, second)
	public, err := x509.MarshalPKIXPublicKey(key.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(p.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	valid := key.sign(t, p.claims(nil))
	gate := p.newGate(t, audience, nil).Middleware(tell)
	for name, tt := range map[string]struct {
		token  string
		status int
		want   string // In the body, or in the challenge if the status is not 200.
	}{
		"valid":                      {valid, 200, "true oidc:alice [assets]"},
		"all streams":                {key.sign(t, p.claims(map[string]any{"scope": "zego:streaming zego:all-streams"})), 200, `[streaming] 0 "" all streams`},
		"all streams alone":          {key.sign(t, p.claims(map[string]any{"scope": "zego:all-streams"})), 403, "insufficient_scope"},
		"ECDSA":                      {second.sign(t, p.claims(nil)), 200, "oidc:alice"},
		"several audiences":          {key.sign(t, p.claims(map[string]any{"aud": []string{"x", audience}})), 200, "oidc:alice"},
		"all scopes":                 {key.sign(t, p.claims(map[string]any{"scope": "zego:streaming zego:assets"})), 200, "[assets streaming]"},
		"scopes as a list":           {key.sign(t, p.claims(map[string]any{"scope": []string{"zego:streaming"}})), 200, "[streaming]"},
		"scopes in scp":              {key.sign(t, p.claims(map[string]any{"scope": nil, "scp": []string{"zego:assets"}})), 200, "[assets]"},
		"a number among scopes":      {key.sign(t, p.claims(map[string]any{"scope": []any{"zego:streaming", 7}})), 403, ""},
		"another subject":            {key.sign(t, p.claims(map[string]any{"sub": "alice", "ſub": "bob"})), 401, "invalid_token"},
		"another scope":              {key.sign(t, p.claims(map[string]any{"ſcope": "zego:streaming"})), 401, "invalid_token"},
		"another audience":           {key.sign(t, p.claims(map[string]any{"AUD": "https://other.example.com", "aud": audience})), 401, "invalid_token"},
		"a claim with another name":  {key.sign(t, p.claims(map[string]any{"Subject": "bob", "SUBS": 1})), 200, "oidc:alice"},
		"control characters":         {key.sign(t, p.claims(map[string]any{"sub": "a\nb"})), 200, "oidc:a\nb"},
		"the provider's clock":       {key.sign(t, p.claims(map[string]any{"nbf": in(30 * time.Second)})), 200, "oidc:alice"},
		"no scope":                   {key.sign(t, p.claims(map[string]any{"scope": "openid"})), 403, "insufficient_scope"},
		"no scope claim":             {key.sign(t, p.claims(map[string]any{"scope": nil})), 403, "insufficient_scope"},
		"a scope of another type":    {key.sign(t, p.claims(map[string]any{"scope": 7})), 403, "insufficient_scope"},
		"expired":                    {key.sign(t, p.claims(map[string]any{"exp": in(-time.Second)})), 401, "invalid_token"},
		"without expiry":             {key.sign(t, p.claims(map[string]any{"exp": nil})), 401, "invalid_token"},
		"future":                     {key.sign(t, p.claims(map[string]any{"nbf": in(2 * time.Minute)})), 401, "invalid_token"},
		"nbf of another type":        {key.sign(t, p.claims(map[string]any{"nbf": "soon"})), 401, "invalid_token"},
		"wrong audience":             {key.sign(t, p.claims(map[string]any{"aud": "https://other.example.com"})), 401, "invalid_token"},
		"no audience":                {key.sign(t, p.claims(map[string]any{"aud": nil})), 401, "invalid_token"},
		"wrong issuer":               {key.sign(t, p.claims(map[string]any{"iss": "https://other.example.com"})), 401, "invalid_token"},
		"issuer with a slash":        {key.sign(t, p.claims(map[string]any{"iss": p.URL + "/"})), 401, "invalid_token"},
		"no subject":                 {key.sign(t, p.claims(map[string]any{"sub": ""})), 401, "invalid_token"},
		"another's key, same kid":    {stranger.sign(t, p.claims(nil)), 401, "invalid_token"},
		"alg none":                   {encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + ".", 401, "invalid_token"},
		"HS256 with the public key":  {sign(t, public, jose.HS256, "one", p.claims(nil)), 401, "invalid_token"},
		"another payload":            {strings.Replace(valid, "."+strings.Split(valid, ".")[1], "."+encode([]byte(`{"sub":"bob"}`)), 1), 401, "invalid_token"},
		"cut off":                    {valid[:len(valid)-10], 401, "invalid_token"},
		"no JWT":                     {"zmcp_x", 401, "invalid_token"},
		"dots":                       {"..", 401, "invalid_token"},
		"64 kB":                      {valid + strings.Repeat("x", 64<<10), 401, "invalid_token"},
		"typed as a JWT":             {signAs(t, key, "JWT", nil, p.claims(nil)), 200, "oidc:alice"},
		"typed as an access token":   {signAs(t, key, "application/AT+JWT", nil, p.claims(nil)), 200, "oidc:alice"},
		"a logout token":             {signAs(t, key, "logout+jwt", nil, p.claims(nil)), 401, "invalid_token"},
		"a type that is no text":     {signAs(t, key, "", map[jose.HeaderKey]any{"typ": 7}, p.claims(nil)), 401, "invalid_token"},
		"an ID token":                {signAs(t, key, "JWT", nil, p.claims(map[string]any{"scope": nil, "nonce": "x", "at_hash": "x"})), 403, "insufficient_scope"},
		"another's authorized party": {key.sign(t, p.claims(map[string]any{"azp": "another-client"})), 200, "oidc:alice"},
		"a critical header":          {signAs(t, key, "JWT", map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}, p.claims(nil)), 401, "invalid_token"},
		"a token in the token":       {signText(t, key, valid), 401, "invalid_token"},
		"claims that are a list":     {signText(t, key, "[]"), 401, "invalid_token"},
		"claims twice":               {signText(t, key, string(payload)+string(payload)), 401, "invalid_token"},
		"audiences of another type":  {key.sign(t, p.claims(map[string]any{"aud": map[string]any{"x": audience}})), 401, "invalid_token"},
		"the audience as a prefix":   {key.sign(t, p.claims(map[string]any{"aud": audience + "/"})), 401, "invalid_token"},
		"an audience in other case":  {key.sign(t, p.claims(map[string]any{"aud": strings.ToUpper(audience)})), 401, "invalid_token"},
		"expiry at the end of time":  {key.sign(t, p.claims(map[string]any{"exp": 253402300799})), 200, "oidc:alice"},
		"expiry beyond all time":     {key.sign(t, p.claims(map[string]any{"exp": 1e300})), 401, "invalid_token"},
		"expiry before all time":     {key.sign(t, p.claims(map[string]any{"exp": -1})), 401, "invalid_token"},
		"a scope that begins alike":  {key.sign(t, p.claims(map[string]any{"scope": "zego:assets2 xzego:assets ZEGO:ASSETS"})), 403, "insufficient_scope"},
		"scopes in other blanks":     {key.sign(t, p.claims(map[string]any{"scope": "\tzego:assets\n"})), 200, "[assets]"},
		"an encrypted token":         {"eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..x.x.x", 401, "invalid_token"},
		"JSON serialization":         {`{"payload":"` + encode(payload) + `"}`, 401, "invalid_token"},
		"the algorithm of the other": {sign(t, elliptical, jose.ES256, "one", p.claims(nil)), 401, "invalid_token"},
	} {
		w := ask(gate, http.MethodPost, "/mcp", "Bearer "+tt.token)
		got := w.Body.String()
		if tt.status != http.StatusOK {
			got = w.Header().Get("WWW-Authenticate")
		}
		if w.Code != tt.status || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %d %s, want %d %s", name, w.Code, got, tt.status, tt.want)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// TestKeyRotation changes the provider's keys, and sends tokens of keys that do not exist.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	advance := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	gate := p.newGate(t, audience, clock).Middleware(tell)
	first, second, unknown := newRSA(t, "one"), newRSA(t, "two"), newRSA(t, "unknown")
	longLived := map[string]any{"exp": now.Add(100 * time.Hour).Unix()}
	status := func(key signingKey) int {
		return ask(gate, http.MethodPost, "/mcp", "Bearer "+key.sign(t, p.claims(longLived))).Code
	}
	expect := func(step string, key signingKey, want int, fetches int32) {
		t.Helper()
		if got := status(key); got != want {
			t.Errorf("%s: got %d, want %d", step, got, want)
		}
		if n := p.fetches.Load(); n != fetches {
			t.Errorf("%s: %d fetches, want %d", step, n, fetches)
		}
	}
	p.publish(first)
	expect("the first token", first, 200, 1)
	for range 50 {
		expect("an unknown key", unknown, 401, 1)
	}
	p.publish(first, second)
	expect("a new key, at once", second, 401, 1)
	advance(11 * time.Second)
	var flood sync.WaitGroup
	token := unknown.sign(t, p.claims(longLived))
	for range 20 {
		flood.Go(func() { ask(gate, http.MethodPost, "/mcp", "Bearer "+token) })
	}
	flood.Wait()
	expect("a flood of unknown keys", unknown, 401, 2)
	expect("a new key", second, 200, 2)
	p.publish(second)
	advance(16 * time.Minute)
	for status(first) == http.StatusOK { // The keys are fetched in the background.
	}
	expect("a key that was withdrawn", first, 401, 3)
	expect("the new key", second, 200, 3)
	p.mu.Lock()
	p.jwks = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
	p.mu.Unlock()
	advance(16 * time.Minute)
	for p.fetches.Load() < 4 {
		if got := status(second); got != http.StatusOK {
			t.Fatalf("got %d", got)
		}
	}
	expect("the provider does not answer", second, 200, 4)
	advance(25 * time.Hour)
	for p.fetches.Load() < 5 { // The fetch before may still be running.
		if got := status(second); got != http.StatusServiceUnavailable {
			t.Fatalf("got %d", got)
		}
	}
	expect("the provider does not answer for a day", second, 503, 5)
}

// TestSlowKeys sends tokens of a known key while the provider does not answer the question for
// another one.
func TestSlowKeys(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	gate := p.newGate(t, audience, clock).Middleware(tell)
	known, unknown := newRSA(t, "one"), newRSA(t, "two")
	p.publish(known)
	good, bad := "Bearer "+known.sign(t, p.claims(nil)), "Bearer "+unknown.sign(t, p.claims(nil))
	if w := ask(gate, http.MethodPost, "/mcp", good); w.Code != http.StatusOK {
		t.Fatalf("got %d", w.Code)
	}
	asked, answer := make(chan struct{}), make(chan struct{})
	p.mu.Lock()
	p.jwks = func(http.ResponseWriter, *http.Request) { close(asked); <-answer }
	p.mu.Unlock()
	mu.Lock()
	now = now.Add(11 * time.Second)
	mu.Unlock()
	refused := make(chan int)
	go func() { refused <- ask(gate, http.MethodPost, "/mcp", bad).Code }()
	<-asked
	for range 100 {
		if w := ask(gate, http.MethodPost, "/mcp", good); w.Code != http.StatusOK {
			t.Errorf("got %d", w.Code)
		}
	}
	close(answer)
	if got := <-refused; got != http.StatusUnauthorized {
		t.Errorf("the unknown key: got %d", got)
	}
}

// TestBadKeys lets the provider answer what is no key set. Nobody knows then which tokens are valid.
func TestBadKeys(t *testing.T) {
	t.Parallel()
	for name, jwks := range map[string]http.HandlerFunc{
		"HTML":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Sign in</html>") },
		"no keys": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) },
		"a secret": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{"kty":"oct","kid":"one","k":"c2VjcmV0"}]}`)
		},
		"not found": http.NotFound,
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://example.com/", http.StatusFound)
		},
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[`)
			for range 3 << 10 {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<10)); err != nil {
					return
				}
			}
			_, _ = io.WriteString(w, `]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			p.jwks = jwks
			key := newRSA(t, "one")
			gate := p.newGate(t, audience, nil).Middleware(tell)
			if w := ask(gate, http.MethodPost, "/mcp", "Bearer "+key.sign(t, p.claims(nil))); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "10" || w.Header().Get("WWW-Authenticate") != "" {
				t.Errorf("got %d %v", w.Code, w.Header())
			}
			if w := ask(gate, http.MethodPost, "/mcp", "Bearer x"); w.Code != http.StatusUnauthorized {
				t.Errorf("what is no JWT: got %d", w.Code)
			}
			if n := p.fetches.Load(); n != 1 {
				t.Errorf("%d fetches", n)
			}
		})
	}
}

// TestMetadata reads the protected-resource metadata, and the challenges that name it.
func TestMetadata(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	for _, tt := range []struct{ audience, path, resource, metadata string }{
		{audience, "", audience, "https://mcp.example.com" + auth.MetadataPath + "/mcp"},
		{audience, "/mcp", audience, "https://mcp.example.com" + auth.MetadataPath + "/mcp"},
		{"zego-mcp", "/mcp", "http://example.com/mcp", "http://example.com" + auth.MetadataPath + "/mcp"},
		{"zego-mcp", "/sse", "http://example.com/sse", "http://example.com" + auth.MetadataPath + "/sse"},
	} {
		gate := p.newGate(t, tt.audience, nil)
		w := ask(gate.Metadata(), http.MethodGet, auth.MetadataPath+tt.path)
		want := fmt.Sprintf(`{"resource":%q,"authorization_servers":[%q],"scopes_supported":["zego:assets","zego:streaming"],"bearer_methods_supported":["header"],"resource_name":"ZEGOCLOUD Digital Human (zego-mcp)"}`+"\n", tt.resource, p.URL)
		if w.Body.String() != want || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s%s: got %s %v, want %s", tt.audience, tt.path, w.Body, w.Header(), want)
		}
		challenge := ask(gate.Middleware(tell), http.MethodPost, cmp.Or(tt.path, "/mcp")).Header().Get("WWW-Authenticate")
		if want := `Bearer realm="zego-mcp", resource_metadata="` + tt.metadata + `", scope="zego:assets zego:streaming"`; challenge != want {
			t.Errorf("got %s, want %s", challenge, want)
		}
	}
	metadata := p.newGate(t, audience, nil).Metadata()
	for method, want := range map[string]int{http.MethodOptions: 204, http.MethodPost: 405} {
		if w := ask(metadata, method, auth.MetadataPath); w.Code != want {
			t.Errorf("%s: got %d", method, w.Code)
		}
	}
	if w := ask(metadata, http.MethodGet, "/.well-known/openid-configuration"); w.Code != http.StatusNotFound {
		t.Errorf("got %d", w.Code)
	}
}

func TestOIDCOptions(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]string{
		"https://id.example.com/realms/x": "", "http://localhost:5556/dex": "", "http://[::1]:1": "",
		"http://id.example.com": "must be https", "id.example.com": "must be a URL", "": "must be a URL", "ftp://localhost": "must be https",
		"https://u:p@id.example.com": "must be a URL", "https://id.example.com?x": "must be a URL", "https://id.example.com/#x": "must be a URL",
	} {
		_, err := auth.NewOIDC(auth.OIDCOptions{Issuer: issuer, Audience: "x"})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", issuer, err, want)
		}
	}
	if _, err := auth.NewOIDC(auth.OIDCOptions{Issuer: "https://id.example.com"}); err == nil {
		t.Error("an audience is needed")
	}
}
