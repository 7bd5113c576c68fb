package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"zego-mcp/schema"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

type createStreamTaskInput struct {
	DigitalHumanID     string `json:"DigitalHumanId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From find_digital_humans or list_digital_humans"`
	RoomID             string `json:"RoomId" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z_-]+$" format:"name" jsonschema_description:"ZEGO room to stream into, where viewers watch: up to 128 digits, letters, - and _"`
	StreamID           string `json:"StreamId,omitempty" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z_-]+$" format:"name" jsonschema_description:"Name of the new stream, unique in the project. Default: made up; best left out"`
	BackgroundColor    string `json:"BackgroundColor,omitempty" jsonschema:"pattern=^#([0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$,default=#000000" format:"color" jsonschema_description:"RGB in hex like #ffffff (default #000000)"`
	OutputMode         int    `json:"OutputMode,omitempty" jsonschema:"minimum=1,maximum=2,default=1" jsonschema_description:"2: face only, for viewers with ZEGO's mobile digital-human SDK"`
	TTL                *int   `json:"TTL,omitempty" jsonschema:"minimum=10,maximum=86400,default=600" jsonschema_description:"Seconds after which the task ends by itself"`
	MaxIdleTime        *int   `json:"MaxIdleTime,omitempty" jsonschema:"minimum=30,maximum=86400,default=120" jsonschema_description:"Seconds without a drive after which it ends earlier"`
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
	Watch       string `json:"Watch" jsonschema_description:"How people watch it"`
	RequestID   string `json:"RequestId"`
}

const (
	defaultTTL         = 600 // Seconds; ZEGO's own default is a day.
	defaultMaxIdleTime = 120 // Seconds; ZEGO's own default is 900.
	minTTL             = 10  // Seconds.
	minMaxIdleTime     = 30  // Seconds.
)

var createStreamTask = tool[createStreamTaskInput, createStreamTaskOutput]{
	name:        "create_stream_task",
	title:       "Create a stream task",
	description: "Put a digital human on a live video stream in a ZEGO room. ZEGO bills it while it runs: always call stop_stream_task when done. Waits until it streams, then drive it with drive_by_text (voices: list_timbres) or do_action. It ends by itself after TTL, or MaxIdleTime without a drive.",
	toolset:     Streaming,
	effect:      additive,
	maxima: func(p *Project) map[string]int {
		if p.Streams == nil {
			return nil
		}
		seconds := int(p.Streams.MaxTTL() / time.Second)
		return map[string]int{"TTL": seconds, "MaxIdleTime": seconds}
	},
	advice: humanAdvice.with(advice{
		zego.CodeDigitalHumanConfig:  "Choose another digital human from list_digital_humans; tell ZEGOCLOUD support the RequestId.",
		zego.CodeModelVersion:        "Choose another digital human from list_digital_humans; tell ZEGOCLOUD support the RequestId.",
		zego.CodeConcurrencyExceeded: stopAnother,
		zego.CodeStreamIDExists:      "Leave StreamId out, or choose another; or stop the task that has it (list_stream_tasks, stop_stream_task).",
	}),
	run: func(ctx context.Context, d deps, in createStreamTaskInput) (createStreamTaskOutput, error) {
		ttl, idle, err := in.limits(d.streams.MaxTTL())
		if err != nil {
			return createStreamTaskOutput{}, err
		}
		if err := checkHumanID(ctx, d, in.DigitalHumanID); err != nil {
			return createStreamTaskOutput{}, err
		}
		req := streams.StartRequest{
			DigitalHumanID: in.DigitalHumanID, BackgroundColor: in.BackgroundColor, OutputMode: zego.OutputMode(in.OutputMode),
			RoomID: in.RoomID, StreamID: in.StreamID, TTL: ttl, MaxIdleTime: idle,
			Timeout: d.timeout, Caller: d.project.caller.owner(), CallerMaxTasks: d.project.caller.MaxTasks,
		}
		if in.WaitUntilStreaming == nil || *in.WaitUntilStreaming {
			req.Wait = d.waitUntilStreaming
		}
		d.progress(0, 2, "creating the stream task")
		started, err := d.streams.Start(ctx, req)
		if err != nil {
			return createStreamTaskOutput{}, explainStart(err)
		}
		d.speech.Learn(started.TaskID, speech.Facts{
			DigitalHumanID: in.DigitalHumanID, MaxIdle: idle,
			EndsAt: started.CreatedAt.Add(ttl - d.client.ClockOffset()),
		})
		out := createStreamTaskOutput{
			TaskID: started.TaskID, RoomID: started.RoomID, StreamID: started.StreamID, RequestID: started.RequestID,
			Status: int(started.Status), StatusName: started.Status.String(), MaxIdleTime: int(idle / time.Second),
			EndsAt:    started.CreatedAt.Add(ttl).UTC().Format(time.RFC3339),
			Watch:     d.waysToWatch(),
			NextCalls: "drive_by_text (or another drive_by tool) or do_action with this TaskId, which wait until it streams; stop_stream_task when done.",
		}
		if started.Status == zego.TaskStreaming {
			out.NextCalls = "drive_by_text (or another drive_by tool) or do_action with this TaskId; stop_stream_task when done."
		}
		return out, nil
	},
}

