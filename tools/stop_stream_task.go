package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"zego-mcp/schema"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

type stopStreamTaskInput struct {
	TaskID  string `json:"TaskId,omitempty" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From create_stream_task or list_stream_tasks"`
	All     bool   `json:"All,omitempty" jsonschema:"default=false" jsonschema_description:"true, without TaskId: all tasks that this server started"`
	Now     bool   `json:"Now,omitempty" jsonschema:"default=false" jsonschema_description:"true: cut off what is being said"`
	Confirm bool   `json:"Confirm,omitempty" jsonschema:"default=false" jsonschema_description:"true: the user agreed to stop a task that this server did not start; never without asking them"`

	WaitUntilSpoken *bool `json:"WaitUntilSpoken,omitempty" jsonschema:"default=true" jsonschema_description:"false: the same as Now"`
}

type stopStreamTaskOutput struct {
	Stopped        []string `json:"Stopped" jsonschema_description:"TaskIds that this call ended"`
	AlreadyStopped bool     `json:"AlreadyStopped,omitempty" jsonschema_description:"true: nothing ran any more"`
	RequestID      string   `json:"RequestId,omitempty"`
}

// stopOutput is the result of stopping one task.
func stopOutput(taskID string, stopped zego.Stopped) stopStreamTaskOutput {
	out := stopStreamTaskOutput{Stopped: []string{}, AlreadyStopped: stopped.AlreadyStopped, RequestID: stopped.RequestID}
	if !stopped.AlreadyStopped {
		out.Stopped = append(out.Stopped, taskID)
	}
	return out
}

var stopStreamTask = tool[stopStreamTaskInput, stopStreamTaskOutput]{
	name:        "stop_stream_task",
	title:       "Stop a stream task",
	description: "End a stream task: its video stops for everybody who watches, and so does the bill. Always call it when a stream is no longer needed. Waits until all is spoken; if that takes too long, it stops nothing: call it again. For a task that this server did not start, the user must agree.",
	toolset:     Streaming,
	changes:     func(in stopStreamTaskInput) string { return in.TaskID },
	effect:      destructive,
	ownTimeout:  true,
	advice:      taskAdvice,
	run: func(ctx context.Context, d deps, in stopStreamTaskInput) (stopStreamTaskOutput, error) {
		now := in.Now || in.WaitUntilSpoken != nil && !*in.WaitUntilSpoken
		switch {
		case in.All && in.TaskID != "":
			return stopStreamTaskOutput{}, &schema.ArgumentError{Problems: []string{"pass TaskId or All, not both"}}
		case in.All:
			return d.stopAll(ctx, now)
		case in.TaskID == "":
			return stopStreamTaskOutput{}, &schema.ArgumentError{Problems: []string{"TaskId is required (or All=true)"}}
		}
		callCtx, cancel := d.limitCall(ctx)
		defer cancel()
		ended, err := d.mayStop(callCtx, in.TaskID, in.Confirm)
		if err != nil || ended {
			return stopOutput(in.TaskID, zego.Stopped{AlreadyStopped: ended}), err
		}
		stopped, err := d.stopWhenSpoken(ctx, in.TaskID, now)
		return stopOutput(in.TaskID, stopped), err
	},
}

// mayStop returns nil if a task may be stopped: this server started it, or the user agrees.
// It reports whether the task has ended already.
func (d deps) mayStop(ctx context.Context, taskID string, confirmed bool) (ended bool, err error) {
	if d.streams.Owns(ctx, taskID) {
		return false, nil
	}
	task, err := d.streams.Get(ctx, taskID)
	switch {
	case errors.Is(err, zego.CodeStreamStopped) || err == nil && (task.Status == zego.TaskStopping || task.Status == zego.TaskStopped):
		return true, nil
	case err != nil:
		return false, err
	}
	// Get may have recognized the task as one of this server, whose TaskId was not known
	// because ZEGO's answer to the create was lost.
	if d.streams.StartedBy(task) == streams.ThisServer {
		return false, nil
	}
	return false, d.confirmation.require(taskID, stopQuestion(task), confirmed)
}

// stopWhenSpoken stops a task when its digital human has spoken all, or at once if now is
// true. If the call has to answer before, it stops nothing.
func (d deps) stopWhenSpoken(ctx context.Context, taskID string, now bool) (zego.Stopped, error) {
	if !now {
		waitCtx, cancel := d.limitWait(ctx)
		defer cancel()
		endTurn, silent := d.speech.TurnWhenSilent(waitCtx, taskID, d.speechProgress())
		if silent {
			defer endTurn()
		}
		if ctx.Err() != nil {
			return zego.Stopped{}, context.Cause(ctx)
		}
		if !silent && !d.hasEnded(ctx, taskID) {
			return zego.Stopped{}, d.stillSpeaking(taskID, "Not stopped: the stream", "Call again, as often as needed: each call waits. Now=true cuts it off.")
		}
	}
	callCtx, cancel := d.limitCall(ctx)
	defer cancel()
	stopped, err := d.streams.Stop(callCtx, taskID)
	if err == nil {
		d.speech.Ended(taskID)
	}
	return stopped, err
}

// hasEnded reports whether a task has ended by itself, and with it what it said.
func (d deps) hasEnded(ctx context.Context, taskID string) bool {
	ctx, cancel := d.limitCall(ctx)
	defer cancel()
	task, err := d.streams.Get(ctx, taskID)
	return errors.Is(err, zego.CodeStreamStopped) || errors.Is(err, zego.CodeTaskNotFound) || err == nil && task.Status == zego.TaskStopped
}

// stopAll stops all tasks that this server started and that the caller may stop, side by side.
func (d deps) stopAll(ctx context.Context, now bool) (stopStreamTaskOutput, error) {
	listCtx, cancel := d.limitCall(ctx)
	defer cancel()
	list, err := d.streams.List(listCtx)
	if err != nil {
		return stopStreamTaskOutput{}, err
	}
	own := keep(list.Tasks, func(task zego.StreamTask) bool {
		return d.streams.StartedBy(task) == streams.ThisServer && d.checkOwner(ctx, task.ID) == nil
	})
	errs := make([]error, len(own))
	var stopping sync.WaitGroup
	for i, task := range own {
		stopping.Go(func() { _, errs[i] = d.stopWhenSpoken(ctx, task.ID, now) })
	}
	stopping.Wait()
	out := stopStreamTaskOutput{AlreadyStopped: len(own) == 0, Stopped: []string{}}
	var failures []string
	for i, task := range own {
		if errs[i] == nil {
			out.Stopped = append(out.Stopped, task.ID)
		} else {
			failures = append(failures, task.ID+": "+explain(errs[i], taskAdvice))
		}
	}
	if len(failures) > 0 {
		return stopStreamTaskOutput{}, &toolError{reason: "some tasks were not stopped", text: lines(
			fmt.Sprintf("%d of %d stream tasks were stopped; these were not:", len(out.Stopped), len(own)), strings.Join(failures, "\n"))}
	}
	return out, nil
}

// stopQuestion asks whether to stop a task that another program started. That program chose
// the names in it, so they are quoted: they must not be able to word the question.
func stopQuestion(task zego.StreamTask) string {
	since := ""
	if task.CreateTime > 0 {
		since = " since " + unixTime(task.CreateTime)
	}
	return fmt.Sprintf("Stop the stream task %s, which this server did not start? It streams %s into the room %s%s; its viewers lose the picture.",
		quoteForeign(task.ID), quoteForeign(task.StreamID), quoteForeign(task.RoomID), since)
}
