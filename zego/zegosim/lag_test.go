package zegosim_test

import (
	"testing"
	"time"
	"zego-mcp/zego/zegosim"
)

// TestLag creates a task and stops it after 10 s. The list shows that 5 s later.
func TestLag(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{Lag: 5 * time.Second, StartDelay: 2 * time.Second})
	ts.mustCall(create, createBody)
	listed := func(at time.Duration) int { // The status of the task in the list; 0: it is not there.
		ts.setClock(at)
		if tasks := ts.mustCall(query, `{}`).TaskList; len(tasks) > 0 {
			return tasks[0].Status
		}
		return 0
	}
	if got := listed(4999 * time.Millisecond); got != 0 {
		t.Errorf("4.999 s after the create: got %d, want 0", got)
	}
	if got := listed(5 * time.Second); got != 1 {
		t.Errorf("5 s after the create: got %d, want 1", got)
	}
	if got := ts.mustCall(status, taskBody).Status; got != 3 {
		t.Errorf("the status itself: got %d, want 3, without delay", got)
	}
	if got := listed(7 * time.Second); got != 3 {
		t.Errorf("5 s after it began to stream: got %d, want 3", got)
	}
	ts.setClock(10 * time.Second)
	ts.mustCall(stop, taskBody)
	if got := listed(14 * time.Second); got != 3 {
		t.Errorf("4 s after the stop: got %d, want 3", got)
	}
	if got := listed(15 * time.Second); got != 0 {
		t.Errorf("5 s after the stop: got %d, want 0", got)
	}
}
