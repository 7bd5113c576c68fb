package cli_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"zego-mcp/internal/leaktest"
	"zego-mcp/internal/redisshare/redistest"
	"zego-mcp/tools"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// alphaSecret is the secret of one of the simulated projects. The other one has that of the
// environment of start.
const alphaSecret = "the-secret-of-project-alpha-0001"

// tenant is a ZEGO project with a simulator of its own, and a caller who uses it. Whatever the
// simulator tells has the name of the tenant in it, or stands for something else in each project
// under the same id.
type tenant struct {
	name  string // alpha7 or beta7.
	appID uint32
	sim   *zegosim.Server
	url   string // Of the simulator, as the file of projects has it.
	real  string // Of the simulator.
	token string

	pictures atomic.Int32 // How many pictures were fetched from the simulator.
	server   string       // URL of /mcp.
	session  string
	task     string // TaskId.
	streams  int    // How many StreamIds were used; ZEGO takes none twice.
}

func newTenant(t *testing.T, name string, appID uint32, secret string) *tenant {
	t.Helper()
	c := &tenant{name: name, appID: appID, sim: &zegosim.Server{
		AppID: appID, Secret: secret, QPS: -1, StartDelay: -1,
		Humans: []zego.DigitalHuman{
			{ID: "shared-human", Name: "Shared " + name, Gestures: []zego.Gesture{{Name: "wave"}, {Name: name + "_bow"}}},
			{ID: name + "-human", Name: "Anna " + name, Gestures: []zego.Gesture{}},
		},
		Timbres: []zegosim.Timbre{{ID: "shared-timbre", Name: "Alto " + name}, {ID: name + "-timbre", Name: "Bass " + name, DigitalHumanID: "shared-human"}},
	}}
	upstream := httptest.NewServer(leaktest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			c.pictures.Add(1)
		}
		c.sim.ServeHTTP(w, r)
	})))
	t.Cleanup(upstream.Close)
	c.url, c.real = upstream.URL, upstream.URL
	return c
}

// traces are the texts by which an answer to somebody else shows that it is of this tenant.
func (c *tenant) traces() []string {
	return []string{c.name, strings.TrimPrefix(c.url, "http://"), fmt.Sprint(c.appID)}
}

// ask sends a JSON-RPC request, and returns the answer.
func (c *tenant) ask(t *testing.T, method, params string) string {
	t.Helper()
	resp, text := post(t, c.server, c.token, c.session, fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params))
	if method == "initialize" {
		c.session = resp.Header.Get("Mcp-Session-Id")
	}
	return text
}

// call calls a tool.
func (c *tenant) call(t *testing.T, tool, arguments string) string {
	t.Helper()
	if strings.Contains(arguments, "$new") {
		c.streams++
	}
	stream := fmt.Sprintf("%s-stream-%d", c.name, c.streams)
	arguments = strings.NewReplacer("$task", c.task, "$room", c.name+"-room", "$new", stream, "$stream", stream).Replace(arguments)
	answer := c.ask(t, "tools/call", fmt.Sprintf(`{"name":%q,"arguments":%s}`, tool, arguments))
	if task := firstMatch(`\\"TaskId\\":\\"([^\\]+)`, answer); tool == "create_stream_task" && task != "" {
		c.task = task
	}
	return answer
}

// firstMatch returns what the first group of a pattern matches in text.
func firstMatch(pattern, text string) string {
	if found := regexp.MustCompile(pattern).FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}

// tenancy is a running server for two tenants.
type tenancy struct {
	program     *program
	alpha, beta *tenant
	dir         string
	admin       string // URL of --admin-listen.

	mu  sync.Mutex // guards what follows
	log strings.Builder
}

// projectsFile returns a file of both projects, or of the named one alone.
func (s *tenancy) projectsFile(only ...string) string {
	text := "projects = []\n"
	for _, p := range []struct {
		c             *tenant
		token, secret string
	}{{s.alpha, "alice", `secret_file = "alpha.secret"`}, {s.beta, "bob", `secret_env = "ZEGO_SERVER_SECRET"`}} {
		if len(only) > 0 && !slices.Contains(only, p.c.name) {
			continue
		}
		text = strings.TrimPrefix(text, "projects = []\n")
		text += fmt.Sprintf("[[projects]]\nname = %q\napp_id = %d\nendpoint = %q\n%s\ntokens = [%q]\n", p.c.name, p.c.appID, p.c.url, p.secret, p.token)
	}
	return text
}

