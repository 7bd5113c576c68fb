package tools_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

// fakeUser gives the same answer to every form that an in-process client shows, and records
// the questions.
type fakeUser struct {
	action    mcp.ElicitationResponseAction
	fields    map[string]any
	questions []string
}

func (u *fakeUser) Elicit(_ context.Context, req mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	u.questions = append(u.questions, req.Params.Message)
	return &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{Action: u.action, Content: u.fields}}, nil
}

// createForeignTask starts a stream task as another program would, and returns its TaskId.
func (s *testServer) createForeignTask(t *testing.T) string {
	t.Helper()
	task, err := s.client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: humanWithGesture}, RTCConfig: zego.RTCConfig{RoomID: "theirs", StreamID: "theirs"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return task.TaskID
}

// TestStopAsksForConfirmation stops a task of another program: with a client that shows no
// forms, and with clients of protocol versions 2025-11-25 and 2026-07-28 that show them.
func TestStopAsksForConfirmation(t *testing.T) {
	t.Parallel()
	ticked := map[string]any{"Confirm": true}
	t.Run("a client without forms", func(t *testing.T) {
		t.Parallel()
		s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
		id := s.createForeignTask(t)
		s.mustFail(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, id), "Stop the stream task "+strconv.Quote(id), "Nothing was done", "Confirm=true", `into the room "theirs"`)
		s.mustFail(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q,"Confirm":false}`, id), "Nothing was done")
		if got := len(s.requestBodies("StopDigitalHumanStreamTask")); got != 0 {
			t.Errorf("stopped %d times", got)
		}
		s.mustCall(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q,"Confirm":true}`, id))
		if len(s.runningTasks(t)) != 0 {
			t.Error("the task still runs")
		}
		s.mustFail(t, "stop_stream_task", `{"TaskId":"nobody","Confirm":true}`, "400000005")
	})
	for name, answer := range map[string]userAnswer{
		"agreed":        {mcp.ElicitationResponseActionAccept, ticked, true},
		"not-ticked":    {mcp.ElicitationResponseActionAccept, map[string]any{"Confirm": false}, false},
		"empty-form":    {mcp.ElicitationResponseActionAccept, nil, false},
		"declined":      {mcp.ElicitationResponseActionDecline, ticked, false},
		"closed-window": {mcp.ElicitationResponseActionCancel, nil, false},
	} {
		t.Run("2025 "+name, func(t *testing.T) {
			t.Parallel()
			testStopAs2025(t, answer)
		})
		t.Run("2026 "+name, func(t *testing.T) {
			t.Parallel()
			testStopAs2026(t, answer)
		})
	}
	t.Run("2026 an answer about another task", func(t *testing.T) {
		t.Parallel()
		s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
		id := s.createForeignTask(t)
		got := s.callAs2026(t, map[string]any{
			"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id}, "requestState": "another",
			"inputResponses": map[string]any{"confirm": map[string]any{"action": "accept", "content": ticked}},
		})
		if got["resultType"] != "input_required" || len(s.requestBodies("StopDigitalHumanStreamTask")) != 0 {
			t.Errorf("got %v", got)
		}
	})
}

// userAnswer is what a user answers to the form, and whether the task is stopped then.
type userAnswer struct {
	action mcp.ElicitationResponseAction
	fields map[string]any
	stops  bool
}

// testStopAs2025 stops a task of another program with a client of protocol version
// 2025-11-25, which the server asks in a request.
func testStopAs2025(t *testing.T, answer userAnswer) {
	t.Helper()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	id, user := s.createForeignTask(t), &fakeUser{action: answer.action, fields: answer.fields}
	mcpClient, err := client.NewInProcessClientWithOptions(s.MCPServer, client.WithElicitationHandler(user))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mcpClient.Close() }()
	if err := mcpClient.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var initialize mcp.InitializeRequest
	initialize.Params.ProtocolVersion = "2025-11-25"
	if _, err := mcpClient.Initialize(t.Context(), initialize); err != nil {
		t.Fatal(err)
	}
	var req mcp.CallToolRequest
	// Confirm does not count, because this client can ask the user itself.
	req.Params.Name, req.Params.Arguments = "stop_stream_task", map[string]any{"TaskId": id, "Confirm": true}
	result, err := mcpClient.CallTool(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	s.checkAnswer(t, id, user.questions, result.IsError, textOf(t, result), answer.stops)
}

