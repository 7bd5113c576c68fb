package speech

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
	"zego-mcp/zego"
)

const (
	// minPause and maxPause bound the pause between two calls of GetDriveStatus, and between two
	// reports of progress. The pause is shorter when the speech is about to end.
	minPause = time.Second
	maxPause = 5 * time.Second
	// statusTimeout bounds one call of GetDriveStatus.
	statusTimeout = 5 * time.Second
)

// Result says what has become of a speech. The speech is over if one of the first four fields
// is true.
type Result struct {
	Spoken bool // All of it was spoken to its end.
	Cut    bool // It was cut off, or the stream has ended.
	Failed bool // ZEGO could not speak it.
	Lost   bool // ZEGO's answer to a part was lost, so that this part may not have been spoken.

	Until     time.Time // When the digital human has finished at the latest; zero if it has finished.
	KnownBy   KnownBy   // Never empty.
	DriveIDs  []string  // The drives that ZEGO has accepted.
	RequestID string    // Of ZEGO's answer to the first drive.
	Waiting   int       // How many parts of a long text have not been sent yet.
	Problem   string    // Why the rest of a long text was not sent; usually empty.
}

// isOver reports whether nothing more of the speech will be spoken.
func (r Result) isOver() bool { return r.Spoken || r.Cut || r.Failed || r.Lost }

// Wait waits until a speech is over, ctx is done, or the Tracker is closed, and returns what
// has become of the speech by then. Meanwhile it calls progress, which may be nil, every 1 to 5
// seconds with the longest time that the speech may still take.
func (t *Tracker) Wait(ctx context.Context, s *Speech, progress func(left time.Duration)) Result {
	return t.wait(ctx, s.taskID, progress, func(k *task) Result { return t.resultOf(k, s) })
}

// WaitForSilence waits until the digital human of a task speaks nothing more, ctx is done, or
// the Tracker is closed. Spoken is then true also if speech was cut off or has failed.
// WaitForSilence does not wait for the end of live audio. progress is as for [Tracker.Wait].
func (t *Tracker) WaitForSilence(ctx context.Context, taskID string, progress func(left time.Duration)) Result {
	return t.wait(ctx, taskID, progress, t.resultOfAll)
}

// Turn waits until no other call has the turn at a task, and takes the turn. A call that has
// the turn may send a drive, or end what is being spoken: no other call and no part of a long
// text comes between. The caller ends the turn with end, which may be called more than once.
// Turn reports false if it has to wait and ctx is done first. Turns are those of this process:
// other replicas do not know of them.
func (t *Tracker) Turn(ctx context.Context, taskID string) (end func(), ok bool) {
	t.mu.Lock()
	turn := t.anyTask(taskID).turn
	t.mu.Unlock()
	end = sync.OnceFunc(func() { <-turn })
	select { // A turn that is free is taken even if ctx is done.
	case turn <- struct{}{}:
		return end, true
	default:
	}
	select {
	case turn <- struct{}{}:
		return end, true
	case <-ctx.Done():
		return nil, false
	}
}

// TurnWhenSent takes the turn when all parts of the long text that a task speaks were sent.
// Without a long text it only waits for the turn. It reports false if ctx is done or the Tracker
// is closed before. progress is as for [Tracker.Wait].
func (t *Tracker) TurnWhenSent(ctx context.Context, taskID string, progress func(left time.Duration)) (end func(), ok bool) {
	return t.turnWhen(ctx, taskID, progress, func(k *task) Result {
		if k.pending == nil || len(k.pending.rest) == 0 {
			return Result{Spoken: true} // It ends the waiting.
		}
		return t.resultOf(k, k.pending)
	})
}

// TurnWhenSilent takes the turn when the digital human of a task speaks nothing more. It does
// not wait for the end of live audio. It reports false if ctx is done or the Tracker is closed
// before. progress is as for [Tracker.Wait].
func (t *Tracker) TurnWhenSilent(ctx context.Context, taskID string, progress func(left time.Duration)) (end func(), ok bool) {
	return t.turnWhen(ctx, taskID, progress, t.resultOfAll)
}

// turnWhen takes the turn as soon as Spoken is true in what result returns.
func (t *Tracker) turnWhen(ctx context.Context, taskID string, progress func(left time.Duration), result func(*task) Result) (end func(), ok bool) {
	for t.wait(ctx, taskID, progress, result).Spoken {
		end, ok := t.Turn(ctx, taskID)
		if !ok {
			return nil, false
		}
		t.mu.Lock()
		spoken := result(t.anyTask(taskID)).Spoken // The call that had the turn may have sent something.
		t.mu.Unlock()
		if spoken {
			return end, true
		}
		end()
	}
	return nil, false
}

// wait calls result again and again until what it returns is over, ctx is done, or the Tracker
// is closed. It holds the lock while it calls result.
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

// pauseOrChange waits until a pause is over, changed is closed, or ctx is done.
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
	r := t.summary(k, s.drives, s)
	r.DriveIDs, r.RequestID = slices.Clone(s.driveIDs), s.requestID
	return r
}

