package stdio_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/stdio"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// mcp-go keeps its one stdio session in a package variable: these tests cannot run
// side by side.

const hello = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`

func callOf(id any, tool string) string {
	text, _ := json.Marshal(id)
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q}}`, text, tool)
}

// newServer has a tool that answers at once, and one that runs do.
func newServer(do func(ctx context.Context)) *server.MCPServer {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("quick"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText("done"), nil
	})
	s.AddTool(mcp.NewTool("slow"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		do(ctx)
		return mcp.NewToolResultText("done"), nil
	})
	return s
}

// lines collects output; every line must be a JSON-RPC message.
type lines struct {
	t *testing.T
	bytes.Buffer
}

func (l *lines) ids() []string {
	l.t.Helper()
	var ids []string
	for line := range strings.Lines(l.String()) {
		var m struct {
			JSONRPC string
			ID      any
			Error   *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.JSONRPC != "2.0" {
			l.t.Errorf("not a message: %q", line)
		}
		id := fmt.Sprint(m.ID)
		if m.Error != nil {
			id += "!"
		}
		ids = append(ids, id)
	}
	return ids
}

func serve(ctx context.Context, t *testing.T, s *server.MCPServer, in io.Reader, grace time.Duration) []string {
	t.Helper()
	out := &lines{t: t}
	if err := stdio.Serve(ctx, s, in, out, slog.New(slog.DiscardHandler), grace); err != nil {
		t.Errorf("Serve: %v", err)
	}
	return out.ids()
}

func TestPipedRequestsAreAnswered(t *testing.T) {
	for name, input := range map[string]string{
		"terminated":   hello + "\n" + callOf(1, "quick") + "\n" + callOf(2, "quick") + "\n",
		"unterminated": hello + "\n" + callOf(1, "quick") + "\n" + callOf(2, "quick"),
		"CRLF":         hello + "\r\n\r\n" + callOf(1, "quick") + "\r\n \r\n" + callOf(2, "quick") + "\r\n",
	} {
		got := serve(t.Context(), t, newServer(nil), strings.NewReader(input), time.Minute)
		if len(got) != 3 || got[0] != "hello" || fmt.Sprint(got[1:]) != "[1 2]" && fmt.Sprint(got[1:]) != "[2 1]" {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got := serve(t.Context(), t, newServer(nil), strings.NewReader(""), time.Minute); len(got) != 0 {
		t.Errorf("no input: got %v", got)
	}
}

// TestEndWaitsForCalls ends the input, or the context, while a call runs.
func TestEndWaitsForCalls(t *testing.T) {
	for _, how := range []string{"end of input", "signal"} {
		ctx, cancel := context.WithCancel(t.Context())
		in, client := io.Pipe()
		running, release := make(chan struct{}), make(chan struct{})
		s := newServer(func(ctx context.Context) {
			close(running)
			select {
			case <-release:
			case <-ctx.Done():
				t.Errorf("%s: the call was cancelled", how)
			}
		})
		done := make(chan []string)
		go func() { done <- serve(ctx, t, s, in, time.Minute) }()
		_, _ = io.WriteString(client, hello+"\n"+callOf(7, "slow")+"\n")
		<-running
		if how == "signal" {
			cancel()
		} else {
			_ = client.Close()
		}
		close(release)
		if got := <-done; fmt.Sprint(got) != "[hello 7]" {
			t.Errorf("%s: got %v", how, got)
		}
		cancel()
		_ = client.Close()
	}
}

func TestGraceEnds(t *testing.T) {
	s := newServer(func(ctx context.Context) { <-ctx.Done() })
	got := serve(t.Context(), t, s, strings.NewReader(hello+"\n"+callOf(1, "slow")+"\n"), time.Millisecond)
	if len(got) == 0 || got[0] != "hello" {
		t.Errorf("got %v", got)
	}
}

func TestCancelledCallIsNotWaitedFor(t *testing.T) {
	in, client := io.Pipe()
	running := make(chan struct{})
	s := newServer(func(ctx context.Context) {
		close(running)
		<-ctx.Done()
	})
	done := make(chan []string)
	go func() { done <- serve(t.Context(), t, s, in, time.Minute) }()
	_, _ = io.WriteString(client, hello+"\n"+callOf(1, "slow")+"\n")
	<-running
	_, _ = io.WriteString(client, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`+"\n")
	_ = client.Close()
	if got := <-done; got[0] != "hello" {
		t.Errorf("got %v", got)
	}
}

// TestGarbage sends what no client should, and then a request that must still work.
func TestGarbage(t *testing.T) {
	for name, line := range map[string]string{
		"not JSON":        `hello there`,
		"half JSON":       `{"jsonrpc":"2.0","id":1,`,
		"binary":          "\x00\xff\xfe\x01",
		"a list":          `[{"jsonrpc":"2.0","id":1,"method":"ping"}]`,
		"a number":        `42`,
		"null":            `null`,
		"unknown method":  `{"jsonrpc":"2.0","id":1,"method":"fly"}`,
		"no method":       `{"jsonrpc":"2.0","id":1}`,
		"id is an object": `{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}`,
		"id is null":      `{"jsonrpc":"2.0","id":null,"method":"ping"}`,
		"id is true":      `{"jsonrpc":"2.0","id":true,"method":"ping"}`,
		"old version":     `{"jsonrpc":"1.0","id":1,"method":"ping"}`,
		"unasked answer":  `{"jsonrpc":"2.0","id":99,"result":{}}`,
		"params a list":   `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[1]}`,
		"cancels nothing": `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":12345}}`,
		"deep":            strings.Repeat("[", 100000),
	} {
		input := hello + "\n" + line + "\n" + callOf("after", "quick") + "\n"
		got := serve(t.Context(), t, newServer(nil), strings.NewReader(input), time.Second)
		if !strings.Contains(fmt.Sprint(got), "after") || strings.Contains(fmt.Sprint(got), "after!") {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func TestHugeLine(t *testing.T) {
	input := io.MultiReader(
		strings.NewReader(hello+"\n"),
		io.LimitReader(endless{}, 50<<20),
		strings.NewReader("\n"+callOf("after", "quick")+"\n"),
	)
	got := serve(t.Context(), t, newServer(nil), input, time.Minute)
	if fmt.Sprint(got) != "[hello <nil>! after]" && fmt.Sprint(got) != "[<nil>! hello after]" {
		t.Errorf("got %v, want an error for the line, and the server alive", got)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestCallsRunTogether deadlocks unless all calls run at once.
func TestCallsRunTogether(t *testing.T) {
	const calls = 100
	arrived, all := make(chan struct{}), make(chan struct{})
	s := newServer(func(context.Context) {
		arrived <- struct{}{}
		<-all
	})
	go func() {
		for range calls {
			<-arrived
		}
		close(all)
	}()
	var input strings.Builder
	input.WriteString(hello + "\n")
	for i := range calls {
		input.WriteString(callOf(i, "slow") + "\n")
	}
	if got := serve(t.Context(), t, s, strings.NewReader(input.String()), time.Minute); len(got) != calls+1 {
		t.Errorf("got %d answers, want %d", len(got), calls+1)
	}
}

// TestOrder sees initialize answered before what was sent right after it.
func TestOrder(t *testing.T) {
	for range 50 {
		got := serve(t.Context(), t, newServer(nil), strings.NewReader(hello+"\n"+callOf(1, "quick")+"\n"+`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`+"\n"), time.Minute)
		if len(got) != 3 || got[0] != "hello" {
			t.Fatalf("got %v", got)
		}
	}
}

func BenchmarkServe(b *testing.B) {
	in, client := io.Pipe()
	out, answers := io.Pipe()
	go func() {
		_ = stdio.Serve(b.Context(), newServer(nil), in, answers, slog.New(slog.DiscardHandler), time.Minute)
	}()
	reader := bufio.NewReader(out)
	ask := func(line string) {
		_, _ = io.WriteString(client, line+"\n")
		if _, err := reader.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	ask(hello)
	for b.Loop() {
		ask(callOf(1, "quick"))
	}
	_ = client.Close()
}

// TestEndWithAQuestionOpen: a client that is gone answers no question; the call that
// asked ends all the same, and at once.
func TestEndWithAQuestionOpen(t *testing.T) {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("asks"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return server.NewInputRequestBuilder("").Elicit("q", mcp.ElicitationParams{
			Message: "Shall I?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}},
		}).ToolResult(), nil
	})
	const able = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"x","version":"1"}}}`
	// The server counts its own requests from 1, too: that answers nothing.
	ids := serve(t.Context(), t, s, strings.NewReader(able+"\n"+callOf(1, "asks")+"\n"), time.Hour)
	if len(ids) != 3 || ids[0] != "hello" || ids[2] != "1!" {
		t.Errorf("got %s, want the greeting, the question and the end of the call", ids)
	}
}
