package speech

import (
	"context"
	"slices"
	"time"
	"zego-mcp/zego"
)

const (
	// The pauses between two questions to ZEGO for the status of a drive, and between two
	// reports of progress. They are shorter when the speech is about to end.
	minPause = time.Second
	maxPause = 5 * time.Second
	// statusTimeout bounds one question to ZEGO.
	statusTimeout = 5 * time.Second
)

// Result says what has become of a speech.
type Result struct {
	Spoken bool // All of it was spoken to its end.
	Cut    bool // It was cut off, or the stream has ended.
	Failed bool // ZEGO could not speak it.

	Until     time.Time // When the digital human has finished at the latest; zero if that is over, or not known.
	KnownBy   KnownBy
	DriveIDs  []string // The drives that ZEGO has accepted.
	RequestID string   // Of ZEGO's answer to the first drive.
	Waiting   int      // How many parts of a long text have not been sent yet.
	Problem   string   // Why the rest of a long text was not sent; usually empty.
}

// isOver reports whether nothing more of the speech will be spoken.
func (r Result) isOver() bool { return r.Spoken || r.Cut || r.Failed }

// Wait waits until a speech is over, ctx is done, or the Tracker is closed. Meanwhile it calls progress, unless that
// is nil, with how long the speech may still take at most.
func (t *Tracker) Wait(ctx context.Context, s *Speech, progress func(left time.Duration)) Result {
	return t.wait(ctx, s.taskID, progress, func(k *task) Result { return t.resultOf(k, s) })
}

// WaitForSilence waits until the digital human of a task has spoken all, or ctx is done. It
// does not wait for the end of live audio.
func (t *Tracker) WaitForSilence(ctx context.Context, taskID string, progress func(left time.Duration)) Result {
	return t.wait(ctx, taskID, progress, t.resultOfAll)
}

// WaitUntilSent waits until the long text that a task is speaking, if there is one, has been
// sent completely. It reports false if ctx is done before.
func (t *Tracker) WaitUntilSent(ctx context.Context, taskID string, progress func(left time.Duration)) bool {
	return t.wait(ctx, taskID, progress, func(k *task) Result {
		if k.pending == nil {
			return Result{Spoken: true}
		}
		return t.resultOf(k, k.pending)
	}).Spoken
}

// wait calls result again and again, with the lock held, until it is over or ctx is done.
func (t *Tracker) wait(ctx context.Context, taskID string, progress func(left time.Duration), result func(*task) Result) Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.ctx, cancel)()
	for {
		t.Ask(ctx, taskID)
		t.mu.Lock()
		k := t.anyTask(taskID)
		t.settle(k)
		r, changed := result(k), k.changed
		t.mu.Unlock()
		if r.isOver() || ctx.Err() != nil {
			return r
		}
		left := max(0, r.Until.Sub(t.now()))
		if progress != nil {
			progress(left)
		}
		pauseOrChange(ctx, min(max(left/4, minPause), maxPause), changed)
	}
}

// pauseOrChange waits for a time, until changed is closed, or until ctx is done.
func pauseOrChange(ctx context.Context, pause time.Duration, changed <-chan struct{}) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
	}
}

// resultOf returns what has become of s so far. The lock must be held.
func (t *Tracker) resultOf(k *task, s *Speech) Result {
	r := t.summary(k, func(d *drive) bool { return slices.Contains(s.driveIDs, d.id) }, s)
	r.DriveIDs, r.RequestID = slices.Clone(s.driveIDs), s.requestID
	return r
}

// resultOfAll returns what has become of all that a task has been told to speak. The lock
// must be held.
func (t *Tracker) resultOfAll(k *task) Result {
	r := t.summary(k, func(d *drive) bool { return !d.endless }, k.pending)
	if r.Cut || r.Failed {
		r = Result{Spoken: true, KnownBy: r.KnownBy} // It is silent, which is what counts.
	}
	return r
}

