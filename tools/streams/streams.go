// Package streams owns the stream tasks that a process creates. ZEGO bills a task while it
// runs, so the package keeps a list of them, bounds their number, and stops those that
// nobody waits for any more.
//
// Every create and every stop of the process goes through a [Ledger]. Start either hands
// the TaskId to its caller, or stops the task, or keeps it in the ledger until StopAll if
// ZEGO's answer was lost.
package streams

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"
	"zego-mcp/zego"
)

// Options bounds what agents can spend. The zero value means the defaults.
type Options struct {
	MaxTTL   time.Duration // Longest life and idle time of one stream task; default DefaultMaxTTL.
	MaxTasks int           // How many stream tasks may run at once; default DefaultMaxTasks.
	Logger   *slog.Logger  // Default: nothing is logged.
}

// The defaults of Options.
const (
	DefaultMaxTTL   = time.Hour
	DefaultMaxTasks = 3
)

// Ledger lists the stream tasks that this process created and that may still run. It is
// safe for concurrent use. Whoever creates a Ledger calls StopAll at the end, because
// nothing else stops its tasks.
type Ledger struct {
	client   *zego.Client
	maxTTL   time.Duration
	maxTasks int
	log      *slog.Logger

	mu       sync.Mutex        // guards what follows
	entries  map[string]*entry // By StreamId.
	closed   bool              // StopAll was called: no more tasks are created.
	stopping sync.WaitGroup    // Tasks that are being stopped in the background.
}

// entry is one stream task of this process.
type entry struct {
	roomID, streamID string
	generatedID      bool      // We chose the StreamId, so no other task can have it.
	reservedAt       time.Time // Before the create was sent.
	expiresAt        time.Time // When ZEGO has ended the task at the latest: its TTL and a minute.

	creating bool   // ZEGO has not answered the create yet.
	taskID   string // Empty while creating, and afterwards if ZEGO's answer was lost.
}

// New returns an empty ledger of tasks that are created with client. With a nil client no
// task can be created, and StopAll and WarnOfOrphans do nothing.
func New(client *zego.Client, opts Options) *Ledger {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Ledger{
		client:   client,
		maxTTL:   cmp.Or(max(opts.MaxTTL, 0), DefaultMaxTTL),
		maxTasks: cmp.Or(max(opts.MaxTasks, 0), DefaultMaxTasks),
		log:      opts.Logger,
		entries:  map[string]*entry{},
	}
}

// MaxTTL returns the longest life and idle time that a stream task may be given.
func (l *Ledger) MaxTTL() time.Duration { return l.maxTTL }

// name returns the TaskId, or the StreamId if the TaskId is not known. The ledger's lock
// must be held.
func (e *entry) name() string {
	if e.taskID == "" {
		return "StreamId " + e.streamID
	}
	return e.taskID
}

// matches reports whether task is the one that this entry stands for. The TaskId decides,
// if it is known. Otherwise StreamId and RoomId must be equal, and a task whose StreamId
// the caller chose must be as young as our create: an older one had the StreamId before.
func (e *entry) matches(task zego.StreamTask) bool {
	if e.taskID != "" {
		return e.taskID == task.ID
	}
	young := !time.Unix(task.CreateTime, 0).Before(e.reservedAt.Add(-time.Minute))
	return e.streamID == task.StreamID && e.roomID == task.RoomID && (e.generatedID || young)
}

// add puts e into the ledger. It first removes tasks that ZEGO must have ended by now.
// It fails with *LimitError, *StreamIDInUseError or ErrClosed.
func (l *Ledger) add(e *entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var running []string
	for streamID, known := range l.entries {
		if now.After(known.expiresAt) && !known.creating {
			delete(l.entries, streamID)
			continue
		}
		running = append(running, known.name())
	}
	switch {
	case l.closed:
		return ErrClosed
	case l.entries[e.streamID] != nil:
		return &StreamIDInUseError{StreamID: e.streamID}
	case len(running) >= l.maxTasks:
		slices.Sort(running)
		return &LimitError{MaxTasks: l.maxTasks, Running: running}
	}
	l.entries[e.streamID] = e
	return nil
}

// setTaskID records that ZEGO answered the create of e. The id is empty if the answer was
// lost.
func (l *Ledger) setTaskID(e *entry, taskID string) {
	l.mu.Lock()
	e.creating, e.taskID = false, taskID
	closed := l.closed
	l.mu.Unlock()
	if closed {
		l.stopInBackground(e) // StopAll may have looked before the id was known.
	}
}

// release removes e from the ledger: its task was not created, or it has ended.
func (l *Ledger) release(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.creating = false
	if l.entries[e.streamID] == e {
		delete(l.entries, e.streamID)
	}
}

// releaseID is release for the task with a TaskId, if it is in the ledger.
func (l *Ledger) releaseID(taskID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for streamID, known := range l.entries {
		if known.taskID == taskID {
			delete(l.entries, streamID)
		}
	}
}

// learn records the TaskIds of own tasks whose create's answer was lost, if tasks holds
// them.
func (l *Ledger) learn(tasks ...zego.StreamTask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, task := range tasks {
		if known := l.entries[task.StreamID]; known != nil && known.matches(task) {
			known.taskID = task.ID
		}
	}
}

func (l *Ledger) name(e *entry) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.name()
}

func (l *Ledger) taskID(e *entry) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.taskID
}

func (l *Ledger) isCreating(e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return e.creating
}
