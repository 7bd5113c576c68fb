package streams

import (
	"context"
	"errors"
	"time"
)

// With a Store, a ledger stays the authority for the tasks that it owns, and its record of
// each is a copy. Two things are written to the Store before a create goes on, and make it
// fail: the reservation of a place, and that the caller gets the TaskId. All else that
// happens to a task is copied by sync, which compares the ledger with the Store and repeats
// whatever did not get through.

const (
	// renewInterval is how often a ledger calls sync if nothing happens to its tasks.
	renewInterval = 3 * time.Second
	// storeTimeout bounds the time for which one operation of a ledger uses the Store.
	storeTimeout = 3 * time.Second
	// handOverInterval is how often a ledger that is being closed looks whether another
	// replica has taken its tasks over.
	handOverInterval = 500 * time.Millisecond
)

// replica is the part of a Ledger that concerns its Store.
type replica struct {
	using chan struct{} // Has room for one: for who uses the Store, so that no two operations overlap.
	done  chan struct{} // Closed when keepInSync has returned.

	// The following fields are guarded by Ledger.mu.

	presence    Presence
	clockOffset time.Duration // How far the clock of the Store is ahead of this machine's.
	synced      bool          // sync has seen the Store, so that clockOffset is known.

	others  map[string]*task     // The tasks of other replicas by StreamId, as last seen.
	removed map[string]time.Time // When the tasks ended whose records must not stay; by Record.ID.
	alone   bool                 // No other replica lived when sync last looked.
	down    bool                 // The Store did not answer when sync last asked.
}

func newReplica() replica {
	return replica{
		using: make(chan struct{}, 1), done: make(chan struct{}),
		others: map[string]*task{}, removed: map[string]time.Time{},
	}
}

// useStore calls f, which uses the Store, when nobody else does.
func (l *Ledger) useStore(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	select {
	case l.replica.using <- struct{}{}:
	case <-ctx.Done():
		return &StoreError{Err: context.Cause(ctx)}
	}
	defer func() { <-l.replica.using }()
	return f(ctx)
}

// keepInSync calls sync whenever a task changes, and at least every renewInterval, until
// Close gives up.
func (l *Ledger) keepInSync() {
	defer close(l.replica.done)
	for l.attemptsCtx.Err() == nil {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		_ = l.sync(l.attemptsCtx) // It is repeated, and logs its error.
		timer := time.NewTimer(renewInterval)
		select {
		case <-changed:
		case <-timer.C:
		case <-l.attemptsCtx.Done():
		}
		timer.Stop()
	}
}

// sync renews the lease, and brings the ledger and the Store in line. It returns a
// *StoreError, also in the middle of its work, if the Store does not answer. Without a Store
// it does nothing.
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
	l.mu.Lock()
	down, wasDown := err != nil && ctx.Err() == nil, l.replica.down
	if ctx.Err() == nil {
		l.replica.down = down
	}
	l.mu.Unlock()
	switch {
	case down && !wasDown:
		l.log.Warn("the list of streams that the servers share does not answer; until it does, no stream is created", "err", err)
	case err == nil && wasDown:
		l.log.Info("the list of streams that the servers share is back")
	}
	return err
}

// syncAs does the work of sync. The Store must not be in use.
func (l *Ledger) syncAs(ctx context.Context, presence Presence) error {
	l.mu.Lock()
	l.forgetExpired()
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
		if err := l.store.Remove(ctx, r.StreamID, r.ID); err != nil {
			return &StoreError{Err: err}
		}
	}
	if presence == Gone {
		return nil
	}
	for _, r := range todo.takeOver {
		taken, ok, err := l.store.TakeOver(ctx, r.StreamID, r.ID)
		if err != nil {
			return &StoreError{Err: err}
		}
		if ok {
			l.takeIn(taken)
		}
	}
	for _, t := range todo.save {
		if _, err := l.store.Save(ctx, l.record(t)); err != nil {
			return &StoreError{Err: err}
		}
	}
	for _, t := range todo.restore {
		err := l.store.Reserve(ctx, l.record(t), 0)
		if _, used := errors.AsType[*StreamIDInUseError](err); err != nil && !used {
			return &StoreError{Err: err}
		}
	}
	return nil
}

