package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// resource describes one resource, or one template of resources.
type resource struct {
	uri                            string // A template (RFC 6570) if it has a {Variable}.
	name, title, description, mime string

	toolset Toolset // Required; there is no default.
	advice  advice  // What to do when ZEGO refuses a call, as in tool.

	// read returns the text of the resource at uri. If there is none, it returns an error
	// that wraps server.ErrResourceNotFound.
	read func(ctx context.Context, d deps, uri string) (string, error)
}

// register adds the resource or template to s.
func (r resource) register(s *server.MCPServer, a adapter) {
	if strings.Contains(r.uri, "{") {
		s.AddResourceTemplate(mcp.NewResourceTemplate(r.uri, r.name,
			mcp.WithTemplateTitle(r.title),
			mcp.WithTemplateDescription(r.description),
			mcp.WithTemplateMIMEType(r.mime),
		), server.ResourceTemplateHandlerFunc(r.handler(a)))
		return
	}
	s.AddResource(mcp.NewResource(r.uri, r.name,
		mcp.WithResourceTitle(r.title),
		mcp.WithResourceDescription(r.description),
		mcp.WithMIMEType(r.mime),
	), r.handler(a))
}

// handler returns the resource's handler for mcp-go.
func (r resource) handler(a adapter) server.ResourceHandlerFunc {
	return func(ctx context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		var text string
		err := a.do(ctx, request{kind: kindResource, name: r.name}, func(ctx context.Context, d deps) (err error) {
			if !d.project.allows(r.toolset) {
				return fmt.Errorf("%w: %s", server.ErrResourceNotFound, req.Params.URI)
			}
			if d.client, err = d.project.client(); err != nil {
				return err
			}
			text, err = r.read(ctx, d, req.Params.URI)
			return err
		})
		if errors.Is(err, server.ErrResourceNotFound) {
			return nil, err // Its text is complete, and callers can test for ErrResourceNotFound.
		}
		if err != nil {
			return nil, errors.New(explain(err, r.advice))
		}
		return []mcp.ResourceContents{mcp.TextResourceContents{URI: req.Params.URI, MIMEType: r.mime, Text: text}}, nil
	}
}