func (s *tenancy) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// hangUp sends SIGHUP, and waits until the log says that the file of projects was read again, or
// that it cannot be used.
func (s *tenancy) hangUp(t *testing.T, wants ...string) {
	t.Helper()
	before := len(s.logged())
	if err := s.program.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for _, want := range append(wants, `tokens.json`) {
		s.waitFor(t, func() bool { return strings.Contains(s.logged()[before:], want) }, want)
	}
}

func (s *tenancy) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// waitFor waits until a condition is true.
func (s *tenancy) waitFor(t *testing.T, condition func() bool, what string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not seen: %s; logged %s", what, s.logged())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// startTenancy starts a server for two tenants.
func startTenancy(t *testing.T, args ...string) *tenancy {
	t.Helper()
	s := &tenancy{
		dir:   t.TempDir(),
		alpha: newTenant(t, "alpha7", 3111222333, alphaSecret), beta: newTenant(t, "beta7", 3444555666, zegosim.DefaultSecret),
	}
	tokens := filepath.Join(s.dir, "tokens.json")
	s.alpha.token = newToken(t, "alice", "--file", tokens, "--toolsets", "all")
	s.beta.token = newToken(t, "bob", "--file", tokens, "--toolsets", "all")
	s.write(t, "alpha.secret", alphaSecret+"\n")
	s.write(t, "projects.toml", s.projectsFile())
	s.launch(t, args...)
	return s
}

// startAnother starts a second server for the same tenants, which reads the same files.
func (s *tenancy) startAnother(t *testing.T, args ...string) *tenancy {
	t.Helper()
	other := &tenancy{dir: s.dir, alpha: &tenant{name: s.alpha.name, token: s.alpha.token}, beta: &tenant{name: s.beta.name, token: s.beta.token}}
	other.launch(t, args...)
	return other
}

// launch starts the server, and opens the sessions of the tenants.
func (s *tenancy) launch(t *testing.T, args ...string) {
	t.Helper()
	s.program = start(t, append([]string{
		"serve", "--transport", "http", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--toolsets", "all", "--qps", "0",
		"--auth-tokens", filepath.Join(s.dir, "tokens.json"), "--projects", filepath.Join(s.dir, "projects.toml"), "--audit-log", filepath.Join(s.dir, "audit.log"),
	}, args...)...)
	s.admin = loggedAttr(t, s.program, "admin_url")
	s.alpha.server = loggedURL(t, s.program)
	s.beta.server = s.alpha.server
	go func() {
		lines := bufio.NewScanner(s.program.stderr)
		for lines.Scan() {
			s.mu.Lock()
			s.log.WriteString(lines.Text() + "\n")
			s.mu.Unlock()
		}
	}()
	capabilities, err := json.Marshal(map[string]any{"extensions": tools.AppsCapability()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*tenant{s.alpha, s.beta} {
		c.ask(t, "initialize", fmt.Sprintf(`{"protocolVersion":"2025-11-25","capabilities":%s,"clientInfo":{"name":"x","version":"1"}}`, capabilities))
	}
}

// end sends SIGTERM, and waits.
func (s *tenancy) end(t *testing.T) {
	t.Helper()
	if err := s.program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.program.Wait(); err != nil {
		t.Error(err)
	}
}

// step is something that a tenant asks for. An answer of a tenant's own must have its name, if
// own is true.
type step struct {
	name string
	own  bool
	ask  func(t *testing.T, c *tenant) string
}

// toolStep returns the call of a tool, which must succeed.
func toolStep(tool string, own bool, arguments string) step {
	return step{tool, own, func(t *testing.T, c *tenant) string {
		t.Helper()
		answer := c.call(t, tool, arguments)
		if strings.Contains(answer, `"isError":true`) || !strings.Contains(answer, `"result"`) || strings.Contains(answer, `"NoP`) { // Such as NoPicture.
			t.Errorf("%s calls %s %s: %s", c.name, tool, arguments, answer)
		}
		return answer
	}}
}

// notOverHTTP are the tools that no caller over HTTP gets from a server with several projects.
var notOverHTTP = []string{"drive_by_audio_file", "watch_stream_task"}

// assetSteps call the tools that only look.
var assetSteps = []step{
	toolStep("list_digital_humans", true, `{}`),
	toolStep("get_digital_human", true, `{"DigitalHumanId":"shared-human"}`),
	toolStep("find_digital_humans", true, `{"Query":"shared"}`),
	toolStep("preview_digital_humans", true, `{}`),
	toolStep("get_thumbnails", false, `{"DigitalHumanIds":["shared-human"]}`),
	toolStep("get_gesture_preview", false, `{"DigitalHumanId":"shared-human","Action":"wave"}`),
	toolStep("list_timbres", true, `{"DigitalHumanId":"shared-human"}`),
}

// streamSteps let a stream live. What lies between its start and its end comes between them.
var streamSteps = []step{
	toolStep("create_stream_task", true, `{"DigitalHumanId":"shared-human","RoomId":"$room","StreamId":"$new"}`),
	toolStep("get_stream_task", true, `{"TaskId":"$task"}`),
	toolStep("list_stream_tasks", true, `{}`),
	toolStep("create_viewer_link", true, `{"TaskId":"$task"}`),
	toolStep("drive_by_text", false, `{"TaskId":"$task","Text":"hello","TimbreId":"shared-timbre","WaitUntilSpoken":false}`),
	toolStep("drive_by_audio", false, `{"TaskId":"$task","AudioUrl":"https://audio..example/a.mp3","WaitUntilSpoken":false}`),
	toolStep("interrupt_drive", false, `{"TaskId":"$task"}`),
	toolStep("do_action", false, `{"TaskId":"$task","Action":"wave"}`),
	toolStep("drive_by_rtc_stream", false, `{"TaskId":"$task","RoomId":"$room","StreamId":"voice"}`),
	{"do_action with an unknown gesture", true, func(t *testing.T, c *tenant) string {
		return c.call(t, "do_action", `{"TaskId":"$task","Action":"fly"}`)
	}},
	{"create_stream_task with a StreamId in use", false, func(t *testing.T, c *tenant) string {
		return c.call(t, "create_stream_task", `{"DigitalHumanId":"shared-human","RoomId":"x","StreamId":"$stream"}`)
	}},
}

var stopStep = toolStep("stop_stream_task", false, `{"TaskId":"$task"}`)

// listSteps list all that there is.
func listSteps() []step {
	var steps []step
	for _, method := range []string{"tools/list", "prompts/list", "resources/list", "resources/templates/list"} {
		steps = append(steps, step{method, false, func(t *testing.T, c *tenant) string { return c.ask(t, method, `{}`) }})
	}
	return steps
}

// otherSteps ask for every prompt, resource and completion that a server lists. It knows how to
// fill in the arguments of those that there are; another one fails the test.
func otherSteps(t *testing.T, c *tenant) []step {
	t.Helper()
	var listed struct {
		Result struct {
			Prompts []struct {
				Name      string
				Arguments []struct{ Name string }
			}
			Resources         []struct{ URI string }
			ResourceTemplates []struct{ URITemplate string }
		}
	}
	for _, method := range []string{"prompts/list", "resources/list", "resources/templates/list"} {
		if err := json.Unmarshal([]byte(c.ask(t, method, `{}`)), &listed); err != nil {
			t.Fatal(err)
		}
	}
	var steps []step
	for _, p := range listed.Result.Prompts {
		arguments := map[string]string{}
		for _, argument := range p.Arguments {
			arguments[argument.Name] = "Shared"
			own := argument.Name == "DigitalHuman" || argument.Name == "Timbre"
			ref := fmt.Sprintf(`{"ref":{"type":"ref/prompt","name":%q},"argument":{"name":%q,"value":""}}`, p.Name, argument.Name)
			steps = append(steps, step{"completion of " + argument.Name, own, func(t *testing.T, c *tenant) string { return c.ask(t, "completion/complete", ref) }})
		}
		filled, err := json.Marshal(arguments)
		if err != nil {
			t.Fatal(err)
		}
		params := fmt.Sprintf(`{"name":%q,"arguments":%s}`, p.Name, filled)
		steps = append(steps, step{"prompt " + p.Name, false, func(t *testing.T, c *tenant) string { return c.ask(t, "prompts/get", params) }})
	}
	for _, r := range listed.Result.Resources {
		steps = append(steps, step{r.URI, false, func(t *testing.T, c *tenant) string {
			return c.ask(t, "resources/read", fmt.Sprintf(`{"uri":%q}`, r.URI))
		}})
	}
	for _, r := range listed.Result.ResourceTemplates {
		uri, ok := strings.CutSuffix(r.URITemplate, "{TaskId}")
		if !ok {
			t.Fatalf("the test does not know how to fill in %s", r.URITemplate)
		}
		ref := fmt.Sprintf(`{"ref":{"type":"ref/resource","uri":%q},"argument":{"name":"TaskId","value":""}}`, r.URITemplate)
		steps = append(steps,
			step{"completion of " + r.URITemplate, false, func(t *testing.T, c *tenant) string { return c.ask(t, "completion/complete", ref) }},
			step{r.URITemplate, true, func(t *testing.T, c *tenant) string {
				return c.ask(t, "resources/read", fmt.Sprintf(`{"uri":%q}`, uri+c.task))
			}})
	}
	return steps
}

// take carries out a step for one tenant. Nothing of the other one may show in the answer.
func take(t *testing.T, one step, c, other *tenant) {
	t.Helper()
	answer := one.ask(t, c)
	for _, trace := range other.traces() {
		if strings.Contains(answer, trace) {
			t.Errorf("%s as %s: the answer has %q in it: %s", one.name, c.name, trace, answer)
		}
	}
	if one.own && !strings.Contains(answer, c.name) {
		t.Errorf("%s as %s: the answer is not its own: %s", one.name, c.name, answer)
	}
	if strings.Contains(answer, `"error":`) {
		t.Errorf("%s as %s: %s", one.name, c.name, answer)
	}
}

// TestProjectsNeverCross lets two callers of two projects ask for all that a server has: by turns,
// in both orders, and at once. Both projects have the same ids for different things, so whatever
// is not kept apart shows.
func TestProjectsNeverCross(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]func(t *testing.T) []string{
		"one server": func(*testing.T) []string { return nil },
		"Redis": func(t *testing.T) []string {
			return []string{"--redis-url", "redis://" + redistest.Start(t).Address, "--stop-timeout", "10s"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startTenancy(t, args(t)...)
			steps := slices.Concat(listSteps(), assetSteps, streamSteps, otherSteps(t, s.alpha), []step{stopStep})
			s.checkRegistry(t, steps)
			for _, one := range steps {
				take(t, one, s.alpha, s.beta)
				take(t, one, s.beta, s.alpha)
			}
			if s.alpha.task != s.beta.task {
				t.Errorf("the simulators gave the TaskIds %s and %s, want the same", s.alpha.task, s.beta.task)
			}
			if s.alpha.pictures.Load() == 0 || s.beta.pictures.Load() == 0 {
				t.Errorf("pictures were fetched %d and %d times, want some of each project", s.alpha.pictures.Load(), s.beta.pictures.Load())
			}
			for _, one := range steps {
				take(t, one, s.beta, s.alpha)
				take(t, one, s.alpha, s.beta)
			}
			var walks sync.WaitGroup
			for _, pair := range [][2]*tenant{{s.alpha, s.beta}, {s.beta, s.alpha}} {
				walks.Go(func() {
					for range 2 {
						for _, one := range steps {
							take(t, one, pair[0], pair[1])
						}
					}
				})
			}
			walks.Wait()
			s.checkForeignIDs(t)
			s.checkRecords(t)
			s.end(t)
		})
	}
}

// checkRegistry demands a step for each tool.
func (s *tenancy) checkRegistry(t *testing.T, steps []step) {
	t.Helper()
	var listed struct {
		Result struct{ Tools []struct{ Name string } }
	}
	if err := json.Unmarshal([]byte(s.alpha.ask(t, "tools/list", `{}`)), &listed); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, tool := range listed.Result.Tools {
		there[tool.Name] = true
		if !slices.ContainsFunc(steps, func(one step) bool { return one.name == tool.Name }) {
			t.Errorf("no step calls %s: add one to assetSteps or streamSteps", tool.Name)
		}
	}
	for _, tool := range tools.Names() {
		if !there[tool] && !slices.Contains(notOverHTTP, tool) {
			t.Errorf("%s is not listed; got %v", tool, slices.Sorted(maps.Keys(there)))
		}
	}
	for _, tool := range notOverHTTP {
		if answer := s.alpha.call(t, tool, `{}`); there[tool] || !strings.Contains(answer, `"isError":true`) {
			t.Errorf("%s: listed %t, got %s", tool, there[tool], answer)
		}
	}
}

// checkForeignIDs lets one caller use ids that only the other project has.
func (s *tenancy) checkForeignIDs(t *testing.T) {
	t.Helper()
	const create = `{"DigitalHumanId":"shared-human","RoomId":"$room"}`
	s.alpha.call(t, "create_stream_task", create)
	s.alpha.call(t, "create_stream_task", create)
	s.beta.task = s.alpha.task
	for _, tool := range []struct{ name, arguments string }{
		{"get_stream_task", `{"TaskId":"$task"}`},
		{"create_viewer_link", `{"TaskId":"$task"}`},
		{"interrupt_drive", `{"TaskId":"$task"}`},
		{"do_action", `{"TaskId":"$task","Action":"wave"}`},
		{"stop_stream_task", `{"TaskId":"$task"}`},
		{"drive_by_text", `{"TaskId":"$task","Text":"hi","TimbreId":"shared-timbre"}`},
		{"get_digital_human", `{"DigitalHumanId":"alpha7-human"}`},
	} {
		answer := s.beta.call(t, tool.name, tool.arguments)
		if strings.Contains(answer, "Anna") || strings.Contains(answer, "alpha7-room") {
			t.Errorf("%s of what is only in another project: %s", tool.name, answer)
		}
	}
	if answer := s.alpha.call(t, "get_stream_task", `{"TaskId":"$task"}`); !strings.Contains(answer, "streaming") {
		t.Errorf("another project's caller has changed a stream: %s", answer)
	}
}

// checkRecords looks at what operators see: each call and each stream stands under its project.
func (s *tenancy) checkRecords(t *testing.T) {
	t.Helper()
	audit, err := os.ReadFile(filepath.Join(s.dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(audit)) {
		mine, other := s.alpha, s.beta
		if strings.Contains(line, `"token:bob"`) {
			mine, other = other, mine
		}
		if !strings.Contains(line, fmt.Sprintf(`"app_id":%d`, mine.appID)) || strings.Contains(line, other.name) {
			t.Errorf("the audit log has %s", line)
		}
	}
	for line := range strings.Lines(s.logged()) {
		if strings.Contains(line, `"subject":"token:alice"`) != strings.Contains(line, `"project":"alpha7"`) && strings.Contains(line, `"subject"`) {
			t.Errorf("the log has %s", line)
		}
	}
	_, text := get(t, s.admin+"/metrics")
	for _, want := range []string{fmt.Sprintf(`zego_mcp_streams_running{app_id="%d"} 2`, s.alpha.appID), fmt.Sprintf(`zego_mcp_streams_running{app_id="%d"} 0`, s.beta.appID)} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

// openStream opens an event stream, at /mcp that of the session, and returns a channel that is
// closed at its end.
func (c *tenant) openStream(t *testing.T, path string) <-chan struct{} {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.server, "/mcp")+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Mcp-Session-Id", c.session)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = resp.Body.Close() }()
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return ended
}

// running returns how many streams of a tenant run.
func (c *tenant) running(t *testing.T) int {
	t.Helper()
	client, err := zego.New(c.appID, c.sim.Secret, zego.Options{Endpoint: c.real, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.ListStreamTasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Tasks)
}

// TestProjectsChange takes a project out of the file while its caller has a stream and a session,
// breaks the file, and puts the project back.
func TestProjectsChange(t *testing.T) {
	t.Parallel()
	s := startTenancy(t)
	for _, c := range []*tenant{s.alpha, s.beta} {
		streamSteps[0].ask(t, c)
	}
	alphaEnded, alphaEndedToo, betaEnded := s.alpha.openStream(t, "/mcp"), s.alpha.openStream(t, "/sse"), s.beta.openStream(t, "/mcp")

	s.write(t, "projects.toml", strings.Replace(s.projectsFile(), "tokens", "token", 1))
	s.hangUp(t, `unknown key \"token\"; did you mean \"tokens\"?`)
	if answer := s.alpha.call(t, "list_stream_tasks", `{}`); !strings.Contains(answer, "alpha7-room") {
		t.Errorf("after a broken file: %s", answer)
	}

	s.write(t, "projects.toml", s.projectsFile("beta7"))
	s.hangUp(t, "a project is no longer served")
	resp, text := post(t, s.alpha.server, s.alpha.token, s.alpha.session, listTools)
	if resp.StatusCode != http.StatusForbidden || strings.Contains(text, "beta7") {
		t.Errorf("a caller without a project: got %s %s", resp.Status, text)
	}
	for _, ended := range []<-chan struct{}{alphaEnded, alphaEndedToo} {
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Error("an event stream of a caller without a project goes on")
		}
	}
	s.waitFor(t, func() bool { return strings.Contains(s.logged(), "a project has ended") }, "the end")
	if got := s.alpha.running(t); got != 0 {
		t.Errorf("%d streams of the project run", got)
	}
	if answer := s.beta.call(t, "get_stream_task", `{"TaskId":"$task"}`); !strings.Contains(answer, "beta7-room") {
		t.Errorf("the other project: %s", answer)
	}
	select {
	case <-betaEnded:
		t.Error("the event stream of the other project has ended")
	default:
	}
	if _, text := get(t, s.admin+"/metrics"); strings.Contains(text, fmt.Sprint(s.alpha.appID)) {
		t.Error("the metrics still have the project")
	}

	// Without a signal, the file is looked at every few seconds.
	s.write(t, "projects.toml", s.projectsFile())
	s.waitFor(t, func() bool {
		resp, _ := post(t, s.alpha.server, s.alpha.token, "", listTools)
		return resp.StatusCode == http.StatusOK
	}, "the project again")
	s.end(t)
	if s.alpha.running(t)+s.beta.running(t) != 0 {
		t.Error("streams outlive the server")
	}
}

// TestProjectsLeaveTwoServers takes a project out of the file that two servers read, which share
// one Redis. Whichever ends it last stops its streams.
func TestProjectsLeaveTwoServers(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	args := []string{"--redis-url", "redis://" + redis.Address, "--stop-timeout", "15s"}
	first := startTenancy(t, args...)
	second := first.startAnother(t, args...)
	for _, c := range []*tenant{first.alpha, first.beta} {
		streamSteps[0].ask(t, c)
	}
	first.beta.server = second.beta.server
	if answer := first.beta.call(t, "list_stream_tasks", `{}`); !strings.Contains(answer, "this_server") || strings.Contains(answer, "alpha7") {
		t.Errorf("the other server lists %s", answer)
	}
	first.write(t, "projects.toml", first.projectsFile("beta7"))
	for _, s := range []*tenancy{first, second} {
		s.waitFor(t, func() bool { return strings.Contains(s.logged(), "a project has ended") }, "the end")
	}
	if alpha, beta := first.alpha.running(t), first.beta.running(t); alpha != 0 || beta != 1 {
		t.Errorf("%d and %d streams run, want 0 and 1", alpha, beta)
	}
	first.end(t)
	if beta := first.beta.running(t); beta != 1 {
		t.Errorf("%d streams of the other project run, want the one that the second server has taken over", beta)
	}
	second.end(t)
	if beta := first.beta.running(t); beta != 0 {
		t.Errorf("%d streams outlive the servers", beta)
	}
}

// TestProjectSecret renews the secret of a project: its streams and sessions go on.
func TestProjectSecret(t *testing.T) {
	t.Parallel()
	s := startTenancy(t)
	take(t, streamSteps[0], s.alpha, s.beta)
	const renewed = "the-other-secret-of-alpha-000002"
	var old atomic.Bool // The old secret is no longer valid.
	front := httptest.NewServer(leaktest.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		var timestamp int64
		_, _ = fmt.Sscan(q.Get("Timestamp"), &timestamp)
		switch q.Get("Signature") {
		case zego.Sign(s.alpha.appID, q.Get("SignatureNonce"), renewed, timestamp):
			q.Set("Signature", zego.Sign(s.alpha.appID, q.Get("SignatureNonce"), alphaSecret, timestamp))
		default:
			if old.Load() {
				q.Set("Signature", "old")
			}
		}
		r.URL.RawQuery = q.Encode()
		s.alpha.sim.ServeHTTP(w, r)
	})))
	t.Cleanup(front.Close)
	s.alpha.url = front.URL
	s.write(t, "projects.toml", s.projectsFile())
	s.hangUp(t, "a project is no longer served", "a project is open") // It has another endpoint.
	s.waitFor(t, func() bool { return strings.Contains(s.logged(), "a project has ended") }, "the end")
	if resp, text := post(t, s.alpha.server, s.alpha.token, s.alpha.session, listTools); resp.StatusCode != http.StatusNotFound {
		t.Errorf("the session of the project with the old endpoint: got %s %s", resp.Status, text)
	}
	s.alpha.session = ""
	take(t, toolStep("create_stream_task", true, `{"DigitalHumanId":"shared-human","RoomId":"$room"}`), s.alpha, s.beta)
	s.write(t, "alpha.secret", renewed)
	s.hangUp(t, "a project has another secret")
	old.Store(true)
	take(t, toolStep("list_stream_tasks", true, `{}`), s.alpha, s.beta)
	if answer := s.alpha.call(t, "list_stream_tasks", `{}`); !strings.Contains(answer, "this_server") {
		t.Errorf("the stream is no longer the server's: %s", answer)
	}
	s.end(t)
	if got := s.alpha.running(t); got != 0 {
		t.Errorf("%d streams outlive the server", got)
	}
}
