package streams

import (
	"context"
	"errors"
	"slices"
	"time"
	"zego-mcp/zego"
)

// Origin says who started a stream task.
type Origin string

// The origins, in the words that tools use in their results.
const (
	ThisServer Origin = "this_server" // This process, or one that shares its Store.
	Call       Origin = "call"        // "zego-mcp call" on this machine, which leaves its tasks running.
	Orphan     Origin = "orphan"      // Another zego-mcp, which may have ended.
	Other      Origin = "other"       // Another program.
)

// StartedBy returns who started a task that ZEGO's list or status has shown. Of a task that
// has ended, described needs the TaskId only.
func (l *Ledger) StartedBy(described zego.StreamTask) Origin {
	offset := time.Duration(0)
	if l.client != nil {
		offset = l.client.ClockOffset()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tasks := range []map[string]*task{l.tasks, l.replica.otherTasks} {
		if t := tasks[described.StreamID]; t != nil && (t.taskID == described.ID || t.matches(described, offset)) {
			return ThisServer
		}
	}
	if slices.Contains(l.endedIDs, described.ID) {
		return ThisServer
	}
	return l.opts.Mark.origin(described.StreamID)
}

// Owns reports whether the task with this TaskId may still be running, and this process or
// one that shares its Store created it.
func (l *Ledger) Owns(ctx context.Context, taskID string) bool { return l.lookUp(ctx, taskID) != nil }

// CallerOf returns the StartRequest.Caller of the task with this TaskId, if that may still be
// running, and this process or one that shares its Store created it. It returns "" for every other
// task.
//
// While ZEGO has not shown the TaskId of every such task, CallerOf asks ZEGO about a TaskId that it
// does not know. It returns ErrStoreDown if the Store does not answer, and ZEGO's error if ZEGO does
// not say what the task is.
func (l *Ledger) CallerOf(ctx context.Context, taskID string) (string, error) {
	if t := l.lookUp(ctx, taskID); t != nil {
		return t.caller, nil
	}
	down, unconfirmed := l.mayMissCallers()
	switch {
	case down:
		return "", ErrStoreDown
	case !unconfirmed:
		return "", nil
	}
	described, err := l.client.GetStreamTask(ctx, taskID)
	switch {
	case errors.Is(err, zego.CodeTaskNotFound) || errors.Is(err, zego.CodeStreamStopped):
		return "", nil
	case err != nil:
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.matching(described); t != nil {
		return t.caller, nil
	}
	return "", nil
}

// mayMissCallers reports why a task whose TaskId is not known may be that of a caller: the Store is
// down, or a task with a caller has no TaskId that ZEGO has shown.
func (l *Ledger) mayMissCallers() (down, unconfirmed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tasks := range []map[string]*task{l.tasks, l.replica.otherTasks} {
		for _, t := range tasks {
			unconfirmed = unconfirmed || t.caller != "" && !t.confirmed
		}
	}
	return l.replica.down, unconfirmed
}

// matching returns the task, of this ledger or of another replica, that ZEGO has described, or nil.
// l.mu must be held.
func (l *Ledger) matching(described zego.StreamTask) *task {
	offset := l.client.ClockOffset()
	for _, tasks := range []map[string]*task{l.tasks, l.replica.otherTasks} {
		if t := tasks[described.StreamID]; t != nil && t.matches(described, offset) {
			return t
		}
	}
	return nil
}

// lookUp returns the task with a TaskId, of this ledger or of another replica, or nil. It asks the
// Store if it does not know the task.
func (l *Ledger) lookUp(ctx context.Context, taskID string) *task {
	own, ofReplica := l.taskWithID(taskID)
	if own == nil && ofReplica == nil {
		l.refresh(ctx)
		own, ofReplica = l.taskWithID(taskID)
	}
	if own != nil {
		return own
	}
	return ofReplica
}

// List asks ZEGO for all running stream tasks of the project, those of other programs
// included. It records the TaskIds of own tasks that were not known yet.
func (l *Ledger) List(ctx context.Context) (zego.StreamTaskList, error) {
	list, err := l.client.ListStreamTasks(ctx)
	if err == nil {
		l.recordList(list.Tasks)
		l.refresh(ctx)
	}
	return list, err
}

// Get asks ZEGO for one stream task, as zego.Client.GetStreamTask does.
func (l *Ledger) Get(ctx context.Context, taskID string) (zego.StreamTask, error) {
	task, err := l.client.GetStreamTask(ctx, taskID)
	if err == nil && l.Owns(ctx, taskID) {
		l.recordStatus(taskID)
	}
	return task, err
}

// Recover looks for running stream tasks that other processes of zego-mcp started. It stops
// those that a process of this installation left running when it died, unless
// Options.KeepTasks is set. It logs a warning for each of the others.
//
// Recover returns after it has looked once. In the background it looks again for a minute,
// because ZEGO may show the last task of a process that has just died only then. If ZEGO does
// not answer, it goes on until it does. Close ends it.
func (l *Ledger) Recover(ctx context.Context) {
	if l.client == nil {
		return
	}
	start := time.Now()
	err := l.stopLeftBehind(ctx, true)
	if err != nil {
		l.log.Warn("could not look for stream tasks that an earlier process left behind; this server looks again later", "err", logText(err))
	}
	go func() {
		for warned := err == nil; l.waitForNextLook(); {
			isLast := time.Since(start) >= maxCreateDelay+maxListDelay
			ctx, cancel := context.WithTimeout(l.attemptsCtx, attemptTimeout)
			err := l.stopLeftBehind(ctx, !warned)
			cancel()
			warned = warned || err == nil
			if isLast && err == nil {
				return
			}
		}
	}()
}

// lookInterval is the time between two looks of Recover.
const lookInterval = 15 * time.Second

// waitForNextLook waits for lookInterval. It returns false when Close is called.
func (l *Ledger) waitForNextLook() bool {
	timer := time.NewTimer(lookInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closing:
		return false
	}
}

// stopLeftBehind does the work of Recover once. It logs the warnings for tasks that it does
// not stop only if warns is true.
func (l *Ledger) stopLeftBehind(ctx context.Context, warns bool) error {
	list, err := l.List(ctx)
	if err == nil {
		err = l.sync(ctx) // The tasks of other replicas must be known below.
	}
	if err != nil {
		return err
	}
	for _, listed := range list.Tasks {
		if l.StartedBy(listed) != Orphan {
			continue
		}
		attrs := []any{"task", listed.ID, "stream", listed.StreamID, "room", listed.RoomID, "created", time.Unix(listed.CreateTime, 0).UTC().Format(time.RFC3339)}
		if !l.opts.KeepTasks && l.opts.Mark.isDead(listed.StreamID) {
			if t := l.adopt(listed); t != nil {
				l.log.Warn("stopping a stream task that an earlier process of this server left behind when it died", attrs...)
				l.stopInBackground(t, leftBehind)
			}
		} else if warns {
			l.log.Warn("a stream task of another zego-mcp is running, and ZEGO bills it; if that zego-mcp has ended, stop the task with stop_stream_task", attrs...)
		}
	}
	return nil
}

// adopt puts a task into the ledger that a dead process left running, and returns the task. It
// returns nil if the task is in the ledger already, or if Close was called. In the latter
// case the next process finds the task.
func (l *Ledger) adopt(listed zego.StreamTask) *task {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.tasks[listed.StreamID] != nil {
		return nil
	}
	t := &task{
		key: newKey(), roomID: listed.RoomID, streamID: listed.StreamID, taskID: listed.ID, generatedID: true,
		confirmed: true, state: withCaller, // The caller was one of the dead process.
		latestCreateTime: l.now(), expiresAt: l.now().Add(maxTTLAtZEGO), runsSince: l.now(),
	}
	l.tasks[t.streamID] = t
	return t
}
