package projects_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"zego-mcp/internal/auth"
	"zego-mcp/internal/leaktest"
	"zego-mcp/internal/projects"
	"zego-mcp/tools"
	"zego-mcp/tools/pictures"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/go-jose/go-jose/v4"
)

// The secrets of the projects in these tests. The second one is also a name.
const (
	shopSecret = "a-secret-with-32-characters-shop"
	newsSecret = "a_secret_with_32_characters_news"
)

func TestMain(m *testing.M) {
	os.Exit(leaktest.Tests{M: m, Secrets: []string{shopSecret, newsSecret, zegosim.DefaultSecret}}.Run())
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

// options returns options for tests, and what is logged with them.
func options() (projects.Options, *logBuffer) {
	log := &logBuffer{}
	return projects.Options{
		Getenv: func(name string) string {
			return map[string]string{"NEWS": newsSecret, "SHORT": "short", "CALLBACKS": zegosim.DefaultCallbackSecret}[name]
		},
		QPS: -1, MaxTTL: time.Hour, MaxTasks: 3, Timeout: time.Second, StopTimeout: time.Second, Callbacks: true,
		Pictures: pictures.NewStore(pictures.NewFetcher(pictures.FetcherOptions{})),
		Toolsets: []tools.Toolset{tools.Assets},
		Mark:     func() (streams.Mark, func()) { return streams.Mark{}, func() {} },
		Logger:   slog.New(slog.NewTextHandler(leaktest.Writer("the log of projects", log), nil)),
	}, log
}

// write writes a file of projects into a folder that has the files of secrets, and returns its
// path.
func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, file := range map[string]struct {
		text string
		mode os.FileMode
	}{"shop.secret": {shopSecret + "\n", 0o600}, "open.secret": {shopSecret, 0o644}, "empty.secret": {"\n", 0o600}, "projects": {text, 0o640}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, file.mode); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "projects")
}

// open opens a file of projects with this text.
func open(t *testing.T, text string, opts projects.Options) (*projects.Set, string) {
	t.Helper()
	path := write(t, text)
	set, err := projects.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close(context.WithoutCancel(t.Context())) })
	return set, path
}

const shop = `
[[projects]]
name = "shop"
app_id = 1
secret_file = "shop.secret"
tokens = ["alice"]
`

const news = `
[[projects]]
name = "news"
app_id = 2
secret_env = "NEWS"
endpoint = "http://127.0.0.1:1/"
qps = 20
max_tasks = 7
max_ttl = "30m"
tokens = ["bob", "carol"]
claim_values = ["news-ltd"]
`

const inJSON = `{"claim": "org_id", "projects": [
	{"name": "shop", "app_id": 1, "secret_file": "shop.secret", "tokens": ["alice"]},
	{"name": "news", "app_id": 2, "secret_env": "NEWS", "max_tasks": 7, "max_ttl": "30m", "tokens": ["bob", "carol"], "claim_values": ["news-ltd"]}]}`

// projectOf returns the name of the project to which a caller belongs, or "".
func projectOf(set *projects.Set, caller auth.Caller) string {
	ctx, end, ok := set.Admit(context.Background(), caller)
	if !ok {
		return ""
	}
	defer end()
	return set.Project(ctx).Name
}

func TestFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"TOML": `claim = "org_id"` + shop + news, "JSON": inJSON} {
		opts, _ := options()
		set, _ := open(t, text, opts)
		for token, want := range map[string]string{"alice": "shop", "bob": "news", "carol": "news", "dave": "", "": ""} {
			if got := projectOf(set, auth.Caller{Token: token}); got != want {
				t.Errorf("%s: %q belongs to %q, want %q", name, token, got, want)
			}
		}
		ctx, end, _ := set.Admit(t.Context(), auth.Caller{Token: "bob"})
		if p := set.Project(ctx); p.Streams.MaxTasks() != 7 || p.Streams.MaxTTL() != 30*time.Minute || p.Client == nil {
			t.Errorf("%s: got %d streams, %v", name, p.Streams.MaxTasks(), p.Streams.MaxTTL())
		}
		end()
		if p := set.Project(t.Context()); p.Client != nil || p.Unavailable == nil || !slices.Equal(p.Toolsets, opts.Toolsets) {
			t.Errorf("%s: a request that nobody let in got %+v", name, p)
		}
	}
}

