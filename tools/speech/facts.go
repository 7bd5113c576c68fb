package speech

import "time"

// Facts are what a process that created a task knows of it, and ZEGO does not tell when it is
// asked for the task. Fields that are not known are zero.
type Facts struct {
	DigitalHumanID string
	EndsAt         time.Time     // When the TTL of the task is over, by this machine's clock.
	MaxIdle        time.Duration // How long the task may be silent before it ends.

	Described bool     // Name and Gestures are known: ZEGO was asked for the digital human.
	Name      string   // Of the digital human.
	Gestures  []string // The names of its gestures.
}

// Learn replaces the facts about a task.
func (t *Tracker) Learn(taskID string, facts Facts) {
	t.mu.Lock()
	t.task(taskID).facts = facts
	t.mu.Unlock()
	_ = t.publish(taskID, note{Facts: &facts}) // It logs its error.
}

// Facts returns what this process knows of a task. Call Refresh before, to learn what other
// replicas know. The caller must not change Gestures.
func (t *Tracker) Facts(taskID string) Facts {
	t.mu.Lock()
	defer t.mu.Unlock()
	if k, ok := t.tasks.Get(taskID); ok {
		return k.facts
	}
	return Facts{}
}
