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
// that the caller cannot use: mcp-go would answer them with a protocol error in words of
// its own, which models do not get to read.
const notOfferedTool = "tool_not_offered"

// redirectCall is a hook of mcp-go. It turns a call of a tool that the caller cannot use
// into a call of notOfferedTool, with the tool's name as its only argument.
func (f toolsetFilter) redirectCall(ctx context.Context, _ any, req *mcp.CallToolRequest) {
	if name := req.Params.Name; !f.allows(ctx, kindTool, name) {
		req.Params.Name, req.Params.Arguments = notOfferedTool, map[string]any{"name": name}
	}
}

// notOffered returns notOfferedTool. Its answer says why the caller cannot use the tool that
// it called, and what to do.
func (f toolsetFilter) notOffered(a adapter) server.ServerTool {
	return server.ServerTool{
		Tool: mcp.NewTool(notOfferedTool),
		Handler: func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			name := req.GetString("name", "")
			r := request{kind: kindTool, name: "unknown"}
			if slices.Contains(toolNames(), name) {
				r.name = name // Another name may be anything, which the log must not repeat.
			}
			err := a.do(ctx, r, func(ctx context.Context, _ deps) error {
				text := NotOffered(name, keep(toolNames(), func(known string) bool { return f.allows(ctx, kindTool, known) }))
				return &toolError{reason: "the tool is not offered", text: text}
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
	text := "unknown tool " + quoteForeign(name)
	if near := schema.Nearest(name, toolNames()); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
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
