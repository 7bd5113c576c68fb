package streams

import (
	"context"
	"strings"
	"time"
	"zego-mcp/zego"
)

// Origin says who started a stream task.
type Origin string

// The origins, as tools tell them to agents.
const (
	ThisServer Origin = "this_server"
	Orphan     Origin = "orphan" // Another zego-mcp, which may be gone.
	Other      Origin = "other"  // Another program.
)

// StartedBy says who started a task that ZEGO described.
func (l *Ledger) StartedBy(task zego.StreamTask) Origin {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.entries[task.StreamID]; known != nil && known.matches(task) {
		return ThisServer
	}
	if strings.HasPrefix(task.StreamID, streamIDPrefix) {
		return Orphan
	}
	return Other
}

// Owns reports whether the ledger holds the task with a TaskId.
func (l *Ledger) Owns(taskID string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, known := range l.entries {
		if known.taskID == taskID {
			return true
		}
	}
	return false
}

// List returns every running stream task of the ZEGO project, those of other programs
// included. It calls ZEGO, and records the TaskIds of own tasks that were not known yet.
func (l *Ledger) List(ctx context.Context) (zego.StreamTaskList, error) {
	list, err := l.client.ListStreamTasks(ctx)
	if err == nil {
		l.learn(list.Tasks...)
	}
	return list, err
}

// Get returns one stream task as zego.Client.GetStreamTask does, and records its TaskId if
// it is an own task whose id was not known yet.
func (l *Ledger) Get(ctx context.Context, taskID string) (zego.StreamTask, error) {
	task, err := l.client.GetStreamTask(ctx, taskID)
	if err == nil {
		l.learn(task)
	}
	return task, err
}

// WarnOfOrphans logs a warning for each running stream task that an earlier or another
// zego-mcp started.
func (l *Ledger) WarnOfOrphans(ctx context.Context) {
	if l.client == nil {
		return
	}
	list, err := l.List(ctx)
	if err != nil {
		l.log.Warn("could not look for stream tasks that an earlier process left behind", "err", logText(err))
		return
	}
	for _, task := range list.Tasks {
		if l.StartedBy(task) == Orphan {
			l.log.Warn("a stream task of another zego-mcp is running, and costs; if that one is gone, stop it with stop_stream_task",
				"task", task.ID, "stream", task.StreamID, "created", time.Unix(task.CreateTime, 0).UTC().Format(time.RFC3339))
		}
	}
}
