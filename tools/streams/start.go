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
	BackgroundColor string          // RGB in hex like #ffffff; empty: ZEGO's default.
	OutputMode      zego.OutputMode // Zero: ZEGO's default.
	RoomID          string
	StreamID        string        // Empty: Start generates one.
	TTL             time.Duration // Whole seconds, at most Ledger.MaxTTL.
	MaxIdleTime     time.Duration // Whole seconds, at most Ledger.MaxTTL.
	Timeout         time.Duration // How long the create itself may take. It goes on when ctx ends.
	Caller          string        // Who asks for the task; empty: that is not known.
	CallerMaxTasks  int           // How many tasks of Caller may run at once; 0: as many as Options.MaxTasks.

	// Wait, if set, is called with the TaskId after the create. It returns the task when that is
	// no longer initializing. If the task then does not stream, Start returns an error, and the
	// ledger stops the task. If Wait does not learn the status, Start succeeds all the same.
	Wait func(ctx context.Context, taskID string) (zego.StreamTask, error)
}

// Started is a new stream task, whose TaskId the caller of Start now has.
type Started struct {
	TaskID    string
	RoomID    string
	StreamID  string
	Status    zego.TaskStatus
	CreatedAt time.Time // When ZEGO answered the create, by its clock.
	RequestID string
}

// outcome says what Start does with its task when it returns.
type outcome int

const (
	mayRun     outcome = iota // The task may be running, and the caller does not get the TaskId.
	notCreated                // ZEGO has not created the task.
	returned                  // The caller gets the TaskId.
)

// Start creates a stream task. When it succeeds the caller has the TaskId, and the task is
// in the ledger until Stop, Close or its own end. When it fails, nothing was created, or the
// ledger stops the task, now or as soon as ZEGO shows it.
//
// Besides ZEGO's errors it returns *LimitError, *StreamIDInUseError, ErrClosed, *StoreError,
// *LostCreateError, *EndedEarlyError and *StartFailedError. If ctx was cancelled, the error
// is ctx's cause.
func (l *Ledger) Start(ctx context.Context, req StartRequest) (Started, error) {
	t, err := l.reserve(ctx, req)
	if err != nil {
		return Started{}, err
	}
	result := mayRun // The outcome of a panic, and of every error of which the code below does not know more.
	defer func() {
		switch result {
		case notCreated:
			l.removeEnded(t)
		case mayRun:
			l.stopInBackground(t, notStarted)
		}
	}()
	created, err := l.create(ctx, t, req)
	if lost, ok := errors.AsType[*zego.LostAnswerError](err); ok {
		if isCancelled(ctx) {
			return Started{}, context.Cause(ctx)
		}
		return Started{}, &LostCreateError{StreamID: t.streamID, Err: lost}
	}
	if err != nil {
		result = notCreated
		return Started{}, err
	}
	started := Started{
		TaskID: created.TaskID, RoomID: t.roomID, StreamID: t.streamID,
		Status: zego.TaskInitializing, CreatedAt: created.At, RequestID: created.RequestID,
	}
	if req.Wait != nil && !isCancelled(ctx) {
		task, err := req.Wait(ctx, created.TaskID)
		if err == nil {
			l.recordStatus(created.TaskID)
		}
		switch {
		case isCancelled(ctx): // The check below returns the error.
		case errors.Is(err, zego.CodeStreamStopped) || errors.Is(err, zego.CodeTaskNotFound):
			return Started{}, &EndedEarlyError{TaskID: created.TaskID, Err: err}
		case err != nil: // The task exists. Only its status is not known.
		case task.Status != zego.TaskStreaming:
			return Started{}, &StartFailedError{Task: task}
		default:
			started.Status = task.Status
		}
	}
	if isCancelled(ctx) {
		return Started{}, context.Cause(ctx)
	}
	if err := l.giveToCaller(ctx, t); err != nil {
		return Started{}, err
	}
	result = returned
	return started, nil
}

// isCancelled reports whether ctx was cancelled, because the caller has left. It is false if
// only ctx's time limit is over: the caller still waits for an answer then.
func isCancelled(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), context.Canceled)
}

// giveToCaller records that the caller of Start gets the TaskId of t. If it fails, the caller
// must not get the TaskId. The error is ErrClosed if Close was called meanwhile and stops or
// has reported t, *EndedEarlyError if Stop was called for t meanwhile, and *StoreError if the
// Store did not accept the change.
func (l *Ledger) giveToCaller(ctx context.Context, t *task) error {
	if err := l.setWithCaller(t); err != nil {
		return err
	}
	if l.store != nil {
		return l.storeWithCaller(ctx, t)
	}
	return nil
}

