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

	toolset Toolset        // Required; there is no default.
	advice  advice         // What to do when ZEGO refuses a call, as in tool.
	forApps bool           // It is a page for clients that show apps, and needs no ZEGO client.
	meta    map[string]any // The _meta of its contents; usually nil.

	// read returns the text of the resource at uri. If there is none, it returns an error
	// that wraps server.ErrResourceNotFound.
	read func(ctx context.Context, d deps, uri string) (string, error)
}

// register adds the resource or template to s, and to the hooks of s what refuses a URI that
// is not there.
func (r resource) register(s *server.MCPServer, hooks *server.Hooks, a adapter) {
	if strings.Contains(r.uri, "{") {
		template := mcp.NewResourceTemplate(r.uri, r.name,
			mcp.WithTemplateTitle(r.title),
			mcp.WithTemplateDescription(r.description),
			mcp.WithTemplateMIMEType(r.mime),
		)
		hooks.AddBeforeReadResource(r.readFirst(a, template.URITemplate.Regexp().MatchString))
		s.AddResourceTemplate(template, server.ResourceTemplateHandlerFunc(contentsRead))
		return
	}
	hooks.AddBeforeReadResource(r.readFirst(a, func(uri string) bool { return uri == r.uri }))
	s.AddResource(mcp.NewResource(r.uri, r.name,
		mcp.WithResourceTitle(r.title),
		mcp.WithResourceDescription(r.description),
		mcp.WithMIMEType(r.mime),
	), contentsRead)
}

// matches reports whether the URI is that of the resource, or one that the template makes.
func (r resource) matches(uri string) bool {
	if strings.Contains(r.uri, "{") {
		return mcp.NewResourceTemplate(r.uri, r.name).URITemplate.Regexp().MatchString(uri)
	}
	return uri == r.uri
}

// contentsKey is the key in the _meta of a request, inside this process only, under which
// readFirst leaves what it has read to contentsRead.
const contentsKey = "zego-mcp/contents"

// readOutcome is what readFirst leaves.
type readOutcome struct {
	contents mcp.TextResourceContents
	err      error
}

// readFirst returns a hook of mcp-go that reads the resource at a URI before mcp-go calls the
// handler. mcp-go gives every error of a handler the code "internal error". For a URI that
// no resource has it gives the code that the client's version of MCP demands, so if there is
// nothing at the URI, the hook makes it one that no resource has.
func (r resource) readFirst(a adapter, matches func(uri string) bool) server.OnBeforeReadResourceFunc {
	return func(ctx context.Context, _ any, req *mcp.ReadResourceRequest) {
		uri := req.Params.URI
		if !matches(uri) {
			return
		}
		text, err := r.readText(ctx, a, uri)
		if errors.Is(err, server.ErrResourceNotFound) {
			req.Params.URI = quoteForeign(uri) + " (nothing is there)"
			return
		}
		contents := mcp.TextResourceContents{URI: uri, MIMEType: r.mime, Text: text, Meta: r.meta}
		req.Params.Meta = &mcp.Meta{AdditionalFields: map[string]any{contentsKey: readOutcome{contents, err}}}
	}
}

// readText reads the resource at uri. Its error wraps server.ErrResourceNotFound, or has the
// text for the client.
func (r resource) readText(ctx context.Context, a adapter, uri string) (text string, err error) {
	err = a.do(ctx, request{kind: kindResource, name: r.name, uri: uri}, func(ctx context.Context, d deps) (err error) {
		if !d.project.allows(r.toolset) || r.forApps && !clientShowsApps(ctx) {
			return fmt.Errorf("%w: %s", server.ErrResourceNotFound, uri)
		}
		if r.forApps {
			text, err = r.read(ctx, d, uri)
			return err
		}
		if d.client, err = d.project.client(); err != nil {
			return err
		}
		text, err = r.read(ctx, d, uri)
		return err
	})
	if err != nil && !errors.Is(err, server.ErrResourceNotFound) {
		err = errors.New(explain(err, r.advice))
	}
	return text, err
}

// contentsRead is the handler of every resource. It returns what readFirst has read.
func contentsRead(_ context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
	if meta := req.Params.Meta; meta != nil {
		if read, ok := meta.AdditionalFields[contentsKey].(readOutcome); ok {
			return []mcp.ResourceContents{read.contents}, read.err
		}
	}
	return nil, fmt.Errorf("%w: %s", server.ErrResourceNotFound, req.Params.URI)
}
