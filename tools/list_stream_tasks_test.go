package tools_test

import (
	"fmt"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestOrphans checks that a server recognizes by its generated StreamId a task that a killed
// server left behind. A task with a chosen StreamId counts as that of another program.
func TestOrphans(t *testing.T) {
	t.Parallel()
	sim := &zegosim.Server{}
	killed := newTestServer(t, sim, tools.Config{}, streams.Options{})
	generated, another, chosen := killed.createTask(t, ``), killed.createTask(t, ``), killed.createTask(t, `,"StreamId":"chosen"`)
	sim.Observe = nil
	next := newTestServer(t, sim, tools.Config{}, streams.Options{})
	next.streams.Recover(t.Context())
	if log := next.logText(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, generated) || strings.Contains(log, chosen) {
		t.Errorf("got %s", log)
	}
	listed := next.mustCall(t, "list_stream_tasks", ``)
	origins := map[string]any{}
	for _, task := range listed["StreamTasks"].([]any) {
		origins[task.(map[string]any)["TaskId"].(string)] = task.(map[string]any)["StartedBy"]
	}
	if diff := cmp.Diff(map[string]any{generated: "orphan", another: "orphan", chosen: "other"}, origins); diff != "" || !strings.HasPrefix(listed["Advice"].(string), "Orphans: 2.") {
		t.Errorf("got %v", listed)
	}
	next.streams.Close(t.Context())
	if got := len(next.runningTasks(t)); got != 3 {
		t.Errorf("%d tasks run: Close stopped tasks that this server did not start", got)
	}
}

// TestTaskWithoutTimes lets ZEGO tell no CreateTime. Then nothing is said about when the task began
// or may end for want of speech.
func TestTaskWithoutTimes(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	own := s.createTask(t, ``)
	const task = `{"Code":0,"Data":{"TaskId":%q,"RoomId":"room","StreamId":"s","Status":%d}}`
	s.sim.Fault = failAction("GetDigitalHumanStreamTaskStatus", zegosim.Fault{Body: fmt.Sprintf(task, own, 3)})
	got := s.mustCall(t, "get_stream_task", fmt.Sprintf(`{"TaskId":%q}`, own))
	for _, name := range []string{"CreatedAt", "RunningSeconds", "IdleEndsAt"} {
		if got[name] != nil {
			t.Errorf("got the %s %v", name, got[name])
		}
	}
	if got["EndsAt"] == nil {
		t.Errorf("got %v, want EndsAt, which this server knows", got)
	}
	s.sim.Fault = failAction("GetDigitalHumanStreamTaskStatus", zegosim.Fault{Body: fmt.Sprintf(task, own, 5)})
	if got := s.mustCall(t, "get_stream_task", fmt.Sprintf(`{"TaskId":%q}`, own)); got["Speaking"] != false || got["EndsAt"] != nil {
		t.Errorf("a task that has stopped: got %v", got)
	}
	s.sim.Fault = failAction("GetDigitalHumanStreamTaskStatus", zegosim.Fault{Body: fmt.Sprintf(task, "theirs", 3)})
	result := callTool(t.Context(), t, s.MCPServer, "stop_stream_task", `{"TaskId":"theirs"}`)
	if text := textOf(t, result); !strings.Contains(text, `into the room "room"; its viewers`) {
		t.Errorf("got %s", text)
	}
}
