package streams

import (
	"context"
	"errors"
	"time"
	"zego-mcp/zego"
)

const (
	// attemptTimeout bounds one attempt to find and stop a task.
	attemptTimeout = 10 * time.Second
	// The pauses between two attempts grow from minPause to maxPause. While the ledger is being
	// closed they grow to maxClosingPause only.
	minPause        = 250 * time.Millisecond
	maxPause        = 30 * time.Second
	maxClosingPause = time.Second
)

// stopInBackground stops a task in a goroutine of its own. The goroutine finds out the
// TaskId if that is not known. It tries with growing pauses until the task is stopped, until
// ZEGO has ended the task by its TTL, or until Close gives up and reports the task.
// stopInBackground does nothing if a goroutine stops the task already, or if the task is no
// longer in the ledger.
func (l *Ledger) stopInBackground(t *task, reason stopReason) {
	if !l.setStopping(t, reason) {
		return
	}
	go func() {
		pause := minPause
		for first := true; ; first = false {
			stopped, err := l.tryStop(t)
			switch {
			case stopped:
				l.log.Info("stream task stopped", "task", l.name(t), "stream", t.streamID)
				l.removeEnded(t)
				return
			case l.now().After(t.expiresAt):
				l.log.Warn("a stream task could not be stopped; by now ZEGO has ended it", "task", l.name(t), "stream", t.streamID)
				l.removeEnded(t)
				return
			case err == nil && l.giveUpIfMissing(t):
				return // Close reports the task.
			case first && err != nil:
				l.log.Warn("a stream task could not be stopped at once; ZEGO bills it until it is stopped, and this server keeps trying", "task", l.name(t), "stream", t.streamID, "err", logText(err))
			}
			if !l.waitForNextAttempt(pause) {
				return // Close reports the task.
			}
			if !l.has(t) {
				return // Stop has stopped the task, or another replica has taken it over.
			}
			pause = min(2*pause, maxPause)
		}
	}()
}

// setStopping sets the state of t to stopping. It does nothing and returns false if t has
// that state, or if t is not in the ledger.
func (l *Ledger) setStopping(t *task, reason stopReason) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.state == stopping || l.tasks[t.streamID] != t {
		return false
	}
	t.state, t.stopReason = stopping, reason
	l.notify()
	return true
}

// giveUpIfMissing is called after an attempt that has not found the task. It ends the attempts
// if three things are true: the ledger is being closed, ZEGO has never shown the task, and
// the task is so old that ZEGO would show it by now. Then it sets the state to missing and
// returns true.
func (l *Ledger) giveUpIfMissing(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed || t.confirmed || t.stoppedBefore || t.isYoung(l.now()) {
		return false
	}
	t.state = missing
	l.notify()
	return true
}

// waitForNextAttempt waits for a pause. It returns false when Close has given up, so that
// there is no next attempt. From the call of Close on it waits for maxClosingPause at most.
func (l *Ledger) waitForNextAttempt(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.attemptsCtx.Done():
	case <-l.closing:
		closing := time.NewTimer(min(pause, maxClosingPause))
		defer closing.Stop()
		select {
		case <-closing.C:
		case <-l.attemptsCtx.Done():
		}
	}
	return l.attemptsCtx.Err() == nil
}

// tryStop makes one attempt to stop a task. It returns true if the task certainly does not
// run any more, and no other task with its StreamId can appear.
func (l *Ledger) tryStop(t *task) (stopped bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithValue(l.attemptsCtx, stopReasonKey{}, l.stopReason(t)), attemptTimeout)
	defer cancel()
	id, confirmed := l.identity(t)
	if id == "" {
		id, err = l.find(ctx, t)
		if err != nil {
			return false, err
		}
		if id == "" { // ZEGO does not list the task, but may do so later.
			return l.isStoppedForGood(t), nil
		}
		confirmed = true
	}
	_, err = l.client.StopStreamTask(ctx, id)
	switch {
	case err == nil:
		return l.recordStop(t, id), nil
	case !errors.Is(err, zego.CodeTaskNotFound):
		return false, err
	case confirmed && !l.isYoung(t):
		return true, nil // ZEGO has known the task, and does not any more: it has ended.
	case confirmed:
		return false, err // ZEGO may not show a task that young yet.
	}
	// ZEGO does not know the TaskId of its own answer to the create, at least not yet. If that
	// TaskId is wrong, the list shows the right one, which find records for the next attempt.
	// As long as the list does not show the task, nothing proves that it has ended.
	_, err = l.find(ctx, t)
	return false, err
}

