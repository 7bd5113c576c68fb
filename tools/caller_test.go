package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"
)

// callerKey is the key of a tools.Caller in the contexts of these tests.
type callerKey struct{}

// ask lets a caller send a request, and returns the whole answer in JSON.
func (s *testServer) ask(t *testing.T, caller tools.Caller, method, params string) string {
	t.Helper()
	ctx := context.WithValue(t.Context(), callerKey{}, caller)
	message := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
	answer, err := json.Marshal(s.HandleMessage(ctx, json.RawMessage(message)))
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// newCallersServer returns a server whose callers are in the contexts of the requests. The log
// goes to logged. The operator offers all toolsets.
func newCallersServer(t *testing.T, offered []tools.Toolset, logged *bytes.Buffer) *testServer {
	t.Helper()
	return newCallersServerOf(t, offered, logged, streams.Options{})
}

// newCallersServerOf is like newCallersServer, with options for the streams.
func newCallersServerOf(t *testing.T, offered []tools.Toolset, logged *bytes.Buffer, opts streams.Options) *testServer {
	t.Helper()
	inner := newTestServer(t, &zegosim.Server{QPS: -1}, tools.Config{}, opts)
	project := tools.Project{Client: inner.client, Streams: inner.streams, Speech: inner.speech, Toolsets: offered}
	return &testServer{MCPServer: tools.NewServer(tools.Config{
		Local:  true,
		Logger: slog.New(slog.NewTextHandler(logged, nil)),
		Project: func(ctx context.Context) *tools.Project {
			if caller, ok := ctx.Value(callerKey{}).(tools.Caller); ok {
				return project.For(caller)
			}
			return &project
		},
	})}
}

// TestCallers asks for everything as callers with different toolsets. What a caller does not see
// it cannot call either.
func TestCallers(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	s := newCallersServer(t, allToolsets, &logged)
	onlyAssets := newCallersServer(t, []tools.Toolset{tools.Assets}, &bytes.Buffer{})
	everything := tools.Caller{Subject: "token:all", Toolsets: allToolsets}
	assets := tools.Caller{Subject: "token:assets", Toolsets: []tools.Toolset{tools.Assets}}
	nothing := tools.Caller{Subject: "token:none"}
	const hello = `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}`
	const discover = `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}`
	for _, tt := range []struct {
		name           string
		server         *testServer
		caller         tools.Caller
		method, params string
		want, wantNot  string
	}{
		{"lists everything", s, everything, "tools/list", `{}`, `"create_stream_task"`, `tool_not_offered`},
		{"lists assets", s, assets, "tools/list", `{}`, `"list_digital_humans"`, `"name":"create_stream_task"`},
		{"lists nothing", s, nothing, "tools/list", `{}`, `"tools":[]`, `list_digital_humans`},
		{"the operator bounds callers", onlyAssets, everything, "tools/list", `{}`, `"list_digital_humans"`, `"name":"create_stream_task"`},
		{"lists prompts", s, everything, "prompts/list", `{}`, `"go_live"`, `xx`},
		{"lists no streaming prompts", s, assets, "prompts/list", `{}`, `"choose_presenter"`, `go_live`},
		{"lists no prompts", s, nothing, "prompts/list", `{}`, `"prompts":[]`, `choose_presenter`},
		{"lists templates", s, assets, "resources/templates/list", `{}`, `zego://stream-tasks`, `xx`},
		{"lists no templates", s, nothing, "resources/templates/list", `{}`, `"resourceTemplates":[]`, `zego://`},
		{"reads no resource", s, nothing, "resources/read", `{"uri":"zego://stream-tasks/task-1"}`, `nothing is there`, `Status`},
		{"completes", s, assets, "completion/complete", `{"ref":{"type":"ref/prompt","name":"choose_presenter"},"argument":{"name":"DigitalHuman","value":"so"}}`, `Sophia`, `xx`},
		{"completes no prompt that is off", s, assets, "completion/complete", `{"ref":{"type":"ref/prompt","name":"go_live"},"argument":{"name":"DigitalHuman","value":"so"}}`, `"values":[]`, `Sophia`},
		{"completes nothing", s, nothing, "completion/complete", `{"ref":{"type":"ref/prompt","name":"choose_presenter"},"argument":{"name":"DigitalHuman","value":"so"}}`, `"values":[]`, `Sophia`},
		{"completes no task", s, nothing, "completion/complete", `{"ref":{"type":"ref/resource","uri":"zego://stream-tasks/{TaskId}"},"argument":{"name":"TaskId","value":""}}`, `"values":[]`, `xx`},
		{"calls", s, assets, "tools/call", `{"name":"list_digital_humans","arguments":{"Limit":1}}`, `"Total"`, `isError`},
		{
			"does not create a stream", s, assets, "tools/call", `{"name":"create_stream_task","arguments":{"DigitalHumanId":"x","RoomId":"r"}}`,
			"create_stream_task belongs to the toolset streaming (tools that create, drive and stop streams, which ZEGO bills), which the caller's token does not have." +
				`\nWhat to do: Ask the user to call this server with a token that has the toolset streaming.`, "--toolsets",
		},
		{"calls nothing", s, nothing, "tools/call", `{"name":"list_digital_humans"}`, "which the caller's token does not have", `"Total"`},
		{"the operator does not offer it", onlyAssets, everything, "tools/call", `{"name":"create_stream_task"}`, "--toolsets all", `a token`},
		{"gets no prompt", s, assets, "prompts/get", `{"name":"go_live"}`, "of the toolset streaming, which the caller's token does not have: ask the user to call this server with a token", `create_stream_task`},
		{"is told of assets only", s, assets, "initialize", hello, "a token that has the toolset streaming", `create_stream_task`},
		{"is told of its own limit", s, tools.Caller{Subject: "x", Toolsets: allToolsets, MaxTasks: 2}, "initialize", hello, "allows 2 streams at once", `a token`},
		{"is told of the server's limit", s, everything, "initialize", hello, "allows 3 streams at once", `a token`},
		{"discovers assets only", s, assets, "server/discover", discover, "a token that has the toolset streaming", `create_stream_task`},
	} {
		got := tt.server.ask(t, tt.caller, tt.method, tt.params)
		if !strings.Contains(got, tt.want) || strings.Contains(got, tt.wantNot) {
			t.Errorf("%s: got %s\nwant %s, without %s", tt.name, got, tt.want, tt.wantNot)
		}
	}
	if text := logged.String(); !strings.Contains(text, "tool=list_digital_humans") || strings.Count(text, "subject=token:assets") < 2 {
		t.Errorf("logged %s", text)
	}
}

// TestSubjectInLog logs subjects that try to write lines of their own.
func TestSubjectInLog(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]string{
		"oidc:a\nlevel=ERROR msg=x":        `subject="\"oidc:a\\nlevel=ERROR msg=x\""`,
		"oidc:\x1b[2J\u202e\u200b":         `subject="\"oidc:\\x1b[2J\\u202e\\u200b\""`,
		"oidc:" + strings.Repeat("a", 123): `subject=oidc:` + strings.Repeat("a", 123),
		"oidc:" + strings.Repeat("é", 500): `subject="\"oidc:` + strings.Repeat("é", 123) + `…\""`,
		"oidc:\xff":                        `subject="\"oidc:\\xff\""`,
		"oidc:蘇青@example.com":              `subject=oidc:蘇青@example.com`,
	} {
		var logged bytes.Buffer
		s := newCallersServer(t, allToolsets, &logged)
		s.ask(t, tools.Caller{Subject: subject, Toolsets: allToolsets}, "tools/call", `{"name":"list_digital_humans","arguments":{"Limit":1}}`)
		if text := logged.String(); !strings.Contains(text, want) || strings.Count(text, "\n") != 1 {
			t.Errorf("%q: logged %s, want %s", subject, text, want)
		}
	}
}

