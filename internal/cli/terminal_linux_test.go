package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"zego-mcp/internal/cli"
	"zego-mcp/internal/leaktest"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"golang.org/x/sys/unix"
)

// hostile is a JSON string in which everything is a command to the terminal or changes the
// order of the characters around it.
const hostile = `\u001b[2J\u001b]0;title\u0007\u001b[8m\r\u009b1m\u0085\u007f\u202e\u2066\u200f\u061c\u2028\u2029\ufeff`

// newHostileZEGO returns the URL of a simulator in whose answers hostile stands in place of
// the word HOSTILE and of the beginning of each RequestId.
func newHostileZEGO(t *testing.T) string {
	t.Helper()
	sim := &zegosim.Server{
		QPS: -1, StartDelay: -1,
		Humans: []zego.DigitalHuman{{ID: "human", Name: "HOSTILE"}},
		FailStart: func(_, streamID string) string {
			if streamID == "fails" {
				return "HOSTILE"
			}
			return ""
		},
		Fault: func(action string, _ int) *zegosim.Fault {
			if action == "GetTimbreList" {
				return &zegosim.Fault{Code: zego.CodeNoPermission, Message: "HOSTILE"}
			}
			return nil
		},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		sim.ServeHTTP(recorder, r)
		w.WriteHeader(recorder.Code)
		_, _ = io.WriteString(w, strings.NewReplacer("HOSTILE", hostile, "00000000-0000-4000-8000-", hostile).Replace(recorder.Body.String()))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// openTerminal returns a pseudo-terminal: what a program gets, and the other end.
func openTerminal(t *testing.T) (tty, control *os.File) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	if err := unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return tty, control
}

// onTerminal runs a command whose standard streams are a terminal at which a user types
// input. It returns what the terminal got.
func onTerminal(t *testing.T, endpoint, input string, args ...string) string {
	t.Helper()
	tty, control := openTerminal(t)
	env := map[string]string{
		"ZEGO_APP_ID": fmt.Sprint(zegosim.DefaultAppID), "ZEGO_SERVER_SECRET": zegosim.DefaultSecret,
		"ZEGO_ENDPOINT": endpoint, "ZEGO_TOOLSETS": "all",
	}
	if _, err := io.WriteString(control, input); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		// Reading ends with an error when the program's end is closed.
		out, _ := io.ReadAll(control)
		_ = control.Close()
		got <- string(out)
	}()
	cli.Run(t.Context(), args, func(name string) string { return env[name] }, tty, tty, tty)
	_ = tty.Close()
	out := <-got
	leaktest.See("a terminal", out)
	return out
}

var (
	ownLineErase = regexp.MustCompile(`\r\x1b\[K`)
	ownColor     = regexp.MustCompile(`\x1b\[[0-9;]*m`)
)

// unsafeIn returns the characters of text that a terminal would not only show.
func unsafeIn(text string) string {
	var found strings.Builder
	for _, r := range strings.NewReplacer("\r\n", "\n").Replace(text) {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || strings.ContainsRune("\u2028\u2029\ufeff\ufffd", r)) {
			fmt.Fprintf(&found, "%U ", r)
		}
	}
	return found.String()
}

