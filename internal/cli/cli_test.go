package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"zego-mcp/internal/cli"
	"zego-mcp/internal/leaktest"
	"zego-mcp/internal/redisshare/redistest"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/rogpeppe/go-internal/testscript"
)

// asProgram is the environment variable that makes the test binary run as zego-mcp.
const asProgram = "TEST_AS_ZEGO_MCP"

// raceOptions is the environment variable with the options of the race detector, which a
// process reads when it starts.
const raceOptions = "GORACE"

func TestMain(m *testing.M) {
	if os.Getenv(asDocumented) != "" {
		os.Exit(runDocumented())
	}
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main())
	}
	// The tests start this binary as the program. With the race detector it would wait for a
	// second before it ends.
	if os.Getenv(raceOptions) == "" {
		_ = os.Setenv(raceOptions, "atexit_sleep_ms=50")
	}
	testscript.Main(leaktest.Tests{M: m, Secrets: []string{zegosim.DefaultSecret, alphaSecret}}, map[string]func(){"zego-mcp": func() { os.Exit(cli.Main()) }})
}

// TestScripts runs the scripts of testdata/script, which use the command line as a user
// does. At their start none of zego-mcp's own variables is set. Scripts know the upstreams
// below by variables that hold their URLs: $SIM and $STUDIO are simulators without faults,
// and with $STUDIO streams start at once; the others go wrong as their names say.
func TestScripts(t *testing.T) {
	t.Parallel()
	upstreams := map[string]http.Handler{
		"SIM":          &zegosim.Server{QPS: -1},
		"STUDIO":       &zegosim.Server{QPS: -1, StartDelay: time.Millisecond},
		"CLOCK_BEHIND": &zegosim.Server{Now: func() time.Time { return time.Now().Add(-time.Hour) }},
		"CLOCK_NEAR":   &zegosim.Server{Now: func() time.Time { return time.Now().Add(90 * time.Second) }},
		"OTHER_SECRET": &zegosim.Server{Secret: strings.Repeat("x", 32)},
		"OTHER_APP":    &zegosim.Server{AppID: 7},
		"NOT_ENABLED":  &zegosim.Server{Fault: func(string, int) *zegosim.Fault { return &zegosim.Fault{Code: zego.CodeServiceNotEnabled} }},
		"HTML": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html>Bad gateway</html>")
		}),
		"HOSTILE": &zegosim.Server{Humans: []zego.DigitalHuman{{ID: "a", Name: "\x1b[2Jcleared\nline"}}},
	}
	// Nothing listens at the URL of $GONE.
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	env := []string{raceOptions + "=" + os.Getenv(raceOptions), "GONE=" + gone.URL, "APP_ID=" + fmt.Sprint(zegosim.DefaultAppID), "SECRET=" + zegosim.DefaultSecret}
	for name, handler := range upstreams {
		srv := httptest.NewServer(leaktest.Handler(handler))
		t.Cleanup(srv.Close)
		env = append(env, name+"="+srv.URL)
	}
	testscript.RunT(scriptTest{t}, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, env...)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// field NAME VARIABLE sets VARIABLE to the text field NAME of the last output.
			"field": func(ts *testscript.TestScript, _ bool, args []string) {
				match := regexp.MustCompile(`"` + args[0] + `":"([^"]*)"`).FindStringSubmatch(ts.ReadFile("stdout"))
				if match == nil {
					ts.Fatalf("no %s in the result", args[0])
				}
				ts.Setenv(args[1], match[1])
			},
			// exits CODE COMMAND… runs COMMAND, which must end with the exit code CODE.
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				got := 0
				if exit := new(exec.ExitError); errors.As(ts.Exec(args[1], args[2:]...), &exit) {
					got = exit.ExitCode()
				}
				if got != want {
					ts.Fatalf("exit code %d, want %d", got, want)
				}
			},
		},
	})
}

// scriptTest is a test that runs scripts. It lets leaktest look through what the commands of
// a script printed.
type scriptTest struct{ *testing.T }

