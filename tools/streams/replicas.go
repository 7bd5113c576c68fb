package streams

import (
	"context"
	"errors"
	"time"
)

// With a Store, a ledger decides about its own tasks, and their records in the Store are
// copies. Two changes must be in the Store before a create goes on: that the task has a
// place, and that a caller gets the TaskId. If one of them cannot be written, the create
// fails. Each other change is written by the next sync. It compares the ledger with the
// Store, so that the sync after it makes up for what has failed.

const (
	// renewInterval is how often a ledger calls sync if nothing happens to its tasks.
	renewInterval = 3 * time.Second
	// storeTimeout bounds the time for which one operation of a ledger uses the Store.
	storeTimeout = 3 * time.Second
	// maxStoreDelay is how late the Store may carry out an operation whose answer was lost.
	maxStoreDelay = 30 * time.Second
	// handOverInterval is how often a ledger that is being closed looks whether another
	// replica has taken its tasks over.
	handOverInterval = 500 * time.Millisecond
)

// replica is the part of a Ledger that concerns its Store.
type replica struct {
	storeLock chan struct{} // Held, by filling it, while the Store is used, so that no two operations overlap.
	done      chan struct{} // Closed when keepInSync has returned.

	// Ledger.mu guards the following fields.

	presence    Presence
	clockOffset time.Duration // How far the clock of the Store is ahead of this machine's.
	synced      bool          // The Store has answered once, so that clockOffset is known.

	otherTasks map[string]*task     // The tasks of other replicas when sync last looked, by StreamId.
	ended      map[string]time.Time // When tasks ended whose records sync removes, by key.
	alone      bool                 // No other replica was alive when sync last looked.
	down       bool                 // The Store did not answer when sync last asked.
}

func newReplica() replica {
	return replica{
		storeLock: make(chan struct{}, 1), done: make(chan struct{}),
		otherTasks: map[string]*task{}, ended: map[string]time.Time{},
	}
}

// useStore waits until nobody else uses the Store, and calls f, which uses it. The waiting
// and f together may take storeTimeout.
func (l *Ledger) useStore(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	select {
	case l.replica.storeLock <- struct{}{}:
	case <-ctx.Done():
		return &StoreError{Err: context.Cause(ctx)}
	}
	defer func() { <-l.replica.storeLock }()
	return f(ctx)
}

// keepInSync calls sync whenever a task changes, and at least every renewInterval, until
// Close has stopped all tasks or gives up.
func (l *Ledger) keepInSync() {
	defer close(l.replica.done)
	for l.attemptsCtx.Err() == nil {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		_ = l.sync(l.attemptsCtx) // sync logs its error, and the next one makes up for it.
		timer := time.NewTimer(renewInterval)
		select {
		case <-changed:
		case <-timer.C:
		case <-l.attemptsCtx.Done():
		}
		timer.Stop()
	}
}

// refresh learns what other replicas have done lately. It does nothing while the Store does
// not answer, because the caller must not wait for that.
func (l *Ledger) refresh(ctx context.Context) {
	l.mu.Lock()
	down := l.replica.down
	l.mu.Unlock()
	if !down {
		_ = l.sync(ctx) // sync logs its error, and the ledger uses what it knows.
	}
}

// sync renews the lease, and brings the ledger and the Store in line. Without a Store it does
// nothing. If the Store does not answer, sync stops in the middle of its work and returns a
// *StoreError.
func (l *Ledger) sync(ctx context.Context) error {
	if l.store == nil {
		return nil
	}
	err := l.useStore(ctx, func(ctx context.Context) error {
		l.mu.Lock()
		presence := l.replica.presence
		l.mu.Unlock()
		if presence == Gone {
			return nil
		}
		return l.syncAs(ctx, presence)
	})
	if ctx.Err() != nil {
		return err // The caller has left, which says nothing about the Store.
	}
	l.mu.Lock()
	down, wasDown := err != nil, l.replica.down
	l.replica.down = down
	l.mu.Unlock()
	switch {
	case down && !wasDown:
		l.log.Warn("the list of streams that the servers share does not answer; until it does, no stream is created", "err", err)
	case wasDown && !down:
		l.log.Info("the list of streams that the servers share answers again")
	}
	return err
}

// syncAs does the work of sync. It must be called within useStore.
func (l *Ledger) syncAs(ctx context.Context, presence Presence) error {
	l.mu.Lock()
	l.removeExpired()
	l.mu.Unlock()
	view, err := l.store.Renew(ctx, presence)
	if err != nil {
		return &StoreError{Err: err}
	}
	l.mu.Lock()
	l.replica.clockOffset, l.replica.synced = view.Now.Sub(l.now()), true
	l.mu.Unlock()
	todo := l.compare(view)
	for _, r := range todo.remove {
		if err := l.store.Remove(ctx, r.StreamID, r.Key); err != nil {
			return &StoreError{Err: err}
		}
	}
	if presence == Gone {
		return nil // From now on the other replicas decide about the remaining records.
	}
	for _, r := range todo.takeOver {
		taken, ok, err := l.store.TakeOver(ctx, r.StreamID, r.Key)
		if err != nil {
			return &StoreError{Err: err}
		}
		if ok {
			l.addTakenOver(taken)
		}
	}
	for _, t := range todo.save {
		if _, err := l.store.Save(ctx, l.record(t)); err != nil {
			return &StoreError{Err: err}
		}
	}
	for _, t := range todo.reserve {
		err := l.store.Reserve(ctx, l.record(t), Limits{})
		if _, used := errors.AsType[*StreamIDInUseError](err); err != nil && !used {
			return &StoreError{Err: err}
		}
	}
	return nil
}

