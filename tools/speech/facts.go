package speech

import "time"

// Facts are what ZEGO does not tell of a task, but the process that created it knows. Fields
// that are not known are zero.
type Facts struct {
	DigitalHumanID string
	EndsAt         time.Time     // When the TTL of the task is over, by this machine's clock.
	MaxIdle        time.Duration // How long the task may be silent before it ends.

	Described bool     // The following fields are known.
	Name      string   // Of the digital human.
	Gestures  []string // The names of its gestures.
}

// Learn records facts about a task, in place of what was known.
func (t *Tracker) Learn(taskID string, facts Facts) {
	t.mu.Lock()
	t.task(taskID).facts = facts
	t.mu.Unlock()
	_ = t.publish(taskID, note{Facts: &facts}) // It logs its error.
}

// Facts returns what is known of a task.
func (t *Tracker) Facts(taskID string) Facts {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k, ok := t.tasks.Get(taskID); ok {
		return k.facts
	}
	return Facts{}
}
