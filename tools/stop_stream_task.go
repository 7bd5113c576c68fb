package tools

import (
	"context"
	"errors"
	"fmt"
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
	effect:      destroys,
	run: func(ctx context.Context, use resources, in stopStreamTaskInput) (stopStreamTaskOutput, error) {
		if !use.streams.owns(in.TaskID) {
			task, err := use.GetStreamTask(ctx, in.TaskID)
			switch {
			case errors.Is(err, zego.CodeStreamStopped) || err == nil && (task.Status == zego.TaskStopping || task.Status == zego.TaskStopped):
				return stopStreamTaskOutput{TaskID: in.TaskID, AlreadyStopped: true}, nil
			case err != nil:
				return stopStreamTaskOutput{}, err
			}
			if use.streams.origin(task) != startedHere {
				question := fmt.Sprintf("Stop the stream task %s, which this server did not start? It streams %s into the room %s since %s; its viewers lose the picture.",
					task.ID, task.StreamID, task.RoomID, unixTime(task.CreateTime))
				if err := use.confirmation.of(in.TaskID, question, in.Confirm); err != nil {
					return stopStreamTaskOutput{}, err
				}
			}
		}
		stopped, err := use.StopStreamTask(ctx, in.TaskID)
		if err == nil || errors.Is(err, zego.CodeTaskNotFound) {
			use.streams.releaseID(in.TaskID)
		}
		return stopStreamTaskOutput{TaskID: in.TaskID, AlreadyStopped: stopped.AlreadyStopped, RequestID: stopped.RequestID}, err
	},
}
