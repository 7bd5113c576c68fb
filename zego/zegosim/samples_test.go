package zegosim_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

const samplesFile = "testdata/samples.txt"

// TestSamples sends the calls of ZEGO's public samples over TLS, and expects that all succeed
// and that no stream is left.
func TestSamples(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile(samplesFile)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	sim := &zegosim.Server{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	ts := &testServer{T: t}
	sim.Now = ts.now
	srv := httptest.NewTLSServer(sim)
	t.Cleanup(func() { srv.Close(); _ = sim.Close() })
	s := sampleClient{testServer: ts, address: srv.Listener.Addr().String()}

	var got strings.Builder
	for line := range strings.Lines(string(file)) {
		if !strings.HasPrefix(line, "<") {
			got.WriteString(line)
		}
		if answer := s.do(strings.TrimSuffix(line, "\n")); answer != "" {
			got.WriteString("< " + answer + "\n")
		}
	}
	if *update {
		if err := os.WriteFile(samplesFile, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if diff := cmp.Diff(string(file), got.String()); diff != "" {
		t.Errorf("(-%s +got):\n%s", samplesFile, diff)
	}
	if !strings.HasSuffix(s.last, `"Data":{"TaskList":[]}}`) {
		t.Errorf("at the end: got %s, want no stream", s.last)
	}
	if strings.Count(log.String(), "level=WARN") != 1 {
		t.Errorf("logged %q, want one warning, of the drive that is started again", log.String())
	}
}

// sampleClient sends what the samples send.
type sampleClient struct {
	*testServer
	address string
	calls   int
	last    string  // answer
	voice   *caller // between connect and close
	clock   time.Duration
}

// do carries out a line of samplesFile. It returns the answer to a call.
func (s *sampleClient) do(line string) string {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "", "#", "<":
	case "go", "node":
		action, body, _ := strings.Cut(rest, " ")
		return s.post(verb, action, body)
	case "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			s.Fatal(err)
		}
		s.clock += d
		s.setClock(s.clock)
	case "connect":
		var out answer
		if err := json.Unmarshal([]byte(s.last), &out); err != nil {
			s.Fatal(err)
		}
		conn, _, err := dial(s.T, out.Data.WSSAddress)
		if err != nil {
			s.Fatal(err)
		}
		conn.CloseRead(s.Context())
		s.voice = &caller{s.T, conn, out.Data.DriveID, out.Data.WSSAddress}
	case "text":
		s.voice.write(websocket.MessageText, rest)
		s.voice.waitUntilRead()
	case "audio":
		n, err := strconv.Atoi(rest)
		if err != nil {
			s.Fatal(err)
		}
		s.voice.audio(strings.Repeat("a", n))
		s.voice.waitUntilRead()
	case "close":
		_ = s.voice.CloseNow()
	default:
		s.Fatalf("unknown line %q", line)
	}
	return ""
}

// changing matches what differs from run to run in an answer.
var changing = regexp.MustCompile(`(https|wss)://127\.0\.0\.1:[0-9]+(/ws\?Token=[0-9A-Z]+)?`)

// post sends a call byte for byte as a client does, and returns the answer without what
// differs from run to run.
func (s *sampleClient) post(client, action, body string) string {
	s.calls++
	conn, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, s.request(client, action, body)); err != nil {
		s.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	s.last = string(raw)
	var out answer
	if err := json.Unmarshal(raw, &out); err != nil || out.Code != 0 || resp.StatusCode != http.StatusOK {
		s.Errorf("%s: got status %d, %s, %v", action, resp.StatusCode, raw, err)
	}
	return changing.ReplaceAllStringFunc(s.last, func(found string) string {
		if strings.HasPrefix(found, "wss") {
			return "wss://SIMULATOR/ws?Token=TOKEN"
		}
		return "https://SIMULATOR"
	})
}

// request returns a request as a client writes it. The Go sample sorts the query and has a
// nonce of 16 hexadecimal digits. JavaScript samples have other orders, a nonce such as
// Math.random makes, and header names in lower case.
func (s *sampleClient) request(client, action, body string) string {
	timestamp := s.now().Unix()
	nonce := fmt.Sprintf("%016x", s.calls)
	if client == "node" {
		nonce = fmt.Sprintf("0.84718%011d", s.calls)
	}
	signature := zego.Sign(zegosim.DefaultAppID, nonce, zegosim.DefaultSecret, timestamp)
	var target, head string
	if client == "go" {
		target = "/?" + url.Values{
			"Action": {action}, "AppId": {fmt.Sprint(zegosim.DefaultAppID)}, "Signature": {signature}, "SignatureNonce": {nonce},
			"SignatureVersion": {"2.0"}, "Timestamp": {fmt.Sprint(timestamp)},
		}.Encode()
		head = "Host: %s\r\nUser-Agent: go-resty/2.13.1 (https://github.com/go-resty/resty)\r\nContent-Length: %d\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n"
	} else {
		target = fmt.Sprintf("/?Action=%s&AppId=%d&SignatureNonce=%s&Timestamp=%d&Signature=%s&SignatureVersion=2.0", action, zegosim.DefaultAppID, nonce, timestamp, signature)
		head = "host: %s\r\nconnection: keep-alive\r\ncontent-type: application/json\r\naccept: */*\r\naccept-language: *\r\nuser-agent: node\r\naccept-encoding: gzip, deflate\r\ncontent-length: %d\r\n"
	}
	return "POST " + target + " HTTP/1.1\r\n" + fmt.Sprintf(head, s.address, len(body)) + "\r\n" + body
}
