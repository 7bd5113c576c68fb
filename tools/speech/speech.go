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
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
	"zego-mcp/zego"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// KnownBy says how a Tracker knows what it tells. It is one of the values below, or empty if
// nothing is known.
type KnownBy string

// The values of KnownBy, the best first.
const (
	ByCallback    KnownBy = "callback"
	ByDriveStatus KnownBy = "drive_status" // The answer to GetDriveStatus.
	ByEstimate    KnownBy = "estimate"
)

// Options describes a Tracker. The zero value means the defaults.
type Options struct {
	Share     Share            // What other processes know; default: nothing is shared.
	Callbacks bool             // ZEGO reports to this server, and Handle gets every report; default false.
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

	mu      sync.Mutex // guards what follows
	closed  bool
	tasks   *simplelru.LRU[string, *task]    // The tasks that this process has driven or created.
	foreign *simplelru.LRU[string, *task]    // Other tasks that ZEGO or a caller has named.
	handled *simplelru.LRU[string, struct{}] // The keys of the latest events and notes that were handled.
	// statusRefused says that ZEGO does not know GetDriveStatus, so that it is not asked again.
	statusRefused bool
	// durationFactor is how long speech took lately in relation to its estimate: 1 if the
	// estimate was right, 1.2 if speech took a fifth longer. It is from minDurationFactor to
	// maxDurationFactor.
	durationFactor float64
}

// Bounds of what a Tracker remembers.
const (
	maxTasks   = 1000
	maxForeign = 100
	maxHandled = 10000
	maxKey     = 300 // Bytes of the key of an event. ZEGO's keys have two ids of 36 bytes.
	maxDrives  = 100 // Of one task. Those that are over are forgotten first.
)

