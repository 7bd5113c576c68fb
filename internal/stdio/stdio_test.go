package stdio_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/stdio"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const initialize = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`

// callOf returns the request to call tool, without arguments.
func callOf(id any, tool string) string {
	text, _ := json.Marshal(id)
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q}}`, text, tool)
}

// newServer returns a server with the tools "quick", which answers at once, and "slow",
// which answers when slow returns.
func newServer(slow func(ctx context.Context)) *server.MCPServer {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("quick"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText("done"), nil
	})
	s.AddTool(mcp.NewTool("slow"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		slow(ctx)
		return mcp.NewToolResultText("done"), nil
	})
	return s
}

// output collects what a server writes.
type output struct {
	t *testing.T
	bytes.Buffer
}

// ids returns the id of each message, with a "!" after it if the message is an error. It
// fails the test if a line is not a JSON-RPC message.
func (o *output) ids() []string {
	o.t.Helper()
	var ids []string
	for line := range strings.Lines(o.String()) {
		var m struct {
			JSONRPC string
			ID      any
			Error   *struct{ Message string }
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.JSONRPC != "2.0" {
			o.t.Errorf("not a message: %q", line)
		}
		id := fmt.Sprint(m.ID)
		if m.Error != nil {
			id += "!"
		}
		ids = append(ids, id)
	}
	return ids
}

// serve runs Serve to its end, and returns the ids of what was written.
func serve(ctx context.Context, t *testing.T, s *server.MCPServer, in io.Reader, grace time.Duration) []string {
	t.Helper()
	out := &output{t: t}
	if err := stdio.Serve(ctx, s, in, out, slog.New(slog.DiscardHandler), grace); err != nil {
		t.Errorf("Serve: %v", err)
	}
	return out.ids()
}

func TestPipedRequestsAreAnswered(t *testing.T) {
	for name, input := range map[string]string{
		"terminated":   initialize + "\n" + callOf(1, "quick") + "\n" + callOf(2, "quick") + "\n",
		"unterminated": initialize + "\n" + callOf(1, "quick") + "\n" + callOf(2, "quick"),
		"BOM":          "\ufeff" + initialize + "\n" + callOf(1, "quick") + "\n" + callOf(2, "quick") + "\n",
		"CRLF":         initialize + "\r\n\r\n" + callOf(1, "quick") + "\r\n \r\n" + callOf(2, "quick") + "\r\n",
	} {
		got := serve(t.Context(), t, newServer(nil), strings.NewReader(input), time.Minute)
		if len(got) != 3 || got[0] != "init" || fmt.Sprint(got[1:]) != "[1 2]" && fmt.Sprint(got[1:]) != "[2 1]" {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got := serve(t.Context(), t, newServer(nil), strings.NewReader(""), time.Minute); len(got) != 0 {
		t.Errorf("no input: got %v", got)
	}
}

// TestEndWaitsForCalls ends the input, or the context, while a call is running. The call
// must be answered.
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
		_, _ = io.WriteString(client, initialize+"\n"+callOf(7, "slow")+"\n")
		<-running
		if how == "signal" {
			cancel()
		} else {
			_ = client.Close()
		}
		close(release)
		if got := <-done; fmt.Sprint(got) != "[init 7]" {
			t.Errorf("%s: got %v", how, got)
		}
		cancel()
		_ = client.Close()
	}
}

// TestGraceIsLimited has a call that does not end before it is cancelled.
func TestGraceIsLimited(t *testing.T) {
	in, client := io.Pipe()
	running := make(chan struct{})
	s := newServer(func(ctx context.Context) {
		close(running)
		<-ctx.Done()
	})
	done := make(chan []string)
	go func() { done <- serve(t.Context(), t, s, in, time.Millisecond) }()
	_, _ = io.WriteString(client, initialize+"\n"+callOf(1, "slow")+"\n")
	<-running
	_ = client.Close()
	if got := <-done; fmt.Sprint(got) != "[init 1]" {
		t.Errorf("got %v, want the call cancelled and answered before Serve returns", got)
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
	_, _ = io.WriteString(client, initialize+"\n"+callOf(1, "slow")+"\n")
	<-running
	_, _ = io.WriteString(client, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`+"\n")
	_ = client.Close()
	if got := <-done; got[0] != "init" {
		t.Errorf("got %v", got)
	}
}

