package cli_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// identityProvider hands out access tokens with the scopes that a test asks for.
type identityProvider struct {
	*httptest.Server
	signer jose.Signer
}

func newIdentityProvider(t *testing.T) *identityProvider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &identityProvider{}
	if p.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithType("at+jwt").WithHeader("kid", "one")); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, p.URL, p.URL+"/keys")
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "one"}}})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// token returns an access token of alice for the audience zego-mcp.
func (p *identityProvider) token(t *testing.T, scope string) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{"iss": p.URL, "aud": "zego-mcp", "sub": "alice", "scope": scope, "exp": time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := p.signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// end sends SIGTERM to a program, and returns what it has logged since.
func end(t *testing.T, p *program) string {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	logged, _ := io.ReadAll(p.stderr)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	return string(logged)
}

// rpc returns a message to call a tool, get a prompt or read a resource.
func rpc(method, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":"x","method":%q,"params":%s}`, method, params)
}

// TestStepUp asks for more than the scope of a token allows, and for what no scope would give.
func TestStepUp(t *testing.T) {
	t.Parallel()
	idp := newIdentityProvider(t)
	file := filepath.Join(t.TempDir(), "tokens.json")
	static := newToken(t, "bob", "--file", file)
	p := start(t, "serve", "--simulate", "--toolsets", "all", "--transport", "http", "--listen", "127.0.0.1:0",
		"--oidc-issuer", idp.URL, "--oidc-audience", "zego-mcp", "--auth-tokens", file)
	url := loggedURL(t, p)
	assets, streaming, all := idp.token(t, "zego:assets"), idp.token(t, "openid zego:streaming"), idp.token(t, "zego:assets zego:streaming")
	const create = `{"name":"create_stream_task","arguments":{"RoomId":"r"}}`
	for _, tt := range []struct {
		name, token, body string
		status            int
		want              string // In the answer.
		scope             string // In the challenge.
	}{
		{"a tool", assets, rpc("tools/call", create), 403, "create_stream_task needs the scope zego:streaming, which", "zego:assets zego:streaming"},
		{"a tool that looks", streaming, rpc("tools/call", `{"name":"list_timbres"}`), 403, "list_timbres needs the scope zego:assets", "zego:assets zego:streaming"},
		{"a prompt", assets, rpc("prompts/get", `{"name":"go_live"}`), 403, "go_live needs the scope zego:streaming", "zego:assets zego:streaming"},
		{"a resource", streaming, rpc("resources/read", `{"uri":"zego://stream-tasks/x"}`), 403, "stream_task needs the scope zego:assets", "zego:assets zego:streaming"},
		{"a misspelt tool", assets, rpc("tools/call", `{"name":"create_stream_tasks"}`), 200, "did you mean", ""},
		{"no tool", assets, rpc("tools/call", `{"name":"fly"}`), 200, "known:", ""},
		{"a tool for local agents", assets, rpc("tools/call", `{"name":"drive_by_audio_file"}`), 200, "which the caller's token does not have", ""},
		{"with all scopes", all, rpc("tools/call", create), 200, "DigitalHumanId is required", ""},
		{"with a static token", static, rpc("tools/call", create), 200, "which the caller's token does not have", ""},
		{"the list", assets, rpc("tools/list", `{}`), 200, "list_timbres", ""},
	} {
		resp, text := post(t, url, tt.token, "", tt.body)
		challenge := resp.Header.Get("WWW-Authenticate")
		if resp.StatusCode != tt.status || !strings.Contains(text, tt.want) || !strings.Contains(text, `"id":"x"`) {
			t.Errorf("%s: got %s %s, want %d with %s", tt.name, resp.Status, text, tt.status, tt.want)
		}
		if (challenge != "") != (tt.scope != "") || !strings.Contains(challenge, `scope="`+tt.scope+`"`) && tt.scope != "" {
			t.Errorf("%s: got the challenge %s, want %q", tt.name, challenge, tt.scope)
		}
	}
	logged := end(t, p)
	if n := strings.Count(logged, `lacks the toolset`); n != 4 || !strings.Contains(logged, `"subject":"oidc:alice"`) {
		t.Errorf("%d refusals in the log, want 4: %s", n, logged)
	}
	if strings.Contains(logged, "eyJ") || strings.Contains(logged, "zmcp_") {
		t.Errorf("a token is in the log: %s", logged)
	}
}

// TestMetadataEdge reads the protected-resource metadata through a trusted proxy, over TLS, and from
// a page of another site.
func TestMetadataEdge(t *testing.T) {
	t.Parallel()
	idp := newIdentityProvider(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, 1)
	oidc := []string{"serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0", "--oidc-issuer", idp.URL, "--oidc-audience", "zego-mcp"}
	behind := start(t, append(oidc, "--trusted-proxy", "127.0.0.0/8", "--allow-host", "mcp.example.com")...)
	alone := start(t, append(oidc, "--tls-cert", cert, "--tls-key", key)...)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	forwarded := map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "mcp.example.com", "Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"}
	behindURL, aloneURL := strings.TrimSuffix(loggedURL(t, behind), "/mcp"), strings.TrimSuffix(loggedURL(t, alone), "/mcp")
	// get returns a response, whose body has been read, and the body.
	get := func(url string, header map[string]string) (*http.Response, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range header {
			req.Header.Set(name, value)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		return resp, string(text)
	}
	for base, want := range map[string]string{behindURL: "https://mcp.example.com", aloneURL: aloneURL} {
		for _, path := range []string{"", "/mcp"} {
			resp, text := get(base+"/.well-known/oauth-protected-resource"+path, forwarded)
			if !strings.Contains(text, fmt.Sprintf(`"resource":%q`, want+"/mcp")) || resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s%s: got %s %v %s", base, path, resp.Status, resp.Header, text)
			}
		}
		header := map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "mcp.example.com"}
		resp, _ := get(base+"/mcp", header)
		if challenge := resp.Header.Get("WWW-Authenticate"); !strings.Contains(challenge, `resource_metadata="`+want+`/.well-known/oauth-protected-resource/mcp"`) {
			t.Errorf("%s: got the challenge %s", base, challenge)
		}
	}
	if _, text := get(behindURL+"/.well-known/oauth-protected-resource", map[string]string{"X-Forwarded-Host": `a"b`, "X-Forwarded-Proto": "javascript"}); !strings.Contains(text, fmt.Sprintf(`"resource":%q`, behindURL+"/mcp")) {
		t.Errorf("odd headers of a proxy: got %s", text)
	}
	end(t, behind)
	end(t, alone)
}