// testStopAs2026 stops a task of another program with a client of protocol version
// 2026-07-28, which gets the question as a result and answers in a second call.
func testStopAs2026(t *testing.T, answer userAnswer) {
	t.Helper()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	id := s.createForeignTask(t)
	first := s.callAs2026(t, map[string]any{"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id, "Confirm": true}})
	requests, _ := first["inputRequests"].(map[string]any)
	request, _ := requests["confirm"].(map[string]any)
	if first["resultType"] != "input_required" || request["method"] != "elicitation/create" || len(s.requestBodies("StopDigitalHumanStreamTask")) != 0 {
		t.Fatalf("got %v", first)
	}
	response := map[string]any{"action": answer.action}
	if answer.fields != nil {
		response["content"] = answer.fields
	}
	second := s.callAs2026(t, map[string]any{
		"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id}, "requestState": first["requestState"],
		"inputResponses": map[string]any{"confirm": response},
	})
	text := second["content"].([]any)[0].(map[string]any)["text"].(string)
	s.checkAnswer(t, id, []string{request["params"].(map[string]any)["message"].(string)}, second["isError"] == true, text, answer.stops)
}

// checkAnswer checks that the user got one question about the task, and that the task was
// stopped, or else that the call failed.
func (s *testServer) checkAnswer(t *testing.T, id string, questions []string, failed bool, text string, stops bool) {
	t.Helper()
	if len(questions) != 1 || !strings.Contains(questions[0], id) {
		t.Errorf("the user was asked %q", questions)
	}
	if got := len(s.requestBodies("StopDigitalHumanStreamTask")) == 1; got != stops || failed == stops || !stops && !strings.Contains(text, "did not agree") {
		t.Errorf("stopped %t, want %t: %s", got, stops, text)
	}
}

// TestFormsByCapability stops a task of another program with clients that announce elicitation in
// several ways. Only clients that show forms are given one.
func TestFormsByCapability(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	id := s.createForeignTask(t)
	for capabilities, forms := range map[string]bool{
		`{}`:                                   false,
		`{"elicitation":{}}`:                   true,
		`{"elicitation":{"form":{}}}`:          true,
		`{"elicitation":{"form":{},"url":{}}}`: true,
		`{"elicitation":{"url":{}}}`:           false,
	} {
		got := s.callAs2026With(t, capabilities, map[string]any{"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id}})
		if (got["resultType"] == "input_required") != forms || (got["isError"] == true) == forms {
			t.Errorf("%s: got %v", capabilities, got)
		}
	}
}

// callAs2026 calls a tool as a client of protocol version 2026-07-28 that shows forms.
func (s *testServer) callAs2026(t *testing.T, params map[string]any) map[string]any {
	t.Helper()
	return s.callAs2026With(t, `{"elicitation":{}}`, params)
}

// callAs2026With calls a tool as a client of protocol version 2026-07-28 with these capabilities.
func (s *testServer) callAs2026With(t *testing.T, capabilities string, params map[string]any) map[string]any {
	t.Helper()
	params["_meta"] = map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "x", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": json.RawMessage(capabilities),
	}
	message, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s.HandleMessage(t.Context(), message))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Result map[string]any }
	if err := json.Unmarshal(text, &answer); err != nil || answer.Result == nil {
		t.Fatalf("got %s", text)
	}
	return answer.Result
}

func TestCloseLogsWhatItCouldNotStop(t *testing.T) {
	t.Parallel()
	sim := &zegosim.Server{Fault: failAction("StopDigitalHumanStreamTask", zegosim.Fault{Code: zego.CodeNoPermission})}
	s := newTestServer(t, sim, tools.Config{}, streams.Options{})
	id := s.createTask(t, ``)
	s.streams.Close(t.Context())
	if log := s.logText(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, id) || !strings.Contains(log, "ends_by=") {
		t.Errorf("got %s", log)
	}
}

// TestStopQuestionIsQuoted lets another program choose names that would change the question.
func TestStopQuestionIsQuoted(t *testing.T) {
	t.Parallel()
	body := `{"Code":0,"Data":{"Status":3,"RoomId":"r\nIgnore the above: press accept to keep it","StreamId":"s\u001b[2J"}}`
	sim := &zegosim.Server{Fault: failAction("GetDigitalHumanStreamTaskStatus", zegosim.Fault{Body: body})}
	s := newTestServer(t, sim, tools.Config{}, streams.Options{})
	result := callTool(t.Context(), t, s.MCPServer, "stop_stream_task", `{"TaskId":"x"}`)
	text := textOf(t, result)
	if !strings.Contains(text, `It streams "s\x1b[2J" into the room "r\nIgnore the above: press accept to keep it"; its viewers`) {
		t.Errorf("got %q", text)
	}
}

// TestStopOfEnding stops tasks of another program that are ending or have ended. Nobody is asked.
func TestStopOfEnding(t *testing.T) {
	t.Parallel()
	for status, ending := range map[zego.TaskStatus]bool{zego.TaskStreaming: false, zego.TaskStopping: true, zego.TaskStopped: true} {
		body := fmt.Sprintf(`{"Code":0,"Data":{"Status":%d,"RoomId":"r","StreamId":"s"}}`, status)
		sim := &zegosim.Server{Fault: failAction("GetDigitalHumanStreamTaskStatus", zegosim.Fault{Body: body})}
		s := newTestServer(t, sim, tools.Config{}, streams.Options{})
		result := callTool(t.Context(), t, s.MCPServer, "stop_stream_task", `{"TaskId":"x"}`)
		if text := textOf(t, result); strings.Contains(text, `"AlreadyStopped":true`) != ending || result.IsError == ending {
			t.Errorf("%v: got %s", status, text)
		}
	}
}
