// Package speech knows when the digital humans of stream tasks have finished speaking.
//
// ZEGO answers to a drive, which is a request to speak, before it is spoken. When it has been
// spoken, a [Tracker] learns in one of three ways, the best first:
//   - ZEGO reports it by a callback, if the operator lets ZEGO reach this server.
//   - ZEGO tells it when asked by GetDriveStatus, which it no longer documents.
//   - It is estimated from the text or the audio. An estimate errs to the long side.
package speech

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
	"zego-mcp/zego"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// KnownBy says how a Tracker knows what it tells.
type KnownBy string

// The values of KnownBy, the best first.
const (
	ByCallback    KnownBy = "callback"
	ByDriveStatus KnownBy = "drive_status" // The answer to GetDriveStatus.
	ByEstimate    KnownBy = "estimate"
)

// Options describes a Tracker. The zero value means the defaults.
type Options struct {
	Share     Share            // With other processes that serve the project; nil: with none.
	Callbacks bool             // ZEGO reports drives to this server, and Handle gets what it reports.
	Now       func() time.Time // This machine's clock; default time.Now.
	Logger    *slog.Logger     // Default: nothing is logged.
}

// Tracker knows what the digital humans of a ZEGO project are speaking: the drives that this
// process has sent, and those that ZEGO has told of. It is safe for concurrent use. Whoever
// creates a Tracker calls Close at the end.
type Tracker struct {
	client *zego.Client // Nil if GetDriveStatus cannot be called.
	opts   Options
	log    *slog.Logger

	ctx     context.Context // Ends at Close.
	cancel  context.CancelFunc
	sending sync.WaitGroup // Of the goroutines that send the rest of long texts.

	mu        sync.Mutex // guards what follows
	closed    bool
	tasks     *simplelru.LRU[string, *task]    // The tasks that this process has driven or created.
	strangers *simplelru.LRU[string, *task]    // Other tasks, of which ZEGO has reported something.
	handled   *simplelru.LRU[string, struct{}] // The keys of the events that were handled lately.
	// statusRefused says that ZEGO does not know GetDriveStatus, so that it is not asked again.
	statusRefused bool
	// pace is how much longer speech took lately than was estimated: 1 if the estimates were
	// right. It is from minPace to maxPace.
	pace float64
}

// Bounds of what a Tracker remembers.
const (
	maxTasks     = 1000
	maxStrangers = 100
	maxEvents    = 10000
	maxDrives    = 100 // Of one task. Those that are over are forgotten first.
)

const (
	minPace = 0.8
	maxPace = 2
	// callbackGrace is how long after the end of an estimate a callback is still waited for.
	callbackGrace = 10 * time.Second
	// statusValidity is how long ZEGO's word that a drive goes on counts.
	statusValidity = 15 * time.Second
	// statusGrace is how long after twice its estimate a drive is taken to be over although
	// GetDriveStatus says that it goes on: a wrong status must not keep a stream running.
	statusGrace = 30 * time.Second
)

// New returns a Tracker of the project that client calls. With a nil client GetDriveStatus is
// not used.
func New(client *zego.Client, opts Options) *Tracker {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	// NewLRU fails only for a size below 1.
	tasks, _ := simplelru.NewLRU[string, *task](maxTasks, nil)
	strangers, _ := simplelru.NewLRU[string, *task](maxStrangers, nil)
	handled, _ := simplelru.NewLRU[string, struct{}](maxEvents, nil)
	ctx, cancel := context.WithCancel(context.Background())
	return &Tracker{
		client: client, opts: opts, log: opts.Logger, ctx: ctx, cancel: cancel,
		tasks: tasks, strangers: strangers, handled: handled, pace: 1,
	}
}

// Close drops what has not been sent yet of long texts, and ends all waiting for the end of
// speech. It returns when nothing is being sent. It does not cut off what is being spoken. It
// may be called more than once.
func (t *Tracker) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.sending.Wait()
}

func (t *Tracker) now() time.Time { return t.opts.Now() }

// task is what is known of a stream task. Tracker.mu guards it.
type task struct {
	id      string
	facts   Facts
	drives  []*drive
	pending *Speech       // A long text whose parts are being sent; nil if there is none.
	problem string        // Why the rest of the last long text was not sent; usually empty.
	asked   time.Time     // When GetDriveStatus was last called for this task.
	changed chan struct{} // Closed, and made anew, when something has changed.
}

