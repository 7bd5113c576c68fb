package speech

import (
	"context"
	"errors"
	"fmt"
	"time"
	"zego-mcp/zego"
)

// Speech is what one call lets a digital human speak: a drive, or the drives of a long text.
// Tracker.mu guards it.
type Speech struct {
	taskID    string
	driveIDs  []string
	requestID string     // Of ZEGO's answer to the first drive.
	rest      []Estimate // Of the parts of a long text that have not been sent.
	sending   bool       // The goroutine of sendRest runs.
	problem   string     // Why the rest was not sent.
}

// Text is a text to speak.
type Text struct {
	TaskID     string
	Parts      []string // The text, as Split cuts it.
	SpeechRate int
	Effect     Effect // Of the first part; the others wait for the one before.
	// Send sends one part to ZEGO.
	Send func(ctx context.Context, part string, effect Effect) (zego.Drive, error)
}

const (
	// maxAhead is how many parts of a long text ZEGO may have that are not over: the one that is
	// being spoken, and the next one, so that there is no pause between them.
	maxAhead = 2
	// sendTimeout bounds the sending of a further part.
	sendTimeout = 30 * time.Second
)

// Say sends the first part of a text. It returns the error of Send, and then nothing was sent.
// The other parts are sent in the background, each when the one before begins. That ends when
// all are sent, with Cancel, Interrupted, Ended or Close, and when ZEGO refuses a part.
func (t *Tracker) Say(ctx context.Context, text Text) (*Speech, error) {
	sent, err := text.Send(ctx, text.Parts[0], text.Effect)
	if err != nil {
		return nil, err
	}
	s := &Speech{taskID: text.TaskID, requestID: sent.RequestID}
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
		t.sending.Go(func() { t.sendRest(text, s) })
	}
	return s, nil
}

// driveOf describes the drive of a part.
func (text Text) driveOf(part int, sent zego.Drive) Drive {
	effect := Waits
	if part == 0 {
		effect = text.Effect
	}
	return Drive{Drive: sent, Effect: effect, Estimate: EstimateText(text.Parts[part], text.SpeechRate), IsText: true}
}

// Cancel drops what has not been sent of a speech. What ZEGO has got is still spoken.
func (t *Tracker) Cancel(s *Speech) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(s.rest) > 0 {
		s.drop("the call was cancelled")
		t.anyTask(s.taskID).notify()
	}
}

// dropPending drops what has not been sent of a long text. The lock must be held.
func (k *task) dropPending(reason string) {
	if k.pending != nil && len(k.pending.rest) > 0 {
		k.pending.drop(reason)
		k.problem = k.pending.problem
	}
}

// drop empties the rest. The lock must be held.
func (s *Speech) drop(reason string) {
	s.problem = fmt.Sprintf("the last %d parts of the text were not sent: %s", len(s.rest), reason)
	s.rest = nil
}

// sendRest sends the parts of a text after the first one.
func (t *Tracker) sendRest(text Text, s *Speech) {
	defer t.endSending(s)
	for part := 1; part < len(text.Parts); part++ {
		if !t.waitForTurn(s) {
			return
		}
		ctx, cancel := context.WithTimeout(t.ctx, sendTimeout)
		sent, err := text.Send(ctx, text.Parts[part], Waits)
		cancel()
		_, lost := errors.AsType[*zego.LostAnswerError](err)
		if err == nil {
			t.sent(s, text.driveOf(part, sent))
		}
		t.mu.Lock()
		switch {
		case err == nil:
		case lost: // It may be spoken, and its DriveId is not known.
			k, d := t.task(s.taskID), text.driveOf(part, zego.Drive{})
			k.drives = append(k.drives, &drive{sentAt: t.now(), estimate: d.Estimate, isText: true})
		case len(s.rest) > 0:
			s.drop(reasonOf(err))
		}
		if len(s.rest) > 0 {
			s.rest = s.rest[1:]
		}
		t.mu.Unlock()
	}
}

// reasonOf returns why a part was not sent, without what ZEGO's message may repeat of it.
func reasonOf(err error) string {
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		return "ZEGO refused the next one: " + refusal.Code.Error()
	}
	if errors.Is(err, context.Canceled) {
		return "the server is ending"
	}
	return "ZEGO could not be reached"
}

// endSending records that the goroutine of sendRest ends.
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

// waitForTurn waits until the next part is to be sent. It reports false if there is none any
// more, or if the Tracker is closed.
func (t *Tracker) waitForTurn(s *Speech) bool {
	for {
		t.Ask(t.ctx, s.taskID)
		t.mu.Lock()
		k := t.task(s.taskID)
		t.settle(k)
		none, changed := len(s.rest) == 0, k.changed
		ahead, next := t.ahead(k)
		t.mu.Unlock()
		switch {
		case none || t.ctx.Err() != nil:
			return false
		case ahead < maxAhead:
			return true
		}
		pauseOrChange(t.ctx, min(max(next.Sub(t.now()), minPause/10), maxPause), changed)
	}
}

// ahead returns how many drives of a task are probably not over, and when the first of them
// probably is. It goes by the likely end, because by the latest one there would be pauses
// between the parts. The lock must be held.
func (t *Tracker) ahead(k *task) (n int, firstEnd time.Time) {
	now := t.now()
	for i, end := range t.ends(k) {
		d := k.drives[i]
		isTold := d.knownBy != "" // Then its end will be told as well.
		if !d.endedAt.IsZero() || !isTold && !now.Before(end.likely) {
			continue
		}
		if n == 0 {
			firstEnd = end.likely
		}
		n++
	}
	return n, firstEnd
}