// TestGarbage sends a line that no client should send, and then a request, which must be
// answered.
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
		input := initialize + "\n" + line + "\n" + callOf("after", "quick") + "\n"
		got := serve(t.Context(), t, newServer(nil), strings.NewReader(input), time.Second)
		if !strings.Contains(fmt.Sprint(got), "after") || strings.Contains(fmt.Sprint(got), "after!") {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestTooLongLine has a line that is too long. It is answered with an error, also at the end
// of input, and what comes after it is answered.
func TestTooLongLine(t *testing.T) {
	for after, want := range map[string]string{
		"\n" + callOf("after", "quick") + "\n": "[init <nil>! after]",
		"\n":                                   "[init <nil>!]",
		"":                                     "[init <nil>!]",
	} {
		input := io.MultiReader(
			strings.NewReader(initialize+"\n"),
			io.LimitReader(endless{}, 50<<20),
			strings.NewReader(after),
		)
		if got := serve(t.Context(), t, newServer(nil), input, time.Minute); fmt.Sprint(got) != want {
			t.Errorf("followed by %q: got %v, want %s", after, got, want)
		}
	}
}

// endless is a reader of text without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestCallsRunTogether has 100 calls, none of which ends before all have started.
func TestCallsRunTogether(t *testing.T) {
	const calls = 100
	started, allStarted := make(chan struct{}), make(chan struct{})
	s := newServer(func(context.Context) {
		started <- struct{}{}
		<-allStarted
	})
	go func() {
		for range calls {
			<-started
		}
		close(allStarted)
	}()
	var input strings.Builder
	input.WriteString(initialize + "\n")
	for i := range calls {
		input.WriteString(callOf(i, "slow") + "\n")
	}
	if got := serve(t.Context(), t, s, strings.NewReader(input.String()), time.Minute); len(got) != calls+1 {
		t.Errorf("got %d answers, want %d", len(got), calls+1)
	}
}

// TestInitializeIsAnsweredFirst sends other requests right after initialize.
func TestInitializeIsAnsweredFirst(t *testing.T) {
	for range 50 {
		got := serve(t.Context(), t, newServer(nil), strings.NewReader(initialize+"\n"+callOf(1, "quick")+"\n"+`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`+"\n"), time.Minute)
		if len(got) != 3 || got[0] != "init" {
			t.Fatalf("got %v", got)
		}
	}
}

// rawIDs returns the ids in what a server wrote, as they are written there, with a "!" after
// the id of an error.
func rawIDs(t *testing.T, output string) []string {
	t.Helper()
	var ids []string
	for line := range strings.Lines(output) {
		var m struct{ ID, Error json.RawMessage }
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Errorf("not a message: %q", line)
		}
		id := string(m.ID)
		if m.Error != nil {
			id += "!"
		}
		ids = append(ids, id)
	}
	return ids
}

// TestIDs sends requests whose ids are easily changed on the way, or must be refused.
func TestIDs(t *testing.T) {
	const refused = "null!"
	for id, want := range map[string]string{
		"0":                      "0",
		"-1":                     "-1",
		"999999999999999":        "999999999999999",
		"9007199254740993":       "9007199254740993", // 2^53+1; as a float64 it is 2^53.
		"-9007199254740993":      "-9007199254740993",
		"18446744073709551617":   "18446744073709551617",
		"1.0":                    "1.0",
		"1e3":                    "1e3",
		`"1"`:                    `"1"`,
		`""`:                     `""`,
		`"zego-mcp id 5"`:        `"zego-mcp id 5"`,
		`"zego-mcp id \u003cé>"`: `"zego-mcp id \u003cé>"`,
		"1.5":                    refused,
		"null":                   refused,
		"true":                   refused,
		`{"a":1}`:                refused,
		"[1]":                    refused,
	} {
		var out bytes.Buffer
		input := initialize + "\n" + `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"name":"quick"}}` + "\n"
		if err := stdio.Serve(t.Context(), newServer(nil), strings.NewReader(input), &out, slog.New(slog.DiscardHandler), time.Minute); err != nil {
			t.Error(err)
		}
		if got := rawIDs(t, out.String()); len(got) != 2 || got[1] != want {
			t.Errorf("id %s: got %v, want %s", id, got, want)
		}
		if want == refused && !strings.Contains(out.String(), `"code":-32600`) {
			t.Errorf("id %s: got %s", id, out.String())
		}
	}
}

