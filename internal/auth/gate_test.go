package auth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/auth"
	"zego-mcp/internal/leaktest"

	"github.com/google/go-cmp/cmp"
)

func TestMain(m *testing.M) {
	os.Exit(leaktest.Tests{M: m, Secrets: []string{aliceToken, "zmcp_expired"}}.Run())
}

const aliceToken = "zmcp_alice-token-for-tests"

// entryOf returns an entry of a token file for a token, without its closing brace.
func entryOf(name, token string) string {
	sum := sha256.Sum256([]byte(token))
	return fmt.Sprintf(`{"name":%q,"sha256":%q`, name, hex.EncodeToString(sum[:]))
}

// writeTokens writes a token file and returns its name.
func writeTokens(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokens.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// logBuffer keeps what is logged, for tests that look while others write.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newLog() (*slog.Logger, *logBuffer) {
	buffer := &logBuffer{}
	return slog.New(slog.NewTextHandler(leaktest.Writer("the log", buffer), nil)), buffer
}

// tell answers who has called.
var tell = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	caller, ok := auth.CallerOf(r.Context())
	_, _ = fmt.Fprintf(w, "%t %s %v %d %q", ok, caller.Subject, caller.Toolsets, caller.MaxTasks, r.Header.Get("Authorization"))
	if caller.AllStreams {
		_, _ = fmt.Fprint(w, " all streams")
	}
})

// ask sends a request to a gate; header is the Authorization header, if it is not empty.
func ask(gate http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, http.NoBody)
	for _, value := range header {
		r.Header.Add("Authorization", value)
	}
	w := httptest.NewRecorder()
	gate.ServeHTTP(w, r)
	leaktest.See("an answer", fmt.Sprint(w.Header(), w.Body))
	return w
}

func TestGate(t *testing.T) {
	t.Parallel()
	file := writeTokens(t, "["+entryOf("alice", aliceToken)+`,"maxTasks":2},`+
		entryOf("ci", "mine")+`,"toolsets":["all"],"allStreams":true},`+
		entryOf("old", "zmcp_expired")+`,"expires":"2001-01-01T00:00:00Z"}]`)
	log, _ := newLog()
	tokens, err := auth.OpenTokens(file, log)
	if err != nil {
		t.Fatal(err)
	}
	gate := auth.NewGate(auth.Options{Tokens: tokens, Logger: log}).Middleware(tell)
	const noToken, badToken = `Bearer realm="zego-mcp"`, `Bearer realm="zego-mcp", error="invalid_token"`
	for _, tt := range []struct {
		name, target string
		header       []string
		status       int
		want         string // The challenge, if the status is 401, and otherwise the beginning of the body.
	}{
		{"a token", "/mcp", []string{"Bearer " + aliceToken}, 200, `true token:alice [assets] 2 ""`},
		{"a token that the operator chose", "/mcp", []string{"bearer  mine "}, 200, `true token:ci [assets streaming] 0 "" all streams`},
		{"no header", "/mcp", nil, 401, noToken},
		{"an empty header", "/mcp", []string{""}, 401, noToken},
		{"no token", "/mcp", []string{"Bearer "}, 401, noToken},
		{"another scheme", "/mcp", []string{"Basic " + aliceToken}, 401, noToken},
		{"a wrong token", "/mcp", []string{"Bearer " + aliceToken + "x"}, 401, badToken},
		{"the hash", "/mcp", []string{"Bearer " + strings.Trim(strings.SplitAfter(entryOf("x", aliceToken), ":")[2], `"`)}, 401, badToken},
		{"an expired token", "/mcp", []string{"Bearer zmcp_expired"}, 401, badToken},
		{"control characters", "/mcp", []string{"Bearer \x00\x1b[2J"}, 401, badToken},
		{"64 kB", "/mcp", []string{"Bearer " + strings.Repeat("x", 64<<10)}, 401, badToken},
		{"two headers", "/mcp", []string{"Bearer " + aliceToken, "Bearer " + aliceToken}, 400, "More than one Authorization header"},
		{"a token in the query", "/mcp?access_token=" + aliceToken, []string{"Bearer " + aliceToken}, 400, "Tokens in the query are refused"},
		{"a token in the query by another name", "/sse?x=" + aliceToken, nil, 400, "Tokens in the query are refused"},
		{"a JWT in the query by another name", "/mcp?state=eyJhbGciOiJub25lIn0.e30.", []string{"Bearer " + aliceToken}, 400, "Tokens in the query are refused"},
		{"a token in the query in other case", "/mcp?Access_Token=x", []string{"Bearer " + aliceToken}, 400, "Tokens in the query are refused"},
		{"a tab", "/mcp", []string{"Bearer\t" + aliceToken}, 401, noToken},
		{"a tab after the blank", "/mcp", []string{"Bearer \t" + aliceToken}, 200, "true token:alice"},
		{"a blank before", "/mcp", []string{" BEARER " + aliceToken}, 200, "true token:alice"},
		{"two tokens in a header", "/mcp", []string{"Bearer " + aliceToken + ", Bearer " + aliceToken}, 401, badToken},
		{"a token and more", "/mcp", []string{"Bearer " + aliceToken + " x"}, 401, badToken},
		{"quotes", "/mcp", []string{`Bearer "` + aliceToken + `"`}, 401, badToken},
		{"no scheme", "/mcp", []string{aliceToken}, 401, noToken},
		{"the session of /message", "/message?sessionId=x", []string{"Bearer " + aliceToken}, 200, "true token:alice"},
	} {
		w := ask(gate, http.MethodPost, tt.target, tt.header...)
		got := w.Body.String()
		if tt.status == http.StatusUnauthorized {
			got = w.Header().Get("WWW-Authenticate")
		}
		if w.Code != tt.status || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: got %d %s, want %d %s", tt.name, w.Code, got, tt.status, tt.want)
		}
	}
}