// differences is what sync has to change in the Store.
type differences struct {
	remove   []Record // Their tasks have ended.
	takeOver []Record // This replica becomes their owner.
	save     []*task  // Their records are out of date.
	reserve  []*task  // They have no record: the Store has lost its data, or Recover found them.
}

// compare compares the ledger with what the Store holds, and returns what sync has to change
// in the Store. It removes from the ledger the tasks whose end another replica has seen, and
// those that another replica has taken over.
func (l *Ledger) compare(view View) differences {
	l.mu.Lock()
	defer l.mu.Unlock()
	var todo differences
	// A ledger that is being closed takes nothing over as long as another replica can.
	takesOver := !l.closed || !view.OthersAlive && !l.opts.KeepTasks
	before := l.replica.otherTasks
	l.replica.otherTasks, l.replica.alone = map[string]*task{}, !view.OthersAlive
	recorded := map[string]bool{}
	for _, r := range view.Records {
		recorded[r.Key] = true
		t := l.tasks[r.StreamID]
		known := t != nil && t.key == r.Key
		_, endedHere := l.replica.ended[r.Key]
		switch {
		case r.Ended && known && t.state != creating: // Another replica has seen the end.
			l.removeEndedLocked(t)
			todo.remove = append(todo.remove, r.Record)
		case endedHere, r.Ended && r.Owner != OtherReplica:
			todo.remove = append(todo.remove, r.Record)
		case r.Ended: // Its owner removes the record.
			l.rememberEnded(r.TaskID)
		case r.Owner == NoReplica && takesOver:
			todo.takeOver = append(todo.takeOver, r.Record)
		case r.Owner == ThisReplica && !known: // The answer to TakeOver was lost.
			todo.takeOver = append(todo.takeOver, r.Record)
		case r.Owner == ThisReplica && isOutdated(r.Record, l.recordLocked(t)):
			todo.save = append(todo.save, t)
		case r.Owner != ThisReplica:
			// Another replica has taken a known task over. If Start is still creating the task,
			// giveToCaller notices that, and Start lets the task be stopped.
			if known && r.Owner == OtherReplica && t.state != creating {
				l.removeHere(t)
			}
			l.replica.otherTasks[r.StreamID] = l.newTask(r.Record)
		}
	}
	for _, t := range before {
		if !recorded[t.key] { // Its owner has removed the record.
			l.rememberEnded(t.taskID)
		}
	}
	for _, t := range l.tasks {
		if !recorded[t.key] && t.state != creating {
			todo.reserve = append(todo.reserve, t)
		}
	}
	for key, since := range l.replica.ended {
		// Until maxStoreDelay has passed, a late operation can bring the record back.
		if !recorded[key] && l.now().Sub(since) > maxStoreDelay {
			delete(l.replica.ended, key)
		}
	}
	return todo
}

// addTakenOver adds the task of a record to the ledger, after TakeOver has made this replica
// the owner. If no caller has the TaskId, or if the ledger is being closed, it stops the task.
func (l *Ledger) addTakenOver(r Record) {
	l.mu.Lock()
	if l.tasks[r.StreamID] != nil {
		l.mu.Unlock()
		return // The task never left this ledger: its lease had ended for a while.
	}
	t := l.newTask(r)
	keep := t.state == withCaller && !l.closed
	t.state = withCaller // If not, stopInBackground changes the state.
	t.noteRunning(l.now())
	l.tasks[t.streamID] = t
	delete(l.replica.otherTasks, t.streamID)
	l.mu.Unlock()
	l.log.Info("took over a stream task from another server", "task", r.TaskID, "stream", r.StreamID, "stopping", !keep)
	if !keep {
		l.stopInBackground(t, ofReplica)
	}
}

// record returns the record of t.
func (l *Ledger) record(t *task) Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recordLocked(t)
}

// recordLocked does the work of record. l.mu must be held.
func (l *Ledger) recordLocked(t *task) Record {
	offset := l.replica.clockOffset
	return Record{
		Key: t.key, StreamID: t.streamID, RoomID: t.roomID, TaskID: t.taskID, Caller: t.caller,
		Generated: t.generatedID, Confirmed: t.confirmed, StoppedBefore: t.stoppedBefore, WithCaller: t.state == withCaller,
		ReservedAt:       t.reservedAt.Add(offset).UTC(),
		LatestCreateTime: t.latestCreateTime.Add(offset).UTC(),
		ExpiresAt:        t.expiresAt.Add(offset).UTC(),
	}
}

