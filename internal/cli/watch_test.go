package cli_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"zego-mcp/zego/zegosim"
)

// created is the part of create_stream_task's result that the tests need.
type created struct {
	TaskID string `json:"TaskId"`
}

// TestWatchTool opens a page of a server whose agent has the tools for streams alone. The page
// must work even so, and the log must not have a line each time that it asks.
func TestWatchTool(t *testing.T) {
	t.Parallel()
	p := start(t, "serve", "--simulate", "--toolsets", "streaming")
	var task created
	p.callTool(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"}`, zegosim.DefaultHumans()[0].ID), &task)
	var page struct {
		URL string `json:"Url"`
	}
	p.callTool(t, "watch_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task.TaskID), &page)
	var state struct {
		Running, Simulated bool
		Gestures           []string
	}
	getJSON(t, page.URL+"state", &state)
	if !state.Running || !state.Simulated || len(state.Gestures) == 0 {
		t.Errorf("got %+v", state)
	}
	_ = p.stdin.Close()
	log, err := io.ReadAll(p.stderr)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "get_stream_task") || !strings.Contains(string(log), "watch_stream_task") {
		t.Errorf("got the log %s", log)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if resp, err := http.Get(page.URL); err == nil {
		_ = resp.Body.Close()
		t.Error("the page is there when its server has ended")
	}
}

// TestWatchCommand watches the streams of a simulator: none, the only one until it is stopped on
// the page, one by its id, and one of several.
func TestWatchCommand(t *testing.T) {
	t.Parallel()
	simulator := start(t, "simulate", "--listen", "127.0.0.1:0")
	env := append(os.Environ(), asProgram+"=1")
	for range 5 {
		line, err := simulator.stdout.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if export, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			env = append(env, export)
		}
	}
	run := func(args ...string) *exec.Cmd {
		command := exec.CommandContext(t.Context(), os.Args[0], args...)
		command.Env = env
		return command
	}
	if out, err := run("watch", "--no-open").CombinedOutput(); exitCode(err) != 1 || !strings.Contains(string(out), "no stream task runs") {
		t.Errorf("without a stream: got %s, %v", out, err)
	}
	create := func() (task created) {
		out, err := run("call", "create_stream_task", "--toolsets", "all", "RoomId=room", "DigitalHumanId="+zegosim.DefaultHumans()[0].ID).Output()
		if err != nil || json.Unmarshal(out, &task) != nil {
			t.Fatalf("got %s, %v", out, err)
		}
		return task
	}
	first := create()
	// open returns a command that watches, the URL of its page, and the rest of its output.
	open := func(args ...string) (*exec.Cmd, string, *bufio.Reader) {
		command := run(append([]string{"watch", "--no-open"}, args...)...)
		stdout, _ := command.StdoutPipe()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		out := bufio.NewReader(stdout)
		line, err := out.ReadString('\n')
		url, ok := strings.CutPrefix(strings.TrimSpace(line), "Watch the stream at ")
		if !ok {
			t.Fatalf("got %q, %v", line, err)
		}
		return command, url, out
	}
	command, url, out := open()
	second := create()
	if out, err := run("watch", "--no-open").CombinedOutput(); exitCode(err) != 2 || !strings.Contains(string(out), "zego-mcp watch "+first.TaskID) || !strings.Contains(string(out), "zego-mcp watch "+second.TaskID) {
		t.Errorf("with two streams: got %s, %v", out, err)
	}
	resp, err := http.Post(url+"stop", "application/json", strings.NewReader("{}"))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("stop: got %v, %v", resp, err)
	}
	_ = resp.Body.Close()
	rest, _ := io.ReadAll(out)
	if err := command.Wait(); err != nil || !strings.HasSuffix(string(rest), "The stream has ended.\n") {
		t.Errorf("stopped on the page: got %s, %v", rest, err)
	}
	if out, err := run("watch", "--no-open", first.TaskID).CombinedOutput(); exitCode(err) != 1 || !strings.Contains(string(out), "has ended") {
		t.Errorf("of a stream that has ended: got %s, %v", out, err)
	}
	command, _, _ = open(second.TaskID)
	_ = command.Process.Signal(syscall.SIGINT)
	if err := command.Wait(); err != nil {
		t.Errorf("interrupted: got %v", err)
	}
	_ = simulator.Process.Signal(syscall.SIGTERM)
	_ = simulator.Wait()
}

// callTool calls a tool over stdio, and decodes its result.
func (p *program) callTool(t *testing.T, tool, arguments string, result any) {
	t.Helper()
	line := p.ask(t, "tools/call", fmt.Sprintf(`{"name":%q,"arguments":%s}`, tool, arguments))
	var answer struct {
		Result struct {
			IsError           bool            `json:"isError"`
			StructuredContent json.RawMessage `json:"structuredContent"`
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(line), &answer); err != nil || answer.Result.IsError {
		t.Fatalf("%s: got %s, %v", tool, line, err)
	}
	if err := json.Unmarshal(answer.Result.StructuredContent, result); err != nil {
		t.Fatal(err)
	}
}

func getJSON(t *testing.T, url string, result any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(result); err != nil {
		t.Fatal(err)
	}
}

// exitCode returns the exit code that the error of a command stands for; 0 if it is nil.
func exitCode(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}