// TestTokenFileChanges changes the token file while the gate is open.
func TestTokenFileChanges(t *testing.T) {
	t.Parallel()
	alice, bob := "["+entryOf("alice", aliceToken)+"}]", "["+entryOf("bob", "bobs")+"}]"
	for _, tt := range []struct {
		name       string
		change     func(file string) error
		alice, bob int
		log        string
	}{
		{"another token", func(file string) error { return os.WriteFile(file, []byte(bob), 0o600) }, 401, 200, "read again"},
		{"no tokens", func(file string) error { return os.WriteFile(file, []byte("[]"), 0o600) }, 401, 401, "read again"},
		{"broken", func(file string) error { return os.WriteFile(file, []byte(bob[:20]), 0o600) }, 200, 401, "level=ERROR"},
		{"empty", func(file string) error { return os.WriteFile(file, nil, 0o600) }, 200, 401, "level=ERROR"},
		{"gone", os.Remove, 200, 401, "level=ERROR"},
		{"world-readable", func(file string) error {
			return os.Chmod(file, 0o644)
		}, 200, 401, "level=ERROR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS == "windows" && tt.name == "world-readable" {
				t.Skip("Windows has no such mode")
			}
			file := writeTokens(t, alice)
			synctest.Test(t, func(t *testing.T) {
				log, logged := newLog()
				tokens, err := auth.OpenTokens(file, log)
				if err != nil {
					t.Fatal(err)
				}
				gate := auth.NewGate(auth.Options{Tokens: tokens}).Middleware(tell)
				if err := tt.change(file); err != nil {
					t.Fatal(err)
				}
				for range 3 { // One line in the log for each change, not for each look.
					time.Sleep(time.Second)
					for token, want := range map[string]int{aliceToken: tt.alice, "bobs": tt.bob} {
						if w := ask(gate, http.MethodPost, "/mcp", "Bearer "+token); w.Code != want {
							t.Errorf("%s: got %d, want %d", token, w.Code, want)
						}
					}
				}
				if text := logged.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, tt.log) {
					t.Errorf("logged %q, want one line with %s", text, tt.log)
				}
			})
		})
	}
}