const (
	minDurationFactor = 0.8
	maxDurationFactor = 2
	// callbackGrace is how long a callback is waited for after the latest estimated end.
	callbackGrace = 10 * time.Second
	// statusValidity is how long a drive counts as going on after ZEGO has said that it does.
	statusValidity = 15 * time.Second
	// statusGrace bounds how long ZEGO's status keeps a drive going on. The drive counts as over
	// when it has taken twice its longest estimate and this time, whatever GetDriveStatus says.
	// Otherwise a wrong status would keep a stream running, which costs money.
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
	foreign, _ := simplelru.NewLRU[string, *task](maxForeign, nil)
	handled, _ := simplelru.NewLRU[string, struct{}](maxHandled, nil)
	ctx, cancel := context.WithCancel(context.Background())
	return &Tracker{
		client: client, opts: opts, log: opts.Logger, ctx: ctx, cancel: cancel,
		tasks: tasks, foreign: foreign, handled: handled, durationFactor: 1,
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

// task is what is known of a stream task. Tracker.mu guards it. A variable of this type is
// called k, because t is the Tracker.
type task struct {
	id      string
	turn    chan struct{} // Holds an element while somebody has the turn; see Tracker.Turn.
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
	sentAt   time.Time // When it was sent; for a drive of another program, when ZEGO told of it.
	estimate Estimate
	accepted bool // This process or another replica has sent it, so that its estimate is known.
	isText   bool // The estimate is that of a text.
	endless  bool // It is live audio, which ends when something cuts it off.

	startedAt, endedAt time.Time // Zero if that is not known. An estimated endedAt is the latest one.
	likelyEnd          time.Time // If endedAt is estimated, the likely end; otherwise endedAt.
	result             outcome   // Set with endedAt.
	knownBy            KnownBy   // How the latest of this became known; empty if ZEGO told nothing.
	goesOnAt           time.Time // When ZEGO last told that the drive is not over.
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

// task returns the task with an id. It puts the task among those that this process drives,
// where it is remembered longer. The lock must be held.
func (t *Tracker) task(id string) *task {
	if k, ok := t.tasks.Get(id); ok {
		return k
	}
	k, ok := t.foreign.Get(id)
	if ok {
		t.foreign.Remove(id)
	} else {
		k = newTask(id)
	}
	t.tasks.Add(id, k)
	return k
}

// anyTask returns the task with an id, which may be one of another program. A task that is
// not known yet is put among the foreign ones. The lock must be held.
func (t *Tracker) anyTask(id string) *task {
	if k, ok := t.tasks.Get(id); ok {
		return k
	}
	k, ok := t.foreign.Get(id)
	if !ok {
		k = newTask(id)
		t.foreign.Add(id, k)
	}
	return k
}

func newTask(id string) *task {
	return &task{id: id, turn: make(chan struct{}, 1), changed: make(chan struct{})}
}

// notify wakes those who wait for a change. The lock must be held.
func (k *task) notify() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// drive returns the drive with an id. If the task has none, it adds one that was sent now. If the
// task then has too many, it forgets one that is over, or else one that another program has
// sent. The lock must be held.
func (k *task) drive(id string, now time.Time) *drive {
	for _, d := range k.drives {
		if d.id == id {
			return d
		}
	}
	if len(k.drives) >= maxDrives {
		i := slices.IndexFunc(k.drives, func(d *drive) bool { return !d.endedAt.IsZero() })
		if i < 0 {
			i = slices.IndexFunc(k.drives, func(d *drive) bool { return !d.accepted })
		}
		if i >= 0 {
			k.drives = slices.Delete(k.drives, i, i+1)
		}
	}
	d := &drive{id: id, sentAt: now, estimate: UnknownAudio}
	k.drives = append(k.drives, d)
	return d
}

// cutOff records that the first n of the drives that were not over at a time were cut off then.
// Drives that were sent later are left alone, because another replica may tell late what has
// happened. The lock must be held.
func (k *task) cutOff(n int, at time.Time) {
	for _, d := range k.drives {
		if n > 0 && d.endedAt.IsZero() && !d.sentAt.After(at) {
			d.end(at, cut, "")
			n--
		}
	}
}

// Effect says what a new drive does to those before it. ZEGO's name for it is InterruptMode.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-text
type Effect int

// The values of Effect.
const (
	Waits      Effect = iota // It waits until they are over. This is the default.
	CutsOff                  // It cuts off the one that is being spoken.
	CutsOffAll               // It cuts off the one that is being spoken, and those that wait are dropped.
)

// Drive is a request to speak that ZEGO has accepted.
type Drive struct {
	zego.Drive // ZEGO's answer.
	Effect     Effect
	Estimate   Estimate // Of what is to be spoken; not used if Endless is set.
	IsText     bool     // A text is spoken. Its estimate is corrected by how long other texts took.
	Endless    bool     // Live audio is spoken, which goes on until something cuts it off.
}

// Drove records a drive that ZEGO has accepted, and returns the speech to wait for. If Drove
// is called again for the same drive, only Estimate, IsText and Endless are taken over.
func (t *Tracker) Drove(taskID string, d Drive) *Speech {
	s := &Speech{taskID: taskID, requestID: d.RequestID}
	t.sent(s, d)
	return s
}

// Lost records a drive that ZEGO may have accepted, but whose answer was lost, as err says.
// For every other error it does nothing. Nobody knows the DriveId, so the drive counts as
// being spoken for as long as its estimate is.
func (t *Tracker) Lost(taskID string, d Drive, err error) {
	if isLost(err) {
		t.sent(&Speech{taskID: taskID}, d)
	}
}

func isLost(err error) bool {
	_, lost := errors.AsType[*zego.LostAnswerError](err)
	return lost
}

// sent records a drive as part of s, and tells the other replicas. The drive has no ID if
// ZEGO's answer was lost.
func (t *Tracker) sent(s *Speech, d Drive) {
	t.mu.Lock()
	if d.ID == "" {
		d.ID = "lost " + rand.Text()
		s.lost = true
	} else {
		s.driveIDs = append(s.driveIDs, d.ID)
	}
	s.drives = append(s.drives, t.add(t.task(s.taskID), d, t.now()))
	t.mu.Unlock()
	_ = t.publish(s.taskID, note{Drive: &d}) // It logs its error.
}

// add records a drive that was sent at a time. A callback about the drive may have come
// before ZEGO's answer. The lock must be held.
func (t *Tracker) add(k *task, d Drive, now time.Time) *drive {
	t.settle(k)
	known := k.drive(d.ID, now)
	if !known.accepted {
		known.accepted = true
		k.cutBy(d.Effect, known, now)
	}
	k.asked = now // To ask for the status at once would tell nothing.
	known.estimate, known.isText, known.endless = d.Estimate, d.IsText, d.Endless
	k.notify()
	return known
}

// cutBy records what a new drive does to the others. The lock must be held.
func (k *task) cutBy(effect Effect, d *drive, now time.Time) {
	i := slices.Index(k.drives, d)
	k.drives = slices.Delete(k.drives, i, i+1)
	switch effect {
	case Waits:
	case CutsOff:
		k.dropPending(cutByDrive, now)
		if d.startedAt.IsZero() { // Otherwise the one that it cut off has been recorded as over.
			k.cutOff(1, now)
		}
		// Assumed: the new drive is spoken before those that wait. ZEGO documents nothing about them.
		if first := slices.IndexFunc(k.drives, func(d *drive) bool { return d.endedAt.IsZero() }); first >= 0 {
			i = first
		}
	case CutsOffAll:
		k.dropPending(cutByDrive, now)
		k.cutOff(len(k.drives), now)
	}
	k.drives = slices.Insert(k.drives, i, d)
}

// BrokeOff records that a drive was cut off because sending its audio has failed.
func (t *Tracker) BrokeOff(taskID, driveID string) {
	t.mu.Lock()
	k := t.task(taskID)
	k.drive(driveID, t.now()).end(t.now(), cut, "")
	k.notify()
	t.mu.Unlock()
	_ = t.publish(taskID, note{BrokeOff: driveID}) // It logs its error.
}

// DropRest drops what has not been sent yet of a long text that a task is speaking.
func (t *Tracker) DropRest(taskID string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.anyTask(taskID)
	k.dropPending(cutReason, t.now())
	k.notify()
}

// Why the rest of a long text is not sent.
const (
	cutReason  = "it was cut off"
	cutByDrive = "another drive cut it off"
)

// Interrupted records that all speech of a task was cut off by InterruptDrive. What has not
// been sent yet of a long text is dropped.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/interrupt-drive-task
func (t *Tracker) Interrupted(taskID string) {
	t.mu.Lock()
	t.interrupt(t.anyTask(taskID), t.now())
	t.mu.Unlock()
	_ = t.publish(taskID, note{Interrupted: true}) // It logs its error.
}

// interrupt does the work of Interrupted. The lock must be held.
func (t *Tracker) interrupt(k *task, at time.Time) {
	t.settle(k)
	k.dropPending(cutReason, at)
	k.cutOff(len(k.drives), at)
	k.notify()
}

// Ended records that a task has ended. All that it was still speaking is cut off, and what
// has not been sent yet of a long text is dropped.
func (t *Tracker) Ended(taskID string) {
	t.mu.Lock()
	t.end(t.anyTask(taskID), t.now())
	t.mu.Unlock()
	_ = t.publish(taskID, note{Ended: true}) // It logs its error.
}

// end does the work of Ended. The lock must be held.
func (t *Tracker) end(k *task, at time.Time) {
	t.settle(k)
	k.dropPending("the stream has ended", t.now())
	for _, d := range k.drives {
		d.end(at, cut, "")
	}
	k.notify()
}

// Handle records what ZEGO reports by a callback. It ignores an event that it has handled
// before. Events may come in any order. It returns an error if other replicas could not be
// told: then ZEGO should report the event again.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/receiving-callback
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
	if len(e.Key()) > maxKey { // It is not ZEGO's, and the memory must stay bounded.
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

// eventTime returns when an event happened, by this machine's clock. It returns now if the
// event's time lies in the future or is older than zego.MaxCallbackAge. The lock must be held.
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
	if !known && told.Status > zego.Driving && by == ByDriveStatus {
		return // It may have been over long ago, and nobody waits for it.
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
		if known {
			k.endBefore(d, at, by)
		}
		t.updateDurationFactor(d, at, by)
		d.end(at, spoken, by)
	case zego.DriveFailed:
		d.end(at, failed, by)
	case zego.DriveInterrupted:
		d.end(at, cut, by)
		if k.pending != nil && slices.Contains(k.pending.drives, d) {
			k.dropPending(cutReason, t.now())
		}
	}
	if d.endedAt.IsZero() {
		d.knownBy = by
	}
	k.notify()
}

// endBefore records that the drives before d are over, because the digital human speaks one
// after the other. The exception is a drive of which the same answer of ZEGO's says that it is
// not over: d, which another program has sent, is then spoken before it. The lock must be held.
func (k *task) endBefore(d *drive, at time.Time, by KnownBy) {
	for _, before := range k.drives {
		if before == d {
			return
		}
		if by != ByDriveStatus || !before.goesOnAt.Equal(at) {
			before.end(at, spoken, by)
		}
	}
}

// updateDurationFactor compares the time that a text took with its estimate. It must be called
// before the end of d is recorded. The lock must be held.
func (t *Tracker) updateDurationFactor(d *drive, endedAt time.Time, by KnownBy) {
	if !d.isText || d.startedAt.IsZero() || !d.endedAt.IsZero() {
		return
	}
	// The times of a short text are not exact enough, above all if GetDriveStatus told them:
	// they are then only as exact as the pauses between two questions.
	minLength := 2 * time.Second
	if by == ByDriveStatus {
		minLength = 10 * time.Second
	}
	took := endedAt.Sub(d.startedAt)
	if took < minLength || d.estimate.Likely < minLength {
		return
	}
	observed := min(max(float64(took)/float64(d.estimate.Likely), minDurationFactor), maxDurationFactor)
	if observed < t.durationFactor { // An estimate that is too long does no harm, so estimates become shorter slowly.
		observed = 0.8*t.durationFactor + 0.2*observed
	}
	t.durationFactor = observed
}

// endTimes is when a drive is over: probably, and at the latest.
type endTimes struct{ likely, latest time.Time }

// ends returns when each drive of a task is over. The lock must be held.
func (t *Tracker) ends(k *task) []endTimes {
	ends := make([]endTimes, len(k.drives))
	var previous endTimes // When all drives before d are over.
	for i, d := range k.drives {
		if !d.endedAt.IsZero() {
			ends[i] = endTimes{d.likelyEnd, d.endedAt}
			previous = endTimes{later(previous.likely, d.likelyEnd), later(previous.latest, d.endedAt)}
			continue
		}
		likelyStart, latestStart := later(d.sentAt, previous.likely), later(d.sentAt, previous.latest)
		if !d.startedAt.IsZero() {
			likelyStart, latestStart = d.startedAt, d.startedAt
		}
		length := t.estimateOf(d)
		ends[i] = endTimes{likelyStart.Add(length.Likely), latestStart.Add(length.Longest)}
		previous = ends[i]
	}
	return ends
}

// estimateOf returns the estimate of a drive. That of a text is adjusted. The lock must be
// held.
func (t *Tracker) estimateOf(d *drive) Estimate {
	if !d.isText {
		return d.estimate
	}
	return t.adjust(d.estimate)
}

// adjust changes the estimate of a text by how long texts took lately. The lock must be held.
func (t *Tracker) adjust(e Estimate) Estimate {
	return Estimate{Likely: scale(e.Likely, t.durationFactor), Longest: scale(e.Longest, t.durationFactor)}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// settle records the end of the drives that must be over by now, although ZEGO has not told
// it. The lock must be held.
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

// deadline returns when a drive counts as over although ZEGO has not told it. latest is its
// latest estimated end. The lock must be held.
func (t *Tracker) deadline(d *drive, latest time.Time) time.Time {
	deadline := latest
	if t.opts.Callbacks {
		deadline = latest.Add(callbackGrace)
	}
	if d.knownBy == ByDriveStatus && !d.goesOnAt.IsZero() {
		validUntil := d.goesOnAt.Add(statusValidity)
		limit := latest.Add(t.estimateOf(d).Longest + statusGrace)
		deadline = later(deadline, earlier(validUntil, limit))
	}
	return deadline
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// refusedAsUnknown reports whether err says that ZEGO does not offer the action that was
// called.
func refusedAsUnknown(err error) bool {
	return errors.Is(err, zego.CodeGatewayActionUnsupported) || errors.Is(err, zego.CodeNoPermission)
}
