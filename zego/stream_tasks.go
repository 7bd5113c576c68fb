package zego

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// CreateStreamTaskRequest describes a stream to start. A field that is nil is not sent, and
// ZEGO uses its default. A stream is billed until its task ends, by ZEGO's default
// after up to a day: set TTL.
type CreateStreamTaskRequest struct {
	DigitalHumanConfig DigitalHumanConfig `json:"DigitalHumanConfig"`
	RTCConfig          RTCConfig          `json:"RTCConfig"`
	TTL                *int               `json:"TTL,omitempty"`         // Seconds after which the task ends, 10 to 86400; default 86400, a day.
	MaxIdleTime        *int               `json:"MaxIdleTime,omitempty"` // Seconds without a drive after which the task ends, 30 to 86400; default 900.
	ExtraConfig        ExtraConfig        `json:"ExtraConfig,omitzero"`  // Not sent if it is zero.
}

// DigitalHumanConfig says who is on the stream and in front of what.
type DigitalHumanConfig struct {
	DigitalHumanID  string `json:"DigitalHumanId"`
	BackgroundColor string `json:"BackgroundColor,omitempty"` // RGB in hexadecimal, e.g. #ffffff; default #000000. ZEGO's samples send #00000000 with FaceAreaOutput.
}

// ExtraConfig says what kind of picture is streamed. ZEGO's samples send it; ZEGO's documents
// no longer name it.
type ExtraConfig struct {
	OutputMode OutputMode `json:"OutputMode,omitempty"` // Default FullOutput; zero is not sent.
}

// OutputMode is what the picture of a stream shows.
type OutputMode int

// The output modes. ZEGO's default is FullOutput.
const (
	FullOutput     OutputMode = 1 // The whole picture, for every viewer.
	FaceAreaOutput OutputMode = 2 // The face alone: ZEGO's mobile digital-human SDK draws the rest on the viewer's device.
)

// RTCConfig names a stream in a room of ZEGO's real-time network.
type RTCConfig struct {
	RoomID   string `json:"RoomId"`   // 1 to 128 bytes, chosen by the caller.
	StreamID string `json:"StreamId"` // 1 to 128 digits, ASCII letters, - and _. A new stream needs an id that no other in the project has.
}

// TaskStatus is the state of a stream task.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/get-digital-human-stream-task-status
type TaskStatus int

// The states of a stream task. TaskInitializing becomes TaskStreaming, or TaskInitFailed if
// the stream cannot start. TaskStreaming becomes TaskStopping and then TaskStopped, when
// the task is stopped or its TTL or MaxIdleTime is over.
const (
	TaskInitializing TaskStatus = 1
	TaskInitFailed   TaskStatus = 2
	TaskStreaming    TaskStatus = 3 // The stream is on air; the digital human can be driven.
	TaskStopping     TaskStatus = 4
	TaskStopped      TaskStatus = 5
)

// String returns the state in words, e.g. "initialization failed".
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

// StreamTask is a task that puts a digital human on a stream.
type StreamTask struct {
	ID         string     `json:"TaskId"`
	RoomID     string     `json:"RoomId"`
	StreamID   string     `json:"StreamId"`
	Status     TaskStatus `json:"Status"`
	FailReason string     `json:"FailReason"` // Why the stream could not start, if Status is TaskInitFailed. At most 500 characters in one line.
	CreateTime int64      `json:"CreateTime"` // In Unix seconds, by ZEGO's clock.
}

// CreatedStreamTask is the answer to CreateStreamTask.
type CreatedStreamTask struct {
	TaskID    string
	RequestID string
	At        time.Time // When ZEGO answered, or if Found when it created the task, by its clock.
	// Found is true if ZEGO's answer was lost and the task was found by its StreamID among
	// the running ones. RequestID is then that of the list.
	Found bool
}

var (
	createStreamTask = apiAction{name: "CreateDigitalHumanStreamTask", nonIdempotent: true, refusals: nothingCreated}
	getStreamTask    = apiAction{name: "GetDigitalHumanStreamTaskStatus", readOnly: true}
	listStreamTasks  = apiAction{name: "QueryDigitalHumanStreamTasks", readOnly: true}
	stopStreamTask   = apiAction{name: "StopDigitalHumanStreamTask", noData: true}
)