// Run implements testscript.T.
func (t scriptTest) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(scriptTest{t}) })
}

// Verbose makes testscript log the output of every command.
func (scriptTest) Verbose() bool { return true }

// Log gets the whole log of a script. The environment at its beginning and the commands hold
// the secret on purpose, so leaktest gets only the output of the commands.
func (t scriptTest) Log(args ...any) {
	t.Helper()
	log, output := fmt.Sprint(args...), false
	for line := range strings.Lines(log) {
		switch {
		case line == "[stdout]\n" || line == "[stderr]\n":
			output = true
		case strings.HasPrefix(line, "> ") || strings.HasPrefix(line, "# "):
			output = false
		case output:
			leaktest.See("the output of "+t.Name(), line)
		}
	}
	t.T.Log(log)
}

// program is a running zego-mcp and the other ends of its streams.
type program struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *bufio.Reader
}

// start starts zego-mcp with the simulator's ServerSecret, over HTTP also with its callback
// secret, and with logs in JSON.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.CommandContext(t.Context(), os.Args[0], args...)}
	p.Env = append(os.Environ(), asProgram+"=1", "ZEGO_LOG_FORMAT=json", "ZEGO_SERVER_SECRET="+zegosim.DefaultSecret)
	if slices.Contains(args, "http") {
		p.Env = append(p.Env, "ZEGO_CALLBACK_SECRET="+zegosim.DefaultCallbackSecret)
	}
	p.stdin, _ = p.StdinPipe()
	stdout, _ := p.StdoutPipe()
	stderr, _ := p.StderrPipe()
	p.stdout, p.stderr = bufio.NewReader(stdout), bufio.NewReader(stderr)
	if args[0] != "simulate" { // It prints its own made-up secret, for the user to copy.
		p.stdout = bufio.NewReader(io.TeeReader(stdout, leaktest.Writer(fmt.Sprint("the output of ", args), io.Discard)))
		p.stderr = bufio.NewReader(io.TeeReader(stderr, leaktest.Writer(fmt.Sprint("the log of ", args), io.Discard)))
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSignals sends a signal to a server; it must end with exit code 0.
func TestSignals(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, transport := range []string{"stdio", "http", "sse"} {
			t.Run(fmt.Sprint(transport, " ", signal), func(t *testing.T) {
				t.Parallel()
				args := []string{"serve", "--simulate", "--transport", transport}
				if transport != "stdio" {
					args = append(args, "--listen", "127.0.0.1:0")
				}
				p := start(t, args...)
				if transport == "stdio" {
					_, _ = io.WriteString(p.stdin, `{"jsonrpc":"2.0","id":1,"method":"ping"}`+"\n")
					if line, err := p.stdout.ReadString('\n'); err != nil {
						t.Fatalf("got %q, %v", line, err)
					}
				} else if url := loggedURL(t, p); !strings.HasPrefix(url, "http://127.0.0.1:") {
					t.Errorf("got %q", url)
				}
				if err := p.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
				if err := p.Wait(); err != nil {
					t.Errorf("got %v, want exit code 0", err)
				}
			})
		}
	}
}