// find looks a task up in ZEGO's list by its StreamId. It returns and records the TaskId, or
// returns "" if the list does not show the task.
func (l *Ledger) find(ctx context.Context, t *task) (taskID string, err error) {
	list, err := l.client.ListStreamTasks(ctx)
	if err != nil {
		return "", err
	}
	offset := l.client.ClockOffset()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, listed := range list.Tasks {
		if t.matches(listed, offset) {
			l.confirmTaskID(t, listed.ID)
			return listed.ID, nil
		}
	}
	return "", nil
}

// Stop stops a stream task, whoever started it. If ZEGO says that the task had stopped
// before, that is no error: Stopped tells it. If ZEGO does not stop a task of this ledger,
// Stop returns ZEGO's error, and the ledger goes on trying in the background.
func (l *Ledger) Stop(ctx context.Context, taskID string) (zego.Stopped, error) {
	own, ofReplica := l.taskWithID(taskID)
	stopped, err := l.client.StopStreamTask(ctx, taskID)
	final := own != nil && err == nil && l.recordStop(own, taskID)
	switch {
	case final:
		l.removeEnded(own)
	case own != nil:
		// ZEGO has not stopped the task, or another one with its StreamId may still appear.
		l.stopInBackground(own, stopFailed)
	case ofReplica != nil && err == nil:
		l.recordReplicaStop(ofReplica)
	}
	if own != nil || ofReplica != nil {
		l.refresh(ctx) // The other replicas no longer count the task towards MaxTasks.
	}
	return stopped, err
}

// taskWithID returns the task with a TaskId: as own if it is in this ledger, otherwise as
// ofReplica if another replica has it. Both are nil if neither has it.
func (l *Ledger) taskWithID(taskID string) (own, ofReplica *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tasks {
		if t.taskID == taskID {
			return t, nil
		}
	}
	for _, t := range l.replica.otherTasks {
		if t.taskID == taskID {
			return nil, t
		}
	}
	return nil, nil
}

// Close lets no more tasks be created, and stops all tasks side by side, those that are being
// created included. It returns when no task may be running any more, or after
// Options.StopTimeout. Then it logs an ERROR for each task that may still be running. Close
// may be called more than once. ctx's cancellation and deadline are ignored; only its values
// are used.
//
// There are two exceptions for tasks whose TaskId a caller has. With Options.KeepTasks Close
// leaves them running. Without KeepTasks, but with a Store, Close leaves them to another
// process that shares the Store, and stops them only if no such process lives.
func (l *Ledger) Close(ctx context.Context) {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.closing)
	}
	l.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	stopCtx, cancel := context.WithTimeout(ctx, l.opts.StopTimeout)
	defer cancel()
	if !l.opts.KeepTasks {
		if l.store != nil {
			l.handOver(stopCtx)
		}
		for _, t := range l.inState(withCaller) {
			l.stopInBackground(t, serverEnds)
		}
	}
	l.waitUntilStopped(stopCtx)
	l.cancelAttempts()
	l.reportLeft()
	if l.store != nil {
		l.endLease(ctx)
		<-l.replica.done
	}
}

// waitUntilStopped waits until no task is being created or stopped, or ctx is done.
func (l *Ledger) waitUntilStopped(ctx context.Context) {
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if len(l.inState(creating, stopping)) == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// reportLeft logs an ERROR for each task that may still be running and that no caller has,
// and removes the task from the ledger.
func (l *Ledger) reportLeft() {
	for _, t := range l.inState(creating, stopping, missing) {
		l.log.Error("a stream task may still be running, and is billed until it ends by itself",
			"stream", t.streamID, "room", t.roomID, "task", l.taskID(t), "ends_by", t.expiresAt.UTC().Format(time.RFC3339))
		l.mu.Lock()
		l.removeHere(t) // A replica that starts later finds the record in the Store, and stops the task.
		l.mu.Unlock()
	}
}
