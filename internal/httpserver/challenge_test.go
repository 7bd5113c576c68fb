package httpserver_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"zego-mcp/internal/httpserver"
)

// TestChallenge challenges the callers of one tool. Other requests, and those to SSE, go on.
func TestChallenge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := httpserver.NewHandler(newServer(nil), httpserver.Options{
			Challenge: func(_ *http.Request, method string, params json.RawMessage) (challenge, text string) {
				asked++
				if method == "tools/call" && strings.Contains(string(params), `"costly"`) {
					return `Bearer error="insufficient_scope"`, "ask for\nmore"
				}
				return "", ""
			},
		})
		defer h.Close()
		const call = `{"jsonrpc":"2.0","id":ID,"method":"tools/call","params":{"name":"costly"}}`
		for _, tt := range []struct {
			name, body string
			status     int
			want       string // The body, if the status is 403.
		}{
			{"a number as id", strings.Replace(call, "ID", "7", 1), 403, `{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"ask for\nmore"}}`},
			{"a text as id", strings.Replace(call, "ID", `"x"`, 1), 403, `{"jsonrpc":"2.0","id":"x","error":{"code":-32600,"message":"ask for\nmore"}}`},
			{"a notification", strings.Replace(call, `"id":ID,`, "", 1), 202, ""},
			{"another request", `{"jsonrpc":"2.0","id":1,"method":"ping"}`, 200, ""},
			{"a batch", "[" + strings.Replace(call, "ID", "7", 1) + "]", 400, ""},
			{"no JSON", "{", 400, ""},
		} {
			w := serve(h, http.MethodPost, "/mcp", strings.NewReader(tt.body), nil)
			challenged := w.Header().Get("WWW-Authenticate") != ""
			if w.Code != tt.status || challenged != (tt.status == 403) || challenged && strings.TrimSpace(w.Body.String()) != tt.want {
				t.Errorf("%s: got %d %v %s, want %d %s", tt.name, w.Code, w.Header(), w.Body, tt.status, tt.want)
			}
		}
		if asked != 3 {
			t.Errorf("asked about %d messages, want the 3 requests", asked)
		}
		stream, messages := openSSE(t, h, 0)
		if w := serve(h, http.MethodPost, messages, strings.NewReader(strings.Replace(call, "ID", "7", 1)), nil); w.Code != http.StatusAccepted {
			t.Errorf("SSE: got %d", w.Code)
		}
		synctest.Wait()
		if n := strings.Count(stream.String(), "event: message"); n != 1 {
			t.Errorf("SSE: %d answers, want 1", n)
		}
		stream.left()
		<-stream.done
		if got := h.Stats().Calls; got != 0 {
			t.Errorf("%d calls still count", got)
		}
	})
}