// loggedURL reads the log up to the first line that has a url, and returns that.
func loggedURL(t *testing.T, p *program) string {
	t.Helper()
	for {
		line, err := p.stderr.ReadString('\n')
		if err != nil {
			t.Fatalf("no URL logged: %v", err)
		}
		var entry struct{ URL string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.URL != "" {
			return entry.URL
		}
	}
}

// TestThreeServers lets three servers that share one Redis call at once. Together they keep
// to the rate limit, although the simulator would let all calls through.
func TestThreeServers(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	sim := httptest.NewServer(leaktest.Handler(&zegosim.Server{QPS: -1}))
	t.Cleanup(sim.Close)
	const calls = 8
	begin := time.Now()
	var servers []*program
	for i := range 3 {
		p := start(t, "--redis-url", "redis://"+redis.Address, "--endpoint", sim.URL, "--app-id", fmt.Sprint(zegosim.DefaultAppID))
		servers = append(servers, p)
		_, _ = io.WriteString(p.stdin, `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`+"\n")
		for j := range calls {
			_, _ = fmt.Fprintf(p.stdin, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Offset":%d}}}`+"\n", j, 100*i+j)
		}
		_ = p.stdin.Close()
	}
	for _, p := range servers {
		out, err := io.ReadAll(p.stdout)
		if err != nil {
			t.Error(err)
		}
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
		if n := bytes.Count(out, []byte(`"structuredContent":{"Total":64`)); n != calls {
			t.Errorf("%d of %d calls succeeded: %s", n, calls, out)
		}
	}
	// ZEGO allows 10 of the 24 calls in each second. A busy machine can only add to the time.
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("all calls were answered in %v; so the servers do not share the limit", took)
	}
}

// TestServersShareStreams starts a stream task with one of two servers that share a Redis.
// The other one knows the task as its own, keeps it when the first server ends, and stops it
// when it ends itself as the last one.
func TestServersShareStreams(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	sim := httptest.NewServer(leaktest.Handler(&zegosim.Server{QPS: -1, StartDelay: time.Millisecond}))
	t.Cleanup(sim.Close)
	upstream, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: sim.URL})
	if err != nil {
		t.Fatal(err)
	}
	running := func() int {
		list, err := upstream.ListStreamTasks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Tasks)
	}
	serve := func() *program {
		p := start(t, "--toolsets", "all", "--redis-url", "redis://"+redis.Address, "--endpoint", sim.URL, "--app-id", fmt.Sprint(zegosim.DefaultAppID))
		p.ask(t, "initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}`)
		return p
	}
	end := func(p *program) {
		_ = p.stdin.Close()
		if err := p.Wait(); err != nil {
			t.Errorf("a server ended with %v", err)
		}
	}
	first, second := serve(), serve()
	created := first.ask(t, "tools/call", `{"name":"create_stream_task","arguments":{"DigitalHumanId":"fa592895-d988-4584-b27b-97b8f4b921ad","RoomId":"studio"}}`)
	if n := running(); n != 1 {
		t.Fatalf("%d tasks run: %s", n, created)
	}
	if list := second.ask(t, "tools/call", `{"name":"list_stream_tasks","arguments":{}}`); !strings.Contains(list, `"StartedBy":"this_server"`) {
		t.Errorf("the second server lists %s", list)
	}
	end(first)
	if n := running(); n != 1 {
		t.Errorf("%d tasks run when the first server has ended, want 1", n)
	}
	end(second)
	if n := running(); n != 0 {
		t.Errorf("%d tasks run when both servers have ended, want 0", n)
	}
}

// ask sends a request over stdio and returns the line with the answer.
func (p *program) ask(t *testing.T, method, params string) string {
	t.Helper()
	if _, err := fmt.Fprintf(p.stdin, `{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`+"\n", method, params); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatalf("no answer to %s: %v", method, err)
		}
		if strings.Contains(line, `"id":1`) {
			return line
		}
	}
}

