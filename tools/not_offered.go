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
// that the caller cannot use, and of tools whose name is misspelt: mcp-go would answer them
// with a protocol error in words of its own, which models do not get to read.
const notOfferedTool = "tool_not_offered"

// redirectCall is a hook of mcp-go. It turns a call of a tool that is off or misspelt into a
// call of notOfferedTool, with the tool's name as its only argument. A call of a tool that
// does not exist stays a protocol error, as MCP demands; in the error mcp-go repeats the
// name, to which redirectCall adds the names that exist.
func (f toolsetFilter) redirectCall(ctx context.Context, _ any, req *mcp.CallToolRequest) {
	name := req.Params.Name
	switch _, exists := ToolsetOf(name); {
	case f.allows(ctx, kindTool, name):
	case exists || nearestTool(name) != "":
		req.Params.Name, req.Params.Arguments = notOfferedTool, map[string]any{"name": name}
	default:
		req.Params.Name = quoteForeign(name) + known(f.offered(ctx))
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
			err := a.do(ctx, request{kind: kindTool, name: name}, func(ctx context.Context, d deps) error {
				return &toolError{reason: "the tool is not offered", text: d.project.notOffered(name, f.offered(ctx))}
			})
			return mcp.NewToolResultError(explain(err, nil)), nil
		},
	}
}

// NotOffered says why a tool that is not among those offered cannot be called, and what to
// do about it.
func NotOffered(name string, offered []string) string {
	return new(Project).notOffered(name, offered)
}

// notOffered is NotOffered for the caller of the project.
func (p *Project) notOffered(name string, offered []string) string {
	set, exists := ToolsetOf(name)
	switch {
	case exists && !slices.ContainsFunc(offered, func(other string) bool { return toolsetIs(other, set.Name) }):
		return fmt.Sprintf("%s belongs to the toolset %s (%s), %s.\nWhat to do: %s", name, set.Name, set.Description, p.whyOff(set.Name), sentence(p.howToTurnOn(set.Name)))
	case name == watchStreamTask.name:
		return name + " opens a page on this machine, so it is offered only over stdio and by servers on loopback.\n" +
			"What to do: Call create_viewer_link instead."
	case exists:
		return name + " reads files of this machine, so it is offered only over stdio.\n" +
			"What to do: Ask the user to start zego-mcp with --transport stdio on the machine that has the file."
	}
	text, near := "unknown tool "+quoteForeign(name), nearestTool(name)
	switch {
	case near == "":
		return text + known(offered)
	case slices.Contains(offered, near):
		return text + didYouMean(near) + known(offered)
	}
	return text + didYouMean(near) + "\n" + p.notOffered(near, offered)
}

// howToTurnOn says what to do if a toolset is off.
const howToTurnOn = "ask the user to turn it on, by starting zego-mcp with --toolsets " + AllToolsets + " (or ZEGO_TOOLSETS=" + AllToolsets + ")"

// refuseGetPrompt is a hook of mcp-go. MCP demands the code "invalid params" if a prompt is
// not there or lacks an argument. mcp-go gives that code only to unknown names, so
// refuseGetPrompt turns the name of a prompt that cannot be given into a text that says
// why. mcp-go repeats the text: "prompt '…' not found".
func (f toolsetFilter) refuseGetPrompt(ctx context.Context, _ any, req *mcp.GetPromptRequest) {
	name := req.Params.Name
	i := slices.IndexFunc(allPrompts, func(p prompt) bool { return p.Name == name })
	switch {
	case i < 0:
		var names []string
		for _, p := range allPrompts {
			if f.allows(ctx, kindPrompt, p.Name) {
				names = append(names, p.Name)
			}
		}
		req.Params.Name = quoteForeign(name) + didYouMean(schema.Nearest(name, names)) + known(names)
	case !f.allows(ctx, kindPrompt, name):
		project, set := f.cfg.Project(ctx), allPrompts[i].toolset
		req.Params.Name = fmt.Sprintf("%s (of the toolset %s, %s: %s)", name, set, project.whyOff(set), project.howToTurnOn(set))
	default:
		if problems := allPrompts[i].problems(req.Params.Arguments); len(problems) > 0 {
			req.Params.Name = fmt.Sprintf("%s (%s)", name, strings.Join(problems, "; "))
		}
	}
}

// didYouMean returns the part of a line about an unknown name that proposes a known one, or
// "" if near is "".
func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}

// known returns the end of a line about an unknown name: the names that are known.
func known(names []string) string { return " (known: " + strings.Join(names, ", ") + ")" }

// toolNames returns the names of all tools, sorted.
func toolNames() []string {
	var names []string
	for _, t := range allTools {
		names = append(names, t.info().name)
	}
	slices.Sort(names)
	return names
}

// nearestTool returns the tool whose name is nearest to a misspelt one. If no name is near, it
// returns the only tool whose name has all words of the misspelt one: models shorten
// create_stream_task to create_stream. It returns "" if there is no such tool, or several.
func nearestTool(misspelt string) string {
	names := toolNames()
	if near := schema.Nearest(misspelt, names); near != "" {
		return near
	}
	typed := wordsOf(misspelt)
	found := keep(names, func(name string) bool {
		words := wordsOf(name)
		return !slices.ContainsFunc(typed, func(word string) bool { return !slices.Contains(words, word) })
	})
	if len(typed) == 0 || len(found) != 1 {
		return ""
	}
	return found[0]
}

// wordsOf returns the words of a tool's name in lower case. A plural counts as its singular.
func wordsOf(name string) []string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '_' || r == '-' })
	for i, word := range words {
		words[i] = strings.TrimSuffix(word, "s")
	}
	return words
}

// toolsetIs reports whether the tool belongs to the toolset.
func toolsetIs(toolName string, set Toolset) bool {
	info, ok := ToolsetOf(toolName)
	return ok && info.Name == set
}
