// Package streams owns the stream tasks that a process creates. ZEGO runs and bills a task
// until it is stopped or its TTL is over, so no task may be lost.
//
// The rule of the package: a create ends in exactly one of three ways.
//   - The caller of Start has the TaskId, and the ledger holds the task.
//   - The task is stopped, or ZEGO has ended it.
//   - A line in the log at level ERROR says which StreamId and RoomId may run, and until
//     when that costs.
//
// [Ledger.Start] keeps the rule: whatever happens in it, the task is handed over, known not
// to exist, or given to [Ledger.stopInBackground], which does not let go of it before one of the other
// two ways is reached. Nothing else in the process calls ZEGO's create or stop.
//
// Several processes can share a [Store] of their tasks. Then a process that ends can also
// leave a task to another one, whose ledger keeps the rule from then on.
package streams

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"slices"
	"sync"
	"time"
	"zego-mcp/zego"
)

// Options bounds what agents can spend. The zero value means the defaults.
type Options struct {
	MaxTTL      time.Duration // Longest life and idle time of one stream task; default DefaultMaxTTL.
	MaxTasks    int           // How many stream tasks may run at once, of all that share the Store; default DefaultMaxTasks.
	KeepTasks   bool          // Close leaves running the tasks whose TaskId a caller has.
	StopTimeout time.Duration // How long Close may take to stop tasks; default DefaultStopTimeout.
	Mark        Mark          // Part of each StreamId that the ledger makes up; it tells which process made it.
	Store       Store         // Shared with other processes, which then count as one server; nil: with none.
	Logger      *slog.Logger  // Default: nothing is logged.

	Now func() time.Time // This machine's clock; default time.Now.
}

// The defaults of Options.
const (
	DefaultMaxTTL      = time.Hour
	DefaultMaxTasks    = 3
	DefaultStopTimeout = 30 * time.Second
)

const (
	// settlingTime is the age from which on a task that ZEGO does not know is taken to have
	// ended. ZEGO may not show a younger task yet, because its list and its status lag behind.
	settlingTime = 30 * time.Second
	// attemptTimeout bounds one attempt to find or stop a task.
	attemptTimeout = 10 * time.Second
	// The pauses between two attempts grow from minPause to maxPause, and to maxClosingPause
	// while the ledger is being closed.
	minPause        = 250 * time.Millisecond
	maxPause        = 30 * time.Second
	maxClosingPause = time.Second
)

// Ledger lists the stream tasks that this process created and that may still run. It is
// safe for concurrent use. Whoever creates a Ledger calls Close at the end.
type Ledger struct {
	client *zego.Client
	store  Store // Nil if the tasks are not shared.
	opts   Options
	log    *slog.Logger

	attemptsCtx    context.Context // The context of all attempts to stop tasks; ends when Close gives up.
	cancelAttempts context.CancelFunc

	mu       sync.Mutex       // guards what follows
	tasks    map[string]*task // By StreamId.
	endedIDs []string         // TaskIds of own tasks that ended lately, the oldest first.
	closed   bool             // No more tasks are created.
	closing  chan struct{}    // Closed when closed becomes true.
	changed  chan struct{}    // Closed, and made anew, when a task leaves the ledger or a field of a task changes.

	replica replica // Used if there is a Store.
}

// task is a stream task of this process that may run. All but its first group of fields is
// guarded by Ledger.mu.
type task struct {
	id               string // Tells two tasks with one StreamId apart.
	roomID, streamID string
	generatedID      bool      // The ledger chose the StreamId, so no other task can have it.
	reservedAt       time.Time // Before the create was sent.
	answeredBy       time.Time // When ZEGO has carried out the create at the latest.
	expiresAt        time.Time // When ZEGO has ended the task at the latest: the create's timeout and its TTL later, and a minute in case ZEGO is late.

	state  state
	taskID string // Empty as long as ZEGO has not told it.
	// confirmed says that ZEGO has described the task under its TaskId. Until then the TaskId
	// stands on one answer alone, which something on the way can have garbled.
	confirmed bool
	// createdBefore is the latest CreateTime that the task can have, by this machine's clock:
	// when ZEGO answered the create, or some time after its answer was lost. Zero until then.
	createdBefore time.Time
	// stoppedOnce says that a task with this StreamId was stopped, although another one can still
	// appear: the client repeats a create that ZEGO calls busy, and ZEGO may have carried out
	// the first request and carry out the second one later. See createWindowOver.
	stoppedOnce bool
}

