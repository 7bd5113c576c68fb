package tools

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// clientCapabilities returns what the client of a request said that it supports. Clients of
// protocol version 2026-07-28 say it in each request, older clients at the beginning of a
// session.
func clientCapabilities(ctx context.Context) mcp.ClientCapabilities {
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		if info.ClientCapabilities == nil {
			return mcp.ClientCapabilities{}
		}
		return *info.ClientCapabilities
	}
	if session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
		return session.GetClientCapabilities()
	}
	return mcp.ClientCapabilities{}
}

// clientShowsForms reports whether the client can show its user a form (an elicitation).
func clientShowsForms(ctx context.Context) bool {
	capability := clientCapabilities(ctx).Elicitation
	if info := server.RequestProtocolInfoFromContext(ctx); info == nil || !info.Modern {
		// An older client gets the form in a request that the server sends. Not every kind of
		// session can carry one.
		if _, ok := server.ClientSessionFromContext(ctx).(server.SessionWithElicitation); !ok {
			return false
		}
	}
	// In MCP an elicitation capability without any mode means forms.
	return capability != nil && (capability.Form != nil || capability.URL == nil)
}
