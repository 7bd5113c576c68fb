package tools

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// RequestStart describes a request of a client that begins, for traces. Its texts are the
// client's, and may be of any length.
type RequestStart struct {
	Kind            string         // As in RequestInfo.
	Name            string         // As in RequestInfo.
	URI             string         // Of the resource that is read; empty for the other kinds.
	ID              string         // The id of the JSON-RPC request; empty if it is not known.
	Session         string         // The id of the session; empty if the request belongs to none.
	ProtocolVersion string         // The version of MCP that the client speaks; empty if it is not known.
	Header          http.Header    // Of the HTTP request; nil or empty over stdio. It must not be changed.
	Meta            map[string]any // The _meta of the request. It must not be changed.
}

// origin is what the message said in which a request came.
type origin struct {
	header http.Header
	meta   *mcp.Meta
	id     any
}

type originKey struct{}

// originOf returns the origin of the message that is handled under ctx, or an empty one if
// nobody keeps it.
func originOf(ctx context.Context) *origin {
	o, _ := ctx.Value(originKey{}).(*origin)
	return cmp.Or(o, &origin{})
}

type headerKey struct{}

// WithHeader returns a context for a message that came with the header of an HTTP request, for
// transports whose headers mcp-go does not know. The header must not be changed any more.
func WithHeader(ctx context.Context, header http.Header) context.Context {
	return context.WithValue(ctx, headerKey{}, header)
}

// originKeeper puts the origin of each message into its context. It is a propagator of mcp-go,
// which shows the _meta and the header of every kind of message to its propagators only.
type originKeeper struct{}

// ExtractMeta implements [tracing.MetaPropagator]. mcp-go calls it before Extract.
func (originKeeper) ExtractMeta(ctx context.Context, meta *mcp.Meta) context.Context {
	header, _ := ctx.Value(headerKey{}).(http.Header)
	return context.WithValue(ctx, originKey{}, &origin{header: header, meta: meta})
}

// InjectMeta implements [tracing.MetaPropagator].
func (originKeeper) InjectMeta(_ context.Context, meta *mcp.Meta) *mcp.Meta { return meta }

// Extract implements [tracing.Propagator]. A header that mcp-go does not know is empty.
func (originKeeper) Extract(ctx context.Context, header http.Header) context.Context {
	if len(header) > 0 {
		originOf(ctx).header = header
	}
	return ctx
}

// Inject implements [tracing.Propagator].
func (originKeeper) Inject(context.Context, http.Header) {}

// keepOrigins returns the options of a server that keeps the origins of messages, and adds to
// hooks what that takes. Without cfg.Trace it returns none, because nobody asks for origins.
func keepOrigins(cfg Config, hooks *server.Hooks) []server.ServerOption {
	if cfg.Trace == nil {
		return nil
	}
	hooks.AddBeforeAny(func(ctx context.Context, id any, _ mcp.MCPMethod, _ any) { originOf(ctx).id = id })
	return []server.ServerOption{server.WithMetaPropagator(originKeeper{}), server.WithPropagator(originKeeper{})}
}

// trace begins the trace of a request, if there are traces. It returns the context for the
// request, the id of the trace for the log, and a function that ends the trace.
func (a adapter) trace(ctx context.Context, r request) (traced context.Context, traceID string, end func(RequestInfo)) {
	if a.cfg.Trace == nil {
		return ctx, "", func(RequestInfo) {}
	}
	o := originOf(ctx)
	start := RequestStart{
		Kind: string(r.kind), Name: r.name, URI: r.uri, ID: idText(o.id), Session: a.session(ctx),
		ProtocolVersion: cmp.Or(server.RequestProtocolVersion(ctx), o.header.Get(server.HeaderKeyProtocolVersion)), Header: o.header,
	}
	if o.meta != nil {
		start.Meta = o.meta.AdditionalFields
	}
	return a.cfg.Trace(ctx, start)
}

// session returns the id of the session of a request, or "" if it belongs to none. Over stdio
// there is one client, and since version 2026-07-28 of MCP there are no sessions.
func (a adapter) session(ctx context.Context) string {
	session := server.ClientSessionFromContext(ctx)
	if a.cfg.Local || session == nil || server.IsModernRequest(ctx) {
		return ""
	}
	return session.SessionID()
}

// idText returns the id of a JSON-RPC request as text. mcp-go has decoded it from JSON.
func idText(id any) string {
	switch id := id.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(id, 'f', -1, 64)
	}
	return fmt.Sprint(id)
}
