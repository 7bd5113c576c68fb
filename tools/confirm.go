package tools

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// confirmation is how a tool gets the user's consent. A client that can show forms asks the
// user itself; the answer comes with a second call of the tool.
type confirmation struct {
	showsForms bool
	subject    string // What the user was asked about; empty on the first call.
	answer     *mcp.ElicitationResult
}

const confirmationID = "confirm"

// confirmationOf returns the part of a call that concerns a confirmation.
func confirmationOf(ctx context.Context, req mcp.CallToolRequest) confirmation {
	return confirmation{
		showsForms: clientShowsForms(ctx),
		subject:    req.Params.RequestState,
		answer:     server.ElicitationResponse(req.Params.InputResponses, confirmationID),
	}
}

// require returns nil if the user has agreed to what question asks about subject. It is the
// whole check; there are three cases:
//   - The client cannot show forms: the model asks the user, and says with confirmed that
//     the user agreed. Until then the error tells the model to ask.
//   - The client shows forms, and this call brings no answer about subject: the error is an
//     *elicitation, which makes the client ask.
//   - The client brings an answer about subject: only a ticked box counts as consent.
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

// elicitation is the error that ends a call with a question to the user.
type elicitation struct{ subject, question string }

func (e *elicitation) Error() string { return "the user is asked: " + e.question }

// result returns the question as a result. For clients of protocol versions that know no
// such results, mcp-go turns it into a request to the client.
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