// TestCallerMaxTasks lets two callers create stream tasks until their tokens allow no more.
func TestCallerMaxTasks(t *testing.T) {
	t.Parallel()
	s := newCallersServer(t, allToolsets, &bytes.Buffer{})
	create := `{"name":"create_stream_task","arguments":{"DigitalHumanId":"` + humanWithGesture + `","RoomId":"r","WaitUntilStreaming":false}}`
	alice := tools.Caller{Subject: "token:alice", Toolsets: allToolsets, MaxTasks: 1}
	bob := tools.Caller{Subject: "token:bob", Toolsets: allToolsets}
	for i, tt := range []struct {
		caller tools.Caller
		want   string
	}{
		{alice, `"TaskId"`},
		{alice, "Nothing was created: this caller may run 1 stream tasks at once (maxTasks of its token), and runs 0"},
		{bob, `"TaskId"`},
		{bob, `"TaskId"`},
		{bob, "this server may run 3 stream tasks at once"},
	} {
		if got := s.ask(t, tt.caller, "tools/call", create); !strings.Contains(got, tt.want) {
			t.Errorf("create %d: got %s, want %s", i, got, tt.want)
		}
	}
}

// createAs creates a stream task for a caller, and returns its TaskId.
func (s *testServer) createAs(t *testing.T, caller tools.Caller) string {
	t.Helper()
	answer := s.ask(t, caller, "tools/call", `{"name":"create_stream_task","arguments":{"DigitalHumanId":"`+humanWithGesture+`","RoomId":"r"}}`)
	_, rest, _ := strings.Cut(answer, `"TaskId":"`)
	id, _, found := strings.Cut(rest, `"`)
	if !found {
		t.Fatalf("got %s", answer)
	}
	return id
}

// changing has arguments, without the TaskId, of every tool that drives or stops a stream task.
var changing = map[string]string{
	"drive_by_text":       `,"Text":"x","TimbreId":"y"`,
	"drive_by_audio":      `,"AudioUrl":"https://example.com/a.mp3"`,
	"drive_by_audio_file": `,"Path":"/nowhere/a.wav"`,
	"drive_by_rtc_stream": `,"RoomId":"r","StreamId":"s"`,
	"do_action":           `,"Action":"wave"`,
	"interrupt_drive":     ``,
	"stop_stream_task":    `,"Confirm":true`,
}

