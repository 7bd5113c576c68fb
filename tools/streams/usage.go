package streams

import (
	"context"
	"time"
)

// Usage is what the stream tasks of a ledger have used.
type Usage struct {
	Running int // How many tasks may be running now.
	// Streamed is how long all tasks together have run, those that have ended included. It counts
	// from the moment at which the ledger knew of a task. Of a task that ended by itself it counts
	// the time until the ledger noticed, but not beyond the task's TTL.
	Streamed time.Duration
}

// Usage returns what the tasks of this ledger have used so far. It does not ask ZEGO.
func (l *Ledger) Usage() Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, used := l.now(), Usage{Streamed: l.streamed}
	for _, t := range l.tasks {
		if !t.runsSince.IsZero() && !now.After(t.expiresAt) {
			used.Running++
		}
		used.Streamed += t.ranUntil(now)
	}
	return used
}

// noteRunning notes that a task runs. Ledger.mu must be held.
func (t *task) noteRunning(now time.Time) {
	if t.runsSince.IsZero() {
		t.runsSince = now
	}
}

// ranUntil returns how long a task has run in this ledger. Ledger.mu must be held.
func (t *task) ranUntil(now time.Time) time.Duration {
	if t.runsSince.IsZero() {
		return 0
	}
	if now.After(t.expiresAt) {
		now = t.expiresAt
	}
	return max(now.Sub(t.runsSince), 0)
}

// Names returns the RoomId and the StreamId of a task that may still be running, of this ledger
// or of another replica. They are empty if the ledger does not know the task.
func (l *Ledger) Names(taskID string) (roomID, streamID string) {
	own, ofReplica := l.taskWithID(taskID)
	switch {
	case own != nil:
		return own.roomID, own.streamID
	case ofReplica != nil:
		return ofReplica.roomID, ofReplica.streamID
	}
	return "", ""
}

// stopReason says why a ledger stops a task by itself.
type stopReason string

// The reasons, as StopReason returns them.
const (
	notStarted stopReason = "not_started"   // The create failed, or its caller has left.
	stopFailed stopReason = "stop_repeated" // ZEGO did not carry out a stop that a caller asked for, or a second task may appear.
	serverEnds stopReason = "server_ends"   // Close.
	leftBehind stopReason = "left_behind"   // An earlier process of this installation died.
	ofReplica  stopReason = "taken_over"    // Another replica has died or ended, and no caller has the task.
)

type stopReasonKey struct{}

// StopReason returns why a ledger makes a call under ctx by itself, in order to stop a task:
// "not_started", "stop_repeated", "server_ends", "left_behind" or "taken_over". It returns ""
// for the calls of others.
func StopReason(ctx context.Context) string {
	reason, _ := ctx.Value(stopReasonKey{}).(stopReason)
	return string(reason)
}
