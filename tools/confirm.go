package tools

import (
	"context"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// confirmation asks the user whether a tool may go on, where the client can ask.
type confirmation struct {
	canAsk bool
	about  string // What the user was asked about, on the call that brings the answer.
	answer *mcp.ElicitationResult
}

const confirmID = "confirm"

// confirmationOf returns what a call brings of it.
func confirmationOf(ctx context.Context, req mcp.CallToolRequest) confirmation {
	return confirmation{
		canAsk: canElicit(ctx),
		about:  req.Params.RequestState,
		answer: server.ElicitationResponse(req.Params.InputResponses, confirmID),
	}
}

// canElicit reports whether the client can show its user a form.
func canElicit(ctx context.Context) bool {
	var capability *mcp.ElicitationCapability
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.Modern {
		if info.ClientCapabilities != nil {
			capability = info.ClientCapabilities.Elicitation
		}
	} else if session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
		if _, asks := session.(server.SessionWithElicitation); asks {
			capability = session.GetClientCapabilities().Elicitation
		}
	}
	return capability != nil && (capability.Form != nil || capability.URL == nil)
}

// of returns nil when the user agreed to what concerns about. Until then its error
// asks: the user, or a model whose client cannot ask, which must then pass given.
func (c confirmation) of(about, question string, given bool) error {
	switch {
	case !c.canAsk && given:
		return nil
	case !c.canAsk:
		return &refusedError{"not confirmed", question + "\nNothing was done. What to do: ask the user; if they agree, call again with Confirm=true."}
	case c.answer == nil || c.about != about:
		return &askError{about: about, question: question}
	case c.answer.Action == mcp.ElicitationResponseActionAccept && agrees(c.answer.Content):
		return nil
	}
	return &refusedError{"the user did not agree", "The user did not agree; nothing was done. Do not call again unless they ask for it."}
}

// agrees reports whether the form came back with its box ticked.
func agrees(content any) bool {
	fields, ok := content.(map[string]any)
	return ok && fields["Confirm"] == true
}

// askError makes the call end with a question to the user.
type askError struct{ about, question string }

func (e *askError) Error() string { return "the user is asked: " + e.question }

// result asks in either protocol era: mcp-go turns it into a request to clients
// that know no results which ask.
func (e *askError) result() *mcp.CallToolResult {
	return server.NewInputRequestBuilder(e.about).Elicit(confirmID, mcp.ElicitationParams{
		Mode:    mcp.ElicitationModeForm,
		Message: e.question,
		RequestedSchema: map[string]any{
			"type":       "object",
			"properties": map[string]any{"Confirm": map[string]any{"type": "boolean", "title": "Stop it", "default": false}},
			"required":   []string{"Confirm"},
		},
	}).ToolResult()
}

// refusedError is a tool's own refusal, complete as the model reads it.
type refusedError struct {
	why  string // For the log, where arguments do not belong.
	text string
}

func (e *refusedError) Error() string { return e.text }
