package zego

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// CreateStreamTaskRequest describes a stream to put on air. What is nil is not sent,
// and ZEGO's default holds; mind that ZEGO's default TTL is a day, and that a stream
// is billed while it lives.
type CreateStreamTaskRequest struct {
	DigitalHumanConfig DigitalHumanConfig `json:"DigitalHumanConfig"`
	RTCConfig          RTCConfig          `json:"RTCConfig"`
	TTL                *int               `json:"TTL,omitempty"`         // The task ends at this age, in seconds, 10 to 86400; default 86400.
	MaxIdleTime        *int               `json:"MaxIdleTime,omitempty"` // The task ends when not driven for so long, in seconds, 30 to 86400; default 900.
}

// DigitalHumanConfig says who is on the stream.
type DigitalHumanConfig struct {
	DigitalHumanID  string `json:"DigitalHumanId"`
	BackgroundColor string `json:"BackgroundColor,omitempty"` // RGB in hex like #ffffff; default #000000.
}

// RTCConfig names a stream in a room of ZEGO's real-time network.
type RTCConfig struct {
	RoomID   string `json:"RoomId"`   // Up to 128 bytes, chosen by the caller.
	StreamID string `json:"StreamId"` // Up to 128 digits, letters, - and _; of a new stream, unique in the project.
}

// TaskStatus is where a stream task is in its life.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/get-digital-human-stream-task-status
type TaskStatus int

// The statuses: 1 becomes 3, or 2 on failure; 3 becomes 4 and 5 when the task is
// stopped, too old or idle for too long.
const (
	TaskInitializing TaskStatus = 1
	TaskInitFailed   TaskStatus = 2
	TaskStreaming    TaskStatus = 3 // It can be driven.
	TaskStopping     TaskStatus = 4
	TaskStopped      TaskStatus = 5
)

// String returns the status in a word or two.
func (s TaskStatus) String() string {
	switch s {
	case TaskInitializing:
		return "initializing"
	case TaskInitFailed:
		return "initialization failed"
	case TaskStreaming:
		return "streaming"
	case TaskStopping:
		return "stopping"
	case TaskStopped:
		return "stopped"
	}
	return fmt.Sprintf("status %d", int(s))
}

// StreamTask is a stream on its way, on air or at its end.
type StreamTask struct {
	ID         string     `json:"TaskId"`
	RoomID     string     `json:"RoomId"`
	StreamID   string     `json:"StreamId"`
	Status     TaskStatus `json:"Status"`
	FailReason string     `json:"FailReason"` // Why, if Status is TaskInitFailed.
	CreateTime int64      `json:"CreateTime"` // Unix seconds.
}

// CreatedStreamTask is the answer to CreateStreamTask.
type CreatedStreamTask struct {
	TaskID    string
	RequestID string
	At        time.Time // When ZEGO answered, by its clock.
	// Found tells that ZEGO's answer was lost and the task found by its StreamID.
	Found bool
}

var (
	createStreamTask = apiAction{name: "CreateDigitalHumanStreamTask", nonIdempotent: true}
	getStreamTask    = apiAction{name: "GetDigitalHumanStreamTaskStatus", readOnly: true}
	listStreamTasks  = apiAction{name: "QueryDigitalHumanStreamTasks", readOnly: true}
	stopStreamTask   = apiAction{name: "StopDigitalHumanStreamTask", noData: true}
)

// CreateStreamTask starts a stream task; see WaitStreamTask for when it streams. It
// never creates twice: if ZEGO's answer is lost, it looks the StreamID up among the
// running tasks, and if that tells nothing either, the error is a *LostAnswerError
// and the task may be there, or come.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/create-digital-human-stream-task
func (c *Client) CreateStreamTask(ctx context.Context, in CreateStreamTaskRequest) (CreatedStreamTask, error) {
	start := c.clock.now()
	out, got, err := call[createdData](ctx, c, createStreamTask, in)
	if lost := new(LostAnswerError); errors.As(err, &lost) {
		if found, ok := c.findCreated(ctx, in.RTCConfig, start); ok {
			return found, nil
		}
	}
	return CreatedStreamTask{TaskID: out.TaskID, RequestID: got.RequestID, At: got.At}, err
}

