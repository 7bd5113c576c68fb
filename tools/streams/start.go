package streams

import (
	"context"
	"errors"
	"sync"
	"time"
	"zego-mcp/zego"
)

// StartRequest describes a stream task to create.
type StartRequest struct {
	DigitalHumanID  string
	BackgroundColor string // RGB in hex like #ffffff; empty: ZEGO's default.
	RoomID          string
	StreamID        string        // Empty: Start makes one up.
	TTL             time.Duration // Whole seconds, at most Ledger.MaxTTL.
	MaxIdleTime     time.Duration // Whole seconds, at most Ledger.MaxTTL.
	Timeout         time.Duration // Limit of the create itself, which goes on when ctx ends.

	// Wait, if set, is called with the TaskId and waits until the task is no longer
	// initializing. If the task then does not stream, Start returns an error, and the ledger
	// stops the task.
	Wait func(ctx context.Context, taskID string) (zego.StreamTask, error)
}

// Started is a stream task that now belongs to the caller of Start.
type Started struct {
	TaskID    string
	RoomID    string
	StreamID  string
	Status    zego.TaskStatus
	CreatedAt time.Time // By ZEGO's clock.
	RequestID string
}

// outcome is what Start knows of its task when it returns.
type outcome int

const (
	mayRun     outcome = iota // The task may run, and no caller has it.
	notCreated                // ZEGO has not created the task.
	handedOver                // The caller has the TaskId.
)

// Start creates a stream task. When it returns no error the caller has the TaskId, and the
// ledger holds the task until Stop or Close. When it returns an error, nothing was created,
// or the ledger stops the task, now or as soon as ZEGO shows it.
//
// Besides ZEGO's errors it returns *LimitError, *StreamIDInUseError, ErrClosed, *StoreError,
// *LostCreateError, *EndedEarlyError and *StartFailedError. When ctx was cancelled the
// error is its cause.
func (l *Ledger) Start(ctx context.Context, req StartRequest) (Started, error) {
	t, err := l.reserve(ctx, req)
	if err != nil {
		return Started{}, err
	}
	result := mayRun // Until more is known. It stays so if anything below panics.
	defer func() {
		switch result {
		case notCreated:
			l.forget(t)
		case mayRun:
			l.stopInBackground(t)
		}
	}()
	created, err := l.create(ctx, t, req)
	if lost, ok := errors.AsType[*zego.LostAnswerError](err); ok {
		l.createEnded(t, "", true)
		if isCancelled(ctx) {
			return Started{}, context.Cause(ctx)
		}
		return Started{}, &LostCreateError{StreamID: t.streamID, Err: lost}
	}
	if err != nil {
		result = notCreated
		return Started{}, err
	}
	// A task that was found is one whose create's answer was lost, so another may come.
	l.createEnded(t, created.TaskID, created.Found)
	started := Started{
		TaskID: created.TaskID, RoomID: t.roomID, StreamID: t.streamID,
		Status: zego.TaskInitializing, CreatedAt: created.At, RequestID: created.RequestID,
	}
	if req.Wait != nil && !isCancelled(ctx) {
		task, err := req.Wait(ctx, created.TaskID)
		if err == nil {
			l.confirm(created.TaskID)
		}
		switch {
		case isCancelled(ctx): // The check below says so.
		case errors.Is(err, zego.CodeStreamStopped) || errors.Is(err, zego.CodeTaskNotFound):
			return Started{}, &EndedEarlyError{TaskID: created.TaskID, Err: err}
		case err != nil: // The task exists; only its status is not known yet.
		case task.Status != zego.TaskStreaming:
			return Started{}, &StartFailedError{Task: task}
		default:
			started.Status = task.Status
		}
	}
	if isCancelled(ctx) {
		return Started{}, context.Cause(ctx)
	}
	if err := l.hold(ctx, t); err != nil {
		return Started{}, err
	}
	result = handedOver
	return started, nil
}

// isCancelled reports whether the caller has left, as opposed to its time being up.
func isCancelled(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), context.Canceled)
}

