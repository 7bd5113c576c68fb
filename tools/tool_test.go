package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
)

type noteInput struct {
	Note string `json:"Note"`
}

type noteOutput struct {
	Note string `json:"Note"`
}

// noteTool returns a tool that is completely described.
func noteTool(run func(context.Context, deps, noteInput) (noteOutput, error)) tool[noteInput, noteOutput] {
	return tool[noteInput, noteOutput]{
		name: "note", title: "Note", description: "Repeat a note.",
		toolset: Assets, effect: additive, run: run,
	}
}

// testAdapter returns an adapter and its log. The client of its project is never used.
func testAdapter(t *testing.T) (adapter, *bytes.Buffer) {
	t.Helper()
	client, err := zego.New(1, strings.Repeat("x", 32), zego.Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	return adapter{Config{
		Project: OneProject(Project{Client: client}),
		Timeout: DefaultTimeout,
		Logger:  slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}}, &log
}

// callNote calls a tool with a private note, and returns the text of the result.
func callNote(t *testing.T, a adapter, tool tool[noteInput, noteOutput]) string {
	t.Helper()
	var req mcp.CallToolRequest
	req.Params.Arguments = map[string]any{"Note": "private words"}
	served, _ := tool.serverTool(a)
	result, err := served.Handler(t.Context(), req)
	if err != nil {
		t.Fatalf("got the error %v, want a result", err)
	}
	return result.Content[0].(mcp.TextContent).Text
}

// TestIncompleteTools checks that a tool without an effect or a known toolset panics.
func TestIncompleteTools(t *testing.T) {
	t.Parallel()
	a, _ := testAdapter(t)
	mustPanic := func(name string, f func()) {
		t.Helper()
		defer func() {
			if text, ok := recover().(string); !ok || !strings.Contains(text, "note") {
				t.Errorf("%s: got %q, want a panic that names the tool", name, text)
			}
		}()
		f()
	}
	noEffect := noteTool(nil)
	noEffect.effect = 0
	mustPanic("no effect", func() { noEffect.serverTool(a) })
	for _, set := range []Toolset{"", "asset"} {
		mustPanic("toolset "+string(set), func() { toolsetFilter{toolsets: map[string]Toolset{}}.add(kindTool, "note", set) })
	}
}

func TestMeta(t *testing.T) {
	t.Parallel()
	a, _ := testAdapter(t)
	tool := noteTool(nil)
	served, _ := tool.serverTool(a)
	text, err := json.Marshal(served.Tool)
	if err != nil || strings.Contains(string(text), "_meta") {
		t.Errorf("without meta: got %s, %v", text, err)
	}
	tool.meta = map[string]any{"ui": map[string]any{"resourceUri": "ui://x/y.html"}}
	served, _ = tool.serverTool(a)
	text, err = json.Marshal(served.Tool)
	if err != nil || !strings.Contains(string(text), `"_meta":{"ui":{"resourceUri":"ui://x/y.html"}}`) {
		t.Errorf("with meta: got %s, %v", text, err)
	}
}

// TestPanic checks that a call is answered if the tool panics, and that the log says where it
// panicked, but not with which arguments.
func TestPanic(t *testing.T) {
	t.Parallel()
	a, log := testAdapter(t)
	text := callNote(t, a, noteTool(func(_ context.Context, _ deps, in noteInput) (noteOutput, error) { panic("on " + in.Note) }))
	if !strings.Contains(text, "failed inside") || strings.Contains(text, "private") {
		t.Errorf("got %s", text)
	}
	if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "tool_test.go") || strings.Contains(got, "private") {
		t.Errorf("the log says %s", got)
	}
}

// TestUnknownErrors checks that the text of an error of an unknown type reaches the model but
// not the log.
func TestUnknownErrors(t *testing.T) {
	t.Parallel()
	a, log := testAdapter(t)
	text := callNote(t, a, noteTool(func(_ context.Context, _ deps, in noteInput) (noteOutput, error) {
		return noteOutput{}, errors.New("cannot note " + in.Note)
	}))
	if text != "cannot note private words" {
		t.Errorf("got %q", text)
	}
	if got := log.String(); !strings.Contains(got, "an error of type *errors.errorString") || strings.Contains(got, "private") {
		t.Errorf("the log says %s", got)
	}
}

