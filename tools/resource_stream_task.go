package tools

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/server"
)

// streamTaskURI is what the URI of every stream task begins with; the TaskId follows.
const streamTaskURI = "zego://stream-tasks/"

var streamTaskResource = resource{
	uri:         streamTaskURI + "{TaskId}",
	name:        "stream_task",
	title:       "Stream task",
	description: "A stream task and its status, as get_stream_task answers it.",
	mime:        "application/json",
	toolset:     Assets,
	advice:      taskAdvice,
	read: func(ctx context.Context, d deps, uri string) (string, error) {
		notFound := fmt.Errorf("%w: %s", server.ErrResourceNotFound, uri)
		id, err := url.PathUnescape(strings.TrimPrefix(uri, streamTaskURI))
		if err != nil || id == "" {
			return "", notFound
		}
		task, err := getStreamTask.run(ctx, d, getStreamTaskInput{TaskID: id})
		if errors.Is(err, zego.CodeTaskNotFound) {
			return "", notFound
		}
		if err != nil {
			return "", err
		}
		return compactJSON(task)
	},
}
