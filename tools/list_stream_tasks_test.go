package tools_test

import (
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
	generated, chosen := killed.createTask(t, ``), killed.createTask(t, `,"StreamId":"chosen"`)
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
	if diff := cmp.Diff(map[string]any{generated: "orphan", chosen: "other"}, origins); diff != "" || !strings.HasPrefix(listed["Advice"].(string), "Orphans: 1.") {
		t.Errorf("got %v", listed)
	}
	next.streams.Close(t.Context())
	if got := len(next.runningTasks(t)); got != 2 {
		t.Errorf("%d tasks run: Close stopped tasks that this server did not start", got)
	}
}