// TestGateOnTheWire sends what an HTTP library would not send. Nothing is answered without a token.
func TestGateOnTheWire(t *testing.T) {
	t.Parallel()
	idp := newIdentityProvider(t)
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0", "--oidc-issuer", idp.URL, "--oidc-audience", "zego-mcp")
	url := loggedURL(t, p)
	address := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/mcp")
	bearer := "Authorization: Bearer " + idp.token(t, "zego:assets") + "\r\n"
	const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	host, body := "Host: localhost\r\n", fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(ping), ping)
	for name, tt := range map[string]struct {
		request string
		want    int
	}{
		"a token":                 {"POST /mcp HTTP/1.1\r\n" + host + bearer + body, 200},
		"the name in small":       {"POST /mcp HTTP/1.1\r\n" + host + strings.ToLower(bearer[:21]) + bearer[21:] + body, 200},
		"a folded header":         {"POST /mcp HTTP/1.1\r\n" + host + strings.Replace(bearer, "Bearer ", "Bearer\r\n ", 1) + body, 200},
		"a blank before colon":    {"POST /mcp HTTP/1.1\r\n" + host + strings.Replace(bearer, ":", " :", 1) + body, 400},
		"two headers":             {"POST /mcp HTTP/1.1\r\n" + host + bearer + bearer + body, 400},
		"a header of 64 kB":       {"POST /mcp HTTP/1.1\r\n" + host + "Authorization: Bearer " + strings.Repeat("x", 80<<10) + "\r\n" + body, 431},
		"no token":                {"POST /mcp HTTP/1.1\r\n" + host + body, 401},
		"a dot path":              {"POST /.well-known/../mcp HTTP/1.1\r\n" + host + body, 307},
		"an encoded dot path":     {"POST /.well-known/oauth-protected-resource/%2e%2e/%2e%2e/mcp HTTP/1.1\r\n" + host + body, 404},
		"two slashes":             {"POST //mcp HTTP/1.1\r\n" + host + body, 307},
		"an encoded slash":        {"POST /.well-known/oauth-protected-resource%2fmcp HTTP/1.1\r\n" + host + body, 405},
		"an absolute URL":         {"POST http://localhost/mcp HTTP/1.1\r\n" + host + body, 401},
		"another host in a URL":   {"POST http://evil.example.com/mcp HTTP/1.1\r\n" + host + bearer + body, 403},
		"CONNECT":                 {"CONNECT /mcp HTTP/1.1\r\n" + host + body, 401},
		"CONNECT to a dot path":   {"CONNECT /.well-known/../mcp HTTP/1.1\r\n" + host + body, 404},
		"quotes in the host":      {"GET /mcp HTTP/1.1\r\nHost: a\"b\r\n\r\n", 400},
		"a token as a trailer":    {"POST /mcp HTTP/1.1\r\n" + host + "Content-Type: application/json\r\nTrailer: Authorization\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n%s\r\n0\r\n%s\r\n", len(ping), ping, bearer), 401},
		"HTTP/1.0 without a host": {"POST /mcp HTTP/1.0\r\n" + body, 403},
	} {
		if got := statusOf(t, address, tt.request); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
	end(t, p)
}

// statusOf sends a request as it is, and returns the status of the answer.
func statusOf(t *testing.T, address, request string) int {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() { _, _ = io.WriteString(conn, request) }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.60s: %v", request, err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
