package tools

import (
	"context"
	"errors"
	"zego-mcp/zego"
)

type getStreamTaskInput struct {
	TaskID string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From create_stream_task or list_stream_tasks"`

	WaitUntilSpoken bool `json:"WaitUntilSpoken,omitempty" jsonschema:"default=false" jsonschema_description:"true: answer when all is spoken, or when the call's time is up"`
}

var getStreamTask = tool[getStreamTaskInput, streamTask]{
	name:        "get_stream_task",
	title:       "Get a stream task",
	description: "Get one stream task by its TaskId: whether it is initializing, streaming (it can be driven), stopping or stopped, what it speaks, and when it ends. Free, changes nothing.",
	toolset:     Assets,
	effect:      readOnly,
	ownTimeout:  true,
	advice:      taskAdvice,
	run: func(ctx context.Context, d deps, in getStreamTaskInput) (streamTask, error) {
		if in.WaitUntilSpoken {
			waitCtx, cancel := d.limitWait(ctx)
			defer cancel()
			d.speech.WaitForSilence(waitCtx, in.TaskID, d.speechProgress())
		}
		ctx, cancel := d.limitCall(ctx)
		defer cancel()
		task, err := d.streams.Get(ctx, in.TaskID)
		if errors.Is(err, zego.CodeStreamStopped) {
			// Of a task that has ended, ZEGO says nothing but this code.
			task, err = zego.StreamTask{ID: in.TaskID, Status: zego.TaskStopped}, nil
			d.speech.Ended(in.TaskID)
		}
		if err != nil {
			return streamTask{}, err
		}
		if !in.WaitUntilSpoken {
			d.speech.Ask(ctx, in.TaskID)
		}
		return d.describe(ctx, task), nil
	},
}