// state says who is responsible for a task.
type state int

const (
	creating state = iota // Start: ZEGO has not answered the create yet.
	held                  // The caller of Start, who has the TaskId.
	stopping              // The goroutine of stopInBackground.
	missing               // Nobody: Close is under way, and ZEGO does not list the task, whose TaskId is not known.
)

// New returns an empty ledger of tasks that are created with client. With a nil client only
// StartedBy, Recover and Close may be called; they do nothing.
func New(client *zego.Client, opts Options) *Ledger {
	opts.MaxTTL = cmp.Or(max(opts.MaxTTL, 0), DefaultMaxTTL)
	opts.MaxTasks = cmp.Or(max(opts.MaxTasks, 0), DefaultMaxTasks)
	opts.StopTimeout = cmp.Or(max(opts.StopTimeout, 0), DefaultStopTimeout)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	attemptsCtx, cancelAttempts := context.WithCancel(context.Background())
	l := &Ledger{
		client: client, store: opts.Store, opts: opts, log: opts.Logger,
		attemptsCtx: attemptsCtx, cancelAttempts: cancelAttempts,
		tasks:   map[string]*task{},
		closing: make(chan struct{}), changed: make(chan struct{}),
		replica: newReplica(),
	}
	if client == nil {
		l.store = nil
	}
	if l.store != nil {
		go l.keepInSync()
	}
	return l
}

// newKey returns the id of a new task: see task.id.
func newKey() string { return rand.Text() }

func (l *Ledger) now() time.Time { return l.opts.Now() }

// MaxTTL returns the longest life and idle time that a stream task may be given.
func (l *Ledger) MaxTTL() time.Duration { return l.opts.MaxTTL }

// add puts t into the ledger, and into the Store if there is one. It fails with *LimitError,
// *StreamIDInUseError, ErrClosed or *StoreError.
func (l *Ledger) add(ctx context.Context, t *task) error {
	if l.store == nil {
		return l.addHere(t)
	}
	return l.addShared(ctx, t)
}

// addHere puts t into the ledger. It fails with *LimitError, *StreamIDInUseError or
// ErrClosed.
func (l *Ledger) addHere(t *task) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetExpired()
	switch {
	case l.closed:
		return ErrClosed
	case l.tasks[t.streamID] != nil:
		return &StreamIDInUseError{StreamID: t.streamID}
	case len(l.tasks) >= l.opts.MaxTasks:
		var running []string
		for _, known := range l.tasks {
			running = append(running, known.name())
		}
		slices.Sort(running)
		return &LimitError{MaxTasks: l.opts.MaxTasks, Running: running}
	}
	l.tasks[t.streamID] = t
	return nil
}

// forgetExpired removes the held tasks that ZEGO has ended by their TTL. The lock must be
// held.
func (l *Ledger) forgetExpired() {
	for _, t := range l.tasks {
		if t.state == held && l.now().After(t.expiresAt) {
			l.discard(t)
		}
	}
}

// forget removes a task that does not run: it was not created, or it has ended.
func (l *Ledger) forget(t *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tasks[t.streamID] == t {
		l.discard(t)
	}
}

// discard removes a task that does not run, and its record in the Store. The lock must be
// held.
func (l *Ledger) discard(t *task) {
	l.remember(t.taskID)
	if l.store != nil {
		l.replica.removed[t.id] = l.now()
	}
	l.drop(t)
}

