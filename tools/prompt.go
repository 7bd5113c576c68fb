package tools

import (
	"context"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// prompt describes one prompt: its entry in the menu from which a user picks, and the text
// that the model then reads.
type prompt struct {
	mcp.Prompt
	toolset Toolset // Required; there is no default.
	// write returns the text for the model. No required argument is absent or blank.
	write func(arguments map[string]string) string
}

// handler returns the prompt's handler for mcp-go.
func (p prompt) handler(a adapter) server.PromptHandlerFunc {
	return func(ctx context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		var result *mcp.GetPromptResult
		err := a.do(ctx, request{kind: kindPrompt, name: p.Name}, func(context.Context, deps) error {
			if missing := p.missing(req.Params.Arguments); len(missing) > 0 {
				return &toolError{reason: "a required argument is missing", text: p.Name + ": " + strings.Join(missing, "; ")}
			}
			result = mcp.NewGetPromptResult(p.Description, []mcp.PromptMessage{
				mcp.NewPromptMessage(mcp.RoleUser, mcp.NewTextContent(p.write(req.Params.Arguments))),
			})
			return nil
		})
		return result, err
	}
}

// missing returns a message for each required argument that is absent or blank.
func (p prompt) missing(arguments map[string]string) []string {
	var problems []string
	for _, argument := range p.Arguments {
		if argument.Required && strings.TrimSpace(arguments[argument.Name]) == "" {
			problems = append(problems, argument.Name+" is required")
		}
	}
	return problems
}