// drive is one request to speak. Tracker.mu guards it.
type drive struct {
	id       string
	sentAt   time.Time // When this process learned of the drive.
	estimate Estimate
	isText   bool // The estimate is that of a text.
	endless  bool // It is live audio, which ends when something cuts it off.

	startedAt, endedAt time.Time // Zero if that is not known.
	likelyEnd          time.Time // As endedAt; before it if that is the latest end of an estimate.
	result             outcome   // Set with endedAt.
	knownBy            KnownBy   // Who told the latest of this; empty if nobody did.
	goesOnAt           time.Time // When GetDriveStatus last said that the drive is not over.
}

// outcome is how a drive ended.
type outcome int

const (
	spoken outcome = iota // To its end.
	cut                   // Another drive or the end of the stream cut it off.
	failed                // ZEGO could not speak it.
)

// end records that a drive is over. Only the first end counts.
func (d *drive) end(at time.Time, result outcome, by KnownBy) {
	if d.endedAt.IsZero() {
		d.endedAt, d.likelyEnd, d.result, d.knownBy = at, at, result, by
	}
}

// task returns the task with an id, which becomes one of this process. The lock must be held.
func (t *Tracker) task(id string) *task {
	if k, ok := t.tasks.Get(id); ok {
		return k
	}
	k, ok := t.strangers.Get(id)
	if ok {
		t.strangers.Remove(id)
	} else {
		k = newTask(id)
	}
	t.tasks.Add(id, k)
	return k
}

// anyTask returns the task with an id, which may be one of another program. The lock must be
// held.
func (t *Tracker) anyTask(id string) *task {
	if k, ok := t.tasks.Get(id); ok {
		return k
	}
	k, ok := t.strangers.Get(id)
	if !ok {
		k = newTask(id)
		t.strangers.Add(id, k)
	}
	return k
}

func newTask(id string) *task { return &task{id: id, changed: make(chan struct{})} }

// notify wakes those who wait for a change. The lock must be held.
func (k *task) notify() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// drive returns the drive with an id, which is new if the task has none. The lock must be
// held.
func (k *task) drive(id string, now time.Time) *drive {
	for _, d := range k.drives {
		if d.id == id {
			return d
		}
	}
	if len(k.drives) >= maxDrives {
		over := slices.IndexFunc(k.drives, func(d *drive) bool { return !d.endedAt.IsZero() })
		k.drives = slices.Delete(k.drives, max(over, 0), max(over, 0)+1)
	}
	d := &drive{id: id, sentAt: now}
	k.drives = append(k.drives, d)
	return d
}

// cutOff records that the drives up to the first n that are not over were cut off. The lock
// must be held.
func (k *task) cutOff(n int, at time.Time) {
	for _, d := range k.drives {
		if n > 0 && d.endedAt.IsZero() {
			d.end(at, cut, "")
			n--
		}
	}
}

// Effect says what a new drive does to those before it.
type Effect int

// The values of Effect.
const (
	Waits      Effect = iota // It waits until they are over.
	CutsOff                  // It cuts off the one that is being spoken.
	CutsOffAll               // It cuts that one off, and those that wait are dropped.
)

// Drive is a request to speak that ZEGO has accepted.
type Drive struct {
	zego.Drive // ZEGO's answer.
	Effect     Effect
	Estimate   Estimate
	IsText     bool // Estimate is that of a text, which what happens later can correct.
	Endless    bool // Live audio, which has no end of its own.
}

// Drove records a drive that ZEGO has accepted. If it is called again for the same drive, only
// the estimate changes.
func (t *Tracker) Drove(taskID string, d Drive) *Speech {
	s := &Speech{taskID: taskID, requestID: d.RequestID}
	t.sent(s, d)
	return s
}

// sent records a drive as part of s, and tells the other replicas.
func (t *Tracker) sent(s *Speech, d Drive) {
	t.mu.Lock()
	t.add(t.task(s.taskID), d, t.now())
	s.driveIDs = append(s.driveIDs, d.ID)
	t.mu.Unlock()
	_ = t.publish(s.taskID, note{Drive: &d}) // It logs its error.
}

