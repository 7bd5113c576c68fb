package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"zego-mcp/internal/health"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// tokenVariable is the environment variable with the bearer token for doctor --url. It has no
// flag, which would show in the process list.
const tokenVariable = "ZEGO_MCP_TOKEN" //nolint:gosec // It is a name.

const (
	// minCertificateLife is how long a certificate must be valid still.
	minCertificateLife = 14 * 24 * time.Hour
	// maxProbeAnswer is how many bytes of an answer to a probe are read.
	maxProbeAnswer = 64 << 10
)

// remoteServer is a server that doctor checks from outside.
type remoteServer struct {
	url   *url.URL // Of its MCP endpoint.
	token string   // Empty: none is sent.
	http  *http.Client
}

// checkServer checks a running server, in the order in which a client's call can fail. It fails
// if it finds a fault.
func (c *doctorCommand) checkServer(e *env, report *report) error {
	target, err := url.Parse(c.URL)
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" || target.User != nil || target.RawQuery != "" {
		return usageError{errors.New("--url must be an http or https URL without a password and a query, such as https://mcp.example.com/mcp")}
	}
	if target.Path == "" || target.Path == "/" {
		target.Path = "/mcp"
	}
	ctx, cancel := context.WithTimeout(e.ctx, e.settings.Timeout)
	defer cancel()
	// No redirect is followed: it could lead the token elsewhere.
	noRedirect := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := remoteServer{url: target, http: &http.Client{CheckRedirect: noRedirect}}
	if value := e.getenv(tokenVariable); !isEmptyOrPlaceholder(value) {
		s.token = strings.TrimSpace(value)
	}
	findings, reached := s.checkConnection(ctx)
	report.add(findings...)
	if !reached {
		return report.err()
	}
	report.add(s.checkHealth(ctx)...)
	report.add(s.checkAuthentication(ctx)...)
	report.add(s.checkMetadata(ctx)...)
	if report.faults == 0 {
		report.add(s.checkCall(ctx)...)
	}
	return report.err()
}

// at returns the URL of another path of the server.
func (s remoteServer) at(path string) string {
	other := *s.url
	other.Path = path
	return other.String()
}

// checkConnection connects, and checks the certificate if there is one. It reports whether
// requests can reach the server.
func (s remoteServer) checkConnection(ctx context.Context) (findings []finding, reached bool) {
	host, port := s.url.Hostname(), s.url.Port()
	if port == "" {
		port = s.url.Scheme
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return []finding{{"connection", trimListenError(err).Error(), "Check the name, the port, and firewalls on the way"}}, false
	}
	defer func() { _ = conn.Close() }()
	connected := finding{"connection", "reached " + s.url.Host, ""}
	if s.url.Scheme == "http" && s.isLocal() {
		return []finding{connected, {"tls", "none; fine on this machine", ""}}, true
	}
	if s.url.Scheme == "http" {
		return []finding{connected, {"tls", "none: everyone on the way can read tokens and answers", "Serve https, with a proxy in front"}}, true
	}
	secure := tls.Client(conn, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		return []finding{connected, {"tls", err.Error(), tlsAdvice(err)}}, false
	}
	state := secure.ConnectionState()
	end := state.PeerCertificates[0].NotAfter
	certificate := finding{"tls", fmt.Sprintf("%s, and a certificate that is valid until %s", tls.VersionName(state.Version), end.UTC().Format(time.DateOnly)), ""}
	if time.Until(end) < minCertificateLife {
		certificate.advice = "Renew it"
	}
	return []finding{connected, certificate}, true
}

// tlsAdvice says what to do about a handshake that failed.
func tlsAdvice(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "Use a certificate that clients trust, or name its issuer in SSL_CERT_FILE"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "Use a certificate for this name"
	}
	return "Check the certificate, and that TLS 1.2 or newer is on"
}

// checkHealth asks whether the server works and is ready. A server that has --admin-listen tells
// that elsewhere.
func (s remoteServer) checkHealth(ctx context.Context) []finding {
	status, _, _, err := s.get(ctx, s.at(health.ReadyPath), "")
	switch {
	case err != nil:
		return []finding{{"health", err.Error(), networkAdvice}}
	case status == http.StatusOK:
		return []finding{{"health", "ready", ""}}
	case status == http.StatusServiceUnavailable:
		return []finding{{"health", "not ready", "It ends, Redis or ZEGO does not answer; ask it at --admin-listen, and run doctor beside it"}}
	}
	return []finding{{"health", fmt.Sprintf("not served here (HTTP %d); --admin-listen may have it", status), ""}}
}

