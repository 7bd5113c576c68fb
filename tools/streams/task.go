package streams

import (
	"crypto/rand"
	"slices"
	"time"
	"zego-mcp/zego"
)

// task is a stream task that may still be running. Ledger.mu guards the second group of
// fields. All times are by this machine's clock.
type task struct {
	key              string // The key of its record in the Store; tells two tasks with the same StreamId apart.
	roomID, streamID string
	caller           string    // Who asked for it; empty: that is not known.
	callerMaxTasks   int       // How many tasks of caller may run at once; 0: no limit. Not shared.
	generatedID      bool      // The ledger generated the StreamId, so no other task can have it.
	reservedAt       time.Time // Before the create was sent.
	expiresAt        time.Time // ZEGO has ended the task by then, however late it carried out the create.

	state  state
	taskID string // Empty as long as ZEGO has not told it.
	// confirmed says that ZEGO's list or status has shown the task under its TaskId. Until then
	// the TaskId is known only from the answer to the create, and that answer may be garbled.
	confirmed bool
	// latestCreateTime is the latest CreateTime that ZEGO can give the task. When ZEGO has
	// answered the create, it is the time of the answer. If the answer was lost, it is
	// maxCreateDelay after the client gave up. Before that it is the latest of these times.
	latestCreateTime time.Time
	// stoppedBefore says that a task with this StreamId was stopped, and another one can appear
	// until latestCreateTime. The comment of the package says why.
	stoppedBefore bool
	runsSince     time.Time  // When this ledger knew first that the task runs; zero before.
	stopReason    stopReason // Set with the state stopping.
}

// state says who is responsible for a task.
type state int

const (
	creating   state = iota // Start, which has not returned yet.
	withCaller              // The caller of Start, who has the TaskId.
	stopping                // The goroutine of stopInBackground.
	missing                 // Close, which reports the task: ZEGO does not list it, and has not told its TaskId.
)

// newKey returns a new task.key.
func newKey() string { return rand.Text() }

// name returns the TaskId, or the StreamId if the TaskId is not known. Ledger.mu must be
// held.
func (t *task) name() string {
	if t.taskID == "" {
		return "StreamId " + t.streamID
	}
	return t.taskID
}

// isYoung reports whether, at now, ZEGO may not show the task yet, because the task may be
// that new. Ledger.mu must be held.
func (t *task) isYoung(now time.Time) bool { return now.Sub(t.latestCreateTime) < maxListDelay }

// matches reports whether other, which ZEGO has described, is this task. If the ledger
// generated the StreamId, an equal StreamId is enough. If the caller chose it, another
// program can have used it too. Then other must also be in the same room, and its CreateTime
// must be between the sending of the create and latestCreateTime. clockOffset is how far
// ZEGO's clock is ahead of this machine's. Ledger.mu must be held.
func (t *task) matches(other zego.StreamTask, clockOffset time.Duration) bool {
	if other.StreamID != t.streamID {
		return false
	}
	if t.generatedID {
		return true
	}
	const rounding = 2 * time.Second // CreateTime and ZEGO's clock are told in whole seconds.
	created := time.Unix(other.CreateTime, 0).Add(-clockOffset)
	createdTooEarly := created.Before(t.reservedAt.Add(-rounding))
	createdTooLate := created.After(t.latestCreateTime.Add(rounding))
	return other.RoomID == t.roomID && !createdTooEarly && !createdTooLate
}

// recordCreateEnd records that the create of t has ended, and the TaskId from ZEGO's answer
// if there is one. If ZEGO's answer was lost, the task may still be created within
// maxCreateDelay.
func (l *Ledger) recordCreateEnd(t *task, taskID string, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.latestCreateTime = l.now()
	if lost {
		t.latestCreateTime = t.latestCreateTime.Add(maxCreateDelay)
	}
	if taskID != "" && taskID != t.taskID { // If ZEGO's list has told another TaskId, one of both is wrong or has ended.
		t.taskID, t.confirmed = taskID, false
	}
	if t.taskID != "" {
		t.noteRunning(l.now())
	}
	l.notify()
}

// recordStop records that ZEGO has stopped a task with the StreamId of t. If it returns
// true, no other task with this StreamId can appear, and the caller removes t. If it returns
// false, t must stay in the ledger, for one of three reasons: the create has not been
// answered yet, its answer was lost a short time ago, or ZEGO has named another task meanwhile.
func (l *Ledger) recordStop(t *task, taskID string) (final bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	hasOther := t.taskID != "" && t.taskID != taskID
	if !hasOther && !l.now().Before(t.latestCreateTime) {
		return true
	}
	l.rememberEnded(taskID)
	t.stoppedBefore = true
	if !hasOther {
		t.taskID, t.confirmed = "", false
	}
	l.notify()
	return false
}

// isOfAnother reports whether a TaskId in ZEGO's answer to the create of t cannot be that of
// t, because another task of this server has it or had it.
func (l *Ledger) isOfAnother(taskID string, t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tasks := range []map[string]*task{l.tasks, l.replica.otherTasks} {
		for _, other := range tasks {
			if other.key != t.key && other.taskID == taskID {
				return true
			}
		}
	}
	return !t.stoppedBefore && slices.Contains(l.endedIDs, taskID)
}

// isStoppedForGood reports whether a task with the StreamId of t was stopped, and the time
// is over in which another one could appear.
func (l *Ledger) isStoppedForGood(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.stoppedBefore && l.now().After(t.latestCreateTime)
}

// recordStatus records that ZEGO's status has shown the own task with this TaskId, if there
// is one.
func (l *Ledger) recordStatus(taskID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tasks {
		if t.taskID == taskID {
			l.confirmTaskID(t, taskID)
		}
	}
}

// recordList records the TaskIds of the own tasks that ZEGO's list shows.
func (l *Ledger) recordList(list []zego.StreamTask) {
	offset := l.client.ClockOffset()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, listed := range list {
		if t := l.tasks[listed.StreamID]; t != nil && t.matches(listed, offset) {
			l.confirmTaskID(t, listed.ID)
		}
	}
}

// confirmTaskID sets the TaskId of t to the one under which ZEGO's list or status has shown
// the task. l.mu must be held.
func (l *Ledger) confirmTaskID(t *task, taskID string) {
	if t.taskID != taskID || !t.confirmed {
		t.taskID, t.confirmed = taskID, true
		t.noteRunning(l.now())
		l.notify()
	}
}

func (l *Ledger) taskID(t *task) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.taskID
}

// identity returns the TaskId, and whether it is confirmed.
func (l *Ledger) identity(t *task) (taskID string, confirmed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.taskID, t.confirmed
}

func (l *Ledger) stopReason(t *task) stopReason {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.stopReason
}

func (l *Ledger) name(t *task) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.name()
}

func (l *Ledger) isYoung(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.isYoung(l.now())
}