// resultOfAll returns what has become of all that a task has been told to speak, apart from
// live audio. The lock must be held.
func (t *Tracker) resultOfAll(k *task) Result {
	drives := slices.DeleteFunc(slices.Clone(k.drives), func(d *drive) bool { return d.endless })
	r := t.summary(k, drives, k.pending)
	if r.Until.IsZero() {
		return Result{Spoken: true, KnownBy: r.KnownBy} // The digital human is silent.
	}
	r.Cut, r.Failed = false, false
	return r
}

// summary returns what has become of some drives of a task, and of the parts of s that have not
// been sent; s may be nil. The lock must be held.
func (t *Tracker) summary(k *task, drives []*drive, s *Speech) Result {
	r := Result{Spoken: true, KnownBy: ByEstimate} // Spoken becomes false if something is not over.
	ends := t.ends(k)
	var until time.Time
	for _, d := range drives {
		if r.Spoken { // KnownBy is that of the first drive that is not over, or else of the last one.
			r.KnownBy = orEstimate(d.knownBy)
		}
		if d.endedAt.IsZero() {
			r.Spoken = false
			if i := slices.Index(k.drives, d); i >= 0 {
				until = later(until, ends[i].latest)
			}
			continue
		}
		r.Cut = r.Cut || d.result == cut
		r.Failed = r.Failed || d.result == failed
	}
	isSending := s != nil && (len(s.rest) > 0 || s.sending)
	if s != nil {
		r.Waiting, r.Problem = len(s.rest), s.problem
		for _, part := range s.rest {
			until = later(until, t.now()).Add(t.adjust(part).Longest)
		}
		r.Spoken = r.Spoken && !isSending
		r.Cut = r.Cut || s.problem != ""
	}
	if !r.Spoken && (isSending || !until.IsZero()) {
		// The speech goes on, even if one of its parts was cut off or has failed. It is settled
		// only if a problem keeps the rest from being sent.
		r.Until = later(until, t.now().Add(minPause))
		r.Cut, r.Failed = r.Cut && r.Problem != "", false
	}
	r.Spoken = r.Spoken && !r.Cut && !r.Failed
	if r.Spoken && s != nil && s.lost {
		r.Spoken, r.Lost = false, true
	}
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
	Live     bool      // What it speaks is live audio, which has no end of its own.
	Waiting  int       // How many drives, and parts of a long text, wait to be spoken.
	Until    time.Time // The latest end of all speech; zero if it does not speak, or speaks live audio.
	LastEnd  time.Time // When it last finished speaking; zero if that is not known.
	KnownBy  KnownBy   // Empty if nothing was spoken yet.
	Problem  string    // Why the rest of a long text was not sent; usually empty.
}

// State returns what this process knows of the speech of a task. Call Ask before, so that ZEGO
// and other replicas are asked what they know.
func (t *Tracker) State(taskID string) State {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.anyTask(taskID)
	t.settle(k)
	r := t.summary(k, k.drives, k.pending)
	state := State{Problem: k.problem}
	notOver := 0
	for _, d := range k.drives {
		if d.endedAt.IsZero() {
			notOver++
			state.Speaking = true
		}
		state.LastEnd = later(state.LastEnd, d.endedAt)
	}
	if len(k.drives) > 0 {
		state.KnownBy = r.KnownBy
	}
	state.Waiting = max(0, notOver-1) + r.Waiting // One of the drives is being spoken.
	if r.Waiting > 0 || k.pending != nil {
		state.Speaking = true
	}
	state.Live = slices.ContainsFunc(k.drives, func(d *drive) bool { return d.endless && d.endedAt.IsZero() })
	if state.Speaking && !state.Live {
		state.Until = r.Until
	}
	return state
}

// Ask learns what other replicas know of a task, and asks ZEGO for the status of its drives
// by GetDriveStatus, which ZEGO no longer documents. It does not ask ZEGO if ZEGO has refused
// that action as unknown, if the last call for this task was less than a second ago, or if
// callbacks tell the status. Ask takes at most 6 seconds. It returns no error: without an
// answer, the estimates hold.
func (t *Tracker) Ask(ctx context.Context, taskID string) {
	t.Refresh(ctx, taskID)
	t.mu.Lock()
	k := t.anyTask(taskID)
	t.settle(k)
	now := t.now()
	mayAsk := t.client != nil && !t.statusRefused && now.Sub(k.asked) >= minPause && t.isWorthAsking(k, now)
	if mayAsk {
		k.asked = now
	}
	t.mu.Unlock()
	if !mayAsk {
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
	if errors.Is(err, zego.CodeStreamStopped) {
		t.end(k, t.now())
	}
	// The drives that wait come first: they must not count as over because a later entry of the
	// list is being spoken.
	slices.SortStableFunc(list, func(a, b zego.DriveState) int { return cmp.Compare(a.Status, b.Status) })
	now = t.now()
	for _, state := range list {
		t.tell(k, zego.DriveEvent{DriveID: state.ID, Status: state.Status}, now, ByDriveStatus)
	}
}

// isWorthAsking reports whether GetDriveStatus may tell something new of a task: something may
// be speaking, and callbacks do not tell it, or are late. The lock must be held.
func (t *Tracker) isWorthAsking(k *task, now time.Time) bool {
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
