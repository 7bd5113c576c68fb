// Package streams owns the stream tasks that a process creates. ZEGO runs and bills a task
// until it is stopped or its TTL is over, so the package loses no task.
//
// The rule of the package: each create ends in exactly one of three ways.
//   - The caller of Start has the TaskId, and the task is in the ledger.
//   - The task is stopped, ZEGO has ended it, or ZEGO has never created it.
//   - A line in the log at level ERROR says which StreamId and RoomId may still be running,
//     and until when it may be billed.
//
// [Ledger.Start] keeps the rule. When it returns, the caller has the TaskId, the task is
// known not to exist, or [Ledger.stopInBackground] keeps the task until it is stopped, has
// ended, or is logged as an ERROR. Nothing outside the package calls ZEGO's create or stop.
//
// One create can lead to two tasks with the same StreamId, although only one is wanted: the
// client sends a create again when ZEGO calls itself busy, and ZEGO may carry out both. So the
// ledger goes on looking after it has stopped one, until no other can appear.
//
// Several processes can share a [Store] of their tasks. A process that ends can then leave
// its tasks to another one, whose ledger keeps the rule for them from then on.
package streams

import (
	"cmp"
	"context"
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
	KeepTasks   bool          // Close leaves the tasks running whose TaskId a caller has.
	StopTimeout time.Duration // How long Close may take to stop tasks; default DefaultStopTimeout.
	Mark        Mark          // Names this process in the StreamIds that the ledger generates.
	Store       Store         // Shared with other processes, which then count as one server; nil: not shared.
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
	// maxListDelay is how late ZEGO's list and status may show a new task. If ZEGO does not
	// know a task that is older than this, the task has ended.
	maxListDelay = 30 * time.Second
	// maxCreateDelay is how late ZEGO may carry out a create whose answer was lost, counted from
	// the moment at which the client gave up.
	maxCreateDelay = 30 * time.Second
	// maxEndDelay is how late ZEGO may end a task whose TTL is over.
	maxEndDelay = 30 * time.Second
	// maxTTLAtZEGO is the longest TTL that ZEGO allows.
	maxTTLAtZEGO = 24 * time.Hour
	// maxEnded is how many ended tasks a ledger remembers, to say that it started them.
	maxEnded = 1000
)

// Ledger lists the stream tasks that may still be running and that this process created or
// took over. It is safe for concurrent use. Whoever creates a Ledger calls Close at the end.
type Ledger struct {
	client *zego.Client
	store  Store // Nil if the tasks are not shared.
	opts   Options
	log    *slog.Logger

	attemptsCtx    context.Context // The context of all attempts to stop tasks; ends when Close gives up.
	cancelAttempts context.CancelFunc

	mu       sync.Mutex       // guards what follows, and opts.MaxTTL and opts.MaxTasks
	tasks    map[string]*task // By StreamId.
	endedIDs []string         // TaskIds of own tasks that ended lately, the oldest first.
	closed   bool             // No more tasks are created.
	closing  chan struct{}    // Closed when closed becomes true.
	changed  chan struct{}    // Closed, and made anew, when a task leaves the ledger or a field of a task changes.

	streamed time.Duration // How long the tasks have run that were removed; see Usage.

	replica replica // Used if there is a Store.
}

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

func (l *Ledger) now() time.Time { return l.opts.Now() }

// MaxTTL returns the longest life and idle time that a stream task may be given.
func (l *Ledger) MaxTTL() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opts.MaxTTL
}

// MaxTasks returns how many stream tasks may run at once.
func (l *Ledger) MaxTasks() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opts.MaxTasks
}

// SetLimits replaces Options.MaxTTL and Options.MaxTasks, for the stream tasks that are created
// from now on. A limit that is not above 0 stays as it is.
func (l *Ledger) SetLimits(maxTTL time.Duration, maxTasks int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if maxTTL > 0 {
		l.opts.MaxTTL = maxTTL
	}
	if maxTasks > 0 {
		l.opts.MaxTasks = maxTasks
	}
}

// add puts t into the ledger, and into the Store if there is one. It fails with *LimitError,
// *StreamIDInUseError, ErrClosed or *StoreError.
func (l *Ledger) add(ctx context.Context, t *task) error {
	if l.store == nil {
		return l.addHere(t)
	}
	return l.addShared(ctx, t)
}

// addHere puts t into the ledger, but not into the Store. It fails with *LimitError,
// *StreamIDInUseError or ErrClosed.
func (l *Ledger) addHere(t *task) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeExpired()
	switch {
	case l.closed:
		return ErrClosed
	case l.tasks[t.streamID] != nil:
		return &StreamIDInUseError{StreamID: t.streamID}
	case len(l.tasks) >= l.opts.MaxTasks:
		return &LimitError{MaxTasks: l.opts.MaxTasks, Running: namesOf(l.tasks, func(*task) bool { return true })}
	}
	if t.callerMaxTasks > 0 {
		ofCaller := func(other *task) bool { return other.caller == t.caller }
		running := append(namesOf(l.tasks, ofCaller), namesOf(l.replica.otherTasks, ofCaller)...)
		if len(running) >= t.callerMaxTasks {
			return &LimitError{MaxTasks: t.callerMaxTasks, OfCaller: true, Running: running}
		}
	}
	l.tasks[t.streamID] = t
	return nil
}

// namesOf returns the sorted names of the tasks for which wanted is true. Ledger.mu must be held.
func namesOf(tasks map[string]*task, wanted func(*task) bool) []string {
	var names []string
	for _, t := range tasks {
		if wanted(t) {
			names = append(names, t.name())
		}
	}
	slices.Sort(names)
	return names
}

// removeExpired removes the tasks that a caller has and that ZEGO has ended by their TTL.
// l.mu must be held.
func (l *Ledger) removeExpired() {
	for _, t := range l.tasks {
		if t.state == withCaller && l.now().After(t.expiresAt) {
			l.removeEndedLocked(t)
		}
	}
}

// removeEnded removes a task that was not created or that has ended. It does nothing if the
// task is no longer in the ledger.
func (l *Ledger) removeEnded(t *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tasks[t.streamID] == t {
		l.removeEndedLocked(t)
	}
}

// removeEndedLocked does the work of removeEnded for a task that is in the ledger. If there is
// a Store, the next sync removes the task from there, too. l.mu must be held.
func (l *Ledger) removeEndedLocked(t *task) {
	l.rememberEnded(t.taskID)
	if l.store != nil {
		l.replica.ended[t.key] = l.now()
	}
	l.removeHere(t)
}

// removeHere removes a task from this ledger, but not from the Store. The task may still be
// running. l.mu must be held.
func (l *Ledger) removeHere(t *task) {
	delete(l.tasks, t.streamID)
	l.streamed += t.ranUntil(l.now())
	l.notify()
}

// has reports whether a task is in the ledger.
func (l *Ledger) has(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tasks[t.streamID] == t
}

// rememberEnded notes the TaskId of an own task that has ended. l.mu must be held.
func (l *Ledger) rememberEnded(taskID string) {
	if taskID != "" && !slices.Contains(l.endedIDs, taskID) {
		l.endedIDs = append(l.endedIDs, taskID)
		l.endedIDs = l.endedIDs[max(0, len(l.endedIDs)-maxEnded):]
	}
}

// notify wakes those who wait for a change. l.mu must be held.
func (l *Ledger) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// inState returns the tasks that are in one of these states.
func (l *Ledger) inState(states ...state) []*task {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*task
	for _, t := range l.tasks {
		if slices.Contains(states, t.state) {
			all = append(all, t)
		}
	}
	return all
}
