package cli_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"zego-mcp/internal/cli"
	"zego-mcp/internal/leaktest"
	"zego-mcp/internal/redisshare/redistest"
	"zego-mcp/zego/zegosim"
)

// newToken makes a token with the command token new, and returns it.
func newToken(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), append([]string{"token", "new"}, args...), func(string) string { return "" }, nil, &out, &errs); code != 0 {
		t.Fatalf("token new: exit code %d: %s", code, errs.String())
	}
	return strings.TrimSpace(out.String())
}

// post sends a message with a token, and returns the status and the answer.
func post(t *testing.T, url, token, session, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

const (
	initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	listTools  = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
)

// TestAuthTokens serves two callers with different toolsets on all addresses of this machine,
// and changes their tokens meanwhile.
func TestAuthTokens(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tokens.json")
	alice := newToken(t, "alice", "--file", file)
	bob := newToken(t, "bob", "--file", file, "--toolsets", "all")
	p := start(t, "serve", "--simulate", "--toolsets", "all", "--transport", "http", "--listen", "0.0.0.0:0", "--auth-tokens", file)
	url := loggedURL(t, p)
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for {
			line, err := p.stderr.ReadString('\n')
			if err != nil {
				return
			}
			lines <- line
		}
	}()
	if resp, _ := post(t, url, "", "", initialize); resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("without a token: got %s %v", resp.Status, resp.Header)
	}
	resp, text := post(t, url, alice, "", initialize)
	session := resp.Header.Get("Mcp-Session-Id")
	if resp.StatusCode != http.StatusOK || session == "" || strings.Contains(text, "create_stream_task") {
		t.Errorf("alice: got %s %s", resp.Status, text)
	}
	if resp, text := post(t, url, alice, session, listTools); !strings.Contains(text, "list_timbres") || strings.Contains(text, `"name":"create_stream_task"`) {
		t.Errorf("alice lists: got %s %s", resp.Status, text)
	}
	if resp, text := post(t, url, bob, session, listTools); resp.StatusCode != http.StatusNotFound {
		t.Errorf("bob in the session of alice: got %s %s", resp.Status, text)
	}
	if resp, text := post(t, url, bob, "", listTools); !strings.Contains(text, "create_stream_task") {
		t.Errorf("bob lists: got %s %s", resp.Status, text)
	}
	post(t, url, alice, session, `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Limit":1}}}`)

	// SIGHUP reads the file again, and does not end the server.
	if err := os.WriteFile(file, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	deadline := time.After(10 * time.Second)
	for !strings.Contains(logged.String(), "read again") {
		select {
		case line := <-lines:
			logged.WriteString(line)
		case <-deadline:
			t.Fatalf("SIGHUP: logged %s", logged.String())
		}
	}
	if !strings.Contains(logged.String(), `"subject":"token:alice"`) {
		t.Errorf("the call is not in the log: %s", logged.String())
	}
	if resp, _ := post(t, url, alice, session, listTools); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a revoked token: got %s", resp.Status)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for line := range lines {
		if strings.Contains(line, "zmcp_") {
			t.Errorf("a token is in the log: %s", line)
		}
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// writeCertificate writes a certificate for localhost with a serial number, and its key.
func writeCertificate(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTLS serves https, replaces the certificate by another one, and then by a broken one.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, 1)
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	url := loggedURL(t, p)
	host, ok := strings.CutPrefix(strings.TrimSuffix(url, "/mcp"), "https://")
	if !ok {
		t.Fatalf("logged %s", url)
	}
	// serial returns the serial number of the certificate that the server shows.
	serial := func() int64 {
		dialer := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		conn, err := dialer.DialContext(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	// hangUp sends SIGHUP, and waits until a line of the log has the text.
	hangUp := func(text string) {
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for {
			line, err := p.stderr.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(line, text) {
				return
			}
		}
	}
	if got := serial(); got != 1 {
		t.Errorf("got certificate %d", got)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	resp, err := client.Post(url, "application/json", strings.NewReader(initialize))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	old := &tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}}
	if conn, err := old.DialContext(t.Context(), "tcp", host); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
	writeCertificate(t, cert, key, 2)
	hangUp("read again")
	if got := serial(); got != 2 {
		t.Errorf("got certificate %d, want the new one", got)
	}
	if err := os.WriteFile(cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp("ERROR")
	if got := serial(); got != 2 {
		t.Errorf("got certificate %d, want the old one", got)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, p.stderr)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// TestStreamsOfCallers lets a caller create a stream at one of two servers that share a Redis.
// Another caller sees it at the other one, and may not drive or stop it there.
func TestStreamsOfCallers(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	upstream := httptest.NewServer(leaktest.Handler(&zegosim.Server{QPS: -1, StartDelay: -1}))
	t.Cleanup(upstream.Close)
	file := filepath.Join(t.TempDir(), "tokens.json")
	alice := newToken(t, "alice", "--file", file, "--toolsets", "all")
	bob := newToken(t, "bob", "--file", file, "--toolsets", "all")
	boss := newToken(t, "boss", "--file", file, "--toolsets", "all", "--all-streams")
	var urls []string
	for range 2 {
		p := start(t, "serve", "--transport", "http", "--listen", "127.0.0.1:0", "--toolsets", "all", "--auth-tokens", file,
			"--redis-url", "redis://"+redis.Address, "--endpoint", upstream.URL, "--app-id", fmt.Sprint(zegosim.DefaultAppID))
		urls = append(urls, loggedURL(t, p))
	}
	use := func(server int, token, tool, arguments string) string {
		_, text := post(t, urls[server], token, "", fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments))
		return text
	}
	create := func(token string) string {
		_, rest, _ := strings.Cut(use(0, token, "create_stream_task", `{"DigitalHumanId":"`+zegosim.DefaultHumans()[0].ID+`","RoomId":"studio"}`), `\"TaskId\":\"`)
		task, _, _ := strings.Cut(rest, `\"`)
		return task
	}
	const refusal = "Another caller of this server created the stream task"
	first, second := create(alice), create(alice)
	for _, step := range []struct{ token, tool, arguments, want string }{
		{bob, "interrupt_drive", `{"TaskId":"` + first + `"}`, refusal},
		{bob, "stop_stream_task", `{"TaskId":"` + first + `","Confirm":true}`, refusal},
		{bob, "stop_stream_task", `{"All":true}`, `\"AlreadyStopped\":true`},
		{bob, "list_stream_tasks", `{}`, first},
		{alice, "interrupt_drive", `{"TaskId":"` + first + `"}`, `\"RequestId\"`},
		{alice, "stop_stream_task", `{"TaskId":"` + first + `"}`, `\"Stopped\":[\"` + first},
		{boss, "stop_stream_task", `{"TaskId":"` + second + `"}`, `\"Stopped\":[\"` + second},
	} {
		if got := use(1, step.token, step.tool, step.arguments); !strings.Contains(got, step.want) {
			t.Errorf("%s %s: got %s, want %s", step.tool, step.arguments, got, step.want)
		}
	}
}

// callOverTLS calls a tool over a connection of its own. It returns the answer, and the serial
// number of the server's certificate.
func callOverTLS(ctx context.Context, url, token, tool, arguments string) (answer string, serial int64, err error) {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), resp.TLS.PeerCertificates[0].SerialNumber.Int64(), err
}

// createAndStop creates and stops streams over https, one after another, until stop is closed. It
// returns how many.
func createAndStop(t *testing.T, url, token string, stop <-chan struct{}) (n int) {
	for {
		select {
		case <-stop:
			return n
		default:
		}
		answer, _, err := callOverTLS(t.Context(), url, token, "create_stream_task", `{"DigitalHumanId":"`+zegosim.DefaultHumans()[0].ID+`","RoomId":"r","WaitUntilStreaming":false}`)
		_, rest, found := strings.Cut(answer, `\"TaskId\":\"`)
		task, _, _ := strings.Cut(rest, `\"`)
		if err != nil || !found {
			t.Errorf("create: got %s, %v", answer, err)
			return n
		}
		n++
		if answer, _, err := callOverTLS(t.Context(), url, token, "stop_stream_task", `{"TaskId":"`+task+`","Now":true}`); err != nil || !strings.Contains(answer, task) {
			t.Errorf("stop: got %s, %v", answer, err)
			return n
		}
	}
}

// TestHangupDuringCalls sends SIGHUP again and again while a caller creates and stops streams over
// https, each time with another certificate, one more token, and the audit log moved away. No call
// fails, and no line of the audit log is lost.
func TestHangupDuringCalls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, tokens, audit := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "tokens.json"), filepath.Join(dir, "audit.log")
	writeCertificate(t, cert, key, 1)
	alice := newToken(t, "alice", "--file", tokens, "--toolsets", "all", "--calls-per-minute", "100000")
	p := start(t, "serve", "--simulate", "--transport", "http", "--listen", "127.0.0.1:0", "--toolsets", "all", "--qps", "0",
		"--tls-cert", cert, "--tls-key", key, "--auth-tokens", tokens, "--audit-log", audit)
	url := loggedURL(t, p)
	stop, created := make(chan struct{}), make(chan int, 1)
	go func() { created <- createAndStop(t, url, alice, stop) }()
	const rounds = 5
	for round := range rounds {
		writeCertificate(t, cert, key, int64(round+2))
		bob := newToken(t, fmt.Sprint("bob", round), "--file", tokens)
		if err := os.Rename(audit, fmt.Sprint(audit, ".", round)); err != nil {
			t.Fatal(err)
		}
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for line := ""; !strings.Contains(line, "opened the audit log again"); { // It is opened last.
			var err error
			if line, err = p.stderr.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
		if answer, serial, err := callOverTLS(t.Context(), url, bob, "list_digital_humans", `{"Limit":1}`); err != nil || !strings.Contains(answer, "Total") || serial != int64(round+2) {
			t.Errorf("round %d: got %s, certificate %d, %v", round, answer, serial, err)
		}
	}
	close(stop)
	n := <-created
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, p.stderr)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	lines := 0
	for _, file := range []string{audit, audit + ".0", audit + ".1", audit + ".2", audit + ".3", audit + ".4"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(text), `"outcome":"ok"`)
	}
	if n == 0 || lines != 2*n {
		t.Errorf("%d streams were created and stopped, and the audit logs have %d lines", n, lines)
	}
}
