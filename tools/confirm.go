package tools

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// confirmation is the part of a tool call that concerns the user's consent. If the client
// can show forms, it asks the user itself and brings the answer in a second call of the
// tool.
type confirmation struct {
	showsForms bool                   // The client can show forms.
	subject    string                 // What the answer is about; empty in a first call.
	answer     *mcp.ElicitationResult // Nil in a first call.
}

// confirmationID is the id of the question; MCP allows a result to ask several.
const confirmationID = "confirm"

// confirmationOf reads the confirmation from a call.
func confirmationOf(ctx context.Context, req mcp.CallToolRequest) confirmation {
	return confirmation{
		showsForms: clientShowsForms(ctx),
		subject:    req.Params.RequestState,
		answer:     server.ElicitationResponse(req.Params.InputResponses, confirmationID),
	}
}

// require returns nil if the user has agreed to the question about subject. A tool needs no
// other check than this. There are three cases:
//   - The client cannot show forms. Then confirmed decides, which the model sets after the
//     user has agreed. If it is false, the error tells the model to ask the user.
//   - The client shows forms, and this call brings no answer about subject. Then the error
//     is an *elicitation, which makes the client ask; confirmed does not count.
//   - The client brings an answer about subject. Then only a ticked box counts as consent.
func (c confirmation) require(subject, question string, confirmed bool) error {
	switch {
	case !c.showsForms && confirmed:
		return nil
	case !c.showsForms:
		return &toolError{
			reason: "not confirmed",
			text:   question + "\nNothing was done. What to do: ask the user; if they agree, call again with Confirm=true.",
		}
	case c.answer == nil || c.subject != subject:
		return &elicitation{subject: subject, question: question}
	case c.answer.Action == mcp.ElicitationResponseActionAccept && isTicked(c.answer.Content):
		return nil
	}
	return &toolError{
		reason: "the user did not agree",
		text:   "The user did not agree; nothing was done. Do not call again unless they ask for it.",
	}
}

// isTicked reports whether the form came back with its box ticked.
func isTicked(content any) bool {
	fields, ok := content.(map[string]any)
	return ok && fields["Confirm"] == true
}

// elicitation is an error that ends a call with a question to the user.
type elicitation struct{ subject, question string }

func (e *elicitation) Error() string { return "the user is asked: " + e.question }

// result returns the question as the result of the call. Older protocol versions have no
// such results; for clients of those, mcp-go sends the question in a request.
func (e *elicitation) result() *mcp.CallToolResult {
	return server.NewInputRequestBuilder(e.subject).Elicit(confirmationID, mcp.ElicitationParams{
		Mode:    mcp.ElicitationModeForm,
		Message: e.question,
		RequestedSchema: map[string]any{
			"type":       "object",
			"properties": map[string]any{"Confirm": map[string]any{"type": "boolean", "title": "Stop it", "default": false}},
			"required":   []string{"Confirm"},
		},
	}).ToolResult()
}
