package tools

import (
	"context"
	"maps"
	"slices"
	"strings"
	"zego-mcp/schema"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// prompt describes one prompt: its entry in the menu from which a user picks, and the text
// that the model then reads.
type prompt struct {
	mcp.Prompt
	toolset Toolset // Required; there is no default.
	// write returns the text for the model. No required argument is absent or blank, because
	// refuseGetPrompt refuses such a request.
	write func(arguments map[string]string) string
}

// handler returns the prompt's handler for mcp-go.
func (p prompt) handler(a adapter) server.PromptHandlerFunc {
	return func(ctx context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		var result *mcp.GetPromptResult
		err := a.do(ctx, request{kind: kindPrompt, name: p.Name}, func(context.Context, deps) error {
			result = mcp.NewGetPromptResult(p.Description, []mcp.PromptMessage{
				mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(p.write(req.Params.Arguments))),
			})
			return nil
		})
		return result, err
	}
}

// problems returns a text for each argument that is required and absent or blank, and for
// the first one that is unknown.
func (p prompt) problems(arguments map[string]string) []string {
	var names, problems []string
	for _, argument := range p.Arguments {
		names = append(names, argument.Name)
		if argument.Required && strings.TrimSpace(arguments[argument.Name]) == "" {
			problems = append(problems, argument.Name+" is required")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		if !slices.Contains(names, name) {
			return append(problems, "unknown argument "+quoteForeign(name)+didYouMean(schema.Nearest(name, names))+known(names))
		}
	}
	return problems
}
