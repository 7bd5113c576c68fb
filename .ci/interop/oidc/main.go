// Command oidc is an OpenID Connect provider for .ci/interop: zitadel's, with its storage in
// memory. It hands out access tokens that are JWTs.
//
//	oidc [-oauth-metadata] AUDIENCE
//
// The client sid1 with the secret verysecret gets tokens for AUDIENCE by the grant
// client_credentials. Clients whose ids begin with native-, and which have no secret, get tokens by
// authorization codes with PKCE, for the resource that they ask for (RFC 8707); without one the
// tokens are for nobody but the client. The user is logged in at once, and grants the scope
// zego:streaming only when asked for the second time.
//
// With -oauth-metadata, the provider also serves the metadata of RFC 8414, in which it offers to
// register clients (RFC 7591). Without it, clients find only what zitadel's library serves: the
// metadata of OpenID Connect Discovery.
//
// It prints its issuer URL in one line. POST /rotate makes it sign with a new key, and withdraw the
// one before. GET /logins lists the authorizations, and DELETE /logins forgets them.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// costly is the scope that the user does not grant at first.
const costly = "zego:streaming"

// provider is zitadel's storage with keys that can be rotated, clients that can be registered, and
// audiences.
type provider struct {
	*storage.Storage
	audience string // Of the tokens for sid1.

	mu        sync.Mutex // guards what follows
	key       signingKey
	clients   map[string]op.Client
	resources map[string]string // By the ids of authorization requests.
	logins    []login
}

// login is an authorization that a client has asked for.
type login struct {
	Client, Resource string
	Asked, Granted   []string // Scopes.
	PKCE             string   // The method.
}

// signingKey is an op.SigningKey and an op.Key.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func (k signingKey) ID() string                                  { return k.id }
func (k signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k signingKey) Key() any                                    { return k.private }

// publicKey is the public half of a signingKey.
type publicKey struct{ signingKey }

func (k publicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                           { return &k.private.PublicKey }

func (p *provider) rotate() {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		log.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = signingKey{rand.Text(), private}
}

func (p *provider) current() signingKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key
}

func (p *provider) SigningKey(context.Context) (op.SigningKey, error) { return p.current(), nil }

func (p *provider) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (p *provider) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{p.current()}}, nil
}

// client is a client whose access tokens are JWTs, with any scope.
type client struct{ op.Client }

func (client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }
func (client) IsScopeAllowed(string) bool          { return true }

func (p *provider) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	found, err := p.Storage.ClientCredentials(ctx, id, secret)
	if err != nil {
		return nil, err
	}
	return client{found}, nil
}

func (p *provider) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &oidc.JWTTokenRequest{Subject: id, Audience: []string{p.audience}, Scopes: scopes}, nil
}

// GetPrivateClaimsFromScopes puts the scopes into the token, as RFC 9068 wants.
func (p *provider) GetPrivateClaimsFromScopes(_ context.Context, _, _ string, scopes []string) (map[string]any, error) {
	return map[string]any{"scope": strings.Join(scopes, " ")}, nil
}

func (p *provider) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, ok := p.clients[id]; ok {
		return found, nil
	}
	if strings.HasPrefix(id, "native-") {
		return client{storage.NativeClient(id, "http://127.0.0.1/callback")}, nil
	}
	return nil, errors.New("client not found")
}

// register adds a client without a secret.
func (p *provider) register(id string, redirectURIs ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients[id] = client{storage.NativeClient(id, redirectURIs...)}
}

// authRequest is an authorization request for a resource.
type authRequest struct {
	*storage.AuthRequest
	audience []string
}

func (r authRequest) GetAudience() []string { return r.audience }