// setWithCaller sets the state of t to withCaller. It fails as giveToCaller does.
func (l *Ledger) setWithCaller(t *task) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	isHere := l.tasks[t.streamID] == t
	switch {
	case l.closed && (!l.opts.KeepTasks || !isHere):
		return ErrClosed
	case t.state != creating || !isHere:
		return &EndedEarlyError{TaskID: t.taskID, Err: zego.CodeStreamStopped}
	}
	t.state = withCaller
	l.notify()
	return nil
}

// create asks ZEGO to create the task t, and records how that ended. It goes on when ctx
// ends, because only ZEGO's answer tells the TaskId of the task to stop. A
// *zego.LostAnswerError says that the task may be running. All other errors say that ZEGO has
// not created the task.
func (l *Ledger) create(ctx context.Context, t *task, req StartRequest) (created zego.CreatedStreamTask, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), req.Timeout)
	defer cancel()
	lost := true // It stays so if the client panics.
	defer func() { l.recordCreateEnd(t, created.TaskID, lost) }()
	created, err = l.client.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: req.DigitalHumanID, BackgroundColor: req.BackgroundColor},
		RTCConfig:          zego.RTCConfig{RoomID: t.roomID, StreamID: t.streamID},
		TTL:                new(int(req.TTL / time.Second)),
		MaxIdleTime:        new(int(req.MaxIdleTime / time.Second)),
		ExtraConfig:        zego.ExtraConfig{OutputMode: req.OutputMode},
	})
	switch {
	case err == nil && l.isOfAnother(created.TaskID, t):
		created, err = zego.CreatedStreamTask{}, lostAnswer(errors.New("the answer names another stream task"))
	case t.generatedID && errors.Is(err, zego.CodeStreamIDExists):
		err = lostAnswer(err) // No other task has the StreamId, so an earlier request has created this one.
	}
	// If the client has found the task in ZEGO's list, the answer to the create was lost, too.
	_, lost = errors.AsType[*zego.LostAnswerError](err)
	lost = lost || created.Found
	return created, err
}

// lostAnswer returns an error which says that the task may be running, although ZEGO's answer
// to the create has come.
func lostAnswer(err error) error {
	return &zego.LostAnswerError{Action: "CreateDigitalHumanStreamTask", Err: err}
}

// reserve adds a new task to the ledger. If there is no place for it, or if an own task has
// its StreamId, reserve asks ZEGO which own tasks have ended, and tries once more. reserve
// refuses a StreamId that the caller chose if ZEGO's list shows a task with it.
func (l *Ledger) reserve(ctx context.Context, req StartRequest) (*task, error) {
	t := &task{key: newKey(), roomID: req.RoomID, streamID: req.StreamID, caller: req.Caller, callerMaxTasks: req.CallerMaxTasks}
	if t.streamID == "" {
		t.streamID, t.generatedID = l.opts.Mark.newStreamID(), true
	} else if err := l.checkUnused(ctx, t.streamID); err != nil {
		return nil, err
	}
	t.reservedAt = l.now()
	t.latestCreateTime = t.reservedAt.Add(req.Timeout + maxCreateDelay)
	t.expiresAt = t.latestCreateTime.Add(req.TTL + maxEndDelay)
	err := l.add(ctx, t)
	_, full := errors.AsType[*LimitError](err)
	_, used := errors.AsType[*StreamIDInUseError](err)
	if full || used {
		l.removeAllEnded(ctx)
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

// removeAllEnded asks ZEGO about all tasks that a caller has, those of other replicas
// included, and removes those that have ended. It asks about all of them side by side.
func (l *Ledger) removeAllEnded(ctx context.Context) {
	l.refresh(ctx)
	var asking sync.WaitGroup
	for _, t := range l.inState(withCaller) {
		asking.Go(func() {
			if l.hasEnded(ctx, t) {
				l.removeEnded(t)
			}
		})
	}
	for _, t := range l.otherTasksWithCaller() {
		asking.Go(func() {
			if l.hasEnded(ctx, t) {
				l.recordReplicaEnd(t)
			}
		})
	}
	asking.Wait()
	l.refresh(ctx)
}

// hasEnded reports whether ZEGO has certainly ended a task. It is false for a task that is so
// young that ZEGO may not show it yet, and for one whose TaskId ZEGO has not confirmed.
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