// TestCancelOfLargeID cancels one of two calls whose ids are the same as a float64.
func TestCancelOfLargeID(t *testing.T) {
	const first, second = 1<<53 + 1, 1 << 53
	in, client := io.Pipe()
	running, cancelled, release := make(chan int), make(chan int), make(chan struct{})
	calls := 0
	s := newServer(func(ctx context.Context) {
		calls++ // The calls start one after the other.
		call := calls
		running <- call
		select {
		case <-ctx.Done():
			cancelled <- call
		case <-release:
		}
	})
	done := make(chan []string)
	go func() { done <- serve(t.Context(), t, s, in, time.Minute) }()
	_, _ = io.WriteString(client, initialize+"\n"+callOf(first, "slow")+"\n")
	<-running
	_, _ = io.WriteString(client, callOf(second, "slow")+"\n")
	<-running
	_, _ = fmt.Fprintf(client, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":%d}}`+"\n", first)
	if got := <-cancelled; got != 1 {
		t.Errorf("call %d was cancelled, want call 1", got)
	}
	close(release)
	_ = client.Close()
	<-done
}

// TestClientThatDoesNotRead has thousands of calls outstanding. Serve must end all the same.
func TestClientThatDoesNotRead(t *testing.T) {
	for _, how := range []string{"end of input", "signal"} {
		ctx, cancel := context.WithCancel(t.Context())
		var input strings.Builder
		input.WriteString(initialize + "\n")
		for i := range 12000 {
			input.WriteString(callOf(i, "quick") + "\n")
		}
		// The client reads the answer to initialize, and then no more.
		answers, out := io.Pipe()
		in, client := io.Pipe()
		done := make(chan error)
		go func() {
			done <- stdio.Serve(ctx, newServer(nil), in, out, slog.New(slog.DiscardHandler), time.Millisecond)
		}()
		go func() {
			if _, err := bufio.NewReader(answers).ReadString('\n'); err != nil {
				t.Error(err)
			}
		}()
		if _, err := io.WriteString(client, input.String()); err != nil {
			t.Fatal(err)
		}
		if how == "signal" {
			cancel()
		} else {
			_ = client.Close()
		}
		if err := <-done; err != nil {
			t.Errorf("%s: %v", how, err)
		}
		cancel()
		_ = client.Close()
		_ = answers.Close()
	}
}

// TestServerFails has an mcp-go server that already serves another client. Serve must return
// an error although the client sends nothing.
func TestServerFails(t *testing.T) {
	s := newServer(nil)
	in, client := io.Pipe()
	initialized, out := io.Pipe()
	done := make(chan error)
	go func() {
		done <- stdio.Serve(t.Context(), s, in, out, slog.New(slog.DiscardHandler), time.Minute)
	}()
	_, _ = io.WriteString(client, initialize+"\n")
	if _, err := bufio.NewReader(initialized).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	silent, _ := io.Pipe()
	if err := stdio.Serve(t.Context(), s, silent, io.Discard, slog.New(slog.DiscardHandler), time.Minute); err == nil {
		t.Error("got no error")
	}
	_ = client.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestCancelOfWaitingCall has more calls than run at a time, and cancels one that waits. It
// must be answered although none of the others ends.
func TestCancelOfWaitingCall(t *testing.T) {
	t.Parallel()
	const atATime = 100
	in, client := io.Pipe()
	answers, out := io.Pipe()
	started, release := make(chan struct{}), make(chan struct{})
	s := newServer(func(ctx context.Context) {
		started <- struct{}{}
		<-release
	})
	done := make(chan error)
	go func() { done <- stdio.Serve(t.Context(), s, in, out, slog.New(slog.DiscardHandler), time.Minute) }()
	reader := bufio.NewReader(answers)
	go func() { _, _ = io.WriteString(client, initialize+"\n") }()
	_, _ = reader.ReadString('\n')
	for i := range atATime {
		_, _ = io.WriteString(client, callOf(i, "slow")+"\n")
		<-started
	}
	_, _ = io.WriteString(client, callOf("waits", "quick")+"\n"+`{"jsonrpc":"2.0","id":"ping","method":"ping"}`+"\n")
	if got, _ := reader.ReadString('\n'); !strings.Contains(got, `"ping"`) {
		t.Errorf("got %s, want the answer to ping: it is no call", got)
	}
	_, _ = io.WriteString(client, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"waits"}}`+"\n")
	if got, _ := reader.ReadString('\n'); !strings.Contains(got, `"waits"`) {
		t.Errorf("got %s, want the answer to the cancelled call", got)
	}
	close(release)
	_ = client.Close()
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestFaultsOfServer has a server whose hook panics, and one whose result cannot be encoded. Both
// requests must be answered with an error that has their id.
func TestFaultsOfServer(t *testing.T) {
	t.Parallel()
	hooks := &server.Hooks{}
	hooks.AddBeforeCallTool(func(context.Context, any, *mcp.CallToolRequest) { panic("boom") })
	panics := server.NewMCPServer("test", "1", server.WithToolCapabilities(false), server.WithHooks(hooks))
	unencodable := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	unencodable.AddTool(mcp.NewTool("quick"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return &mcp.CallToolResult{StructuredContent: func() {}}, nil
	})
	for name, s := range map[string]*server.MCPServer{"panics": panics, "cannot be encoded": unencodable} {
		got := serve(t.Context(), t, s, strings.NewReader(initialize+"\n"+callOf(1, "quick")+"\n"+`{"jsonrpc":"2.0","id":2,"method":"ping"}`+"\n"), time.Minute)
		slices.Sort(got)
		if fmt.Sprint(got) != "[1! 2 init]" {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestClientAnswers has a tool that asks the user, and reports progress.
func TestClientAnswers(t *testing.T) {
	t.Parallel()
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("asks"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if err := s.SendNotificationToClient(ctx, "notifications/progress", map[string]any{"progress": 1}); err != nil {
			return nil, err
		}
		answer, err := s.RequestElicitation(ctx, mcp.ElicitationRequest{Params: mcp.ElicitationParams{
			Message: "Your name?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}},
		}})
		if err != nil {
			return mcp.NewToolResultError(err.Error()), nil
		}
		return mcp.NewToolResultText(fmt.Sprint(answer.Action, answer.Content)), nil
	})
	for answer, want := range map[string]string{
		`"result":{"action":"accept","content":{"name":"<Ann & Bo>"}}`: `acceptmap[name:<Ann & Bo>]`,
		`"result":{"action":"decline"}`:                                `decline`,
		`"result":"what?"`:                                             `"isError":true`,
		`"error":{"code":1,"message":"no forms"}`:                      `elicitation request failed: no forms`,
	} {
		in, client := io.Pipe()
		answers, out := io.Pipe()
		go func() {
			_ = stdio.Serve(t.Context(), s, in, out, slog.New(slog.DiscardHandler), time.Minute)
			_ = out.Close()
		}()
		reader := bufio.NewReader(answers)
		next := func() string {
			line, _ := reader.ReadString('\n')
			return line
		}
		go func() { _, _ = io.WriteString(client, initialize+"\n"+callOf(1, "asks")+"\n") }()
		_ = next()
		told := []string{next(), next()} // The order of a notification and a request is not fixed.
		slices.SortFunc(told, func(a, b string) int { return len(a) - len(b) })
		if !strings.Contains(told[0], "notifications/progress") || !strings.Contains(told[1], "elicitation/create") {
			t.Errorf("got %q", told)
		}
		// An answer with another id, or a second one, has no effect.
		_, _ = fmt.Fprintf(client, `{"jsonrpc":"2.0","id":77,"result":{"action":"accept"}}`+"\n"+`{"jsonrpc":"2.0","id":1,%s}`+"\n"+`{"jsonrpc":"2.0","id":1,"result":{}}`+"\n", answer)
		if got := next(); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", answer, got, want)
		}
		_ = client.Close()
		if got := next(); got != "" {
			t.Errorf("got %q after the answer", got)
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
	ask(initialize)
	for b.Loop() {
		ask(callOf(1, "quick"))
	}
	_ = client.Close()
}

// TestEndDuringElicitation ends the input while a call waits for the client's answer to
// an elicitation. The call must end at once, although the client never answers.
func TestEndDuringElicitation(t *testing.T) {
	s := server.NewMCPServer("test", "1", server.WithToolCapabilities(false))
	s.AddTool(mcp.NewTool("asks"), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return server.NewInputRequestBuilder("").Elicit("q", mcp.ElicitationParams{
			Message: "Go on?", RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}},
		}).ToolResult(), nil
	})
	const initializeWithElicitation = `{"jsonrpc":"2.0","id":"init","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"x","version":"1"}}}`
	// The server's own request has the id 1, too. It must not count as the answer to the
	// client's request 1.
	ids := serve(t.Context(), t, s, strings.NewReader(initializeWithElicitation+"\n"+callOf(1, "asks")+"\n"), time.Hour)
	if len(ids) != 3 || ids[0] != "init" || ids[2] != "1!" {
		t.Errorf("got %s, want initialize, the elicitation and the failed call", ids)
	}
}
