package tools

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"zego-mcp/schema"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// notOfferedTool is the name of a tool that no list shows. It answers the calls of tools
// that exist and that the caller cannot use: mcp-go would answer them with a protocol error
// in words of its own, which models do not get to read.
const notOfferedTool = "tool_not_offered"

// redirectCall is a hook of mcp-go. It turns a call of a tool that the caller cannot use
// into a call of notOfferedTool, with the tool's name as its only argument. A call of a tool
// that does not exist stays a protocol error, as MCP demands; in the error mcp-go repeats
// the name, to which redirectCall adds what was perhaps meant.
func (f toolsetFilter) redirectCall(ctx context.Context, _ any, req *mcp.CallToolRequest) {
	name := req.Params.Name
	switch _, exists := ToolsetOf(name); {
	case !exists:
		req.Params.Name = quoteForeign(name) + suggestTool(name, f.offered(ctx))
	case !f.allows(ctx, kindTool, name):
		req.Params.Name, req.Params.Arguments = notOfferedTool, map[string]any{"name": name}
	}
}

// offered returns the names of the tools that the caller can use, sorted.
func (f toolsetFilter) offered(ctx context.Context) []string {
	return keep(toolNames(), func(name string) bool { return f.allows(ctx, kindTool, name) })
}

// notOffered returns notOfferedTool. Its answer says why the caller cannot use the tool that
// it called, and what to do.
func (f toolsetFilter) notOffered(a adapter) server.ServerTool {
	return server.ServerTool{
		Tool: mcp.NewTool(notOfferedTool),
		Handler: func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			name := req.GetString("name", "")
			err := a.do(ctx, request{kind: kindTool, name: name}, func(ctx context.Context, _ deps) error {
				return &toolError{reason: "the tool is not offered", text: NotOffered(name, f.offered(ctx))}
			})
			return mcp.NewToolResultError(explain(err, nil)), nil
		},
	}
}

// NotOffered says why a tool that is not among those offered cannot be called, and what to
// do about it.
func NotOffered(name string, offered []string) string {
	set, exists := ToolsetOf(name)
	switch {
	case exists && !slices.ContainsFunc(offered, func(other string) bool { return toolsetIs(other, set.Name) }):
		return fmt.Sprintf("%s belongs to the toolset %s (%s), which is off.\n"+
			"What to do: ask the user to turn it on, by starting zego-mcp with --toolsets %s (or ZEGO_TOOLSETS=%[4]s).",
			name, set.Name, set.Description, AllToolsets)
	case exists:
		return name + " reads files of this machine, so it is offered only over stdio.\n" +
			"What to do: ask the user to start zego-mcp with --transport stdio on the machine that has the file."
	}
	return "unknown tool " + quoteForeign(name) + suggestTool(name, offered)
}

// suggestTool returns the end of a line about an unknown tool: the tool that was perhaps
// meant, offered or not, and the tools that are offered.
func suggestTool(unknown string, offered []string) string {
	text := ""
	if near := schema.Nearest(unknown, toolNames()); near != "" {
		text = fmt.Sprintf("; did you mean %q?", near)
	}
	return text + " (known: " + strings.Join(offered, ", ") + ")"
}

// toolNames returns the names of all tools, sorted.
func toolNames() []string {
	var names []string
	for _, t := range allTools {
		names = append(names, t.info().name)
	}
	slices.Sort(names)
	return names
}

// toolsetIs reports whether the tool belongs to the toolset.
func toolsetIs(toolName string, set Toolset) bool {
	info, ok := ToolsetOf(toolName)
	return ok && info.Name == set
}