// TestBadFiles checks what is said about a file that cannot be used. It never repeats a secret.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	with := func(old, replacement string) string { return strings.Replace(shop, old, replacement, 1) }
	const secretLine = `secret_file = "shop.secret"`
	for _, tt := range []struct{ name, text, want string }{
		{"empty", " \n", "is empty"},
		{"no TOML", "[[projects]\n", "it is no TOML at line 1"},
		{"no JSON", `{"projects": [}`, "it is no JSON"},
		{"more JSON", inJSON + "{}", "something follows the last brace"},
		{"no projects", `claim = "org_id"`, "projects must be a list"},
		{"an unknown key at the top", "claims = \"org_id\"\n" + shop, `unknown key "claims"; did you mean "claim"?`},
		{"an unknown key", with("app_id", "appid"), `shop: unknown key "appid"; did you mean "app_id"?`},
		{"the secret", with(secretLine, `secret = "`+shopSecret+`"`), "shop: the file must not hold a secret: name its file with secret_file"},
		{"the secret in camel case", with(secretLine, `ServerSecret = "`+shopSecret+`"`), "the file must not hold a secret"},
		{"the secret as a key", with(secretLine, newsSecret+` = 1`), "an unknown key of 32 bytes"},
		{"the secret in place of its file", with("shop.secret", shopSecret), "the file of secret_file cannot be read: no such file or directory; the value of secret_file has 32 characters: the secret itself"},
		{"the secret in place of its variable", with(secretLine, `secret_env = "`+newsSecret+`"`), "the variable of secret_env is not set; the value of secret_env has 32 characters"},
		{"both", with(secretLine, secretLine+"\nsecret_env = \"NEWS\""), "secret_file and secret_env exclude each other"},
		{"neither", with(secretLine, ""), "secret_file or secret_env is missing"},
		{"an open file", with("shop.secret", "open.secret"), "may be used by every user of this machine (mode 0644)"},
		{"an empty file", with("shop.secret", "empty.secret"), "the file of secret_file is empty"},
		{"a variable that is not set", with(secretLine, `secret_env = "NOWHERE"`), "the variable of secret_env is not set"},
		{"a short secret", with(secretLine, `secret_env = "SHORT"`), "shop: ServerSecret must have 32 characters, got 5"},
		{"no AppID", with("app_id = 1", ""), "app_id is missing"},
		{"a wrong AppID", with("app_id = 1", "app_id = 4294967296"), "app_id must be a number from 1 to 4294967295"},
		{"a text as AppID", with("app_id = 1", `app_id = "1"`), "app_id must be a number"},
		{"no name", with(`name = "shop"`, ""), "project 1: name must have"},
		{"a wrong name", with(`name = "shop"`, `name = "the shop"`), "project 1: name must have"},
		{"a wrong endpoint", with(secretLine, secretLine+"\nendpoint = \"http://example.com\""), "endpoint must use https"},
		{"too much life", with(secretLine, secretLine+"\nmax_ttl = \"2h\""), `max_ttl must be a text from "10s" to that of --max-ttl, "1h0m0s"`},
		{"no streams", with(secretLine, secretLine+"\nmax_tasks = 0"), "max_tasks must be a number from 1"},
		{"a text as tokens", with(`["alice"]`, `"alice"`), "tokens must be a list of texts"},
		{"numbers as tokens", with(`["alice"]`, `[1]`), "tokens must be a list of texts"},
		{"values without a claim", shop + news, "news: claim_values needs a claim at the top of the file"},
		{"a name twice", shop + strings.ReplaceAll(shop, "alice", "bob"), "the name shop is given twice"},
		{"an AppID twice", shop + strings.NewReplacer("alice", "bob", `"shop"`, `"store"`).Replace(shop), "the AppID 1 is given twice: by shop and by store"},
		{"a token twice", `claim = "x"` + shop + strings.Replace(news, "bob", "alice", 1), "the token alice is given twice: by shop and by news"},
		{"a value twice", `claim = "x"` + with("tokens", "claim_values = [\"news-ltd\"]\ntokens") + news, `the claim value "news-ltd" is given twice`},
		{"large", strings.Repeat("#", 5<<20), "larger than"},
	} {
		opts, _ := options()
		_, err := projects.Open(write(t, tt.text), opts)
		leaktest.See("an error of projects", fmt.Sprint(err))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
	opts, _ := options()
	path := write(t, shop)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := projects.Open(path, opts); err == nil || !strings.Contains(err.Error(), "may be changed by every user") {
		t.Errorf("a file that everybody may write: got %v", err)
	}
}

// replace replaces the text of a file of projects, and lets the set read it.
func replace(t *testing.T, set *projects.Set, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set.Reread()
}

