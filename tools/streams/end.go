package streams

import (
	"context"
	"errors"
	"slices"
	"time"
	"zego-mcp/zego"
)

// stopInBackground stops a task in a goroutine of its own. The goroutine finds out the TaskId if it is
// not known, and tries with growing pauses until the task is stopped, until ZEGO has ended
// it by its TTL, or until Close gives up and reports it. Nothing happens if the task is
// being stopped already, or is no longer in the ledger.
func (l *Ledger) stopInBackground(t *task) {
	l.mu.Lock()
	nothingToDo := t.state == stopping || l.tasks[t.streamID] != t
	t.state = stopping
	if t.createdBefore.IsZero() { // The create panicked: it counts as one whose answer was lost.
		t.createdBefore = l.now().Add(settlingTime)
	}
	l.notify()
	l.mu.Unlock()
	if nothingToDo {
		return
	}
	go func() {
		pause := minPause
		for attempt := 1; ; attempt++ {
			stopped, err := l.tryStop(t)
			switch {
			case stopped:
				l.log.Info("stream task stopped", "task", l.name(t), "stream", t.streamID)
				l.forget(t)
				return
			case l.now().After(t.expiresAt):
				l.log.Warn("a stream task could not be stopped; by now ZEGO has ended it", "task", l.name(t), "stream", t.streamID)
				l.forget(t)
				return
			case err == nil && l.giveUpIfMissing(t):
				return // Close reports the task.
			case attempt == 1 && err != nil:
				l.log.Warn("a stream task could not be stopped at once; it costs until it is stopped, and this server keeps trying", "task", l.name(t), "stream", t.streamID, "err", logText(err))
			}
			if !l.wait(pause) {
				return // Close reports the task.
			}
			if !l.has(t) {
				return // Stop has stopped the task, or another replica has taken it over.
			}
			pause = min(2*pause, maxPause)
		}
	}()
}

// giveUpIfMissing is called after an attempt that did not find a task in ZEGO's list, or stopped
// one while another can still appear. While the ledger is being closed, it marks a task that
// was never found as missing and reports true, if the task is so old that looking further is
// of little use.
func (l *Ledger) giveUpIfMissing(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed || t.confirmed || t.stoppedOnce || t.isYoung(l.now()) {
		return false
	}
	t.state = missing
	l.notify()
	return true
}

// wait waits for a pause between two attempts: a second at most while the ledger is being
// closed. When Close is called during the pause, it waits at most one second more. It reports
// false when Close has given up.
func (l *Ledger) wait(pause time.Duration) bool {
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

// tryStop makes one attempt to stop a task. It reports true if the task certainly does not
// run any more, and cannot begin to.
func (l *Ledger) tryStop(t *task) (stopped bool, err error) {
	ctx, cancel := context.WithTimeout(l.attemptsCtx, attemptTimeout)
	defer cancel()
	id, confirmed := l.identity(t)
	if id == "" {
		// Not listed can mean not listed yet. Only createWindowOver rules that out.
		if id, err = l.find(ctx, t); id == "" {
			return err == nil && l.createWindowOver(t), err
		}
		confirmed = true
	}
	_, err = l.client.StopStreamTask(ctx, id)
	switch {
	case err == nil:
		return l.stopIsFinal(t), nil
	case !errors.Is(err, zego.CodeTaskNotFound):
		return false, err
	case confirmed && !l.isYoung(t):
		return true, nil // ZEGO has known the task, and does not any more: it has ended.
	case confirmed:
		return false, err
	}
	// The answer to the create named a TaskId that ZEGO does not know, or not yet.
	listed, listErr := l.find(ctx, t)
	if listErr != nil || listed == "" {
		return false, listErr
	}
	if _, err = l.client.StopStreamTask(ctx, listed); err != nil {
		return false, err
	}
	return l.stopIsFinal(t), nil
}

// createWindowOver reports whether no delayed create can still make a task with this StreamId: one
// was stopped, and the time for another to be created is over.
func (l *Ledger) createWindowOver(t *task) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.stoppedOnce && l.now().After(t.createdBefore)
}

// find looks a task up in ZEGO's list by its StreamId. It returns and records the TaskId, or
// "" if the list does not show the task.
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
			l.identify(t, listed.ID)
			return listed.ID, nil
		}
	}
	return "", nil
}

// Stop ends a stream task, whoever started it. That the task had already stopped is no
// error. If ZEGO does not stop a task of this ledger, the ledger goes on trying after Stop
// has returned the error.
func (l *Ledger) Stop(ctx context.Context, taskID string) (zego.Stopped, error) {
	own, others := l.taskWithID(taskID)
	stopped, err := l.client.StopStreamTask(ctx, taskID)
	switch {
	case own != nil && err == nil && l.stopIsFinal(own):
		l.forget(own)
	case own != nil:
		l.stopInBackground(own)
	case others != nil && err == nil:
		l.othersStopped(others)
	}
	if own != nil || others != nil {
		l.refresh(ctx) // The place becomes free for all replicas.
	}
	return stopped, err
}

// taskWithID returns the task of this ledger or, if it has none, of another replica.
func (l *Ledger) taskWithID(taskID string) (own, others *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tasks {
		if t.taskID == taskID {
			return t, nil
		}
	}
	for _, t := range l.replica.others {
		if t.taskID == taskID {
			return nil, t
		}
	}
	return nil, nil
}

// Close lets no more tasks be created, and stops all tasks side by side: also those that
// are being created, but with Options.KeepTasks not those whose TaskId a caller has. It
// returns when no task may run any more, or after Options.StopTimeout; then it logs an
// error for each task that may still run. Close may be called more than once. It goes on
// when ctx ends: only the values of ctx count.
//
// If the Store is shared with a process that lives, Close leaves the tasks whose TaskId a
// caller has to that one.
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
		for _, t := range l.inState(held) {
			l.stopInBackground(t)
		}
	}
	l.waitForTheEnd(stopCtx)
	l.cancelAttempts()
	l.reportLeft()
	if l.store != nil {
		l.leave(ctx)
		<-l.replica.done
	}
}

// reportLeft logs an error for each task that may still run and that nobody is responsible
// for any more.
func (l *Ledger) reportLeft() {
	for _, t := range l.inState(creating, stopping, missing) {
		l.log.Error("a stream task may run, and costs until it ends by itself",
			"stream", t.streamID, "room", t.roomID, "task", l.taskID(t), "ends_by", t.expiresAt.UTC().Format(time.RFC3339))
		l.mu.Lock()
		l.drop(t) // A replica that starts later finds the task's record, and stops the task.
		l.mu.Unlock()
	}
}

// waitForTheEnd waits until no task is being created or stopped, or ctx is done.
func (l *Ledger) waitForTheEnd(ctx context.Context) {
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

// inState returns the tasks that are in one of these states.
func (l *Ledger) inState(states ...state) []*task {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*task
	for _, t := range l.tasks {
		if slices.Contains(states, t.state) {
			all = append(all, t)
		}
	}
	return all
}