// nothingCreated are the codes with which ZEGO refuses a create before it does anything. All
// others leave open whether the task was created: a fault inside ZEGO or its gateway, "busy",
// codes that nobody has documented, and "StreamId exists", which is also the answer to a
// create that something on the way sent twice.
var nothingCreated = map[Code]bool{
	CodeSignatureExpired: true, CodeSignatureWrong: true,
	CodeInvalidParameter: true, CodeServiceNotEnabled: true, CodeNoPermission: true, CodeRateLimited: true,
	CodeDigitalHumanNotFound: true, CodeDigitalHumanConfig: true, CodeModelVersion: true,
	CodeConcurrencyExceeded: true, CodeInsufficientResources: true, CodeVPCNotFound: true,

	CodeGatewayHostWrong: true, CodeGatewayAppIDMalformed: true,
	CodeGatewayTimestampEmpty: true, CodeGatewayTimestampMalformed: true,
	CodeGatewayActionEmpty: true, CodeGatewayActionUnsupported: true, CodeGatewayNonceEmpty: true,
	CodeGatewaySignatureEmpty: true, CodeGatewayNoServerSecret: true, CodeGatewayNoAppConfig: true,
	CodeGatewayBodyUnreadable: true, CodeGatewaySignatureVersionEmpty: true,
	CodeGatewaySignatureVersionUnsupported: true, CodeGatewayNoProduction: true, CodeGatewayServiceNotEnabled: true,
}

// findTimeout bounds how long CreateStreamTask looks for a task whose create's answer was
// lost, also when the context of the call has ended.
const findTimeout = 5 * time.Second

// CreateStreamTask starts a stream task. It does not wait for the stream: WaitStreamTask
// does. The stream is billed until the task ends; StopStreamTask ends it.
//
// CreateStreamTask never creates two tasks. If ZEGO's answer is lost, or leaves open whether
// the task was created, it looks for up to 5 s for a running task with the same RoomID and
// StreamID that was created meanwhile, and returns that. If there is none, the error is a
// *LostAnswerError: ZEGO may have created the task, or may do so yet.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/create-digital-human-stream-task
func (c *Client) CreateStreamTask(ctx context.Context, in CreateStreamTaskRequest) (CreatedStreamTask, error) {
	start := c.clock.local()
	out, got, err := call[createdData](ctx, c, createStreamTask, in)
	lost, isLost := errors.AsType[*LostAnswerError](err)
	if !isLost {
		return CreatedStreamTask{TaskID: out.TaskID, RequestID: got.RequestID, At: got.At}, err
	}
	found, inUse := c.findCreated(ctx, in.RTCConfig, start)
	if found != nil {
		return *found, nil
	}
	if refusal, ok := errors.AsType[*Error](lost); ok && refusal.Code == CodeStreamIDExists && inUse {
		return CreatedStreamTask{}, refusal // Another task has the StreamId, so ours was not created.
	}
	return CreatedStreamTask{}, err
}

// findCreated looks among the running tasks for the one that a create at the time start, by
// this machine's clock, may have made. It looks three times, because ZEGO may not have
// finished yet. It reports inUse if another task, which was there before, has the StreamID.
func (c *Client) findCreated(ctx context.Context, want RTCConfig, start time.Time) (found *CreatedStreamTask, inUse bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), findTimeout)
	defer cancel()
	for try := range 3 {
		if try > 0 && !sleep(ctx, 5*c.retryInterval) {
			break
		}
		list, err := c.ListStreamTasks(ctx)
		if err != nil {
			continue
		}
		earliest := start.Add(c.clock.offset() - maxClockError)
		for _, task := range list.Tasks {
			created := time.Unix(task.CreateTime, 0)
			switch {
			case task.StreamID != want.StreamID:
			case task.CreateTime == 0 || task.RoomID == "": // Whose the task is cannot be told.
			case task.RoomID == want.RoomID && !created.Before(earliest):
				return &CreatedStreamTask{TaskID: task.ID, RequestID: list.RequestID, At: created, Found: true}, false
			default:
				inUse = true
			}
		}
	}
	return nil, inUse
}