// hold makes the caller of Start responsible for a task. It fails with ErrClosed if the
// ledger was closed meanwhile, and with *StoreError if other replicas could not be told:
// then the caller must not get the task.
func (l *Ledger) hold(ctx context.Context, t *task) error {
	l.mu.Lock()
	closed := l.closed && !l.opts.KeepTasks
	if !closed {
		t.state = held
		l.notify()
	}
	l.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case l.store != nil:
		return l.holdShared(ctx, t)
	}
	return nil
}

// create asks ZEGO to create the task t. The create is not cut off when ctx ends, because
// only ZEGO's answer tells which task to stop. A *zego.LostAnswerError says that the task
// may run; other errors say that it does not.
func (l *Ledger) create(ctx context.Context, t *task, req StartRequest) (zego.CreatedStreamTask, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), req.Timeout)
	defer cancel()
	return l.client.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: req.DigitalHumanID, BackgroundColor: req.BackgroundColor},
		RTCConfig:          zego.RTCConfig{RoomID: t.roomID, StreamID: t.streamID},
		TTL:                new(int(req.TTL / time.Second)),
		MaxIdleTime:        new(int(req.MaxIdleTime / time.Second)),
	})
}

// reserve adds a new task to the ledger. If there is no place for it, or an own task has its
// StreamId, reserve asks ZEGO which tasks have ended by themselves, and tries once more. A
// StreamId that the caller
// chose is refused if a task at ZEGO has it.
func (l *Ledger) reserve(ctx context.Context, req StartRequest) (*task, error) {
	t := &task{id: newKey(), roomID: req.RoomID, streamID: req.StreamID}
	if t.streamID == "" {
		t.streamID, t.generatedID = l.opts.Mark.newStreamID(), true
	} else if err := l.checkUnused(ctx, t.streamID); err != nil {
		return nil, err
	}
	t.reservedAt = l.now()
	t.answeredBy = t.reservedAt.Add(req.Timeout + settlingTime)
	t.expiresAt = t.reservedAt.Add(req.TTL + req.Timeout + time.Minute)
	err := l.add(ctx, t)
	_, full := errors.AsType[*LimitError](err)
	_, used := errors.AsType[*StreamIDInUseError](err)
	if full || used {
		l.forgetEnded(ctx)
		err = l.add(ctx, t)
	}
	switch {
	case err != nil && isCancelled(ctx):
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	}
	return t, nil
}

// checkUnused returns a *StreamIDInUseError if a task at ZEGO has this StreamId.
func (l *Ledger) checkUnused(ctx context.Context, streamID string) error {
	list, err := l.List(ctx)
	if err != nil {
		return err
	}
	for _, listed := range list.Tasks {
		if listed.StreamID == streamID && listed.Status != zego.TaskStopped {
			return &StreamIDInUseError{StreamID: streamID, TaskID: listed.ID}
		}
	}
	return nil
}

// forgetEnded forgets the held tasks that ZEGO has ended, those of other replicas included.
// It asks about all of them side by side.
func (l *Ledger) forgetEnded(ctx context.Context) {
	l.refresh(ctx)
	var asking sync.WaitGroup
	for _, t := range l.inState(held) {
		asking.Go(func() {
			if l.hasEnded(ctx, t) {
				l.forget(t)
			}
		})
	}
	for _, t := range l.heldByOthers() {
		asking.Go(func() {
			if l.hasEnded(ctx, t) {
				l.othersEnded(t)
			}
		})
	}
	asking.Wait()
	l.refresh(ctx)
}

// hasEnded reports whether ZEGO has certainly ended a task: its status says so, and it is old
// enough for the status to be true.
func (l *Ledger) hasEnded(ctx context.Context, t *task) bool {
	id, confirmed := l.identity(t)
	if !confirmed || l.isYoung(t) {
		return false
	}
	status, err := l.client.GetStreamTask(ctx, id)
	if err == nil {
		return status.Status == zego.TaskStopped || status.Status == zego.TaskInitFailed
	}
	return errors.Is(err, zego.CodeTaskNotFound) || errors.Is(err, zego.CodeStreamStopped)
}