// TestSimulateCommand starts a simulator, and calls it from a second program that is
// configured with the values that the first one printed.
func TestSimulateCommand(t *testing.T) {
	t.Parallel()
	p := start(t, "simulate", "--listen", "127.0.0.1:0")
	env := append(os.Environ(), asProgram+"=1")
	for range 5 {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if export, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			env = append(env, export)
		}
	}
	call := exec.CommandContext(t.Context(), os.Args[0], "call", "list_digital_humans", "Limit=1")
	call.Env = env
	out, err := call.CombinedOutput()
	if err != nil || !bytes.HasPrefix(out, []byte(`{"Total":64,`)) {
		t.Errorf("got %s, %v", out, err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
}

// TestSimulateCallbacks creates a stream task in a simulator with --callback-url, and
// expects a callback.
func TestSimulateCallbacks(t *testing.T) {
	t.Parallel()
	bodies := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies <- string(body)
	}))
	t.Cleanup(hook.Close)
	p := start(t, "simulate", "--listen", "127.0.0.1:0", "--callback-url", hook.URL)
	var endpoint string
	for callbacksPrinted := false; !callbacksPrinted; {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if value, ok := strings.CutPrefix(line, "export ZEGO_ENDPOINT="); ok {
			endpoint = strings.TrimSpace(value)
		}
		callbacksPrinted = strings.Contains(line, hook.URL) && strings.Contains(line, zegosim.DefaultCallbackSecret)
	}
	now := time.Now().Unix()
	target := fmt.Sprintf("%s/?Action=CreateDigitalHumanStreamTask&AppId=%d&SignatureNonce=x&Timestamp=%d&SignatureVersion=2.0&Signature=%s",
		endpoint, zegosim.DefaultAppID, now, zego.Sign(zegosim.DefaultAppID, "x", zegosim.DefaultSecret, now))
	body := fmt.Sprintf(`{"DigitalHumanConfig":{"DigitalHumanId":%q},"RTCConfig":{"RoomId":"room","StreamId":"stream"}}`, zegosim.DefaultHumans()[0].ID)
	resp, err := http.Post(target, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got := <-bodies; !strings.Contains(got, `"Detail":{"Status":1,"RoomId":"room","StreamId":"stream"}`) {
		t.Errorf("got %s", got)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
}

// TestStreamsEndWithTheServer creates a stream task, ends the server in each way that
// leaves it time to act, and expects that the server has stopped the stream task.
func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}` + "\n"
	for name, end := range map[string]func(cmd *exec.Cmd, stdin, stdout, stderr io.Closer){
		"end of input": func(_ *exec.Cmd, stdin, _, _ io.Closer) { _ = stdin.Close() },
		"SIGTERM":      func(cmd *exec.Cmd, _, _, _ io.Closer) { _ = cmd.Process.Signal(syscall.SIGTERM) },
		"the terminal is closed": func(cmd *exec.Cmd, _, _, _ io.Closer) {
			_ = cmd.Process.Signal(syscall.SIGHUP)
		},
		"the client has crashed": func(_ *exec.Cmd, stdin, stdout, stderr io.Closer) {
			_, _, _ = stdout.Close(), stderr.Close(), stdin.Close()
		},
		"SIGTERM while the client does not read": func(cmd *exec.Cmd, stdin, _, _ io.Closer) {
			for range 300 {
				_, _ = io.WriteString(stdin.(io.Writer), `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`+"\n")
			}
			_ = cmd.Process.Signal(syscall.SIGTERM)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := httptest.NewServer(leaktest.Handler(&zegosim.Server{QPS: -1, StartDelay: -1}))
			defer sim.Close()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "--toolsets", "all", "--timeout", "1s")
			cmd.Env = append(os.Environ(), asProgram+"=1", "ZEGO_ENDPOINT="+sim.URL, fmt.Sprint("ZEGO_APP_ID=", zegosim.DefaultAppID), "ZEGO_SERVER_SECRET="+zegosim.DefaultSecret)
			stdin, _ := cmd.StdinPipe()
			stdout, _ := cmd.StdoutPipe()
			stderr, _ := cmd.StderrPipe()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			answers := bufio.NewReader(io.TeeReader(stdout, leaktest.Writer("the answers of a server that ends", io.Discard)))
			for _, message := range []string{hello, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"create_stream_task","arguments":{"RoomId":"r","DigitalHumanId":"` +
				zegosim.DefaultHumans()[0].ID + `"}}}` + "\n"} {
				_, _ = io.WriteString(stdin, message)
				if line, err := answers.ReadString('\n'); err != nil || strings.Contains(line, `"isError":true`) {
					t.Fatalf("got %s, %v", line, err)
				}
			}
			end(cmd, stdin, stdout, stderr)
			state, err := cmd.Process.Wait()
			if err != nil || state.ExitCode() != 0 {
				t.Errorf("got %v, %v", state, err)
			}
			client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: sim.URL})
			if err != nil {
				t.Fatal(err)
			}
			if list, err := client.ListStreamTasks(t.Context()); err != nil || len(list.Tasks) != 0 {
				t.Errorf("got %+v, %v", list, err)
			}
		})
	}
}

