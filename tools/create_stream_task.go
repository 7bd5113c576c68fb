package tools

import (
	"context"
	"errors"
	"fmt"
	"time"
	"zego-mcp/schema"
	"zego-mcp/zego"
)

type createStreamTaskInput struct {
	DigitalHumanID     string `json:"DigitalHumanId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From find_digital_humans or list_digital_humans"`
	RoomID             string `json:"RoomId" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z_-]+$" jsonschema_description:"ZEGO room to stream into, where viewers watch: up to 128 digits, letters, - and _"`
	StreamID           string `json:"StreamId,omitempty" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z_-]+$" jsonschema_description:"Name of the new stream, unique in the project: up to 128 digits, letters, - and _. Default: made up; best left out"`
	BackgroundColor    string `json:"BackgroundColor,omitempty" jsonschema:"pattern=^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$,default=#000000" jsonschema_description:"RGB in hex like #ffffff (default #000000)"`
	TTL                *int   `json:"TTL,omitempty" jsonschema:"minimum=10,maximum=86400,default=600" jsonschema_description:"Seconds after which the task ends by itself, 10 to 86400 (default 600); the operator may allow less"`
	MaxIdleTime        *int   `json:"MaxIdleTime,omitempty" jsonschema:"minimum=30,maximum=86400,default=120" jsonschema_description:"Seconds without a drive after which the task ends by itself, 30 to 86400 (default 120)"`
	WaitUntilStreaming *bool  `json:"WaitUntilStreaming,omitempty" jsonschema:"default=true" jsonschema_description:"false: return at once, while the stream is starting (default true)"`
}

type createStreamTaskOutput struct {
	TaskID      string `json:"TaskId"`
	RoomID      string `json:"RoomId"`
	StreamID    string `json:"StreamId"`
	Status      int    `json:"Status" jsonschema_description:"1 initializing, 3 streaming"`
	StatusName  string `json:"StatusName"`
	EndsAt      string `json:"EndsAt" jsonschema_description:"RFC 3339, UTC; the task ends by itself then"`
	MaxIdleTime int    `json:"MaxIdleTime" jsonschema_description:"Seconds without a drive after which it ends earlier"`
	NextCalls   string `json:"NextCalls"`
	RequestID   string `json:"RequestId"`
}

const (
	defaultTTL         = 600 // seconds; ZEGO's own default is a day
	defaultMaxIdleTime = 120 // seconds; ZEGO's own default is 900
	leastTTL           = 10  // seconds
	leastMaxIdleTime   = 30  // seconds
)

