package tools

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// clientCapabilities returns what the client of a request said that it supports. Clients of
// the protocol's 2026-07-28 version say it with each request, older ones when a session
// begins.
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
	forms := clientCapabilities(ctx).Elicitation
	if info := server.RequestProtocolInfoFromContext(ctx); info == nil || !info.Modern {
		// Older clients get the form as a request of the server's, which the session must carry.
		if _, ok := server.ClientSessionFromContext(ctx).(server.SessionWithElicitation); !ok {
			return false
		}
	}
	return forms != nil && (forms.Form != nil || forms.URL == nil)
}
