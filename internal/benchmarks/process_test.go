package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego/zegosim"
)

const (
	initialize  = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

// listCall returns a call of list_digital_humans for a full page from offset on.
func listCall(id, offset int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Offset":%d,"Limit":%d}}}`, id, offset, page)
}

// result has the fields of an answer that are read here.
type result struct {
	Result *struct {
		IsError           bool
		StructuredContent struct {
			Total         int
			SearchedAll   bool
			DigitalHumans []struct{ DigitalHumanID string } `json:"DigitalHumans"`
		}
	}
}

// program is a server to measure.
type program struct {
	name, binary string
	stdio, http  []string // Arguments; %s stands for the address to listen on.
}

// build builds both servers. The flags are for go build.
func build(tb testing.TB, flags ...string) (plain, ours program) {
	tb.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	// The plain server is a test file, so that go build ./... leaves it out. The overlay
	// makes it the main.go of a package.
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(root, "internal", "benchmarks", "plain", "main.go"): filepath.Join(root, "internal", "benchmarks", "plain_test.go"),
	}})
	if err != nil {
		tb.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		tb.Fatal(err)
	}
	compile := func(name, pkg string) string {
		binary := filepath.Join(dir, name)
		args := slices.Concat([]string{"build", "-ldflags=-s -w", "-overlay", overlayFile, "-o", binary}, flags, []string{pkg})
		cmd := exec.CommandContext(tb.Context(), "go", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			tb.Fatalf("go build %s: %v\n%s", pkg, err, out)
		}
		return binary
	}
	plain = program{name: "plain", binary: compile("plain", "./internal/benchmarks/plain"), http: []string{"%s"}}
	ours = program{name: "zego-mcp", binary: compile("zego-mcp", "."), http: []string{"serve", "--transport", "http", "--listen", "%s"}}
	return plain, ours
}

// with returns p with more arguments.
func (p program) with(args ...string) program {
	p.stdio, p.http = slices.Concat(p.stdio, args), slices.Concat(p.http, args)
	return p
}

// command returns the command that runs p with args, which calls ZEGO at upstream.
func (p program) command(tb testing.TB, upstream string, args []string) *exec.Cmd {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), p.binary, args...)
	cmd.Env = []string{
		"HOME=" + tb.TempDir(), "ZEGO_ENDPOINT=" + upstream,
		"ZEGO_APP_ID=" + strconv.Itoa(int(zegosim.DefaultAppID)), "ZEGO_SERVER_SECRET=" + zegosim.DefaultSecret,
	}
	return cmd
}

// process is a server that runs.
type process struct {
	tb  testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	// send sends a request and returns its answer.
	send func(request string) []byte
}

// overStdio starts p, and initializes MCP over stdio.
func (p program) overStdio(tb testing.TB, upstream string) *process {
	tb.Helper()
	r := &process{tb: tb, cmd: p.command(tb, upstream, p.stdio)}
	in, err1 := r.cmd.StdinPipe()
	out, err2 := r.cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		tb.Fatal(err1, err2)
	}
	r.in, r.out = in, bufio.NewReader(out)
	r.send = func(request string) []byte {
		if _, err := io.WriteString(in, request+"\n"); err != nil {
			tb.Fatal(err)
		}
		return r.line()
	}
	r.start()
	r.send(initialize)
	if _, err := io.WriteString(in, initialized+"\n"); err != nil {
		tb.Fatal(err)
	}
	return r
}

// overHTTP starts p, and initializes MCP over HTTP.
func (p program) overHTTP(tb testing.TB, upstream string) *process {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	args := slices.Clone(p.http)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "%s", address)
	}
	r := &process{tb: tb, cmd: p.command(tb, upstream, args)}
	session := ""
	post := func(request string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "http://"+address+"/mcp", strings.NewReader(request))
		if err != nil {
			tb.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		if session != "" {
			req.Header.Set("Mcp-Session-Id", session)
			req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
		}
		return http.DefaultClient.Do(req)
	}
	r.send = func(request string) []byte {
		resp, err := post(request)
		if err != nil {
			tb.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			tb.Fatal(err)
		}
		return text
	}
	r.start()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		resp, err := post(initialize)
		if err == nil {
			_ = resp.Body.Close()
			session = resp.Header.Get("Mcp-Session-Id")
			break
		}
		if time.Since(start) > 10*time.Second {
			tb.Fatal(err)
		}
	}
	r.send(initialized)
	return r
}

// start starts the command.
func (p *process) start() {
	p.tb.Helper()
	if err := p.cmd.Start(); err != nil {
		p.tb.Fatal(err)
	}
}

// stop closes the input of the server and kills it.
func (p *process) stop() {
	if p.in != nil {
		_ = p.in.Close()
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// line reads the next line that the server writes to stdout.
func (p *process) line() []byte {
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		p.tb.Fatal(err)
	}
	return line
}

// page asks for the page from offset on, and checks that it has digital humans.
func (p *process) page(offset int) {
	answer := parse(p.tb, p.send(listCall(1, offset)))
	if answer.Result.IsError || len(answer.Result.StructuredContent.DigitalHumans) == 0 {
		p.tb.Fatalf("no page: %+v", answer.Result)
	}
}

// atOnce sends all requests without waiting for answers. It returns the time until the
// last answer, and how many calls failed.
func (p *process) atOnce(requests []string) (took time.Duration, failed int) {
	start := time.Now()
	go func() { _, _ = io.WriteString(p.in, strings.Join(requests, "\n")+"\n") }()
	answers := make([][]byte, len(requests))
	for i := range answers {
		answers[i] = p.line()
	}
	took = time.Since(start)
	for _, answer := range answers {
		if parse(p.tb, answer).Result.IsError {
			failed++
		}
	}
	return took, failed
}

// parse reads a JSON-RPC answer, which may be an SSE event.
func parse(tb testing.TB, answer []byte) result {
	tb.Helper()
	var r result
	if err := json.Unmarshal(bytes.TrimPrefix(bytes.TrimSpace(answer), []byte("data: ")), &r); err != nil || r.Result == nil {
		tb.Fatalf("not an answer: %v: %s", err, answer)
	}
	return r
}

// cpu returns the processor time that the server has used since it started.
func (p *process) cpu() time.Duration {
	p.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.tb.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			p.tb.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// memory returns the server's resident memory in bytes.
func (p *process) memory() float64 {
	p.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] == "VmRSS:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				p.tb.Fatal(err)
			}
			return float64(kib << 10)
		}
	}
	p.tb.Fatal("no VmRSS")
	return 0
}
