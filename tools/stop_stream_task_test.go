package tools_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

// answering is a user at a client of 2025, which shows forms.
type answering struct {
	action mcp.ElicitationResponseAction
	fields map[string]any
	asked  []string
}

func (a *answering) Elicit(_ context.Context, req mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	a.asked = append(a.asked, req.Params.Message)
	return &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{Action: a.action, Content: a.fields}}, nil
}

// others returns a task that another program runs.
func (s *stage) others(t *testing.T) string {
	t.Helper()
	task, err := s.client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: waver}, RTCConfig: zego.RTCConfig{RoomID: "theirs", StreamID: "theirs-" + t.Name()[strings.LastIndex(t.Name(), "/")+1:]},
	})
	if err != nil {
		t.Fatal(err)
	}
	return task.TaskID
}

func TestStopAsks(t *testing.T) {
	t.Parallel()
	ticked := map[string]any{"Confirm": true}
	t.Run("a client without forms", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
		id := s.others(t)
		s.fails(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, id), "Stop the stream task "+id, "Nothing was done", "Confirm=true", "into the room theirs")
		s.fails(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q,"Confirm":false}`, id), "Nothing was done")
		if got := len(s.sent("StopDigitalHumanStreamTask")); got != 0 {
			t.Errorf("stopped %d times", got)
		}
		s.do(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q,"Confirm":true}`, id))
		if len(s.running(t)) != 0 {
			t.Error("it runs still")
		}
		s.fails(t, "stop_stream_task", `{"TaskId":"nobody","Confirm":true}`, "400000005")
	})
	for name, tt := range map[string]struct {
		action mcp.ElicitationResponseAction
		fields map[string]any
		stops  bool
	}{
		"agreed":        {mcp.ElicitationResponseActionAccept, ticked, true},
		"not-ticked":    {mcp.ElicitationResponseActionAccept, map[string]any{"Confirm": false}, false},
		"empty-form":    {mcp.ElicitationResponseActionAccept, nil, false},
		"declined":      {mcp.ElicitationResponseActionDecline, ticked, false},
		"closed-window": {mcp.ElicitationResponseActionCancel, nil, false},
	} {
		t.Run("2025 "+name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
			id, user := s.others(t), &answering{action: tt.action, fields: tt.fields}
			caller, err := client.NewInProcessClientWithOptions(s.MCPServer, client.WithElicitationHandler(user))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = caller.Close() }()
			if err := caller.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			var hello mcp.InitializeRequest
			hello.Params.ProtocolVersion = "2025-11-25"
			if _, err := caller.Initialize(t.Context(), hello); err != nil {
				t.Fatal(err)
			}
			var req mcp.CallToolRequest
			// The model's word is no user's.
			req.Params.Name, req.Params.Arguments = "stop_stream_task", map[string]any{"TaskId": id, "Confirm": true}
			result, err := caller.CallTool(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			s.askedAndDone(t, id, user.asked, result.IsError, textOf(t, result), tt.stops)
		})
		t.Run("2026 "+name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
			id := s.others(t)
			first := s.modern(t, map[string]any{"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id, "Confirm": true}})
			requests, _ := first["inputRequests"].(map[string]any)
			request, _ := requests["confirm"].(map[string]any)
			if first["resultType"] != "input_required" || request["method"] != "elicitation/create" || len(s.sent("StopDigitalHumanStreamTask")) != 0 {
				t.Fatalf("got %v", first)
			}
			answer := map[string]any{"action": tt.action}
			if tt.fields != nil {
				answer["content"] = tt.fields
			}
			second := s.modern(t, map[string]any{
				"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id}, "requestState": first["requestState"],
				"inputResponses": map[string]any{"confirm": answer},
			})
			text := second["content"].([]any)[0].(map[string]any)["text"].(string)
			s.askedAndDone(t, id, []string{request["params"].(map[string]any)["message"].(string)}, second["isError"] == true, text, tt.stops)
		})
	}
	t.Run("2026 an answer about another task", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
		id := s.others(t)
		got := s.modern(t, map[string]any{
			"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id}, "requestState": "another",
			"inputResponses": map[string]any{"confirm": map[string]any{"action": "accept", "content": ticked}},
		})
		if got["resultType"] != "input_required" || len(s.sent("StopDigitalHumanStreamTask")) != 0 {
			t.Errorf("got %v", got)
		}
	})
}

func (s *stage) askedAndDone(t *testing.T, id string, asked []string, failed bool, text string, stops bool) {
	t.Helper()
	if len(asked) != 1 || !strings.Contains(asked[0], id) {
		t.Errorf("asked %q", asked)
	}
	if got := len(s.sent("StopDigitalHumanStreamTask")) == 1; got != stops || failed == stops || !stops && !strings.Contains(text, "did not agree") {
		t.Errorf("stopped %t, want %t: %s", got, stops, text)
	}
}

// modern calls a tool as a client of protocol 2026-07-28 with forms does.
func (s *stage) modern(t *testing.T, params map[string]any) map[string]any {
	t.Helper()
	params["_meta"] = map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "x", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": map[string]any{"elicitation": map[string]any{}},
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

func TestStopAllSaysWhatItCouldNot(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{Fault: func(action string, _ int) *zegosim.Fault {
		if action == "StopDigitalHumanStreamTask" {
			return &zegosim.Fault{Code: zego.CodeNoPermission}
		}
		return nil
	}}, tools.Config{}, streams.Options{})
	id := s.create(t, ``)
	s.streams.StopAll(t.Context())
	if log := s.logged(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, id) || !strings.Contains(log, "ends_by=") {
		t.Errorf("got %s", log)
	}
}
