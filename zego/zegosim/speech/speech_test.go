package speech_test

import (
	"crypto/tls"
	"net/http"
	"testing"
	"zego-mcp/zego/zegosim/speech"

	"github.com/coder/websocket"
)

// TestServer connects with a wrong token and with a right one, and has one frame taken
// and the next one refused.
func TestServer(t *testing.T) {
	t.Parallel()
	var got []string
	ended := make(chan struct{})
	server, err := speech.Listen("127.0.0.1:0", func(token string) *speech.Session {
		if token != "right" {
			return nil
		}
		return &speech.Session{
			Turn: make(chan struct{}, 1),
			Frame: func(text bool, data []byte) []byte {
				if text {
					return []byte("refused")
				}
				got = append(got, string(data))
				return nil
			},
			End: func() { close(ended) },
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	options := &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}}
	if _, resp, err := websocket.Dial(t.Context(), server.URL("wrong"), options); err == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("wrong token: got %v, %v, want status 401", resp, err)
	}

	c, _, err := websocket.Dial(t.Context(), server.URL("right"), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	if err := c.Write(t.Context(), websocket.MessageBinary, []byte("audio")); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), websocket.MessageText, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if _, data, err := c.Read(t.Context()); err != nil || string(data) != "refused" {
		t.Errorf("got %q, %v, want the refusal", data, err)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("got %v, want the connection closed with 1008", err)
	}
	<-ended
	if len(got) != 1 || got[0] != "audio" {
		t.Errorf("got audio %q, want one frame", got)
	}
	for range 2 {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
}