// TestBadTokenFiles opens token files that are not valid. The errors repeat no hash.
func TestBadTokenFiles(t *testing.T) {
	t.Parallel()
	alice := entryOf("alice", aliceToken)
	for text, want := range map[string]string{
		"":                                     "is empty",
		" \n":                                  "is empty",
		"{}":                                   "wrong type",
		"null and void":                        "something follows the list",
		"[" + alice + "}] []":                  "something follows the list",
		"[" + alice + "}," + alice + "}]":      "entry 2: alice is in the list already",
		"[" + alice + `,"token":"x"}]`:         `unknown field "token"`,
		"[" + alice + `,"toolsets":["x"]}]`:    `toolsets of alice: unknown toolset "x"`,
		"[" + alice + `,"expires":"soon"}]`:    "expires must be a time such as",
		"[" + alice + `,"maxTasks":-1}]`:       "maxTasks of alice must be 0 or more",
		"[" + alice + `,"callsPerMinute":-1}]`: "callsPerMinute of alice must be 0 or more",
		`[{"name":"alice","sha256":"` + aliceToken + `"}]`: "sha256 of alice must have 64 hexadecimal digits",
		`[{"name":"a\nb","sha256":""}]`:                    "name must have 1 to 64",
	} {
		_, err := auth.ReadTokens(writeTokens(t, text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
		leaktest.See("an error", fmt.Sprint(err))
	}
	if _, err := auth.ReadTokens(filepath.Join(t.TempDir(), "nowhere")); err == nil {
		t.Error("a file that is not there was read")
	}
}

// TestBadTOMLTokenFiles opens token files in TOML that are not valid. The errors repeat no hash.
func TestBadTOMLTokenFiles(t *testing.T) {
	t.Parallel()
	_, sum := auth.NewToken()
	alice := "[tokens.alice]\nsha256 = \"" + sum + "\"\n"
	for text, want := range map[string]string{
		"\n":                         "is empty; a file without tokens holds [tokens]",
		"[]":                         "it is no TOML, or a value has the wrong type, at line 1",
		"[[tokens]]\nname = 'alice'": "at line 1",
		"tokens = 5":                 "at line 1",
		alice + "token = 'x'":        "an unknown key at line 3, column 1",
		alice + "expires = 'soon'":   "at line 3, column 11",
		alice + "maxTasks = -1":      "maxTasks of alice must be 0 or more",
		alice + "toolsets = ['x']":   `toolsets of alice: unknown toolset "x"`,
		alice + alice:                "at line 3",
		alice + "[tokens.bob]\nsha256 = '" + sum + "'":  "entry 2: bob is in the list already",
		"[tokens.alice]\nsha256 = '" + aliceToken + "'": "sha256 of alice must have 64 hexadecimal digits",
		"[tokens.\"a b\"]\nsha256 = '" + sum + "'":      "name must have 1 to 64",
		"[tokens.alice]\nsha256 = " + sum:               "at line 2",
	} {
		file := filepath.Join(t.TempDir(), "tokens.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := auth.ReadTokens(file)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), sum) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
		leaktest.See("an error", fmt.Sprint(err))
	}
}

// TestChangeTOMLTokens adds a token to a file in TOML and revokes it. What else is in the file
// stays. The file from which the last token is revoked is valid.
func TestChangeTOMLTokens(t *testing.T) {
	t.Parallel()
	_, sum := auth.NewToken()
	file := filepath.Join(t.TempDir(), "tokens.toml")
	before := "# Ours.\n[tokens.\"bob@example.com\"] # The first.\nsha256 = \"" + strings.ToUpper(sum) + "\"\nexpires = 2099-01-31T00:00:00Z\n"
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	_, other := auth.NewToken()
	alice := auth.Token{
		Name: "alice", SHA256: other, Toolsets: []string{"assets"}, CallsPerMinute: 5, MaxTasks: 2, AllStreams: true,
		Expires: time.Date(2098, 12, 31, 0, 0, 0, 0, time.UTC),
	}
	if err := auth.AddToken(file, alice); err != nil {
		t.Fatal(err)
	}
	bob := auth.Token{Name: "bob@example.com", SHA256: sum, Expires: time.Date(2099, 1, 31, 0, 0, 0, 0, time.UTC)}
	got, err := auth.ReadTokens(file)
	if diff := cmp.Diff([]auth.Token{alice, bob}, got); diff != "" || err != nil {
		t.Errorf("got %v (-want +got):\n%s", err, diff)
	}
	if err := auth.RevokeToken(file, "alice"); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(file); string(after) != before {
		t.Errorf("got %q, %v, want %q", after, err, before)
	}
	if err := os.WriteFile(file, []byte("tokens.bob.sha256 = '"+sum+"'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := auth.RevokeToken(file, "bob"); err != nil {
		t.Fatal(err)
	}
	if got, err := auth.ReadTokens(file); len(got) != 0 || err != nil {
		t.Errorf("got %v, %v, want no tokens", got, err)
	}
}

// TestChangeTokens lets several processes, here goroutines, add and revoke tokens at once.
func TestChangeTokens(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tokens.json")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, sum := auth.NewToken()
			name := fmt.Sprint("caller-", i)
			if err := auth.AddToken(file, auth.Token{Name: name, SHA256: sum}); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if err := auth.RevokeToken(file, name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	tokens, err := auth.ReadTokens(file)
	if err != nil || len(tokens) != 4 {
		t.Errorf("got %v, %v, want 4 tokens", tokens, err)
	}
}

// TestRevoke revokes tokens, and lets them expire, while a stream of theirs is open. The stream
// of a token whose entry stays in the file goes on.
func TestRevoke(t *testing.T) {
	t.Parallel()
	entries := func(texts ...string) string { return "[" + strings.Join(texts, ",") + "]" }
	file := writeTokens(t, "[]")
	synctest.Test(t, func(t *testing.T) {
		soon, err := json.Marshal(time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		alice, bob, carol := entryOf("alice", aliceToken)+"}", entryOf("bob", "bobs")+"}", entryOf("carol", "carols")+`,"expires":`+string(soon)+"}"
		write := func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Error(err)
			}
		}
		write(entries(alice, bob, carol))
		tokens, err := auth.OpenTokens(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		ended := map[string]time.Duration{}
		began := time.Now()
		stream := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(24 * time.Hour):
			}
			mu.Lock()
			defer mu.Unlock()
			ended[auth.Subject(r.Context())] = time.Since(began)
		})
		gate := auth.NewGate(auth.Options{Tokens: tokens}).Middleware(stream)
		for _, token := range []string{aliceToken, "bobs", "carols"} {
			go ask(gate, http.MethodGet, "/sse", "Bearer "+token)
		}
		time.Sleep(time.Minute)
		write(entries(bob, carol))
		tokens.Reread()
		time.Sleep(25 * time.Hour)
		mu.Lock()
		defer mu.Unlock()
		for subject, want := range map[string]time.Duration{"token:alice": time.Minute, "token:bob": 24 * time.Hour, "token:carol": time.Hour + time.Minute} {
			if ended[subject] != want {
				t.Errorf("%s: the stream ended after %v, want %v", subject, ended[subject], want)
			}
		}
	})
}

// TestRate sends more requests than the callers may.
func TestRate(t *testing.T) {
	t.Parallel()
	file := writeTokens(t, "["+entryOf("alice", aliceToken)+"},"+entryOf("bob", "bobs")+`,"callsPerMinute":3}]`)
	synctest.Test(t, func(t *testing.T) {
		tokens, err := auth.OpenTokens(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		gate := auth.NewGate(auth.Options{Tokens: tokens, CallsPerMinute: 5}).Middleware(tell)
		// admitted returns how many of 10 requests are admitted, and Retry-After of the last one.
		admitted := func(method, token string) (n int, wait string) {
			for range 10 {
				w := ask(gate, method, "/mcp", "Bearer "+token)
				if wait = w.Header().Get("Retry-After"); w.Code == http.StatusOK {
					n++
				} else if w.Code != http.StatusTooManyRequests {
					t.Errorf("got %d", w.Code)
				}
			}
			return n, wait
		}
		for _, tt := range []struct {
			after         time.Duration
			method, token string
			want          int
			wait          string
		}{
			{0, http.MethodPost, aliceToken, 5, "60"},
			{0, http.MethodPost, "bobs", 3, "60"}, // Others have their own rate.
			{0, http.MethodGet, aliceToken, 10, ""},
			{20 * time.Second, http.MethodPost, aliceToken, 0, "40"},
			{40 * time.Second, http.MethodPost, aliceToken, 0, "12"}, // The earlier minute counts in full.
			{30 * time.Second, http.MethodPost, aliceToken, 2, "6"},  // It counts for half.
			{10 * time.Minute, http.MethodPost, aliceToken, 5, "60"},
		} {
			time.Sleep(tt.after)
			if n, wait := admitted(tt.method, tt.token); n != tt.want || wait != tt.wait {
				t.Errorf("%v: admitted %d, Retry-After %q, want %d, %q", tt, n, wait, tt.want, tt.wait)
			}
		}
		w := ask(auth.NewGate(auth.Options{Tokens: tokens, CallsPerMinute: -1}).Middleware(tell), http.MethodPost, "/mcp", "Bearer "+aliceToken)
		if w.Code != http.StatusOK {
			t.Errorf("without a limit: got %d", w.Code)
		}
	})
}

// TestFlood sends wrong tokens as fast as it can. The right one is admitted meanwhile, and the
// log does not grow.
func TestFlood(t *testing.T) {
	t.Parallel()
	log, logged := newLog()
	tokens, err := auth.OpenTokens(writeTokens(t, "["+entryOf("alice", aliceToken)+"}]"), log)
	if err != nil {
		t.Fatal(err)
	}
	gate := auth.NewGate(auth.Options{Tokens: tokens, Logger: log}).Middleware(tell)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 2500 {
				if w := ask(gate, http.MethodPost, "/mcp", fmt.Sprint("Bearer zmcp_", i, n)); w.Code != http.StatusUnauthorized {
					t.Errorf("got %d", w.Code)
				}
			}
		})
	}
	for range 500 {
		if w := ask(gate, http.MethodPost, "/mcp", "Bearer "+aliceToken); w.Code != http.StatusOK {
			t.Errorf("the right token: got %d", w.Code)
		}
	}
	wg.Wait()
	if lines := strings.Count(logged.String(), "\n"); lines < 1 || lines > 5 {
		t.Errorf("%d lines for 10,000 refused requests", lines)
	}
}