// findCreated looks for the task that a create whose answer was lost may have made,
// a few times: ZEGO may still be at it.
func (c *Client) findCreated(ctx context.Context, want RTCConfig, start time.Time) (CreatedStreamTask, bool) {
	for look := range 3 {
		if look > 0 && !sleep(ctx, 5*c.retryInterval) {
			break
		}
		list, err := c.ListStreamTasks(ctx)
		if err != nil {
			continue
		}
		for _, task := range list.Tasks {
			// An older one is another's, which had the StreamID before.
			old := time.Unix(task.CreateTime, 0).Before(start.Add(-time.Minute))
			if task.StreamID == want.StreamID && task.RoomID == want.RoomID && !old {
				return CreatedStreamTask{TaskID: task.ID, RequestID: list.RequestID, At: time.Unix(task.CreateTime, 0), Found: true}, true
			}
		}
	}
	return CreatedStreamTask{}, false
}

// GetStreamTask returns a running stream task. ZEGO forgets tasks that ended, early
// or late: the error is then CodeStreamStopped or CodeTaskNotFound.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/get-digital-human-stream-task-status
func (c *Client) GetStreamTask(ctx context.Context, taskID string) (StreamTask, error) {
	out, _, err := call[taskData](ctx, c, getStreamTask, taskRequest{taskID})
	out.ID = taskID // ZEGO does not repeat it.
	return StreamTask(out), err
}

// WaitStreamTask waits until a stream task is no longer initializing, and returns it
// as it then is. It asks ZEGO about once a second, and tells seen, if not nil, each
// answer. It ends with ctx.
func (c *Client) WaitStreamTask(ctx context.Context, taskID string, seen func(StreamTask)) (StreamTask, error) {
	for pause := c.retryInterval; ; pause = min(2*pause, 5*c.retryInterval) {
		task, err := c.GetStreamTask(ctx, taskID)
		if err != nil {
			return task, err
		}
		if seen != nil {
			seen(task)
		}
		if task.Status != TaskInitializing {
			return task, nil
		}
		if !sleep(ctx, pause) {
			return task, &TransportError{Action: getStreamTask.name, Err: context.Cause(ctx)}
		}
	}
}

// StreamTaskList is the answer to ListStreamTasks.
type StreamTaskList struct {
	Tasks     []StreamTask // Initializing or streaming; never nil.
	RequestID string
}

// ListStreamTasks returns every running stream task of the project, those of other
// programs included.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/query-digital-human-stream-tasks
func (c *Client) ListStreamTasks(ctx context.Context) (StreamTaskList, error) {
	out, got, err := call[taskListData](ctx, c, listStreamTasks, struct{}{})
	return StreamTaskList{Tasks: out.TaskList, RequestID: got.RequestID}, err
}

// Stopped is the answer to StopStreamTask.
type Stopped struct {
	RequestID      string
	AlreadyStopped bool // It had stopped before, by itself or by an earlier call.
}

// StopStreamTask ends a stream task. That it had already stopped is no error.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/stop-digital-human-stream-task
func (c *Client) StopStreamTask(ctx context.Context, taskID string) (Stopped, error) {
	_, got, err := call[nothing](ctx, c, stopStreamTask, taskRequest{taskID})
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Code == CodeStreamStopped {
		return Stopped{RequestID: refusal.RequestID, AlreadyStopped: true}, nil
	}
	return Stopped{RequestID: got.RequestID}, err
}

type taskRequest struct {
	TaskID string `json:"TaskId"`
}

type createdData struct {
	TaskID string `json:"TaskId"`
}

func (d *createdData) check() error {
	if d.TaskID == "" {
		return errors.New("field TaskId is missing")
	}
	return nil
}

func (d *createdData) clone() createdData { return *d }

type taskData StreamTask

func (d *taskData) check() error {
	if d.Status == 0 {
		return errors.New("field Status is missing")
	}
	return nil
}

func (d *taskData) clone() taskData { return *d }

type taskListData struct {
	TaskList []StreamTask `json:"TaskList"`
}

func (d *taskListData) check() error {
	for i, task := range d.TaskList {
		if task.ID == "" {
			return fmt.Errorf("entry %d of TaskList: field TaskId is missing", i)
		}
		if err := (*taskData)(&d.TaskList[i]).check(); err != nil {
			return fmt.Errorf("entry %d of TaskList: %w", i, err)
		}
	}
	return nil
}

func (d *taskListData) clone() taskListData {
	return taskListData{TaskList: append([]StreamTask{}, d.TaskList...)}
}

// nothing is the Data of answers that have none.
type nothing struct{}

func (*nothing) check() error   { return nil }
func (*nothing) clone() nothing { return nothing{} }

// sleep reports whether d passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
