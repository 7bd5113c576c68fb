package tools

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const streamTaskURI = "zego://stream-tasks/"

func addResources(s *server.MCPServer, cfg Config) {
	s.AddResourceTemplate(mcp.NewResourceTemplate(streamTaskURI+"{TaskId}", "stream_task",
		mcp.WithTemplateTitle("Stream task"),
		mcp.WithTemplateDescription("A stream task and its status, as get_stream_task answers it."),
		mcp.WithTemplateMIMEType("application/json"),
	), func(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
		id, err := url.PathUnescape(strings.TrimPrefix(req.Params.URI, streamTaskURI))
		if err != nil || id == "" {
			return nil, fmt.Errorf("%w: %s", server.ErrResourceNotFound, req.Params.URI)
		}
		if cfg.Client == nil {
			return nil, &unavailableError{cfg.Unavailable}
		}
		task, err := getStreamTask.run(ctx, resources{Client: cfg.Client, streams: cfg.Streams}, getStreamTaskInput{TaskID: id})
		switch {
		case errors.Is(err, zego.CodeTaskNotFound):
			return nil, fmt.Errorf("%w: %s", server.ErrResourceNotFound, req.Params.URI)
		case err != nil:
			return nil, errors.New(explain(err))
		}
		text, err := compact(task)
		if err != nil {
			return nil, err
		}
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: req.Params.URI, MIMEType: "application/json", Text: text}}, nil
	})
}
