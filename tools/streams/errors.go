package streams

import (
	"errors"
	"fmt"
	"strings"
	"zego-mcp/zego"
)

// ErrClosed says that Close was called, so that no task is created any more.
var ErrClosed = errors.New("this server is ending; nothing was created")

// ErrStoreDown says that the Store does not answer, so that nobody can tell whose a task is.
var ErrStoreDown = errors.New("the list of streams that the servers share does not answer")

// LimitError says that Options.MaxTasks tasks run already, or StartRequest.CallerMaxTasks of the
// caller. Nothing was created.
type LimitError struct {
	MaxTasks int
	OfCaller bool     // The limit is the caller's, and Running are its tasks.
	Running  []string // Their TaskIds, or "StreamId …" where the TaskId is not known.
}

// Error returns one line with the limit and the running tasks.
func (e *LimitError) Error() string {
	return fmt.Sprintf("at most %d stream tasks may run at once; running: %s", e.MaxTasks, strings.Join(e.Running, ", "))
}

// StreamIDInUseError says that another task has the requested StreamId. Nothing was created.
type StreamIDInUseError struct {
	StreamID string
	TaskID   string // The task that ZEGO's list shows with this StreamId; empty if it is a task of this server.
}

// Error returns one line with the StreamId.
func (e *StreamIDInUseError) Error() string { return "StreamId " + e.StreamID + " is in use" }

// LostCreateError says that ZEGO's answer to a create was lost, and that ZEGO's list does not
// show the task. The task may be running, or may start later. The ledger stops the task as
// soon as ZEGO's list shows it.
type LostCreateError struct {
	StreamID string
	Err      *zego.LostAnswerError
}

// Error returns one line with the StreamId and the cause.
func (e *LostCreateError) Error() string {
	return fmt.Sprintf("the stream task with StreamId %s may be running: %v", e.StreamID, e.Err)
}

// Unwrap returns the cause.
func (e *LostCreateError) Unwrap() error { return e.Err }

// StoreError says that the Store did not answer a create, or did not accept the new task.
type StoreError struct {
	TaskID string // The task that was created and is being stopped; empty if nothing was created.
	Err    error
}

// Error returns one line with the cause.
func (e *StoreError) Error() string {
	if e.TaskID == "" {
		return fmt.Sprintf("the shared list of streams does not answer; nothing was created: %v", e.Err)
	}
	return fmt.Sprintf("the shared list of streams does not answer; the stream task %s is being stopped: %v", e.TaskID, e.Err)
}

// Unwrap returns the cause.
func (e *StoreError) Unwrap() error { return e.Err }

// EndedEarlyError says that a task ended before it streamed.
type EndedEarlyError struct {
	TaskID string
	Err    error // ZEGO's answer: zego.CodeStreamStopped or zego.CodeTaskNotFound.
}

// Error returns one line with the TaskId and ZEGO's answer.
func (e *EndedEarlyError) Error() string {
	return fmt.Sprintf("the stream task %s ended while it was starting: %v", e.TaskID, e.Err)
}

// Unwrap returns ZEGO's answer.
func (e *EndedEarlyError) Unwrap() error { return e.Err }

// StartFailedError says that a task is no longer initializing, and does not stream.
type StartFailedError struct{ Task zego.StreamTask }

// Error returns one line with the TaskId and its status.
func (e *StartFailedError) Error() string {
	return fmt.Sprintf("the stream task %s did not start (%s)", e.Task.ID, e.Task.Status)
}

// logText returns err for the log. It leaves out ZEGO's message, which may repeat an
// argument, and arguments do not belong in the log.
func logText(err error) string {
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		return refusal.Code.Error()
	}
	return err.Error()
}