// withResource returns an authorization request of the storage as one for its resource.
func (p *provider) withResource(request op.AuthRequest, err error) (op.AuthRequest, error) {
	stored, ok := request.(*storage.AuthRequest)
	if err != nil || !ok {
		return request, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	audience := []string{stored.ApplicationID}
	if resource := p.resources[stored.ID]; resource != "" {
		audience = []string{resource}
	}
	return authRequest{stored, audience}, nil
}

// resourceKey is the key of the parameter resource in the context of a request.
type resourceKey struct{}

func (p *provider) CreateAuthRequest(ctx context.Context, request *oidc.AuthRequest, user string) (op.AuthRequest, error) {
	resource, _ := ctx.Value(resourceKey{}).(string)
	asked := slices.Clone([]string(request.Scopes))
	p.mu.Lock()
	first := len(p.logins) == 0
	p.mu.Unlock()
	if first {
		request.Scopes = slices.DeleteFunc(request.Scopes, func(scope string) bool { return scope == costly })
	}
	created, err := p.Storage.CreateAuthRequest(ctx, request, user)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.resources[created.GetID()] = resource
	p.logins = append(p.logins, login{request.ClientID, resource, asked, request.Scopes, string(request.CodeChallengeMethod)})
	p.mu.Unlock()
	return p.withResource(created, nil)
}

func (p *provider) AuthRequestByID(ctx context.Context, id string) (op.AuthRequest, error) {
	return p.withResource(p.Storage.AuthRequestByID(ctx, id))
}

// AuthRequestByCode refuses a token request for another resource than that of the code.
func (p *provider) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	request, err := p.withResource(p.Storage.AuthRequestByCode(ctx, code))
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if resource, _ := ctx.Value(resourceKey{}).(string); resource != p.resources[request.GetID()] {
		return nil, oidc.ErrInvalidGrant().WithDescription("the code is for another resource")
	}
	return request, nil
}

// logIn logs the user in, who has no password to type, and sends the browser back.
func (p *provider) logIn(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("authRequestID")
	if err := p.CheckUsernamePassword("test-user@127.0.0.1", "verysecure", id); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, "/authorize/callback?id="+url.QueryEscape(id), http.StatusFound)
}

// registerClient answers a request of RFC 7591.
func (p *provider) registerClient(w http.ResponseWriter, r *http.Request) {
	metadata := map[string]any{}
	var uris struct {
		RedirectURIs []string `json:"redirect_uris"`
	}
	if err := json.NewDecoder(r.Body).Decode(&metadata); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, _ := json.Marshal(metadata)
	_ = json.Unmarshal(text, &uris)
	id := "registered-" + rand.Text()
	p.register(id, uris.RedirectURIs...)
	metadata["client_id"], metadata["client_id_issued_at"], metadata["token_endpoint_auth_method"] = id, time.Now().Unix(), "none"
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(metadata)
}

// oauthMetadata returns a handler that serves the metadata of OpenID Connect Discovery as that of
// RFC 8414, with an endpoint to register clients.
func oauthMetadata(server http.Handler, issuer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, httptest.NewRequestWithContext(r.Context(), http.MethodGet, issuer+oidc.DiscoveryEndpoint, http.NoBody))
		metadata := map[string]any{}
		if err := json.Unmarshal(answer.Body.Bytes(), &metadata); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		metadata["registration_endpoint"] = issuer + "/register"
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(metadata)
	}
}

// keepResource passes the parameter resource of a request on in its context.
func keepResource(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), resourceKey{}, r.FormValue("resource"))))
	})
}

func main() {
	withOAuthMetadata := flag.Bool("oauth-metadata", false, "serve the metadata of RFC 8414, and register clients")
	flag.Parse()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	issuer := "http://" + listener.Addr().String()
	p := &provider{
		Storage: storage.NewStorage(storage.NewUserStore(issuer)), audience: flag.Arg(0),
		clients: map[string]op.Client{}, resources: map[string]string{},
	}
	p.rotate()
	server, err := op.NewProvider(&op.Config{CryptoKey: sha256.Sum256([]byte("test")), CodeMethodS256: true, AuthMethodPost: true},
		p, op.StaticIssuer(issuer), op.WithAllowInsecure())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", keepResource(server))
	mux.HandleFunc("GET /login/username", p.logIn)
	mux.HandleFunc("POST /rotate", func(http.ResponseWriter, *http.Request) { p.rotate() })
	mux.HandleFunc("GET /logins", func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		_ = json.NewEncoder(w).Encode(p.logins)
	})
	mux.HandleFunc("DELETE /logins", func(http.ResponseWriter, *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.logins = nil
	})
	if *withOAuthMetadata {
		mux.HandleFunc("GET /.well-known/oauth-authorization-server", oauthMetadata(server, issuer))
		mux.HandleFunc("POST /register", p.registerClient)
	}
	fmt.Println(issuer)
	log.Fatal((&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(listener))
}
