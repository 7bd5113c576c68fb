package tools_test

import (
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestOrphans: what a killed process leaves behind is found by its StreamId alone.
func TestOrphans(t *testing.T) {
	t.Parallel()
	sim := &zegosim.Server{}
	killed := onStage(t, sim, tools.Config{}, streams.Options{})
	left, own := killed.create(t, ``), killed.create(t, `,"StreamId":"own-name"`)
	sim.Observe = nil
	next := onStage(t, sim, tools.Config{}, streams.Options{})
	next.streams.WarnOfOrphans(t.Context())
	if log := next.logged(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, left) || strings.Contains(log, own) {
		t.Errorf("got %s", log)
	}
	listed := next.do(t, "list_stream_tasks", ``)
	origins := map[string]any{}
	for _, task := range listed["StreamTasks"].([]any) {
		origins[task.(map[string]any)["TaskId"].(string)] = task.(map[string]any)["StartedBy"]
	}
	if diff := cmp.Diff(map[string]any{left: "orphan", own: "other"}, origins); diff != "" || !strings.HasPrefix(listed["Advice"].(string), "Orphans: 1.") {
		t.Errorf("got %v", listed)
	}
	next.streams.StopAll(t.Context())
	if got := len(next.running(t)); got != 2 {
		t.Errorf("%d run: the end stopped what was not its own", got)
	}
}
