package tools

import (
	"context"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// prompt describes one prompt: what a user picks from a menu, and what the model then
// reads.
type prompt struct {
	mcp.Prompt
	toolset Toolset // Required; there is no default.
	// write returns the text for the model. The required arguments are there.
	write func(arguments map[string]string) string
}

// handler connects the prompt to MCP.
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

// missing says which required arguments are absent or blank.
func (p prompt) missing(arguments map[string]string) []string {
	var problems []string
	for _, argument := range p.Arguments {
		if argument.Required && strings.TrimSpace(arguments[argument.Name]) == "" {
			problems = append(problems, argument.Name+" is required")
		}
	}
	return problems
}
