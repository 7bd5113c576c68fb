package streams

import (
	"context"
	"slices"
	"time"
	"zego-mcp/zego"
)

// Origin says who started a stream task.
type Origin string

// The origins, as tools tell them to agents.
const (
	ThisServer Origin = "this_server" // This process, or one that shares its Store.
	Call       Origin = "call"        // "zego-mcp call" on this machine; it leaves its tasks running.
	Orphan     Origin = "orphan"      // Another zego-mcp, which may be gone.
	Other      Origin = "other"       // Another program.
)

// StartedBy says who started a task that ZEGO described. Of a task that has ended ZEGO tells
// the TaskId only; of a running one the StreamId must be there.
func (l *Ledger) StartedBy(described zego.StreamTask) Origin {
	offset := time.Duration(0)
	if l.client != nil {
		offset = l.client.ClockOffset()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tasks := range []map[string]*task{l.tasks, l.replica.others} {
		if t := tasks[described.StreamID]; t != nil && (t.taskID == described.ID || t.matches(described, offset)) {
			return ThisServer
		}
	}
	if slices.Contains(l.endedIDs, described.ID) {
		return ThisServer
	}
	return l.opts.Mark.origin(described.StreamID)
}

// Owns reports whether this process, or one that shares its Store, created the task with a
// TaskId.
func (l *Ledger) Owns(ctx context.Context, taskID string) bool {
	own, others := l.taskWithID(taskID)
	if own == nil && others == nil {
		l.refresh(ctx)
		own, others = l.taskWithID(taskID)
	}
	return own != nil || others != nil
}

// List returns every running stream task of the ZEGO project, those of other programs
// included. It calls ZEGO, and records the TaskIds of own tasks that were not known yet.
func (l *Ledger) List(ctx context.Context) (zego.StreamTaskList, error) {
	list, err := l.client.ListStreamTasks(ctx)
	if err == nil {
		l.learn(list.Tasks...)
		l.refresh(ctx)
	}
	return list, err
}

// Get returns one stream task as zego.Client.GetStreamTask does.
func (l *Ledger) Get(ctx context.Context, taskID string) (zego.StreamTask, error) {
	task, err := l.client.GetStreamTask(ctx, taskID)
	if err == nil && l.Owns(ctx, taskID) {
		l.confirm(taskID)
	}
	return task, err
}

// Recover looks at the running stream tasks that other processes of zego-mcp started. It
// stops those that a process of this installation left behind when it died, unless
// Options.KeepTasks is set, and logs a warning for each of the others.
func (l *Ledger) Recover(ctx context.Context) {
	if l.client == nil {
		return
	}
	list, err := l.List(ctx)
	if err == nil {
		err = l.sync(ctx) // It must be known which of the tasks belong to other replicas.
	}
	if err != nil {
		l.log.Warn("could not look for stream tasks that an earlier process left behind", "err", logText(err))
		return
	}
	for _, listed := range list.Tasks {
		if l.StartedBy(listed) != Orphan {
			continue
		}
		attrs := []any{"task", listed.ID, "stream", listed.StreamID, "room", listed.RoomID, "created", time.Unix(listed.CreateTime, 0).UTC().Format(time.RFC3339)}
		if l.opts.KeepTasks || !l.opts.Mark.isDead(listed.StreamID) {
			l.log.Warn("a stream task of another zego-mcp is running, and costs; if that one is gone, stop it with stop_stream_task", attrs...)
			continue
		}
		l.log.Warn("stopping a stream task that an earlier process of this server left behind when it died", attrs...)
		l.adopt(listed)
	}
}

// adopt makes the ledger stop a task that a dead process left behind.
func (l *Ledger) adopt(listed zego.StreamTask) {
	t := &task{
		id: newKey(), roomID: listed.RoomID, streamID: listed.StreamID, taskID: listed.ID, generatedID: true,
		confirmed: true, state: held,
		createdBefore: l.now(), expiresAt: l.now().Add(maxTTLAtZEGO),
	}
	l.mu.Lock()
	known := l.tasks[t.streamID] != nil
	if !known {
		l.tasks[t.streamID] = t
	}
	l.mu.Unlock()
	if !known {
		l.stopInBackground(t)
	}
}

// maxTTLAtZEGO is the longest TTL that ZEGO allows.
const maxTTLAtZEGO = 24 * time.Hour