// add records a drive that was sent at a time. The lock must be held.
func (t *Tracker) add(k *task, d Drive, now time.Time) {
	t.settle(k)
	isNew := !slices.ContainsFunc(k.drives, func(known *drive) bool { return known.id == d.ID })
	if isNew { // Otherwise a callback about this drive came before ZEGO's answer.
		k.cutBy(d.Effect, now)
	}
	k.asked = now // A status that is asked for at once tells nothing.
	known := k.drive(d.ID, now)
	known.estimate, known.isText, known.endless = d.Estimate, d.IsText, d.Endless
	if isNew && d.Effect == CutsOff {
		// ZEGO does not say what becomes of those that wait. The new drive is spoken before them.
		k.drives = slices.Insert(k.drives[:len(k.drives)-1], k.firstWaiting(), known)
	}
	k.notify()
}

// cutBy records what a new drive does to those before it. The lock must be held.
func (k *task) cutBy(effect Effect, now time.Time) {
	if effect != Waits {
		k.dropPending("another drive cut it off")
	}
	switch effect {
	case Waits:
	case CutsOff:
		k.cutOff(1, now)
	case CutsOffAll:
		k.cutOff(len(k.drives), now)
	}
}

// firstWaiting returns the index of the first drive that is not over, or of the last one.
func (k *task) firstWaiting() int {
	i := slices.IndexFunc(k.drives, func(d *drive) bool { return d.endedAt.IsZero() })
	return min(max(i, 0), len(k.drives)-1)
}

// BrokeOff records that a drive has ended early.
func (t *Tracker) BrokeOff(taskID, driveID string) {
	t.mu.Lock()
	k := t.task(taskID)
	k.drive(driveID, t.now()).end(t.now(), cut, "")
	k.notify()
	t.mu.Unlock()
	_ = t.publish(taskID, note{BrokeOff: driveID}) // It logs its error.
}

// Interrupted records that all speech of a task was cut off by InterruptDrive, and drops what
// has not been sent yet.
func (t *Tracker) Interrupted(taskID string) {
	t.mu.Lock()
	t.interrupt(t.anyTask(taskID), t.now())
	t.mu.Unlock()
	_ = t.publish(taskID, note{Interrupted: true}) // It logs its error.
}

// interrupt does the work of Interrupted. The lock must be held.
func (t *Tracker) interrupt(k *task, at time.Time) {
	t.settle(k)
	k.dropPending("it was cut off")
	k.cutOff(len(k.drives), at)
	k.notify()
}

// Ended records that a task has ended, and with it all that it said.
func (t *Tracker) Ended(taskID string) {
	t.mu.Lock()
	t.end(t.anyTask(taskID), t.now())
	t.mu.Unlock()
	_ = t.publish(taskID, note{Ended: true}) // It logs its error.
}

// end does the work of Ended. The lock must be held.
func (t *Tracker) end(k *task, at time.Time) {
	t.settle(k)
	k.dropPending("the stream has ended")
	k.cutOff(len(k.drives), at)
	k.notify()
}

// Handle records what ZEGO reports by a callback. It ignores an event that it has handled
// before. Events may come in any order. An error says that other replicas could not be told,
// so that ZEGO should report the event again.
func (t *Tracker) Handle(e zego.Event) error {
	n := note{}
	switch {
	case e.Task != nil && (e.Task.Status == zego.TaskStopping || e.Task.Status == zego.TaskStopped):
		n.Ended = true
	case e.Drive != nil && e.Drive.DriveID != "":
		n.Told = e.Drive
	default:
		return nil
	}
	t.mu.Lock()
	n.At = t.eventTime(e)
	if t.handled.Contains(e.Key()) {
		t.mu.Unlock()
		return nil
	}
	t.handled.Add(e.Key(), struct{}{})
	if k := t.anyTask(e.TaskID); n.Ended {
		t.end(k, n.At)
	} else {
		t.tell(k, *n.Told, n.At, ByCallback)
	}
	t.mu.Unlock()
	if err := t.publish(e.TaskID, n); err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.handled.Remove(e.Key())
		return err
	}
	return nil
}

// eventTime returns when an event happened, by this machine's clock. The lock must be held.
func (t *Tracker) eventTime(e zego.Event) time.Time {
	at := e.Time.Add(-t.clockOffset())
	if now := t.now(); at.After(now) || now.Sub(at) > zego.MaxCallbackAge {
		return now
	}
	return at
}

