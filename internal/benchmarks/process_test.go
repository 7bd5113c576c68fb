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
	hello = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	ready = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

// listing is a call of list_digital_humans for a full page.
func listing(id, offset int) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Offset":%d,"Limit":%d}}}`, id, offset, page)
}

// result is what is read of an answer.
type result struct {
	Result *struct {
		IsError           bool
		StructuredContent struct {
			Total         int
			Complete      bool
			DigitalHumans []struct{ DigitalHumanID string } `json:"DigitalHumans"`
		}
	}
}

// product is a server to measure.
type product struct {
	name, binary string
	stdio, http  []string // Arguments; %s stands for the address to listen on.
}

// build builds both servers with the same flags of go build.
func build(tb testing.TB, flags ...string) (plain, ours product) {
	tb.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	// The baseline is a test file: no build of ours shall contain it.
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
	plain = product{name: "plain", binary: compile("plain", "./internal/benchmarks/plain"), http: []string{"%s"}}
	ours = product{name: "zego-mcp", binary: compile("zego-mcp", "."), http: []string{"serve", "--transport", "http", "--listen", "%s"}}
	return plain, ours
}

// with adds arguments.
func (p product) with(args ...string) product {
	p.stdio, p.http = slices.Concat(p.stdio, args), slices.Concat(p.http, args)
	return p
}

// command runs the product against an upstream.
func (p product) command(tb testing.TB, upstream string, args []string) *exec.Cmd {
	tb.Helper()
	cmd := exec.CommandContext(tb.Context(), p.binary, args...)
	cmd.Env = []string{
		"HOME=" + tb.TempDir(), "ZEGO_ENDPOINT=" + upstream,
		"ZEGO_APP_ID=" + strconv.Itoa(int(zegosim.DefaultAppID)), "ZEGO_SERVER_SECRET=" + zegosim.DefaultSecret,
	}
	return cmd
}

// running is a server that runs.
type running struct {
	tb  testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	// ask sends a request and returns its answer.
	ask func(request string) []byte
}

// overStdio starts p and greets it.
func (p product) overStdio(tb testing.TB, upstream string) *running {
	tb.Helper()
	r := &running{tb: tb, cmd: p.command(tb, upstream, p.stdio)}
	in, err1 := r.cmd.StdinPipe()
	out, err2 := r.cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		tb.Fatal(err1, err2)
	}
	r.in, r.out = in, bufio.NewReader(out)
	r.ask = func(request string) []byte {
		if _, err := io.WriteString(in, request+"\n"); err != nil {
			tb.Fatal(err)
		}
		return r.line()
	}
	r.start()
	r.ask(hello)
	if _, err := io.WriteString(in, ready+"\n"); err != nil {
		tb.Fatal(err)
	}
	return r
}

// overHTTP starts p and greets it.
func (p product) overHTTP(tb testing.TB, upstream string) *running {
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
	r := &running{tb: tb, cmd: p.command(tb, upstream, args)}
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
	r.ask = func(request string) []byte {
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
		resp, err := post(hello)
		if err == nil {
			_ = resp.Body.Close()
			session = resp.Header.Get("Mcp-Session-Id")
			break
		}
		if time.Since(start) > 10*time.Second {
			tb.Fatal(err)
		}
	}
	r.ask(ready)
	return r
}

func (r *running) start() {
	r.tb.Helper()
	if err := r.cmd.Start(); err != nil {
		r.tb.Fatal(err)
	}
}

// stop ends the server.
func (r *running) stop() {
	if r.in != nil {
		_ = r.in.Close()
	}
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
}

func (r *running) line() []byte {
	line, err := r.out.ReadBytes('\n')
	if err != nil {
		r.tb.Fatal(err)
	}
	return line
}

// page asks for a page and checks that it came.
func (r *running) page(offset int) {
	answer := parse(r.tb, r.ask(listing(1, offset)))
	if answer.Result.IsError || len(answer.Result.StructuredContent.DigitalHumans) == 0 {
		r.tb.Fatalf("no page: %+v", answer.Result)
	}
}

// atOnce sends requests side by side, and returns how many were refused.
func (r *running) atOnce(requests []string) (took time.Duration, refused int) {
	start := time.Now()
	go func() { _, _ = io.WriteString(r.in, strings.Join(requests, "\n")+"\n") }()
	answers := make([][]byte, len(requests))
	for i := range answers {
		answers[i] = r.line()
	}
	took = time.Since(start)
	for _, answer := range answers {
		if parse(r.tb, answer).Result.IsError {
			refused++
		}
	}
	return took, refused
}

func parse(tb testing.TB, answer []byte) result {
	tb.Helper()
	var r result
	if err := json.Unmarshal(bytes.TrimPrefix(bytes.TrimSpace(answer), []byte("data: ")), &r); err != nil || r.Result == nil {
		tb.Fatalf("not an answer: %v: %s", err, answer)
	}
	return r
}

// cpu is the processor time that the server has used.
func (r *running) cpu() time.Duration {
	r.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.cmd.Process.Pid))
	if err != nil {
		r.tb.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			r.tb.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// memory is the server's resident memory, in bytes.
func (r *running) memory() float64 {
	r.tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.cmd.Process.Pid))
	if err != nil {
		r.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); fields[0] == "VmRSS:" {
			kib, err := strconv.Atoi(fields[1])
			if err != nil {
				r.tb.Fatal(err)
			}
			return float64(kib << 10)
		}
	}
	r.tb.Fatal("no VmRSS")
	return 0
}
