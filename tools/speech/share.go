package speech

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
	"zego-mcp/zego"
)

// Share keeps a list of notes for each task. Several processes, called replicas, learn by it
// what the others know of what is spoken, because a callback reaches only one of them. Its
// methods may be called at once from several goroutines.
type Share interface {
	// Append adds a note about a task. It returns an error if others may not get to see it.
	Append(ctx context.Context, taskID string, note []byte) error
	// Notes returns the notes about a task, the oldest first. The oldest ones may have been
	// forgotten.
	Notes(ctx context.Context, taskID string) ([][]byte, error)
}

// shareTimeout bounds one operation of the Share.
const shareTimeout = time.Second

// note is what a replica tells the others. Apart from ID and At, only one field is set.
type note struct {
	ID string
	At time.Time // In the Share by ZEGO's clock, because the clocks of the replicas may differ.

	Facts       *Facts           `json:",omitempty"` // EndsAt is by ZEGO's clock too.
	Drive       *Drive           `json:",omitempty"` // Was sent.
	Told        *zego.DriveEvent `json:",omitempty"` // By a callback.
	BrokeOff    string           `json:",omitempty"` // The DriveId that was passed to BrokeOff.
	Interrupted bool             `json:",omitempty"`
	Ended       bool             `json:",omitempty"`
}

// publish tells the other replicas, if there is a Share. The times of n are by this machine's
// clock; a zero At means now. publish logs its error.
func (t *Tracker) publish(taskID string, n note) error {
	if t.opts.Share == nil {
		return nil
	}
	n.ID = rand.Text()
	if n.At.IsZero() {
		n.At = t.now()
	}
	n.At = n.At.Add(t.clockOffset())
	if n.Facts != nil && !n.Facts.EndsAt.IsZero() {
		facts := *n.Facts
		facts.EndsAt = facts.EndsAt.Add(t.clockOffset())
		n.Facts = &facts
	}
	text, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode a note: %w", err)
	}
	t.mu.Lock()
	t.handled.Add("note "+n.ID, struct{}{}) // Refresh will get this note too.
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), shareTimeout)
	defer cancel()
	if err := t.opts.Share.Append(ctx, taskID, text); err != nil {
		t.log.Debug("the other servers could not be told what a stream speaks", "task", taskID, "err", err)
		return fmt.Errorf("tell the other servers: %w", err)
	}
	return nil
}

// clockOffset returns how far ZEGO's clock is ahead of this machine's.
func (t *Tracker) clockOffset() time.Duration {
	if t.client == nil {
		return 0
	}
	return t.client.ClockOffset()
}

// Refresh learns what other replicas know of a task. It takes at most a second. It does nothing
// if there is no Share, or if the Share does not answer.
func (t *Tracker) Refresh(ctx context.Context, taskID string) {
	if t.opts.Share == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	notes, err := t.opts.Share.Notes(ctx, taskID)
	if err != nil {
		return // This process goes by what it knows itself.
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, text := range notes {
		var n note
		if json.Unmarshal(text, &n) != nil || t.handled.Contains("note "+n.ID) {
			continue
		}
		t.handled.Add("note "+n.ID, struct{}{})
		t.apply(t.task(taskID), n)
	}
}

// apply records what another replica has told of k. The lock must be held.
func (t *Tracker) apply(k *task, n note) {
	at := earlier(n.At.Add(-t.clockOffset()), t.now())
	switch {
	case n.Facts != nil:
		k.facts = *n.Facts
		if !k.facts.EndsAt.IsZero() {
			k.facts.EndsAt = k.facts.EndsAt.Add(-t.clockOffset())
		}
	case n.Drive != nil:
		t.add(k, *n.Drive, at)
	case n.Told != nil:
		t.tell(k, *n.Told, at, ByCallback)
	case n.BrokeOff != "":
		k.drive(n.BrokeOff, at).end(at, cut, "")
	case n.Interrupted:
		t.interrupt(k, at)
	case n.Ended:
		t.end(k, at)
	}
	k.notify()
}