// TestStreamsOfCallers lets callers drive and stop the stream task of one of them. The others may
// not, unless a caller has the right to all streams.
func TestStreamsOfCallers(t *testing.T) {
	t.Parallel()
	for name, effect := range effects {
		if _, ok := changing[name]; ok != (effect != "read-only" && name != "create_stream_task") {
			t.Errorf("%s is in changing: %t", name, ok)
		}
	}
	const refusal = "Another caller of this server created the stream task "
	long := strings.Repeat("x", 1000)
	for _, tt := range []struct{ owner, other string }{
		{"token:alice", "token:bob"},
		{"oidc:" + long + "a", "oidc:" + long + "b"},
		{"oidc:a\n", "oidc:a\r"},
	} {
		var logged bytes.Buffer
		s := newCallersServer(t, allToolsets, &logged)
		alice := tools.Caller{Subject: tt.owner, Toolsets: allToolsets}
		bob := tools.Caller{Subject: tt.other, Toolsets: allToolsets}
		boss := tools.Caller{Subject: "token:boss", Toolsets: allToolsets, AllStreams: true}
		task := s.createAs(t, alice)
		for name, arguments := range changing {
			if name == "stop_stream_task" {
				continue // It is tried below.
			}
			params := fmt.Sprintf(`{"name":%q,"arguments":{"TaskId":%q%s}}`, name, task, arguments)
			got := s.ask(t, bob, "tools/call", params)
			if !strings.Contains(got, refusal+`\"`+task) || !strings.Contains(got, "What to do: Ask the user to let that caller do it") || strings.Contains(got, "alice") {
				t.Errorf("%s of another caller: got %s", name, got)
			}
			for _, caller := range []tools.Caller{alice, boss, {}} {
				if got := s.ask(t, caller, "tools/call", params); strings.Contains(got, refusal) {
					t.Errorf("%s by %q: got %s", name, caller.Subject, got)
				}
			}
		}
		if text := logged.String(); !strings.Contains(text, `err="the stream task of another caller"`) || strings.Contains(text, task) {
			t.Errorf("logged %s", text)
		}
		if got := s.ask(t, bob, "tools/call", `{"name":"list_stream_tasks"}`); !strings.Contains(got, task) {
			t.Errorf("another caller lists: got %s", got)
		}
		own := s.createAs(t, bob)
		for _, step := range []struct {
			caller          tools.Caller
			arguments, want string
		}{
			{bob, `{"TaskId":"` + task + `","Confirm":true,"Now":true}`, refusal},
			{bob, `{"All":true,"Now":true}`, `"Stopped":["` + own + `"]`},
			{bob, `{"All":true}`, `"AlreadyStopped":true`},
			{alice, `{"TaskId":"` + task + `","Now":true}`, `"Stopped":["` + task + `"]`},
			{bob, `{"TaskId":"` + task + `"}`, `"AlreadyStopped":true`},
		} {
			if got := s.ask(t, step.caller, "tools/call", `{"name":"stop_stream_task","arguments":`+step.arguments+`}`); !strings.Contains(got, step.want) {
				t.Errorf("%s stops %s: got %s, want %s", step.caller.Subject, step.arguments, got, step.want)
			}
		}
		task = s.createAs(t, alice)
		if got := s.ask(t, boss, "tools/call", `{"name":"stop_stream_task","arguments":{"All":true,"Now":true}}`); !strings.Contains(got, `"Stopped":["`+task+`"]`) {
			t.Errorf("a caller with the right to all streams: got %s", got)
		}
	}
}

// downStore is a list of streams that does not answer.
type downStore struct{ streams.Store }

func (downStore) Renew(context.Context, streams.Presence) (streams.View, error) {
	return streams.View{}, errors.New("no answer")
}

// TestStreamsOfUnknownCallers lets callers drive and stop a stream task while the list of streams
// that the servers share does not answer, so that nobody knows who has created it.
func TestStreamsOfUnknownCallers(t *testing.T) {
	t.Parallel()
	s := newCallersServerOf(t, allToolsets, &bytes.Buffer{}, streams.Options{Store: downStore{}})
	bob := tools.Caller{Subject: "token:bob", Toolsets: allToolsets}
	boss := tools.Caller{Subject: "token:boss", Toolsets: allToolsets, AllStreams: true}
	const refusal = `Another caller may have created the stream task \"task-1\": the list of streams that the servers share does not answer; nothing was sent.\nWhat to do: Call again in a few seconds.`
	for name, arguments := range changing {
		params := fmt.Sprintf(`{"name":%q,"arguments":{"TaskId":"task-1"%s}}`, name, arguments)
		if got := s.ask(t, bob, "tools/call", params); !strings.Contains(got, refusal) {
			t.Errorf("%s: got %s", name, got)
		}
		for _, caller := range []tools.Caller{boss, {}} {
			if got := s.ask(t, caller, "tools/call", params); strings.Contains(got, "Another caller") {
				t.Errorf("%s by %q: got %s", name, caller.Subject, got)
			}
		}
	}
}