var createStreamTask = tool[createStreamTaskInput, createStreamTaskOutput]{
	name:        "create_stream_task",
	title:       "Create a stream task",
	description: "Put a digital human on a live video stream in a ZEGO room. ZEGO bills it while it runs: always call stop_stream_task when done. Waits until it streams, then drive it with drive_by_text (voices: list_timbres) or do_action. It ends by itself after TTL, or MaxIdleTime without a drive.",
	toolset:     Streaming,
	effect:      acts,
	run: func(ctx context.Context, use resources, in createStreamTaskInput) (createStreamTaskOutput, error) {
		ttl, idle, err := use.streams.limits(in.TTL, in.MaxIdleTime)
		if err != nil {
			return createStreamTaskOutput{}, err
		}
		mine, err := use.streams.reserve(ctx, in.RoomID, in.StreamID, time.Duration(ttl)*time.Second)
		if err != nil {
			return createStreamTaskOutput{}, err
		}
		room := zego.RTCConfig{RoomID: mine.roomID, StreamID: mine.streamID}
		use.progress(0, 2, "creating the stream task")
		// Not cut off when the caller leaves: only the answer tells which task to stop.
		creating, cancel := context.WithTimeout(context.WithoutCancel(ctx), use.timeout)
		defer cancel()
		created, err := use.CreateStreamTask(creating, zego.CreateStreamTaskRequest{
			DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: in.DigitalHumanID, BackgroundColor: in.BackgroundColor},
			RTCConfig:          room, TTL: &ttl, MaxIdleTime: &idle,
		})
		if err != nil {
			if lost := new(zego.LostAnswerError); !errors.As(err, &lost) {
				use.streams.release(mine)
				return createStreamTaskOutput{}, err
			}
			use.streams.created(mine, "")
			if errors.Is(context.Cause(ctx), context.Canceled) {
				use.streams.abandon(mine) // Nobody learns of it.
				return createStreamTaskOutput{}, err
			}
			return createStreamTaskOutput{}, &refusedError{"ZEGO's answer was lost", lines(
				fmt.Sprintf("ZEGO's answer was lost, and the stream task could not be found by its StreamId %s: it may be there, or not. %v", room.StreamID, errors.Unwrap(err)),
				"What to do: call list_stream_tasks and look for that StreamId; if it is not there, call again.")}
		}
		use.streams.created(mine, created.TaskID)
		if errors.Is(context.Cause(ctx), context.Canceled) {
			use.streams.abandon(mine) // Nobody learns its id.
			return createStreamTaskOutput{}, context.Cause(ctx)
		}

		out := createStreamTaskOutput{
			TaskID: created.TaskID, RoomID: room.RoomID, StreamID: room.StreamID, RequestID: created.RequestID,
			Status: int(zego.TaskInitializing), StatusName: zego.TaskInitializing.String(), MaxIdleTime: idle,
			EndsAt:    created.At.Add(time.Duration(ttl) * time.Second).UTC().Format(time.RFC3339),
			NextCalls: "get_stream_task until Status is 3 (streaming), then drive_by_text or do_action; stop_stream_task when done.",
		}
		if in.WaitUntilStreaming != nil && !*in.WaitUntilStreaming {
			return out, nil
		}
		task, err := use.waitUntilStreaming(ctx, created.TaskID)
		switch {
		case errors.Is(context.Cause(ctx), context.Canceled):
			use.streams.abandon(mine)
			return createStreamTaskOutput{}, context.Cause(ctx)
		case err != nil && (errors.Is(err, zego.CodeStreamStopped) || errors.Is(err, zego.CodeTaskNotFound)):
			use.streams.abandon(mine) // Perhaps it is there all the same.
			return createStreamTaskOutput{}, &refusedError{"the task ended while it was starting", fmt.Sprintf("The stream task %s ended while it was starting: %v", created.TaskID, err)}
		case err != nil:
			return out, nil // It was created, and time is up or the status not to be had for now.
		case task.Status != zego.TaskStreaming:
			use.streams.abandon(mine)
			return createStreamTaskOutput{}, failedToStart(task)
		}
		out.Status, out.StatusName = int(task.Status), task.Status.String()
		out.NextCalls = "drive_by_text (or another drive_by tool) or do_action with this TaskId; stop_stream_task when done."
		return out, nil
	},
}

// waitUntilStreaming waits for a task's start, and leaves time to tell of it.
func (use resources) waitUntilStreaming(ctx context.Context, taskID string) (zego.StreamTask, error) {
	waiting, cancel := leavingTimeToAnswer(ctx)
	defer cancel()
	return use.WaitStreamTask(waiting, taskID, func(task zego.StreamTask) {
		done := 1
		if task.Status == zego.TaskStreaming {
			done = 2
		}
		use.progress(done, 2, "the stream is "+task.Status.String())
	})
}

func failedToStart(task zego.StreamTask) error {
	reason := task.FailReason
	if reason == "" {
		reason = "ZEGO gave no reason"
	}
	return &refusedError{"the task did not start", lines(
		fmt.Sprintf("The stream task %s did not start (%s): %s.", task.ID, task.Status, reason),
		"What to do: call create_stream_task again, perhaps with another digital human.", again(true))}
}

// limits returns TTL and MaxIdleTime in seconds: those given, or the defaults, which
// give way to what the operator allows.
func (s *Streams) limits(ttl, idle *int) (int, int, error) {
	most := int(s.maxTTL / time.Second)
	var problems []string
	choose := func(name string, given *int, least, usual int) int {
		if given == nil {
			return max(least, min(usual, most))
		}
		if *given > most && *given > least {
			problems = append(problems, fmt.Sprintf("%s must be an integer from %d to %d (this server's operator allows no more: --max-ttl), got %d", name, least, max(least, most), *given))
		}
		return *given
	}
	chosenTTL := choose("TTL", ttl, leastTTL, defaultTTL)
	chosenIdle := choose("MaxIdleTime", idle, leastMaxIdleTime, defaultMaxIdleTime)
	if len(problems) > 0 {
		return 0, 0, &schema.ArgumentError{Problems: problems}
	}
	return chosenTTL, chosenIdle, nil
}
