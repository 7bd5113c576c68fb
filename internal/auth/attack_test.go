package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/auth"
	"zego-mcp/tools"

	"github.com/go-jose/go-jose/v4"
)

// TestKeysElsewhere sends tokens whose headers say where their keys are, or hold them. Those keys
// are neither used nor fetched.
func TestKeysElsewhere(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	key, stranger := newRSA(t, "one"), newRSA(t, "one")
	p.publish(key)
	var fetched atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: stranger.private.Public(), KeyID: "one"}}})
	}))
	defer elsewhere.Close()
	gate := p.newGate(t, audience, nil).Middleware(tell)
	for name, headers := range map[string]map[jose.HeaderKey]any{
		"jku":           {"jku": elsewhere.URL},
		"x5u":           {"x5u": elsewhere.URL},
		"jwk":           {"jwk": jose.JSONWebKey{Key: stranger.private.Public(), KeyID: "one"}},
		"a path as kid": {"kid": "../../" + elsewhere.URL},
	} {
		token := signAs(t, stranger, "JWT", headers, p.claims(nil))
		if w := ask(gate, http.MethodPost, "/mcp", "Bearer "+token); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d", name, w.Code)
		}
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d fetches from where the tokens say", n)
	}
}

// TestTokenElsewhere sends a valid token in other places than the header Authorization.
func TestTokenElsewhere(t *testing.T) {
	t.Parallel()
	tokens, err := auth.OpenTokens(writeTokens(t, "["+entryOf("alice", aliceToken)+"}]"), nil)
	if err != nil {
		t.Fatal(err)
	}
	gate := auth.NewGate(auth.Options{Tokens: tokens}).Middleware(tell)
	form := "access_token=" + aliceToken
	for name, change := range map[string]func(*http.Request){
		"a cookie":          func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "access_token", Value: aliceToken}) },
		"another header":    func(r *http.Request) { r.Header.Set("X-Api-Key", aliceToken) },
		"the proxy header":  func(r *http.Request) { r.Header.Set("Proxy-Authorization", "Bearer "+aliceToken) },
		"a form":            func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") },
		"user and password": func(r *http.Request) { r.SetBasicAuth("alice", aliceToken) },
	} {
		r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(form))
		change(r)
		w := httptest.NewRecorder()
		gate.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d", name, w.Code)
		}
	}
}

// TestTokenFileModes opens token files that other users of the machine may or may not use.
func TestTokenFileModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	for mode, valid := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o644: false, 0o604: false, 0o602: false, 0o601: false, 0o666: false} {
		file := writeTokens(t, "["+entryOf("alice", aliceToken)+"}]")
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(file, link); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{file, link} {
			if _, err := auth.OpenTokens(name, nil); (err == nil) != valid || err != nil && !strings.Contains(err.Error(), "chmod 600") {
				t.Errorf("mode %04o: got %v", mode, err)
			}
		}
	}
	if _, err := auth.OpenTokens(t.TempDir(), nil); err == nil {
		t.Error("a directory was read")
	}
}

// TestLongLivedTokens lets streams of tokens run that expire at the end of time.
func TestLongLivedTokens(t *testing.T) {
	t.Parallel()
	file := writeTokens(t, "["+entryOf("alice", aliceToken)+`,"expires":"9999-12-31T23:59:59Z"}]`)
	synctest.Test(t, func(t *testing.T) {
		tokens, err := auth.OpenTokens(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		var ended error
		gate := auth.NewGate(auth.Options{Tokens: tokens}).Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(24 * time.Hour)
			ended = r.Context().Err()
		}))
		ask(gate, http.MethodGet, "/sse", "Bearer "+aliceToken)
		if ended != nil {
			t.Errorf("the stream ended: %v", ended)
		}
	})
}

// TestChangedRights changes what a token may while a stream of it is open, which ends by that.
func TestChangedRights(t *testing.T) {
	t.Parallel()
	file := writeTokens(t, "["+entryOf("alice", aliceToken)+`,"toolsets":["all"]}]`)
	tokens, err := auth.OpenTokens(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	open := make(chan context.Context)
	gate := auth.NewGate(auth.Options{Tokens: tokens}).Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		open <- r.Context()
		<-r.Context().Done()
	}))
	ended := make(chan struct{})
	go func() {
		ask(gate, http.MethodGet, "/sse", "Bearer "+aliceToken)
		close(ended)
	}()
	stream := <-open
	tokens.Reread()
	if stream.Err() != nil {
		t.Error("the stream ended although nothing has changed")
	}
	if err := os.WriteFile(file, []byte("["+entryOf("alice", aliceToken)+"}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	tokens.Reread()
	<-ended
}

// TestOIDCExpiry lets an access token expire, before a request and during one.
func TestOIDCExpiry(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	key := newRSA(t, "one")
	p.publish(key)
	began := time.Now().Truncate(time.Second)
	now := began
	clock := func() time.Time { return now }
	bearer := "Bearer " + key.sign(t, p.claims(map[string]any{"exp": began.Unix()}))
	gate := p.newGate(t, audience, clock).Middleware(tell)
	for after, want := range map[time.Duration]int{-time.Hour: 200, -time.Second: 200, 0: 401, time.Minute: 401} {
		now = began.Add(after)
		if w := ask(gate, http.MethodPost, "/mcp", bearer); w.Code != want {
			t.Errorf("%v after the expiry: got %d, want %d", after, w.Code, want)
		}
	}
	// By the clock of this machine the token has expired two minutes ago, a minute more than a
	// request may go on.
	now = began.Add(-time.Hour)
	old := "Bearer " + key.sign(t, p.claims(map[string]any{"exp": began.Add(-2 * time.Minute).Unix()}))
	ask(p.newGate(t, audience, clock).Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	})), http.MethodGet, "/sse", old)
}