// newTask returns the task that r describes. l.mu must be held.
func (l *Ledger) newTask(r Record) *task {
	offset := -l.replica.clockOffset
	t := &task{
		key: r.Key, streamID: r.StreamID, roomID: r.RoomID, taskID: r.TaskID, caller: r.Caller,
		generatedID: r.Generated, confirmed: r.Confirmed, stoppedBefore: r.StoppedBefore,
		reservedAt: r.ReservedAt.Add(offset), latestCreateTime: r.LatestCreateTime.Add(offset), expiresAt: r.ExpiresAt.Add(offset),
		state: stopping,
	}
	if r.WithCaller {
		t.state = withCaller
	}
	return t
}

// isOutdated reports whether the record in the Store must be replaced by current.
func isOutdated(stored, current Record) bool {
	const clockError = 5 * time.Second // The clock of the Store is known to a second or so.
	if stored.LatestCreateTime.Sub(current.LatestCreateTime).Abs() > clockError {
		return true
	}
	stored.ReservedAt, stored.LatestCreateTime, stored.ExpiresAt = current.ReservedAt, current.LatestCreateTime, current.ExpiresAt
	return stored != current
}

// addShared puts t into the ledger and the Store, or into none of them. It fails as add does.
func (l *Ledger) addShared(ctx context.Context, t *task) error {
	return l.useStore(ctx, func(ctx context.Context) error {
		l.mu.Lock()
		synced, closed := l.replica.synced, l.closed
		l.mu.Unlock()
		if !synced && !closed { // The record needs the clock of the Store.
			if err := l.syncAs(ctx, Staying); err != nil {
				return err
			}
		}
		if err := l.addHere(t); err != nil {
			return err
		}
		err := l.store.Reserve(ctx, l.record(t), Limits{Tasks: l.MaxTasks(), TasksOfCaller: t.callerMaxTasks})
		_, full := errors.AsType[*LimitError](err)
		_, used := errors.AsType[*StreamIDInUseError](err)
		switch {
		case full || used: // The Store has no record of t, and the caller may add t once more.
			l.mu.Lock()
			defer l.mu.Unlock()
			l.removeHere(t)
			return err
		case err != nil: // The Store may have a record of t, which sync removes.
			l.removeEnded(t)
			return &StoreError{Err: err}
		}
		return nil
	})
}

// storeWithCaller writes to the Store that a caller gets the TaskId of t. If it fails, the
// caller must not get the TaskId, because another replica may stop the task at any time.
func (l *Ledger) storeWithCaller(ctx context.Context, t *task) error {
	return l.useStore(context.WithoutCancel(ctx), func(ctx context.Context) error {
		saved, err := l.store.Save(ctx, l.record(t))
		if err == nil && !saved {
			err = errors.New("another server has taken the task over")
		}
		if err != nil {
			return &StoreError{TaskID: l.taskID(t), Err: err}
		}
		return nil
	})
}

// handOver leaves the tasks that a caller has to other replicas. It returns when they have
// taken all of them over. It returns early when no other replica is alive, when the Store
// does not answer, or when half of StopTimeout or the lease of every other replica is over.
// Close then stops the tasks that are left.
func (l *Ledger) handOver(ctx context.Context) {
	l.setPresence(Leaving)
	ctx, cancel := context.WithTimeout(ctx, min(Lease+renewInterval, l.opts.StopTimeout/2))
	defer cancel()
	for l.sync(ctx) == nil && !l.isAlone() {
		if len(l.inState(withCaller)) == 0 {
			return
		}
		select {
		case <-time.After(handOverInterval):
		case <-ctx.Done():
		}
	}
	l.setPresence(Staying) // The others must not take over what Close stops.
}

func (l *Ledger) isAlone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.replica.alone
}

func (l *Ledger) setPresence(p Presence) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replica.presence = p
}

// endLease ends the lease of this replica for good, and syncs a last time.
func (l *Ledger) endLease(ctx context.Context) {
	_ = l.useStore(ctx, func(ctx context.Context) error {
		l.mu.Lock()
		wasGone := l.replica.presence == Gone
		l.replica.presence = Gone
		l.mu.Unlock()
		if wasGone {
			return nil
		}
		return l.syncAs(ctx, Gone)
	})
}

// recordReplicaStop records that ZEGO has stopped a task of another replica. If another task
// with its StreamId may still appear, the record stays, and its owner looks for that task.
func (l *Ledger) recordReplicaStop(t *task) {
	if l.now().After(t.latestCreateTime) {
		l.recordReplicaEnd(t)
	}
}

// recordReplicaEnd records that a task of another replica has ended. The next sync tells its
// owner.
func (l *Ledger) recordReplicaEnd(t *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rememberEnded(t.taskID)
	l.replica.ended[t.key] = l.now()
	l.notify()
}

// otherTasksWithCaller returns the tasks of other replicas whose TaskId a caller has.
func (l *Ledger) otherTasksWithCaller() []*task {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*task
	for _, t := range l.replica.otherTasks {
		if t.state == withCaller {
			all = append(all, t)
		}
	}
	return all
}
