package tools

import (
	"context"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// MCP Apps are web pages that a client shows beside the result of a tool. Only clients that
// announce the extension get to see that there are any: for others, all lists are the same as
// without them. A page is a resource with the field forApps. A tool that opens one has the
// _meta that opens returns. Tools that pages alone call are in appTools.
//
// Specification: https://modelcontextprotocol.io/extensions/apps

const (
	// AppsExtension is the name of the extension, under which a client announces it.
	AppsExtension = "io.modelcontextprotocol/ui"

	appMediaType = "text/html;profile=mcp-app"
)

// appTools lists the tools that only pages call. They are in no list that a model sees.
var appTools = []anyTool{
	getThumbnails,
	getGesturePreview,
}

// opens returns the _meta of a tool whose results the page at uri shows.
func opens(uri string) map[string]any {
	return map[string]any{
		"ui":             map[string]any{"resourceUri": uri, "visibility": []string{"model", "app"}},
		"ui/resourceUri": uri, // Older clients read this one.
	}
}

// forPages is the _meta of the tools in appTools.
func forPages() map[string]any {
	return map[string]any{"ui": map[string]any{"visibility": []string{"app"}}}
}

// clientShowsApps reports whether the client of a request shows MCP Apps.
func clientShowsApps(ctx context.Context) bool { return ShowsApps(clientCapabilities(ctx)) }

// AppsCapability returns the extensions of a client that shows MCP Apps and has no others.
func AppsCapability() map[string]any {
	return map[string]any{AppsExtension: map[string]any{"mimeTypes": []any{appMediaType}}}
}

// ShowsApps reports whether a client with these capabilities shows MCP Apps.
func ShowsApps(capabilities mcp.ClientCapabilities) bool {
	settings, ok := capabilities.Extensions[AppsExtension].(map[string]any)
	if !ok {
		return false
	}
	types, ok := settings["mimeTypes"].([]any)
	return ok && slices.Contains(types, any(appMediaType))
}

// announceApps leaves the extension out of the server's capabilities for a client that does not
// show apps, so that its session begins as it does without them.
func announceApps(hooks *server.Hooks) {
	hooks.AddAfterInitialize(func(_ context.Context, _ any, req *mcp.InitializeRequest, result *mcp.InitializeResult) {
		if !ShowsApps(req.Params.Capabilities) {
			result.Capabilities.Extensions = nil
		}
	})
	hooks.AddAfterDiscover(func(ctx context.Context, _ any, _ *mcp.DiscoverRequest, result *mcp.DiscoverResult) {
		if !clientShowsApps(ctx) {
			result.Capabilities.Extensions = nil
		}
	})
}

// withoutPage returns a tool as clients see it that show no apps.
func withoutPage(tool mcp.Tool) mcp.Tool {
	tool.Meta = nil // Only apps use it.
	return tool
}