// checkAuthentication asks without a token and with a wrong one, and expects to be refused.
func (s remoteServer) checkAuthentication(ctx context.Context) []finding {
	without, challenge, _, err := s.get(ctx, s.url.String(), "")
	if err != nil {
		return []finding{{"login", err.Error(), networkAdvice}}
	}
	switch {
	case without == http.StatusForbidden:
		return []finding{{"login", "the server refuses the Host " + s.url.Hostname() + " (HTTP 403)", "Start it with --allow-host " + s.url.Hostname()}}
	case without == http.StatusUnauthorized && !strings.HasPrefix(challenge.Get("WWW-Authenticate"), "Bearer"):
		return []finding{{"login", "the refusal (HTTP 401) has no WWW-Authenticate: Bearer, without which clients do not ask for a token", "Check the proxy in front"}}
	case without == http.StatusUnauthorized && s.token == "":
		return []finding{{"login", "a token is needed", "Set " + tokenVariable + " to one"}}
	case without != http.StatusUnauthorized && !s.isLocal():
		return []finding{{"login", "none: whoever reaches the server may call", "Start it with --auth-tokens, or let the proxy in front ask who calls"}}
	case without != http.StatusUnauthorized:
		return []finding{{"login", "none; fine on this machine", ""}}
	}
	wrong, _, _, err := s.get(ctx, s.url.String(), "not-a-token")
	if err == nil && wrong != http.StatusUnauthorized {
		return []finding{{"login", fmt.Sprintf("a wrong token is not refused (HTTP %d)", wrong), "Check the server's tokens and the proxy in front"}}
	}
	right, _, _, err := s.get(ctx, s.url.String(), s.token)
	if err == nil && right == http.StatusUnauthorized {
		return []finding{{"login", "the token of " + tokenVariable + " is refused", "Check that it is of this server, and not expired or revoked"}}
	}
	return []finding{{"login", "the token is accepted, a wrong one is refused", ""}}
}

// isLocal reports whether the server is on this machine.
func (s remoteServer) isLocal() bool {
	ip := net.ParseIP(s.url.Hostname())
	return s.url.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// metadataPath is the path of the protected-resource metadata of RFC 9728.
const metadataPath = "/.well-known/oauth-protected-resource"

// checkMetadata reads the protected-resource metadata. Servers without OAuth have none.
func (s remoteServer) checkMetadata(ctx context.Context) []finding {
	status, _, body, err := s.get(ctx, s.at(metadataPath+strings.TrimSuffix(s.url.Path, "/")), "")
	if err != nil || status != http.StatusOK {
		return nil
	}
	var metadata struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
	}
	switch err := json.Unmarshal(body, &metadata); {
	case err != nil:
		return []finding{{"metadata", "the protected-resource metadata is not JSON", "Check the proxy in front"}}
	case strings.TrimSuffix(metadata.Resource, "/") != strings.TrimSuffix(s.url.String(), "/"):
		return []finding{{"metadata", fmt.Sprintf("the resource is %q, so clients refuse it for %s", metadata.Resource, s.url), "Let the server know its public URL"}}
	case len(metadata.AuthorizationServers) == 0:
		return []finding{{"metadata", "names no authorization server", "Check --oidc-issuer"}}
	}
	return []finding{{"metadata", "clients can log in at " + strings.Join(metadata.AuthorizationServers, ", "), ""}}
}

// get sends a GET request and returns status, header and the beginning of the answer's body. A
// stream counts as answered when it begins.
func (s remoteServer) get(ctx context.Context, target, token string) (status int, header http.Header, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return 0, nil, nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := s.http.Do(req)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			err = failed.Err
		}
		return 0, nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxProbeAnswer))
	}
	return resp.StatusCode, resp.Header, body, err
}

// checkCall does what a client does first: it opens a session, lists the tools and calls one
// that only reads.
func (s remoteServer) checkCall(ctx context.Context) []finding {
	const advice = "Check that the URL ends with /mcp, and that the proxy in front passes POST and event streams on"
	var headers map[string]string
	if s.token != "" {
		headers = map[string]string{"Authorization": "Bearer " + s.token}
	}
	session, err := client.NewStreamableHttpClient(s.url.String(), transport.WithHTTPHeaders(headers), transport.WithHTTPBasicClient(s.http))
	if err != nil {
		return []finding{{"session", err.Error(), advice}}
	}
	defer func() { _ = session.Close() }()
	var initialize mcp.InitializeRequest
	initialize.Params.ProtocolVersion = mcp.LATEST_LEGACY_PROTOCOL_VERSION // The newest one that has initialize.
	initialize.Params.ClientInfo = mcp.Implementation{Name: "zego-mcp doctor", Version: version()}
	if err = session.Start(ctx); err != nil {
		return []finding{{"session", err.Error(), advice}}
	}
	server, err := session.Initialize(ctx, initialize)
	if err != nil {
		return []finding{{"session", err.Error(), advice}}
	}
	findings := []finding{{"session", fmt.Sprintf("opened with %s %s, MCP %s", server.ServerInfo.Name, server.ServerInfo.Version, server.ProtocolVersion), ""}}
	list, err := session.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return append(findings, finding{"tools", err.Error(), advice})
	}
	findings = append(findings, finding{"tools", fmt.Sprintf("%d are offered", len(list.Tools)), ""})
	var call mcp.CallToolRequest
	call.Params.Name, call.Params.Arguments = "list_digital_humans", map[string]any{"Limit": 1}
	result, err := session.CallTool(ctx, call)
	switch {
	case err != nil:
		return append(findings, finding{"call", err.Error(), advice})
	case result.IsError:
		return append(findings, finding{"call", "list_digital_humans: " + textOf(result), "Run zego-mcp doctor with the server's settings"})
	}
	return append(findings, finding{"call", "list_digital_humans succeeded", ""})
}