// TestAdvice checks that the advice of a tool about a code replaces the general advice.
func TestAdvice(t *testing.T) {
	t.Parallel()
	a, _ := testAdapter(t)
	refusing := noteTool(func(context.Context, deps, noteInput) (noteOutput, error) {
		return noteOutput{}, &zego.Error{Action: "Note", Code: zego.CodeTaskNotFound}
	})
	if text := callNote(t, a, refusing); !strings.Contains(text, "What to do: Check the TaskId") {
		t.Errorf("without advice: got %s", text)
	}
	refusing.advice = advice{zego.CodeTaskNotFound: "Write another note."}
	if text := callNote(t, a, refusing); !strings.Contains(text, "What to do: Write another note.") {
		t.Errorf("with advice: got %s", text)
	}
}

// TestResultSize checks that a result which is too large is refused, and that the log does
// not hold it.
func TestResultSize(t *testing.T) {
	t.Parallel()
	a, log := testAdapter(t)
	sized := func(bytes int) string {
		return callNote(t, a, noteTool(func(context.Context, deps, noteInput) (noteOutput, error) {
			return noteOutput{strings.Repeat("x", bytes-len(`{"Note":""}`))}, nil
		}))
	}
	if text := sized(1 << 20); len(text) != 1<<20 {
		t.Errorf("the largest result: got %.200s", text)
	}
	if text := sized(1<<20 + 1); text != "The result has 1048577 bytes, more than the 1048576 that this server passes on.\nWhat to do: Ask for less, such as a smaller Limit." {
		t.Errorf("got %.200s", text)
	}
	if got := log.String(); !strings.Contains(got, "the result is too large") || len(got) > 1000 {
		t.Errorf("the log says %.500s", got)
	}
}

// TestPermanentFailure checks that the model is told whether another try helps when no
// connection can be made.
func TestPermanentFailure(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	untrusted.StartTLS()
	defer untrusted.Close()
	a, _ := testAdapter(t)
	for endpoint, want := range map[string]string{
		untrusted.URL:        "Repeating the call does not help.",
		"http://127.0.0.1:1": "Trying again may help.",
	} {
		client, err := zego.New(1, strings.Repeat("x", 32), zego.Options{Endpoint: endpoint, RetryInterval: time.Microsecond})
		if err != nil {
			t.Fatal(err)
		}
		text := callNote(t, a, noteTool(func(ctx context.Context, _ deps, _ noteInput) (noteOutput, error) {
			_, err := client.ListStreamTasks(ctx)
			return noteOutput{}, err
		}))
		if !strings.HasPrefix(text, "QueryDigitalHumanStreamTasks got no answer: ") || !strings.HasSuffix(text, want) {
			t.Errorf("%s: got %s, want %q", endpoint, text, want)
		}
	}
}

// TestPanicInClient checks that a panic in a request that several calls share is logged as
// one in the tool is.
func TestPanicInClient(t *testing.T) {
	t.Parallel()
	a, log := testAdapter(t)
	client, err := zego.New(1, strings.Repeat("x", 32), zego.Options{Observer: zego.Observer{Attempt: func(context.Context, zego.AttemptInfo) { panic("private words") }}, Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	text := callNote(t, a, noteTool(func(ctx context.Context, _ deps, _ noteInput) (noteOutput, error) {
		_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
		return noteOutput{}, err
	}))
	if !strings.Contains(text, "failed inside") || strings.Contains(text, "private") {
		t.Errorf("got %s", text)
	}
	if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "coalesce.go") || strings.Contains(got, "private") {
		t.Errorf("the log says %s", got)
	}
}

// TestCancelledInWords explains errors of calls that their client has cancelled, or that
// ran out of time. The model must not read Go's own words for it.
func TestCancelledInWords(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		context.Canceled,
		context.DeadlineExceeded,
		fmt.Errorf("waiting: %w", context.Canceled),
		&zego.TransportError{Action: "A", Err: context.Canceled},
		&zego.LostAnswerError{Action: "A", Err: context.Canceled},
		&zego.SpeechError{Err: context.Canceled},
	} {
		text := explain(err, nil)
		if strings.Contains(text, "context") || !strings.Contains(text, "cancelled") && !strings.Contains(text, "time limit") {
			t.Errorf("%T: got %q", err, text)
		}
	}
}