// summary returns what has become of some drives of a task, and of the long text that s is if
// it is one; s may be nil. The lock must be held.
func (t *Tracker) summary(k *task, included func(*drive) bool, s *Speech) Result {
	r := Result{Spoken: true, KnownBy: ByEstimate}
	ends := t.ends(k)
	var until time.Time
	for i, d := range k.drives {
		if !included(d) {
			continue
		}
		if d.endedAt.IsZero() {
			if r.Spoken { // The first one that is not over.
				r.KnownBy = orEstimate(d.knownBy)
			}
			r.Spoken = false
			until = ends[i].latest
			continue
		}
		if r.Spoken {
			r.KnownBy = orEstimate(d.knownBy)
		}
		r.Cut = r.Cut || d.result == cut
		r.Failed = r.Failed || d.result == failed
	}
	if s != nil {
		r.Waiting, r.Problem = len(s.rest), s.problem
		for _, part := range s.rest {
			until = later(until, t.now()).Add(t.correct(part).Longest)
		}
		r.Spoken = r.Spoken && len(s.rest) == 0 && !s.sending
		r.Cut = r.Cut || s.problem != ""
	}
	if !r.Spoken && (s != nil && (len(s.rest) > 0 || s.sending) || !until.IsZero()) {
		// Something is still being spoken, also if a part was cut off or failed before.
		r.Until = later(until, t.now().Add(minPause))
		r.Cut, r.Failed = r.Cut && r.Problem != "", false
	}
	r.Spoken = r.Spoken && !r.Cut && !r.Failed
	return r
}

func orEstimate(by KnownBy) KnownBy {
	if by == "" {
		return ByEstimate
	}
	return by
}

// State is what the digital human of a task is doing.
type State struct {
	Speaking bool
	Waiting  int       // Drives and parts of a long text that wait to be spoken.
	Until    time.Time // When it has finished at the latest; zero if it does not speak, or has no end.
	LastEnd  time.Time // When it last finished; zero if that is not known.
	KnownBy  KnownBy   // Empty if nothing was spoken yet.
	Problem  string    // Why the rest of a long text was not sent; usually empty.
}

// State returns what this process knows of a task. Call Ask before, to learn what ZEGO knows.
func (t *Tracker) State(taskID string) State {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.anyTask(taskID)
	t.settle(k)
	r := t.summary(k, func(*drive) bool { return true }, k.pending)
	state := State{Problem: k.problem}
	for _, d := range k.drives {
		if d.endedAt.IsZero() {
			state.Waiting++
			state.Speaking = true
		}
		state.LastEnd = later(state.LastEnd, d.endedAt)
	}
	if len(k.drives) > 0 {
		state.KnownBy = r.KnownBy
	}
	state.Waiting = max(0, state.Waiting-1) + r.Waiting
	if r.Waiting > 0 || k.pending != nil {
		state.Speaking = true
	}
	endless := slices.ContainsFunc(k.drives, func(d *drive) bool { return d.endless && d.endedAt.IsZero() })
	if state.Speaking && !endless {
		state.Until = r.Until
	}
	return state
}

// Ask asks ZEGO for the status of the drives of a task, if that is of use: GetDriveStatus was
// not refused before, was not called for this task just now, and callbacks do not tell it
// already. It also learns what other replicas know. It does not report whether ZEGO answered.
func (t *Tracker) Ask(ctx context.Context, taskID string) {
	t.Refresh(ctx, taskID)
	t.mu.Lock()
	k := t.anyTask(taskID)
	t.settle(k)
	now := t.now()
	useful := t.client != nil && !t.statusRefused && now.Sub(k.asked) >= minPause && t.mayAsk(k, now)
	if useful {
		k.asked = now
	}
	t.mu.Unlock()
	if !useful {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	list, err := t.client.GetDriveStatus(ctx, taskID, "")
	t.mu.Lock()
	defer t.mu.Unlock()
	if refusedAsUnknown(err) {
		t.statusRefused = true
		t.log.Info("ZEGO does not tell the status of drives; the end of speech is estimated where no callback tells it")
	}
	for _, state := range list {
		t.tell(k, zego.DriveEvent{DriveID: state.ID, Status: state.Status}, t.now(), ByDriveStatus)
	}
}

// mayAsk reports whether the status of the drives of a task is worth a question: something may
// be speaking, and no callback tells it in time. The lock must be held.
func (t *Tracker) mayAsk(k *task, now time.Time) bool {
	if len(k.drives) == 0 {
		return true // Another process may have driven this task.
	}
	for i, end := range t.ends(k) {
		if d := k.drives[i]; d.endedAt.IsZero() && (!t.opts.Callbacks || now.After(end.latest)) {
			return true
		}
	}
	return false
}
