package tools

import (
	"context"
	"errors"
	"zego-mcp/zego"
)

type getStreamTaskInput struct {
	TaskID string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From create_stream_task or list_stream_tasks"`
}

var getStreamTask = tool[getStreamTaskInput, streamTask]{
	name:        "get_stream_task",
	title:       "Get a stream task",
	description: "Get the status of one stream task by its TaskId: initializing, streaming (it can be driven), stopping or stopped. Free, changes nothing.",
	toolset:     Assets,
	effect:      readOnly,
	advice:      taskAdvice,
	run: func(ctx context.Context, d deps, in getStreamTaskInput) (streamTask, error) {
		task, err := d.streams.Get(ctx, in.TaskID)
		if errors.Is(err, zego.CodeStreamStopped) {
			// Of a task that has ended, ZEGO says nothing but this code.
			task, err = zego.StreamTask{ID: in.TaskID, Status: zego.TaskStopped}, nil
		}
		if err != nil {
			return streamTask{}, err
		}
		return streamTaskOf(d, task), nil
	},
}