// differences is what sync has to do.
type differences struct {
	remove, takeOver []Record
	save             []*task // Their records are out of date.
	restore          []*task // They have no record: the Store has lost its data, or Recover found them.
}

// compare compares the ledger with what the Store holds. It lets go of the tasks that have
// ended, or that other replicas have taken over, and returns what is to be done in the Store.
func (l *Ledger) compare(view View) differences {
	l.mu.Lock()
	defer l.mu.Unlock()
	var todo differences
	// A ledger that is being closed leaves tasks to others as long as there are any.
	takesOver := !l.closed || !view.OthersLive && !l.opts.KeepTasks
	before := l.replica.others
	l.replica.others, l.replica.alone = map[string]*task{}, !view.OthersLive
	recorded := map[string]bool{}
	for _, r := range view.Records {
		recorded[r.ID] = true
		t := l.tasks[r.StreamID]
		known := t != nil && t.id == r.ID
		_, removed := l.replica.removed[r.ID]
		switch {
		case r.Ended && known && t.state != creating:
			l.discard(t)
			todo.remove = append(todo.remove, r.Record)
		case removed, r.Ended && r.Owner != OtherReplica:
			todo.remove = append(todo.remove, r.Record)
		case r.Ended:
			l.remember(r.TaskID)
		case r.Owner == NoReplica && takesOver, r.Owner == ThisReplica && !known:
			// The record is this replica's, and not known, if the answer to TakeOver was lost.
			todo.takeOver = append(todo.takeOver, r.Record)
		case r.Owner == ThisReplica && isOutdated(r.Record, l.recordOf(t)):
			todo.save = append(todo.save, t)
		case r.Owner != ThisReplica:
			if known && r.Owner == OtherReplica && t.state != creating { // Start lets go of it by itself.
				l.drop(t)
			}
			l.replica.others[r.StreamID] = l.taskOf(r.Record)
		}
	}
	for _, t := range before {
		if !recorded[t.id] {
			l.remember(t.taskID)
		}
	}
	for _, t := range l.tasks {
		if !recorded[t.id] && t.state != creating {
			todo.restore = append(todo.restore, t)
		}
	}
	for id, since := range l.replica.removed {
		// An operation whose answer was lost may be carried out later, and bring a record back.
		if !recorded[id] && l.now().Sub(since) > settlingTime {
			delete(l.replica.removed, id)
		}
	}
	return todo
}

// takeIn makes this ledger responsible for a task that another replica created. If nobody
// has the TaskId, or if this ledger is being closed, it stops the task.
func (l *Ledger) takeIn(r Record) {
	l.mu.Lock()
	if l.tasks[r.StreamID] != nil {
		l.mu.Unlock()
		return // It is this ledger's own again, after it was taken over by a replica that ended.
	}
	t := l.taskOf(r)
	keep := t.state == held && !l.closed
	t.state = held
	l.tasks[t.streamID] = t
	delete(l.replica.others, t.streamID)
	l.mu.Unlock()
	l.log.Info("took over a stream task from another server", "task", r.TaskID, "stream", r.StreamID, "stopping", !keep)
	if !keep {
		l.stopInBackground(t)
	}
}

// record returns the description of t for other replicas.
func (l *Ledger) record(t *task) Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recordOf(t)
}

// recordOf does the work of record. The lock must be held.
func (l *Ledger) recordOf(t *task) Record {
	offset := l.replica.clockOffset
	createdBefore := t.createdBefore
	if createdBefore.IsZero() {
		createdBefore = t.answeredBy
	}
	return Record{
		ID: t.id, StreamID: t.streamID, RoomID: t.roomID, TaskID: t.taskID,
		Generated: t.generatedID, Confirmed: t.confirmed, Stopped: t.stoppedOnce, Held: t.state == held,
		ReservedAt:    t.reservedAt.Add(offset).UTC(),
		CreatedBefore: createdBefore.Add(offset).UTC(),
		ExpiresAt:     t.expiresAt.Add(offset).UTC(),
	}
}

