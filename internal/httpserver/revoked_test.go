package httpserver_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/auth"
	"zego-mcp/internal/httpserver"
)

// TestTokenEnds revokes a token, or lets it expire, while a call of each transport and a stream of
// it run. All of them end by that, and further requests are refused.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		expires bool
		ends    time.Duration // After what time.
	}{
		"revoked": {false, 5 * time.Second},
		"expired": {true, 10*time.Second + time.Minute},
	} {
		file := filepath.Join(t.TempDir(), "tokens.json")
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			entry := fmt.Sprintf(`{"name":"alice","sha256":"%x"`, sha256.Sum256([]byte("alices")))
			if tt.expires {
				entry += `,"expires":"` + began.Add(10*time.Second).Format(time.RFC3339) + `"`
			}
			write := func(text string) {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("[" + entry + "}]")
			tokens, err := auth.OpenTokens(file, nil)
			if err != nil {
				t.Fatal(err)
			}
			var cancelled atomic.Int32
			gate := auth.NewGate(auth.Options{Tokens: tokens})
			h := httpserver.NewHandler(newServer(func(ctx context.Context) {
				<-ctx.Done()
				if passed := time.Since(began); passed != tt.ends {
					t.Errorf("%s: a call ended after %v, want %v", name, passed, tt.ends)
				}
				cancelled.Add(1)
			}), httpserver.Options{Middleware: gate.Middleware, Subject: auth.Subject})
			defer h.Close()
			asAlice := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Set("Authorization", "Bearer alices")
				h.ServeHTTP(w, r)
			})
			stream, messages := openSSE(t, asAlice, 0)
			for _, path := range []string{messages, "/mcp"} {
				go serve(asAlice, http.MethodPost, path, strings.NewReader(callSlow), nil)
			}
			listening := make(chan struct{})
			go func() {
				defer close(listening)
				r := httptest.NewRequest(http.MethodGet, "/mcp", http.NoBody)
				r.Host = "localhost"
				r.Header.Set("Accept", "text/event-stream")
				asAlice.ServeHTTP(httptest.NewRecorder(), r)
			}()
			time.Sleep(5 * time.Second)
			if !tt.expires {
				write("[]")
				tokens.Reread()
			}
			<-stream.done
			<-listening
			synctest.Wait()
			if n := cancelled.Load(); n != 2 {
				t.Errorf("%s: %d calls ended, want 2", name, n)
			}
			for _, path := range []string{messages, "/mcp"} {
				if w := serve(asAlice, http.MethodPost, path, strings.NewReader(callSlow), nil); w.Code != http.StatusUnauthorized {
					t.Errorf("%s: %s: got %d", name, path, w.Code)
				}
			}
		})
	}
}
