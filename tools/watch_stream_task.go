package tools

import (
	"context"
	"time"
)

type watchStreamTaskInput struct {
	TaskID string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From create_stream_task or list_stream_tasks"`
}

type watchStreamTaskOutput struct {
	URL    string `json:"Url" jsonschema_description:"Show it to the user; it opens on this machine only"`
	EndsAt string `json:"EndsAt,omitempty" jsonschema_description:"RFC 3339, UTC; the page ends with the stream"`
}

var watchStreamTask = tool[watchStreamTaskInput, watchStreamTaskOutput]{
	name:        "watch_stream_task",
	title:       "Watch a stream task",
	description: "Make a page on the user's machine where they watch a stream task, see what it speaks, and can stop it. Free. For other viewers: create_viewer_link.",
	toolset:     Streaming,
	// The user opens the page; no browser is started, and nothing changes at ZEGO.
	effect:  readOnly,
	watches: true,
	advice:  taskAdvice,
	run: func(ctx context.Context, d deps, in watchStreamTaskInput) (watchStreamTaskOutput, error) {
		if _, err := d.watchableTask(ctx, in.TaskID); err != nil {
			return watchStreamTaskOutput{}, err
		}
		url, err := d.watch(ctx, in.TaskID)
		if err != nil {
			return watchStreamTaskOutput{}, &toolError{"no page", lines("No page was made: "+err.Error()+".", whatToDo("Call create_viewer_link instead.", false))}
		}
		return watchStreamTaskOutput{URL: url, EndsAt: timeText(d.factsOf(ctx, in.TaskID).EndsAt.Truncate(time.Second))}, nil
	},
}

// waysToWatch names the tools by which people get to see a stream.
func (d deps) waysToWatch() string {
	if d.watch != nil {
		return "watch_stream_task on this machine, create_viewer_link elsewhere"
	}
	return createViewerLinkName
}