// TestOIDCFlood sends tokens of unknown keys as fast as it can while the provider does not answer.
// The right token is admitted meanwhile, and the provider is asked once.
func TestOIDCFlood(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	known, unknown := newRSA(t, "one"), newRSA(t, "two")
	p.publish(known)
	var mu sync.Mutex
	now := time.Now()
	gate := p.newGate(t, audience, func() time.Time { mu.Lock(); defer mu.Unlock(); return now }).Middleware(tell)
	good, bad := "Bearer "+known.sign(t, p.claims(nil)), "Bearer "+unknown.sign(t, p.claims(nil))
	if w := ask(gate, http.MethodPost, "/mcp", good); w.Code != http.StatusOK {
		t.Fatalf("got %d", w.Code)
	}
	answer := make(chan struct{})
	p.mu.Lock()
	p.jwks = func(w http.ResponseWriter, _ *http.Request) { <-answer; http.NotFound(w, nil) }
	p.mu.Unlock()
	mu.Lock()
	now = now.Add(11 * time.Second)
	mu.Unlock()
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			if w := ask(gate, http.MethodPost, "/mcp", bad); w.Code != http.StatusUnauthorized {
				t.Errorf("an unknown key: got %d", w.Code)
			}
		})
	}
	for range 200 {
		if w := ask(gate, http.MethodPost, "/mcp", good); w.Code != http.StatusOK {
			t.Errorf("the right token: got %d", w.Code)
		}
	}
	close(answer)
	wg.Wait()
	for range 2000 {
		ask(gate, http.MethodPost, "/mcp", bad)
	}
	if n := p.fetches.Load(); n != 2 {
		t.Errorf("the keys were fetched %d times, want once at first and once for all unknown keys", n)
	}
}

// TestStepUp checks what a caller is told who lacks a toolset.
func TestStepUp(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	key := newRSA(t, "one")
	p.publish(key)
	gate := p.newGate(t, audience, nil)
	handler := gate.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := auth.CallerOf(r.Context())
		challenge, text := gate.StepUp(r, tools.Lacking{Name: "create_stream_task", Toolset: tools.Streaming})
		_, _ = fmt.Fprintf(w, "%t\n%s\n%s", caller.HasScopes, challenge, text)
	}))
	for scope, scopes := range map[string]string{"openid zego:assets": "zego:assets zego:streaming", "zego:streaming": "zego:streaming"} {
		w := ask(handler, http.MethodPost, "/mcp", "Bearer "+key.sign(t, p.claims(map[string]any{"scope": scope})))
		want := `true
Bearer realm="zego-mcp", error="insufficient_scope", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", scope="` + scopes + `", error_description="create_stream_task needs the scope zego:streaming"
create_stream_task needs the scope zego:streaming, which the caller's token does not have.
What to do: `
		if got := w.Body.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", scope, got, want)
		}
	}
}

// TestMetadataPaths asks for the metadata by paths that are nearly right.
func TestMetadataPaths(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	behindPrefix := "https://example.com/zego/mcp"
	for _, tt := range []struct {
		audience, path string
		want           int
		cache          string
	}{
		{audience, "", 200, "public, max-age=600"},
		{audience, "/mcp", 200, "public, max-age=600"},
		{"zego-mcp", "/mcp", 200, "no-store"},
		{behindPrefix, "/zego/mcp", 200, "public, max-age=600"},
		{audience, "/zego/mcp", 404, ""},
		{audience, "/", 404, ""},
		{audience, "/mcp/", 404, ""},
		{audience, "/mcp/../mcp", 404, ""},
		{audience, "//evil.example.com", 404, ""},
		{audience, "x", 404, ""},
		{"https://example.com/", "", 200, "public, max-age=600"},
	} {
		w := ask(p.newGate(t, tt.audience, nil).Metadata(), http.MethodGet, "http://example.com"+auth.MetadataPath+tt.path)
		if w.Code != tt.want || w.Header().Get("Cache-Control") != tt.cache {
			t.Errorf("%s %s: got %d %v, want %d %s", tt.audience, tt.path, w.Code, w.Header(), tt.want, tt.cache)
		}
	}
	metadata := p.newGate(t, audience, nil).Metadata()
	preflight := ask(metadata, http.MethodOptions, auth.MetadataPath+"/mcp").Header()
	if preflight.Get("Access-Control-Allow-Origin") != "*" || preflight.Get("Access-Control-Allow-Headers") == "" || preflight.Get("Access-Control-Max-Age") == "" {
		t.Errorf("a browser's preflight request: got %v", preflight)
	}
	if w := ask(metadata, http.MethodHead, auth.MetadataPath); w.Code != http.StatusOK {
		t.Errorf("HEAD: got %d", w.Code)
	}
	if w := ask(metadata, http.MethodDelete, auth.MetadataPath); w.Header().Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("DELETE: got %v", w.Header())
	}
}