// waitUntilStreaming waits until a task is no longer initializing. It ends a little before
// ctx does, so that there is time to answer with the TaskId.
func (d deps) waitUntilStreaming(ctx context.Context, taskID string) (zego.StreamTask, error) {
	waitCtx, cancel := leavingTimeToAnswer(ctx)
	defer cancel()
	return d.client.WaitStreamTask(waitCtx, taskID, func(task zego.StreamTask) {
		done := 1
		if task.Status == zego.TaskStreaming {
			done = 2
		}
		d.progress(done, 2, "the stream is "+task.Status.String())
	})
}

// stopAnother is what to do if there are too many streams. Which one to stop is not for the
// model to guess, because people may be watching all of them.
const stopAnother = "Ask the user which one to stop (list_stream_tasks says what each does), then call stop_stream_task."

// explainStart turns the errors of package streams into texts for the model. It returns
// other errors unchanged.
func explainStart(err error) error {
	full, ok := errors.AsType[*streams.LimitError](err)
	if ok && full.OfCaller {
		return &toolError{reason: "too many stream tasks of the caller", text: lines(
			fmt.Sprintf("Nothing was created: this caller may run %d stream tasks at once (maxTasks of its token), and runs %s.", full.MaxTasks, strings.Join(full.Running, ", ")),
			"What to do: "+stopAnother)}
	}
	if ok {
		return &toolError{reason: "too many stream tasks", text: lines(
			fmt.Sprintf("Nothing was created: this server may run %d stream tasks at once (its operator's --max-tasks), and runs %s.", full.MaxTasks, strings.Join(full.Running, ", ")),
			"What to do: "+stopAnother)}
	}
	if used, ok := errors.AsType[*streams.StreamIDInUseError](err); ok {
		owner := "a stream task of this server"
		if used.TaskID != "" {
			owner = "the stream task " + used.TaskID
		}
		return &toolError{reason: "StreamId in use", text: lines(
			fmt.Sprintf("StreamId %s is in use by %s. Nothing was created.", used.StreamID, owner),
			"What to do: Leave StreamId out, or choose another.")}
	}
	if gone, ok := errors.AsType[*streams.StoreError](err); ok {
		effect := "nothing was created"
		if gone.TaskID != "" {
			effect = "the stream task " + gone.TaskID + " was created and is being stopped"
		}
		return &toolError{reason: "the list of streams does not answer", text: lines(
			"This server's list of streams is in Redis, which does not answer; "+effect+".", whatToDo("Try again.", true))}
	}
	if lost, ok := errors.AsType[*streams.LostCreateError](err); ok {
		return &toolError{reason: "ZEGO's answer was lost", text: lines(
			fmt.Sprintf("ZEGO's answer was lost, and the stream task is not listed by its StreamId %s: it may be there, or not. Cause: %s", lost.StreamID, inWords(lost.Err)),
			"This server stops it as soon as ZEGO lists it.",
			whatToDo("Call create_stream_task again for a new one.", true))}
	}
	if ended, ok := errors.AsType[*streams.EndedEarlyError](err); ok {
		return &toolError{
			reason: "the task ended while it was starting",
			text:   fmt.Sprintf("The stream task %s ended while it was starting: %s", ended.TaskID, inWords(ended.Err)),
		}
	}
	if failed, ok := errors.AsType[*streams.StartFailedError](err); ok {
		reason := "ZEGO gave no reason"
		if failed.Task.FailReason != "" {
			reason = quoteForeign(failed.Task.FailReason)
		}
		return &toolError{reason: "the task did not start", text: lines(
			fmt.Sprintf("The stream task %s did not start (%s): %s.", failed.Task.ID, failed.Task.Status, reason),
			whatToDo("Call create_stream_task again, perhaps with another digital human.", true))}
	}
	return err
}

// limits returns TTL and MaxIdleTime. The operator's maxTTL bounds both: a default above it
// is lowered, an argument above it is an error.
func (in createStreamTaskInput) limits(maxTTL time.Duration) (ttl, idle time.Duration, err error) {
	var problems []string
	choose := func(name string, given *int, minSeconds, defaultSeconds int) time.Duration {
		maxSeconds := max(minSeconds, int(maxTTL/time.Second))
		seconds := min(defaultSeconds, maxSeconds)
		if given != nil {
			seconds = *given
		}
		if seconds > maxSeconds {
			problems = append(problems, fmt.Sprintf("%s must be an integer from %d to %d (this server's operator allows no more: --max-ttl), got %d", name, minSeconds, maxSeconds, seconds))
		}
		return time.Duration(seconds) * time.Second
	}
	ttl = choose("TTL", in.TTL, minTTL, defaultTTL)
	idle = choose("MaxIdleTime", in.MaxIdleTime, minMaxIdleTime, defaultMaxIdleTime)
	if len(problems) > 0 {
		return 0, 0, &schema.ArgumentError{Problems: problems}
	}
	return ttl, idle, nil
}
