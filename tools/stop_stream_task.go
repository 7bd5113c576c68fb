package tools

import (
	"context"
	"errors"
	"fmt"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

type stopStreamTaskInput struct {
	TaskID  string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From create_stream_task or list_stream_tasks"`
	Confirm bool   `json:"Confirm,omitempty" jsonschema:"default=false" jsonschema_description:"true: the user agreed to stop a task that this server did not start; never without asking them"`
}

type stopStreamTaskOutput struct {
	TaskID         string `json:"TaskId"`
	AlreadyStopped bool   `json:"AlreadyStopped" jsonschema_description:"It had ended before"`
	RequestID      string `json:"RequestId,omitempty"`
}

var stopStreamTask = tool[stopStreamTaskInput, stopStreamTaskOutput]{
	name:        "stop_stream_task",
	title:       "Stop a stream task",
	description: "End a stream task: its video stops for everybody who watches, and so does the bill. Always call it when a stream is no longer needed. For a task that this server did not start, the user must agree.",
	toolset:     Streaming,
	effect:      destructive,
	advice:      taskAdvice,
	run: func(ctx context.Context, d deps, in stopStreamTaskInput) (stopStreamTaskOutput, error) {
		// A task that this server created is stopped without asking the user.
		if !d.streams.Owns(ctx, in.TaskID) {
			task, err := d.streams.Get(ctx, in.TaskID)
			switch {
			case errors.Is(err, zego.CodeStreamStopped) || err == nil && (task.Status == zego.TaskStopping || task.Status == zego.TaskStopped):
				return stopStreamTaskOutput{TaskID: in.TaskID, AlreadyStopped: true}, nil
			case err != nil:
				return stopStreamTaskOutput{}, err
			}
			// Get may have recognized the task as one of this server, whose TaskId was not known
			// because ZEGO's answer to the create was lost.
			if d.streams.StartedBy(task) != streams.ThisServer {
				if err := d.confirmation.require(in.TaskID, stopQuestion(task), in.Confirm); err != nil {
					return stopStreamTaskOutput{}, err
				}
			}
		}
		stopped, err := d.streams.Stop(ctx, in.TaskID)
		return stopStreamTaskOutput{TaskID: in.TaskID, AlreadyStopped: stopped.AlreadyStopped, RequestID: stopped.RequestID}, err
	},
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