// drop removes a task from the ledger alone. Somebody else is responsible for it. The lock
// must be held.
func (l *Ledger) drop(t *task) {
	delete(l.tasks, t.streamID)
	l.notify()
}

// has reports whether a task is in the ledger.
func (l *Ledger) has(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tasks[t.streamID] == t
}

// remember notes that an own task has ended. The lock must be held.
func (l *Ledger) remember(taskID string) {
	if taskID != "" && !slices.Contains(l.endedIDs, taskID) {
		l.endedIDs = append(l.endedIDs, taskID)
		l.endedIDs = l.endedIDs[max(0, len(l.endedIDs)-maxEnded):]
	}
}

// maxEnded is how many ended tasks a ledger remembers, to say that it started them.
const maxEnded = 1000

// notify wakes those who wait for a change. The lock must be held.
func (l *Ledger) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// createEnded records that the create of t has ended, and the TaskId if it is known. If ZEGO's
// answer was lost, a task may still be created within settlingTime.
func (l *Ledger) createEnded(t *task, taskID string, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t.createdBefore = l.now()
	if !t.confirmed { // Otherwise ZEGO's list has told the TaskId, and the answer may be wrong.
		t.taskID = taskID
	}
	if lost {
		t.createdBefore = t.createdBefore.Add(settlingTime)
	}
	l.notify()
}

// confirm records that ZEGO has described the own task with a TaskId.
func (l *Ledger) confirm(taskID string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tasks {
		if t.taskID == taskID {
			l.identify(t, taskID)
		}
	}
}

// identify records the TaskId under which ZEGO has described a task. The lock must be held.
func (l *Ledger) identify(t *task, taskID string) {
	if t.taskID != taskID || !t.confirmed {
		t.taskID, t.confirmed = taskID, true
		l.notify()
	}
}

// stopIsFinal records that ZEGO has stopped a task with the StreamId of t. It reports whether
// no other task with this StreamId can appear any more.
func (l *Ledger) stopIsFinal(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.now().Before(t.createdBefore) {
		return true
	}
	l.remember(t.taskID)
	t.stoppedOnce, t.taskID, t.confirmed = true, "", false
	l.notify()
	return false
}

func (l *Ledger) taskID(t *task) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.taskID
}

// identity returns the TaskId, and whether ZEGO has confirmed it.
func (l *Ledger) identity(t *task) (taskID string, confirmed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.taskID, t.confirmed
}

func (l *Ledger) name(t *task) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.name()
}

// name returns the TaskId, or the StreamId if the TaskId is not known. The lock must be
// held.
func (t *task) name() string {
	if t.taskID == "" {
		return "StreamId " + t.streamID
	}
	return t.taskID
}

// isYoung reports whether, at now, the task may be too new for ZEGO to show it. It is false
// before createdBefore is set. The lock must be held.
func (t *task) isYoung(now time.Time) bool { return now.Sub(t.createdBefore) < settlingTime }

func (l *Ledger) isYoung(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.isYoung(l.now())
}

// matches reports whether ZEGO's description other is that of this task. A StreamId that the
// ledger made up decides. Another program can use a StreamId that the caller chose, before
// or after us, so other must also be in the same room and have been created while our
// create was under way, by ZEGO's clock, which is clockOffset ahead of this machine's. The
// lock must be held.
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
	createdTooLate := !t.createdBefore.IsZero() && created.After(t.createdBefore.Add(rounding))
	return other.RoomID == t.roomID && !createdTooEarly && !createdTooLate
}

// learn records the TaskIds of own tasks that ZEGO's list shows under their StreamId.
func (l *Ledger) learn(list ...zego.StreamTask) {
	offset := l.client.ClockOffset()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, listed := range list {
		if t := l.tasks[listed.StreamID]; t != nil && t.matches(listed, offset) {
			l.identify(t, listed.ID)
		}
	}
}
