package cli_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"zego-mcp/internal/leaktest"
	"zego-mcp/internal/redisshare/redistest"
	"zego-mcp/zego/zegosim"
)

// TestCallbacksOverReplicas lets ZEGO's callbacks reach one of two servers that share a Redis.
// The other one must learn from them when a text was spoken.
func TestCallbacksOverReplicas(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	sim := &zegosim.Server{QPS: -1, StartDelay: -1, NoDriveStatus: true}
	upstream := httptest.NewServer(leaktest.Handler(sim))
	t.Cleanup(upstream.Close)
	serve := func() (*program, string) {
		p := start(t, "serve", "--transport", "http", "--listen", "127.0.0.1:0", "--toolsets", "all", "--stop-timeout", "10s",
			"--redis-url", "redis://"+redis.Address, "--endpoint", upstream.URL, "--app-id", fmt.Sprint(zegosim.DefaultAppID))
		return p, strings.TrimSuffix(loggedURL(t, p), "/mcp")
	}
	_, first := serve()
	program, second := serve()
	sim.CallbackURL = first + "/callbacks/zego"
	ctx, cancel := context.WithCancel(t.Context())
	var callbacks sync.WaitGroup
	callbacks.Go(func() { _ = sim.RunCallbacks(ctx) })
	t.Cleanup(callbacks.Wait)
	t.Cleanup(cancel)

	created := call(t, second, "create_stream_task", `{"DigitalHumanId":"`+zegosim.DefaultHumans()[0].ID+`","RoomId":"studio"}`)
	_, rest, _ := strings.Cut(created, `\"TaskId\":\"`)
	task, _, _ := strings.Cut(rest, `\"`)
	spoken := call(t, second, "drive_by_text", fmt.Sprintf(`{"TaskId":%q,"Text":"你好","TimbreId":%q}`, task, zegosim.DefaultTimbres()[0].ID))
	if !strings.Contains(spoken, `\"Spoken\":true`) || !strings.Contains(spoken, `\"KnownBy\":\"callback\"`) {
		t.Errorf("created %s, spoke %s", created, spoken)
	}
	stopped := call(t, first, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task))
	if !strings.Contains(stopped, `\"Stopped\":[\"`+task+`\"]`) {
		t.Errorf("stopped %s", stopped)
	}
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	log, err := io.ReadAll(program.stderr)
	if err != nil || strings.Contains(string(log), zegosim.DefaultCallbackSecret) {
		t.Errorf("the log holds the callback secret: %s, %v", log, err)
	}
}

// call calls a tool of a server over HTTP and returns the whole answer.
func call(t *testing.T, server, tool, arguments string) string {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// TestSpeechIsCutAtTheEnd ends servers while a text is being spoken: the end of input and
// SIGTERM must end the call and stop the stream within a moment.
func TestSpeechIsCutAtTheEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(p *program){
		"end of input": func(p *program) { _ = p.stdin.Close() },
		"SIGTERM":      func(p *program) { _ = p.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			speaking := make(chan struct{})
			sim := &zegosim.Server{QPS: -1, StartDelay: -1, NoDriveStatus: true, Observe: func(c zegosim.Call) {
				if c.Action == "DriveByText" {
					close(speaking)
				}
			}}
			upstream := httptest.NewServer(leaktest.Handler(sim))
			defer upstream.Close()
			p := start(t, "--toolsets", "all", "--endpoint", upstream.URL, "--app-id", fmt.Sprint(zegosim.DefaultAppID))
			p.ask(t, "initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}`)
			created := p.ask(t, "tools/call", `{"name":"create_stream_task","arguments":{"DigitalHumanId":"`+zegosim.DefaultHumans()[0].ID+`","RoomId":"studio"}}`)
			_, rest, _ := strings.Cut(created, `\"TaskId\":\"`)
			task, _, _ := strings.Cut(rest, `\"`)
			_, _ = fmt.Fprintf(p.stdin, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"drive_by_text","arguments":{"TaskId":%q,"Text":%q,"TimbreId":%q}}}`+"\n",
				task, strings.Repeat("字", 300), zegosim.DefaultTimbres()[0].ID)
			<-speaking
			begin := time.Now()
			end(p)
			answer, err := p.stdout.ReadString('\n')
			if err != nil || !strings.Contains(answer, `\"Spoken\":false`) {
				t.Errorf("got %s, %v", answer, err)
			}
			if err := p.Wait(); err != nil {
				t.Error(err)
			}
			if took := time.Since(begin); took > 20*time.Second { // Far less than the minute of speech, also on a busy machine.
				t.Errorf("it ended after %v", took)
			}
			if got := sim.Drives()[0].Status; got != 5 {
				t.Errorf("the text is %v", got)
			}
		})
	}
}