// TestTerminalIsSafe lets foreign text come to a terminal in every way that the command line
// has. The terminal must show it and do nothing else.
func TestTerminalIsSafe(t *testing.T) {
	t.Parallel()
	endpoint := newHostileZEGO(t)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	create := func(streamID string) string {
		task, err := client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
			DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: "human"}, RTCConfig: zego.RTCConfig{RoomID: "HOSTILE", StreamID: streamID},
		})
		if err != nil {
			t.Fatal(err)
		}
		return task.TaskID
	}
	foreign, failed := create("foreign"), create("fails")
	const escape = "\x1b[2J\x1b[8m\u009b\u202e"
	for _, tt := range []struct {
		name  string
		args  []string
		input string
		want  string // A part of the output.
	}{
		{"table", []string{"call", "list_digital_humans"}, "", `\u001b[2J`},
		{"JSON", []string{"call", "list_digital_humans", "--output", "json"}, "", `\u001b[2J`},
		{"lists", []string{"call", "list_stream_tasks"}, "", "foreign"},
		{"fields", []string{"call", "get_stream_task", "TaskId=" + failed}, "", "failed"},
		{"question", []string{"call", "stop_stream_task", "TaskId=" + foreign}, "n\r", "[y/N]"},
		{"error", []string{"call", "create_stream_task", "DigitalHumanId=human", "RoomId=r", "StreamId=fails"}, "", "fail"},
		{"refusal", []string{"call", "list_timbres"}, "", "no permission"},
		{"log", []string{"call", "list_timbres", "--log-level", "debug"}, "", "request_id="},
		{"JSON log", []string{"call", "list_timbres", "--log-level", "debug", "--log-format", "json"}, "", `"request_id":`},
		{"doctor", []string{"doctor"}, "", "ok    service"},
		{"unknown tool", []string{"call", escape}, "", "unknown tool"},
		{"wrong argument", []string{"call", "list_digital_humans", escape + "=1"}, "", "unknown argument"},
		{"wrong command line", []string{"fly" + escape}, "", "unexpected argument"},
		{
			"serve",
			[]string{"serve", "--log-level", "debug"},
			`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_digital_humans","arguments":{}}}` + "\r\x04", `"id":1,"result"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := onTerminal(t, endpoint, tt.input, tt.args...)
			if !strings.Contains(out, tt.want) {
				t.Errorf("got %q, want %q", out, tt.want)
			}
			foreign := ownLineErase.ReplaceAllString(out, "")
			if tt.name == "log" || tt.name == "serve" {
				foreign = ownColor.ReplaceAllString(foreign, "")
				if strings.Contains(out, "\x1b[8m") {
					t.Errorf("foreign text chooses colors: %q", out)
				}
			}
			if found := unsafeIn(foreign); found != "" {
				t.Errorf("the terminal gets %s: %q", found, out)
			}
		})
	}
}

// TestJSONOutput checks that JSON means the same on a terminal, and that in a pipe it is what
// the tool answered, byte for byte.
func TestJSONOutput(t *testing.T) {
	t.Parallel()
	endpoint := newHostileZEGO(t)
	var want string
	if err := json.Unmarshal([]byte(`"`+hostile+`"`), &want); err != nil {
		t.Fatal(err)
	}
	nameIn := func(text string) string {
		var result struct{ DigitalHumans []zego.DigitalHuman }
		if err := json.Unmarshal([]byte(text), &result); err != nil || len(result.DigitalHumans) != 1 {
			t.Fatalf("got %q, %v", text, err)
		}
		return result.DigitalHumans[0].Name
	}
	if got := nameIn(ownLineErase.ReplaceAllString(onTerminal(t, endpoint, "", "call", "list_digital_humans", "--output", "json"), "")); got != want {
		t.Errorf("terminal: got %q, want %q", got, want)
	}
	env := map[string]string{
		"ZEGO_APP_ID": fmt.Sprint(zegosim.DefaultAppID), "ZEGO_SERVER_SECRET": zegosim.DefaultSecret, "ZEGO_ENDPOINT": endpoint,
	}
	var out, errs bytes.Buffer
	cli.Run(t.Context(), []string{"call", "list_digital_humans"}, func(name string) string { return env[name] }, nil, &out, &errs)
	if got := nameIn(out.String()); got != want || !strings.Contains(out.String(), "\u202e\u2066") {
		t.Errorf("pipe: got %q, want %q", out.String(), want)
	}
}

// TestLoginHidesTheSecret types AppID and secret at a terminal, which must show the first and
// not the second, and must show what is typed later.
func TestLoginHidesTheSecret(t *testing.T) {
	t.Parallel()
	sim := httptest.NewServer(leaktest.Handler(&zegosim.Server{QPS: -1}))
	t.Cleanup(sim.Close)
	tty, control := openTerminal(t)
	env := map[string]string{"HOME": t.TempDir(), "ZEGO_ENDPOINT": sim.URL}
	done := make(chan int)
	go func() {
		done <- cli.Run(t.Context(), []string{"login"}, func(name string) string { return env[name] }, tty, tty, tty)
	}()
	shown := readUntil(t, control, "AppID: ")
	_, _ = fmt.Fprintf(control, "%d\r", zegosim.DefaultAppID)
	shown += readUntil(t, control, "not shown): ")
	for echoes(t, tty) { // The question comes a moment before the terminal hides what is typed.
		runtime.Gosched()
	}
	_, _ = io.WriteString(control, zegosim.DefaultSecret+"\r")
	shown += readUntil(t, control, "deletes it.\r\n")
	if code := <-done; code != 0 || !strings.Contains(shown, "AppID: 1234567890\r\n") {
		t.Errorf("exit code %d, the terminal shows %q", code, shown)
	}
	leaktest.See("the terminal of a login", shown)
	if !echoes(t, tty) {
		t.Error("after the login, the terminal hides what is typed")
	}
	_ = tty.Close()
}

// TestLoginInterrupted ends a login that waits for the secret. The terminal must show again
// what is typed.
func TestLoginInterrupted(t *testing.T) {
	t.Parallel()
	tty, control := openTerminal(t)
	env := map[string]string{"HOME": t.TempDir(), "ZEGO_APP_ID": "7"}
	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		done <- cli.Run(ctx, []string{"login"}, func(name string) string { return env[name] }, tty, tty, tty)
	}()
	readUntil(t, control, "not shown): ")
	for echoes(t, tty) {
		runtime.Gosched()
	}
	interrupt()
	if shown := readUntil(t, control, "kept"); !strings.Contains(shown, "interrupted. Nothing was kept") {
		t.Errorf("got %q", shown)
	}
	if code := <-done; code != 1 {
		t.Errorf("exit code %d", code)
	}
	if !echoes(t, tty) {
		t.Error("the terminal hides what is typed")
	}
	_, _ = io.WriteString(control, "\r") // Ends the reading of the password.
}

// readUntil returns what a terminal shows, up to the end of text.
func readUntil(t *testing.T, control *os.File, text string) string {
	t.Helper()
	var shown strings.Builder
	for one := make([]byte, 1); !strings.HasSuffix(shown.String(), text); {
		if _, err := control.Read(one); err != nil {
			t.Fatalf("want %q, the terminal shows %q: %v", text, shown.String(), err)
		}
		shown.Write(one)
	}
	return shown.String()
}

// echoes reports whether a terminal shows what is typed.
func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}