// taskOf returns the task that r describes. The lock must be held.
func (l *Ledger) taskOf(r Record) *task {
	offset := -l.replica.clockOffset
	t := &task{
		id: r.ID, streamID: r.StreamID, roomID: r.RoomID, taskID: r.TaskID,
		generatedID: r.Generated, confirmed: r.Confirmed, stoppedOnce: r.Stopped,
		reservedAt: r.ReservedAt.Add(offset), createdBefore: r.CreatedBefore.Add(offset), expiresAt: r.ExpiresAt.Add(offset),
		answeredBy: r.CreatedBefore.Add(offset), state: stopping,
	}
	if r.Held {
		t.state = held
	}
	return t
}

// isOutdated reports whether the record in the Store must be replaced by current.
func isOutdated(stored, current Record) bool {
	const rounding = 5 * time.Second // The clock of the Store is known to about a second.
	return stored.TaskID != current.TaskID || stored.Confirmed != current.Confirmed ||
		stored.Stopped != current.Stopped || stored.Held != current.Held ||
		stored.CreatedBefore.Sub(current.CreatedBefore).Abs() > rounding
}

// addShared puts t into the ledger and the Store, or into none of them. It fails as add does.
func (l *Ledger) addShared(ctx context.Context, t *task) error {
	return l.useStore(ctx, func(ctx context.Context) error {
		l.mu.Lock()
		synced, closed := l.replica.synced, l.closed
		l.mu.Unlock()
		if !synced && !closed {
			if err := l.syncAs(ctx, Staying); err != nil {
				return err
			}
		}
		if err := l.addHere(t); err != nil {
			return err
		}
		err := l.store.Reserve(ctx, l.record(t), l.opts.MaxTasks)
		_, full := errors.AsType[*LimitError](err)
		_, used := errors.AsType[*StreamIDInUseError](err)
		switch {
		case full || used: // The Store has no record of t, and t may be added later.
			l.mu.Lock()
			defer l.mu.Unlock()
			l.drop(t)
			return err
		case err != nil:
			l.forget(t)
			return &StoreError{Err: err}
		}
		return nil
	})
}

// holdShared writes to the Store that a caller is about to get the TaskId of t. When it
// fails, the caller must not get it: another replica could stop the task at any time.
func (l *Ledger) holdShared(ctx context.Context, t *task) error {
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

// handOver leaves the held tasks to other replicas. It returns when they have taken all
// over, when no other replica lives, when the Store does not answer, or when so much time
// has passed that the others cannot live: what is held then must be stopped here.
func (l *Ledger) handOver(ctx context.Context) {
	l.setPresence(Leaving)
	ctx, cancel := context.WithTimeout(ctx, min(Lease+renewInterval, l.opts.StopTimeout/2))
	defer cancel()
	for l.sync(ctx) == nil && !l.isAlone() {
		if len(l.inState(held)) == 0 {
			return
		}
		select {
		case <-time.After(handOverInterval):
		case <-ctx.Done():
		}
	}
	l.setPresence(Staying) // The others must not take over what is stopped here.
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

// leave ends the lease for good, after a last sync.
func (l *Ledger) leave(ctx context.Context) {
	_ = l.useStore(ctx, func(ctx context.Context) error {
		l.mu.Lock()
		gone := l.replica.presence == Gone
		l.replica.presence = Gone
		l.mu.Unlock()
		if gone {
			return nil
		}
		return l.syncAs(ctx, Gone)
	})
}

// othersStopped records that ZEGO has stopped a task of another replica. If a task with its
// StreamId may still be created, its owner goes on watching it.
func (l *Ledger) othersStopped(t *task) {
	if l.now().After(t.createdBefore) {
		l.othersEnded(t)
	}
}

// othersEnded records that a task of another replica has ended.
func (l *Ledger) othersEnded(t *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remember(t.taskID)
	l.replica.removed[t.id] = l.now()
	l.notify()
}

// heldByOthers returns the held tasks of other replicas.
func (l *Ledger) heldByOthers() []*task {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*task
	for _, t := range l.replica.others {
		if t.state == held {
			all = append(all, t)
		}
	}
	return all
}

// refresh learns what other replicas have done lately, if the Store answers.
func (l *Ledger) refresh(ctx context.Context) {
	l.mu.Lock()
	down := l.replica.down
	l.mu.Unlock()
	if !down {
		_ = l.sync(ctx) // It logs its error, and the ledger goes by what it knows.
	}
}
