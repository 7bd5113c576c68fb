package speech

import (
	"context"
	"errors"
	"fmt"
	"time"
	"zego-mcp/zego"
)

// Speech is what one call lets a digital human speak: one drive, or the drives of a long text.
// [Tracker.Wait] tells what becomes of it. Tracker.mu guards it.
type Speech struct {
	taskID    string
	drives    []*drive
	driveIDs  []string   // Of those whose answer was not lost.
	requestID string     // Of ZEGO's answer to the first drive.
	lost      bool       // ZEGO's answer to a drive was lost, so it may not have been spoken.
	since     time.Time  // When the first part of a long text was sent.
	rest      []Estimate // Of the parts of a long text that have not been sent.
	sending   bool       // The goroutine of sendRest runs.
	problem   string     // Why the rest was not sent; usually empty.
}

// Text is a text to speak.
type Text struct {
	TaskID     string
	Parts      []string // The text, as Split cuts it; at least one part.
	SpeechRate int      // From -500 to 500; 0 is normal.
	Effect     Effect   // Of the first part; the others wait for the one before.
	// Send sends one part to ZEGO. Say calls it from a goroutine of its own for all parts but
	// the first.
	Send func(ctx context.Context, part string, effect Effect) (zego.Drive, error)
}

const (
	// maxAhead is how many parts of a long text may be at ZEGO and not over: the one that is
	// being spoken, and the next one, so that there is no pause between them.
	maxAhead = 2
	// sendTimeout bounds the sending of a further part.
	sendTimeout = 30 * time.Second
)

// Say sends the first part of a text. If Send returns an error, Say returns it. The caller has
// the turn: see [Tracker.Turn].
//
// The other parts are sent in the background, each when the one before it begins. The parts
// that have not been sent are dropped by Cancel, Interrupted, Ended and Close, by a new drive
// that cuts off, and when ZEGO refuses a part.
func (t *Tracker) Say(ctx context.Context, text Text) (*Speech, error) {
	sent, err := text.Send(ctx, text.Parts[0], text.Effect)
	if err != nil {
		t.Lost(text.TaskID, text.driveOf(0, zego.Drive{}), err)
		return nil, err
	}
	s := &Speech{taskID: text.TaskID, requestID: sent.RequestID, since: t.now()}
	for _, part := range text.Parts[1:] {
		s.rest = append(s.rest, EstimateText(part, text.SpeechRate))
	}
	t.sent(s, text.driveOf(0, sent))
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.task(text.TaskID)
	k.problem = ""
	switch {
	case len(s.rest) == 0:
	case t.closed:
		s.drop("the server is ending")
	default:
		s.sending, k.pending = true, s
		background := detached{t.ctx, context.WithoutCancel(ctx)}
		t.sending.Go(func() { t.sendRest(background, text, s) })
	}
	return s, nil
}

// driveOf returns the drive of a part, to which ZEGO has answered sent.
func (text Text) driveOf(part int, sent zego.Drive) Drive {
	effect := Waits
	if part == 0 {
		effect = text.Effect
	}
	return Drive{Drive: sent, Effect: effect, Estimate: EstimateText(text.Parts[part], text.SpeechRate), IsText: true}
}

// Cancel drops what has not been sent of a speech. What was sent is still spoken.
func (t *Tracker) Cancel(s *Speech) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(s.rest) > 0 {
		s.drop("the call was cancelled")
		t.anyTask(s.taskID).notify()
	}
}

// dropPending drops the parts that have not been sent of a long text, if the text was begun by
// the given time. The lock must be held.
func (k *task) dropPending(reason string, at time.Time) {
	if k.pending != nil && len(k.pending.rest) > 0 && !k.pending.since.After(at) {
		k.pending.drop(reason)
		k.problem = k.pending.problem
	}
}

// drop gives up the parts that have not been sent, and records why. The lock must be held.
func (s *Speech) drop(reason string) {
	s.problem = fmt.Sprintf("the last %d parts of the text were not sent: %s", len(s.rest), reason)
	s.rest = nil
}

// detached is a context that ends with one context and has the values of another: the parts of
// a text are sent on behalf of a call that may have been answered.
type detached struct {
	context.Context
	values context.Context
}

// Value implements context.Context.
func (d detached) Value(key any) any { return d.values.Value(key) }

// sendRest sends the parts of a text after the first one.
func (t *Tracker) sendRest(ctx context.Context, text Text, s *Speech) {
	defer t.endSending(s)
	for part := 1; part < len(text.Parts); part++ {
		if !t.waitForPart(s) {
			return
		}
		endTurn, ok := t.Turn(ctx, s.taskID)
		if !ok {
			return
		}
		t.sendPart(ctx, text, part, s)
		endTurn()
	}
}

// sendPart sends a part of a text, unless the rest has been dropped.
func (t *Tracker) sendPart(ctx context.Context, text Text, part int, s *Speech) {
	t.mu.Lock()
	dropped := len(s.rest) == 0
	t.mu.Unlock()
	if dropped {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	sent, err := text.Send(ctx, text.Parts[part], Waits)
	if err == nil || isLost(err) {
		t.sent(s, text.driveOf(part, sent))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case len(s.rest) == 0:
	case err == nil || isLost(err):
		s.rest = s.rest[1:]
	default:
		s.drop(reasonOf(err))
	}
}

// reasonOf returns why a part was not sent. It leaves out ZEGO's message, which may repeat the
// text.
func reasonOf(err error) string {
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		return "ZEGO refused the next one: " + refusal.Code.Error()
	}
	if errors.Is(err, context.Canceled) {
		return "the server is ending"
	}
	return "ZEGO could not be reached"
}

// endSending records that the goroutine of sendRest ends. Parts that are left then can only
// be left because the Tracker was closed.
func (t *Tracker) endSending(s *Speech) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(s.rest) > 0 {
		s.drop("the server is ending")
		t.log.Warn("the rest of a long text was not spoken, because the server is ending", "task", s.taskID)
	}
	k := t.task(s.taskID)
	s.sending = false
	if k.pending == s {
		k.pending, k.problem = nil, s.problem
	}
	k.notify()
}

// waitForPart waits until the next part of s is to be sent. It reports false if no part is
// left, or if the Tracker is closed.
func (t *Tracker) waitForPart(s *Speech) bool {
	for {
		t.Ask(t.ctx, s.taskID)
		t.mu.Lock()
		k := t.task(s.taskID)
		t.settle(k)
		noneLeft, changed := len(s.rest) == 0, k.changed
		ahead, next := t.ahead(k)
		t.mu.Unlock()
		switch {
		case noneLeft || t.ctx.Err() != nil:
			return false
		case ahead < maxAhead:
			return true
		}
		// A pause between two parts would be heard, so this waits for the end exactly.
		untilNext := next.Sub(t.now())
		pauseOrChange(t.ctx, min(max(untilNext, minPause/10), maxPause), changed)
	}
}

// ahead returns how many drives of a task are probably not over, and the likely end of the
// first of them. It does not wait for the latest end, because then there would be pauses
// between the parts. The lock must be held.
func (t *Tracker) ahead(k *task) (n int, firstEnd time.Time) {
	now := t.now()
	for i, end := range t.ends(k) {
		d := k.drives[i]
		zegoTells := d.knownBy != "" // ZEGO has told of this drive, and will tell its end.
		probablyOver := !zegoTells && !now.Before(end.likely)
		if !d.endedAt.IsZero() || probablyOver {
			continue
		}
		if n == 0 {
			firstEnd = end.likely
		}
		n++
	}
	return n, firstEnd
}
