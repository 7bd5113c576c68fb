package streams

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
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
	// initializing. Start stops a task that did not start.
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

// Start creates a stream task. When it returns no error the caller has the TaskId, and the
// ledger holds the task until Stop or StopAll. When it returns an error, nothing was
// created, or the task is being stopped in the background, or, with *LostCreateError, it
// stays in the ledger.
//
// Besides ZEGO's errors it returns *LimitError, *StreamIDInUseError, ErrClosed,
// *LostCreateError, *EndedEarlyError and *StartFailedError. When ctx was cancelled the
// error is its cause.
func (l *Ledger) Start(ctx context.Context, req StartRequest) (Started, error) {
	e, err := l.reserve(ctx, req)
	if err != nil {
		return Started{}, err
	}
	created, err := l.create(ctx, e, req)
	if err != nil {
		return Started{}, err
	}
	handedOver := false
	defer func() {
		if !handedOver {
			l.stopInBackground(e)
		}
	}()
	if cancelled(ctx) {
		return Started{}, context.Cause(ctx)
	}
	started := Started{
		TaskID: created.TaskID, RoomID: e.roomID, StreamID: e.streamID,
		Status: zego.TaskInitializing, CreatedAt: created.At, RequestID: created.RequestID,
	}
	if req.Wait != nil {
		task, err := req.Wait(ctx, created.TaskID)
		switch {
		case cancelled(ctx):
			return Started{}, context.Cause(ctx)
		case errors.Is(err, zego.CodeStreamStopped) || errors.Is(err, zego.CodeTaskNotFound):
			return Started{}, &EndedEarlyError{TaskID: created.TaskID, Err: err}
		case err != nil: // The task exists; only its status is not known yet.
		case task.Status != zego.TaskStreaming:
			return Started{}, &StartFailedError{Task: task}
		default:
			started.Status = task.Status
		}
	}
	handedOver = true
	return started, nil
}

// cancelled reports whether the caller has left, as opposed to its time being up.
func cancelled(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), context.Canceled)
}

// create asks ZEGO to create the task of e, and records the answer in the ledger. The
// create is not cut off when ctx ends, because only the answer tells which task to stop.
func (l *Ledger) create(ctx context.Context, e *entry, req StartRequest) (zego.CreatedStreamTask, error) {
	creating, cancel := context.WithTimeout(context.WithoutCancel(ctx), req.Timeout)
	defer cancel()
	created, err := l.client.CreateStreamTask(creating, zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: req.DigitalHumanID, BackgroundColor: req.BackgroundColor},
		RTCConfig:          zego.RTCConfig{RoomID: e.roomID, StreamID: e.streamID},
		TTL:                new(int(req.TTL / time.Second)),
		MaxIdleTime:        new(int(req.MaxIdleTime / time.Second)),
	})
	_, lost := errors.AsType[*zego.LostAnswerError](err)
	switch {
	case err == nil:
		l.setTaskID(e, created.TaskID)
		return created, nil
	case !lost:
		l.release(e)
		return created, err
	}
	l.setTaskID(e, "")
	if cancelled(ctx) {
		l.stopInBackground(e)
		return created, err
	}
	return created, &LostCreateError{StreamID: e.streamID, Err: err}
}

// reserve adds an entry for a new task to the ledger. If the limit is reached, it asks
// ZEGO which tasks have ended by themselves, releases those, and tries once more.
func (l *Ledger) reserve(ctx context.Context, req StartRequest) (*entry, error) {
	now := time.Now()
	e := &entry{
		roomID: req.RoomID, streamID: req.StreamID,
		reservedAt: now, expiresAt: now.Add(req.TTL + time.Minute), creating: true,
	}
	if e.streamID == "" {
		e.streamID, e.generatedID = newStreamID(), true
	}
	switch err := l.add(e); {
	case err == nil:
		return e, nil
	case errors.Is(err, ErrClosed):
		return nil, err
	}
	if err := l.releaseEnded(ctx); err != nil {
		return nil, err
	}
	if err := l.add(e); err != nil {
		return nil, err
	}
	return e, nil
}

// releaseEnded releases the tasks that ZEGO's list does not show. A task that is being
// created may come later, and so may one whose create's answer was lost within the last
// minute: both are kept.
func (l *Ledger) releaseEnded(ctx context.Context) error {
	l.mu.Lock()
	created := maps.Clone(l.entries)
	maps.DeleteFunc(created, func(_ string, known *entry) bool { return known.creating })
	l.mu.Unlock()
	list, err := l.client.ListStreamTasks(ctx)
	if err != nil {
		return err
	}
	for _, known := range created {
		running := slices.ContainsFunc(list.Tasks, func(t zego.StreamTask) bool { return t.StreamID == known.streamID })
		mayCome := l.taskID(known) == "" && time.Since(known.reservedAt) <= time.Minute
		if !running && !mayCome {
			l.release(known)
		}
	}
	return nil
}

// streamIDPrefix begins the StreamIds that we make up, so that a later process recognizes
// them.
const streamIDPrefix = "zego-mcp-"

func newStreamID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // It never fails.
	return streamIDPrefix + hex.EncodeToString(random[:])
}