// TestCallersMove changes the file under requests that run. Those of a caller who no longer
// belongs to the project end, and only those.
func TestCallersMove(t *testing.T) {
	t.Parallel()
	opts, log := options()
	const claim = `claim = "org_id"`
	set, path := open(t, claim+shop+news, opts)
	requests := map[string]context.Context{}
	for _, token := range []string{"alice", "bob", "carol"} {
		ctx, end, ok := set.Admit(auth.WithCaller(t.Context(), auth.Caller{Caller: tools.Caller{Subject: token}}), auth.Caller{Token: token})
		if !ok {
			t.Fatalf("%s was refused", token)
		}
		defer end()
		requests[token] = ctx
	}
	ended := func() (names []string) {
		for token, ctx := range requests {
			if ctx.Err() != nil {
				names = append(names, token)
			}
		}
		slices.Sort(names)
		return names
	}
	session := set.Subject(requests["bob"])

	replace(t, set, path, claim+shop) // Without news.
	waitFor(t, func() bool { return strings.Join(ended(), " ") == "bob carol" }, "the end of the requests of news")
	waitFor(t, func() bool { return strings.Contains(log.String(), "a project has ended") }, "the end of news")
	if _, err := set.Project(requests["bob"]).Client.ListStreamTasks(t.Context()); err == nil || !strings.Contains(err.Error(), zego.ErrClosed.Error()) {
		t.Errorf("the client of a project that has ended: got %v", err)
	}
	// News is back under another name, and has taken over alice.
	replace(t, set, path, claim+strings.Replace(shop, `"alice"`, ``, 1)+strings.NewReplacer(`"news"`, `"press"`, `"carol"`, `"alice"`).Replace(news))
	waitFor(t, func() bool { return requests["alice"].Err() != nil }, "the end of the request of alice")
	for token, want := range map[string]string{"alice": "press", "bob": "press", "carol": ""} {
		if got := projectOf(set, auth.Caller{Token: token}); got != want {
			t.Errorf("%s belongs to %q, want %q", token, got, want)
		}
	}
	ctx, end, _ := set.Admit(auth.WithCaller(t.Context(), auth.Caller{Caller: tools.Caller{Subject: "bob"}}), auth.Caller{Token: "bob"})
	defer end()
	if got := set.Subject(ctx); got != session || got == "bob" {
		t.Errorf("the session of bob belongs to %q, and did to %q", got, session)
	}
	// Limits and names change while a project goes on.
	before := set.Project(ctx)
	replace(t, set, path, claim+strings.NewReplacer("max_tasks = 7", "max_tasks = 8", "qps = 20", "qps = 30").Replace(news))
	if after := set.Project(ctx); ctx.Err() != nil || after.Streams.MaxTasks() != 8 || after.Name != "news" || after.Client != before.Client {
		t.Errorf("after a change of limits: %v, %d streams, name %s", ctx.Err(), after.Streams.MaxTasks(), after.Name)
	}
	// A broken file, or a broken secret, changes nothing.
	for _, text := range []string{"[[", claim + news + shop + "qps = 0", claim + strings.Replace(news, "NEWS", "SHORT", 1)} {
		replace(t, set, path, text)
		if ctx.Err() != nil || projectOf(set, auth.Caller{Token: "bob"}) != "news" || projectOf(set, auth.Caller{Token: "alice"}) != "" {
			t.Errorf("after the broken file %q: %v", text, ctx.Err())
		}
	}
	if strings.Count(log.String(), "level=ERROR") != 3 {
		t.Errorf("logged %s", log.String())
	}
}

// waitFor waits until a condition is true.
func waitFor(t *testing.T, condition func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not seen: %s", what)
		}
	}
}