// tell records what ZEGO has told of a drive. The lock must be held.
func (t *Tracker) tell(k *task, told zego.DriveEvent, at time.Time, by KnownBy) {
	known := slices.ContainsFunc(k.drives, func(d *drive) bool { return d.id == told.DriveID })
	if !known && told.Status > zego.Driving {
		return // It is over, so nobody waits for it.
	}
	d := k.drive(told.DriveID, at)
	switch told.Status {
	case zego.DriveQueued:
		d.goesOnAt = at
	case zego.Driving:
		d.goesOnAt = at
		if d.startedAt.IsZero() {
			d.startedAt = at
		}
		k.endBefore(d, at, by)
	case zego.DriveEnded:
		k.endBefore(d, at, by)
		t.learn(d, at, by)
		d.end(at, spoken, by)
	case zego.DriveFailed:
		d.end(at, failed, by)
	case zego.DriveInterrupted:
		d.end(at, cut, by)
	}
	if d.endedAt.IsZero() {
		d.knownBy = by
	}
	k.notify()
}

// endBefore records that the drives before d are over, because the digital human speaks one
// after the other. The lock must be held.
func (k *task) endBefore(d *drive, at time.Time, by KnownBy) {
	for _, earlier := range k.drives {
		if earlier == d {
			return
		}
		earlier.end(at, spoken, by)
	}
}

// learn corrects the pace by the time that a text took. The lock must be held.
func (t *Tracker) learn(d *drive, endedAt time.Time, by KnownBy) {
	took := endedAt.Sub(d.startedAt)
	exactEnough := 2 * time.Second
	if by == ByDriveStatus { // Its times are only as exact as the pauses between two questions.
		exactEnough = 10 * time.Second
	}
	if !d.isText || d.startedAt.IsZero() || !d.endedAt.IsZero() || min(took, d.estimate.Likely) < exactEnough {
		return
	}
	observed := min(max(float64(took)/float64(d.estimate.Likely), minPace), maxPace)
	if observed < t.pace { // Err to the long side: become faster only by and by.
		observed = 0.8*t.pace + 0.2*observed
	}
	t.pace = observed
}

// span is when a drive is over.
type span struct{ likely, latest time.Time }

// ends returns when each drive of a task is over. The lock must be held.
func (t *Tracker) ends(k *task) []span {
	ends := make([]span, len(k.drives))
	var before span
	for i, d := range k.drives {
		if !d.endedAt.IsZero() {
			ends[i] = span{d.likelyEnd, d.endedAt}
			before = span{later(before.likely, d.likelyEnd), later(before.latest, d.endedAt)}
			continue
		}
		start := span{later(d.sentAt, before.likely), later(d.sentAt, before.latest)}
		if !d.startedAt.IsZero() {
			start = span{d.startedAt, d.startedAt}
		}
		length := t.corrected(d)
		before = span{start.likely.Add(length.Likely), start.latest.Add(length.Longest)}
		ends[i] = before
	}
	return ends
}

// corrected returns the estimate of a drive, corrected by what this process has seen. The
// lock must be held.
func (t *Tracker) corrected(d *drive) Estimate {
	if !d.isText {
		return d.estimate
	}
	return t.correct(d.estimate)
}

// correct corrects the estimate of a text. The lock must be held.
func (t *Tracker) correct(e Estimate) Estimate {
	return Estimate{Likely: scale(e.Likely, t.pace), Longest: scale(e.Longest, t.pace)}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// settle records the end of the drives that must be over by now, although nobody told it. The
// lock must be held.
func (t *Tracker) settle(k *task) {
	now := t.now()
	for i, end := range t.ends(k) {
		d := k.drives[i]
		if d.endedAt.IsZero() && !d.endless && !now.Before(t.deadline(d, end.latest)) {
			d.end(end.latest, spoken, ByEstimate)
			d.likelyEnd = end.likely
		}
	}
}

// deadline returns when a drive counts as over although nobody has told it. The lock must be
// held.
func (t *Tracker) deadline(d *drive, latest time.Time) time.Time {
	deadline := latest
	if t.opts.Callbacks {
		deadline = latest.Add(callbackGrace)
	}
	if d.knownBy == ByDriveStatus && !d.goesOnAt.IsZero() {
		limit := latest.Add(t.corrected(d).Longest + statusGrace)
		deadline = later(deadline, earlier(limit, d.goesOnAt.Add(statusValidity)))
	}
	return deadline
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// refusedAsUnknown reports whether ZEGO does not offer the action that failed with err.
func refusedAsUnknown(err error) bool {
	return errors.Is(err, zego.CodeGatewayActionUnsupported) || errors.Is(err, zego.CodeNoPermission)
}