// GetStreamTask returns a stream task. ZEGO forgets a task some time after its end, and
// then refuses the call with CodeStreamStopped or CodeTaskNotFound.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/get-digital-human-stream-task-status
func (c *Client) GetStreamTask(ctx context.Context, taskID string) (StreamTask, error) {
	out, _, err := call[taskData](ctx, c, getStreamTask, taskRequest{taskID})
	out.ID = taskID // ZEGO does not repeat it.
	return StreamTask(out), err
}

// WaitStreamTask waits until a stream task is no longer TaskInitializing, and returns it.
// That the stream could not start is no error: the Status is then TaskInitFailed. It asks
// ZEGO about once a second (five times Options.RetryInterval, sooner at first), and calls
// seen, if that is not nil, with each answer. When ctx ends, the error is a *TransportError.
func (c *Client) WaitStreamTask(ctx context.Context, taskID string, seen func(StreamTask)) (StreamTask, error) {
	for interval := c.retryInterval; ; interval = min(2*interval, 5*c.retryInterval) {
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
		if !sleep(ctx, interval) {
			return task, &TransportError{Action: getStreamTask.name, Err: context.Cause(ctx)}
		}
	}
}

// StreamTaskList is the answer to ListStreamTasks.
type StreamTaskList struct {
	Tasks     []StreamTask // Those that are TaskInitializing or TaskStreaming; never nil.
	RequestID string
}

// ListStreamTasks returns all running stream tasks of the project, also those that other
// programs created.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/query-digital-human-stream-tasks
func (c *Client) ListStreamTasks(ctx context.Context) (StreamTaskList, error) {
	out, got, err := call[taskListData](ctx, c, listStreamTasks, struct{}{})
	return StreamTaskList{Tasks: out.TaskList, RequestID: got.RequestID}, err
}

// Stopped is the result of StopStreamTask.
type Stopped struct {
	RequestID      string
	AlreadyStopped bool // The task had stopped before this call.
}

// StopStreamTask ends a stream task and its stream. If the task had already stopped, that
// is no error, as long as ZEGO remembers it: afterwards it refuses the call with
// CodeTaskNotFound.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/stop-digital-human-stream-task
func (c *Client) StopStreamTask(ctx context.Context, taskID string) (Stopped, error) {
	_, got, err := call[noData](ctx, c, stopStreamTask, taskRequest{taskID})
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.Code == CodeStreamStopped {
		return Stopped{RequestID: refusal.RequestID, AlreadyStopped: true}, nil
	}
	return Stopped{RequestID: got.RequestID}, err
}

// taskRequest is the body of actions that need nothing but a task.
type taskRequest struct {
	TaskID string `json:"TaskId"`
}

// createdData is the Data of CreateDigitalHumanStreamTask.
type createdData struct {
	TaskID string `json:"TaskId"`
}

func (d *createdData) check() error { return checkID("TaskId", d.TaskID) }

func (d *createdData) clone() createdData { return *d }

// taskData is the Data of GetDigitalHumanStreamTaskStatus.
type taskData StreamTask

func (d *taskData) check() error {
	if d.Status == 0 {
		return errors.New("field Status is missing")
	}
	d.FailReason = oneLine(d.FailReason, maxErrorText)
	return checkLengths(maxID, field{"RoomId", d.RoomID}, field{"StreamId", d.StreamID})
}

func (d *taskData) clone() taskData { return *d }

// taskListData is the Data of QueryDigitalHumanStreamTasks. ZEGO may leave an empty list
// out.
type taskListData struct {
	TaskList []StreamTask `json:"TaskList"`
}

func (d *taskListData) check() error {
	for i, task := range d.TaskList {
		if err := errors.Join(checkID("TaskId", task.ID), (*taskData)(&d.TaskList[i]).check()); err != nil {
			return fmt.Errorf("entry %d of TaskList: %w", i, err)
		}
	}
	return nil
}

func (d *taskListData) clone() taskListData {
	return taskListData{TaskList: append([]StreamTask{}, d.TaskList...)}
}

// noData is the payload of actions whose answers have no Data.
type noData struct{}

func (*noData) check() error  { return nil }
func (*noData) clone() noData { return noData{} }

// sleep waits for d, or until ctx is done, and reports whether d passed.
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