// TestClaims lets an identity provider say to which project a caller belongs.
func TestClaims(t *testing.T) {
	t.Parallel()
	key := jose.SigningKey{Algorithm: jose.ES256, Key: newKey(t)}
	var provider *httptest.Server
	provider = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{publicKey(key)}})
			return
		}
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, provider.URL, provider.URL+"/keys")
	}))
	t.Cleanup(provider.Close)
	opts, log := options()
	set, path := open(t, `claim = "org_id"`+shop+`claim_values = ["shop-inc", "shop-ltd"]`+news, opts)
	oidc, err := auth.NewOIDC(auth.OIDCOptions{Issuer: provider.URL, Audience: "me", Logger: opts.Logger})
	if err != nil {
		t.Fatal(err)
	}
	gate := auth.NewGate(auth.Options{OIDC: oidc, Admit: set.Admit, Logger: opts.Logger, Toolsets: opts.Toolsets}).Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, set.Project(r.Context()).Name)
	}))
	ask := func(claims map[string]any) string {
		all := map[string]any{"iss": provider.URL, "aud": "me", "sub": "u1", "exp": time.Now().Add(time.Hour).Unix(), "scope": "zego:assets"}
		maps.Copy(all, claims)
		r := httptest.NewRequest(http.MethodPost, "/mcp", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+sign(t, key, all))
		w := httptest.NewRecorder()
		gate.ServeHTTP(w, r)
		return fmt.Sprint(w.Code, " ", strings.TrimSpace(w.Body.String()))
	}
	const refused = "403 Forbidden: nothing on this server is for you"
	for _, tt := range []struct {
		name   string
		claims map[string]any
		want   string
	}{
		{"a value", map[string]any{"org_id": "news-ltd"}, "200 news"},
		{"another project's", map[string]any{"org_id": "shop-ltd"}, "200 shop"},
		{"a list", map[string]any{"org_id": []string{"other", "shop-inc", "shop-ltd"}}, "200 shop"},
		{"a list of two projects", map[string]any{"org_id": []string{"shop-inc", "news-ltd"}}, refused},
		{"an unknown value", map[string]any{"org_id": "NEWS-LTD"}, refused},
		{"a number", map[string]any{"org_id": 7}, refused},
		{"a list with a number", map[string]any{"org_id": []any{"news-ltd", 7}}, refused},
		{"a list in a list", map[string]any{"org_id": []any{[]string{"shop-inc"}, "news-ltd"}}, refused},
		{"an object in a list", map[string]any{"org_id": []any{map[string]any{"id": "shop-inc"}, "news-ltd"}}, refused},
		{"no claim", nil, refused},
		{"another claim", map[string]any{"org": "news-ltd"}, refused},
		{"the name of a token", map[string]any{"sub": "alice", "name": "alice"}, refused},
	} {
		if got := ask(tt.claims); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := log.String(); !strings.Contains(got, "refused requests of callers who belong to no project") {
		t.Errorf("logged %s", got)
	}
	replace(t, set, path, `claim = "https://example.com/org"`+news)
	if got := ask(map[string]any{"org_id": "news-ltd"}); got != refused {
		t.Errorf("the claim from before: got %s", got)
	}
	if got := ask(map[string]any{"https://example.com/org": "news-ltd"}); got != "200 news" {
		t.Errorf("the new claim: got %s", got)
	}
}

// TestCallbacks sends callbacks for two projects that have different callback secrets.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	opts, _ := options()
	opts.CallbackSecret = "the default one"
	set, _ := open(t, `claim = "x"`+shop+news+`callback_secret_env = "CALLBACKS"`, opts)
	send := func(appID int, secret, timestamp string) int {
		body := fmt.Sprintf(`{"AppId":%d,"EventType":4,"Nonce":"n","Timestamp":%q,"Signature":%q,"EventTime":1,"TaskId":"t","Detail":{"DriveId":"d","Status":1}}`,
			appID, timestamp, zego.CallbackSignature(secret, timestamp, "n"))
		w := httptest.NewRecorder()
		set.ServeCallback(w, httptest.NewRequest(http.MethodPost, "/callbacks/zego", strings.NewReader(body)))
		return w.Code
	}
	now := fmt.Sprint(time.Now().UnixMilli())
	for _, tt := range []struct {
		name, secret, timestamp string
		appID, want             int
	}{
		{"the default secret", "the default one", now, 1, http.StatusNoContent},
		{"a secret of its own", zegosim.DefaultCallbackSecret, now, 2, http.StatusNoContent},
		{"another project's secret", "the default one", now, 2, http.StatusUnauthorized},
		{"an unknown project", "the default one", now, 3, http.StatusUnauthorized},
		{"no secret", "", now, 3, http.StatusUnauthorized},
		{"an old one", "the default one", "1700000000", 1, http.StatusUnauthorized},
	} {
		if got := send(tt.appID, tt.secret, tt.timestamp); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
	for _, body := range []string{"", "{", `{"AppId":-1}`, strings.Repeat("x", 2<<20)} {
		w := httptest.NewRecorder()
		set.ServeCallback(w, httptest.NewRequest(http.MethodPost, "/callbacks/zego", strings.NewReader(body)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%.20q: got %d", body, w.Code)
		}
	}
}