// TestSSEClientLeaves lets a client over SSE leave while its stream task starts. The task
// must be stopped, as nobody knows of it.
func TestSSEClientLeaves(t *testing.T) {
	t.Parallel()
	actions := make(chan string, 1000)
	sim := httptest.NewServer(&zegosim.Server{QPS: -1, StartDelay: time.Hour, Observe: func(call zegosim.Call) { actions <- call.Action }})
	t.Cleanup(sim.Close)
	waitFor := func(action string) {
		t.Helper()
		for {
			select {
			case got := <-actions:
				if got == action {
					return
				}
			case <-time.After(time.Minute):
				t.Fatalf("no %s", action)
			}
		}
	}
	p := start(t, "serve", "--transport", "sse", "--listen", "127.0.0.1:0", "--toolsets", "all", "--endpoint", sim.URL, "--app-id", fmt.Sprint(zegosim.DefaultAppID))
	url := loggedURL(t, p)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stream.Body.Close() }()
	var messages string
	for lines := bufio.NewReader(stream.Body); messages == ""; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "data: "); ok {
			messages = strings.TrimSuffix(url, "/sse") + path
		}
	}
	call := fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"create_stream_task","arguments":{"DigitalHumanId":%q,"RoomId":"r"}}}`, zegosim.DefaultHumans()[0].ID)
	resp, err := http.Post(messages, "application/json", strings.NewReader(call))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	waitFor("GetDigitalHumanStreamTaskStatus") // The task was created.
	leave()
	waitFor("StopDigitalHumanStreamTask")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit code 0", err)
	}
}

// TestListenEverywhere listens on all addresses. The URL that is printed must work from this
// machine, and --allow-host must not depend on upper and lower case.
func TestListenEverywhere(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			p := start(t, "serve", "--simulate", "--transport", "http", "--insecure-no-auth", "--listen", address, "--allow-host", "Zego.Example.COM, other.example")
			url := loggedURL(t, p)
			if !regexp.MustCompile(`^http://(127\.0\.0\.1|localhost):[0-9]+/mcp$`).MatchString(url) {
				t.Errorf("logged %s", url)
			}
			for host, want := range map[string]int{"": http.StatusOK, "zego.example.com": http.StatusOK, "ZEGO.example.com": http.StatusOK, "other.example": http.StatusOK, "evil.example": http.StatusForbidden} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
				if err != nil {
					t.Fatal(err)
				}
				req.Host = host
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Accept", "application/json, text/event-stream")
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != want {
					t.Errorf("Host %q: got %s, want %d", host, resp.Status, want)
				}
			}
			if err := p.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := p.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	p := start(t, "simulate", "--listen", "0.0.0.0:0")
	for {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if url, ok := strings.CutPrefix(line, "export ZEGO_ENDPOINT="); ok {
			if !regexp.MustCompile(`^http://(127\.0\.0\.1|localhost):[0-9]+\s$`).MatchString(url) {
				t.Errorf("got %q", url)
			}
			break
		}
	}
}

// TestReaderGone checks that a command whose output nobody reads any more ends without a word.
func TestReaderGone(t *testing.T) {
	inParallel(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"version", "serve --help", "tools", "completion bash"} {
		var stderr strings.Builder
		code := cli.Run(t.Context(), strings.Fields(args), func(string) string { return "" }, strings.NewReader(""), writer, &stderr)
		if code != 1 || stderr.String() != "" {
			t.Errorf("%s: got code %d and %q, want 1 and nothing", args, code, stderr.String())
		}
	}
}
