package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"zego-mcp/schema"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// tool describes one tool completely: what agents see of it, and what it does. In is the
// struct of its arguments and Out that of its result; both become JSON Schemas.
type tool[In, Out any] struct {
	name, title, description string

	toolset Toolset // Required; there is no default.
	effect  effect  // Required; there is no default.

	local      bool           // It reads files of this machine, so it is offered to local agents only.
	ownTimeout bool           // run sets the time limit itself; otherwise it is Config.Timeout.
	meta       map[string]any // _meta of the tool in tools/list; usually none.

	// advice says what to do when ZEGO refuses a call with a code. Codes that are not in
	// it get the general advice of zego.Code.Advice.
	advice advice

	// run carries out a call whose arguments fit the schema. For a refusal of its own it
	// returns a *toolError, because the text of any other error does not reach the log.
	run func(ctx context.Context, d deps, in In) (Out, error)
}

// toolInfo is what the server must know of a tool, whatever its arguments are.
type toolInfo struct {
	name    string
	toolset Toolset
	local   bool
}

func (t tool[In, Out]) info() toolInfo { return toolInfo{t.name, t.toolset, t.local} }

// effect says what a tool does to the world; the four MCP hints follow from it. The zero
// value is not allowed, because each tool must say what it does.
type effect int

const (
	readOnly    effect = iota + 1 // It changes nothing and costs nothing.
	additive                      // Each call does something more, which may cost.
	destructive                   // It ends something; calling it twice does no more than once.
)

func (e effect) annotations(title string) mcp.ToolAnnotation {
	return mcp.ToolAnnotation{
		Title:           title,
		ReadOnlyHint:    new(e == readOnly),
		DestructiveHint: new(e == destructive),
		IdempotentHint:  new(e != additive),
		OpenWorldHint:   new(true),
	}
}

// serverTool connects the tool to MCP: it decodes the arguments, runs the tool, and
// encodes the result. The adapter does the rest.
func (t tool[In, Out]) serverTool(a adapter) server.ServerTool {
	if t.effect < readOnly || t.effect > destructive {
		panic("tools: tool " + t.name + " has no effect")
	}
	input := schema.Input[In]()
	described := mcp.Tool{
		Name:            t.name,
		Title:           t.title,
		Description:     t.description,
		RawInputSchema:  input.JSON(),
		RawOutputSchema: schema.Output[Out](),
		Annotations:     t.effect.annotations(t.title),
	}
	if len(t.meta) > 0 {
		described.Meta = &mcp.Meta{AdditionalFields: t.meta}
	}
	return server.ServerTool{
		Tool: described,
		// The error is always nil: a refused call is a result that the model can read.
		Handler: func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			var result *mcp.CallToolResult
			r := request{kind: kindTool, name: t.name, ownTimeout: t.ownTimeout, call: &req}
			err := a.do(ctx, r, func(ctx context.Context, d deps) (err error) {
				result, err = t.call(ctx, d, input, req)
				return err
			})
			if question, ok := errors.AsType[*elicitation](err); ok {
				return question.result(), nil
			}
			if err != nil {
				return mcp.NewToolResultError(explain(err, t.advice)), nil
			}
			return result, nil
		},
	}
}

func (t tool[In, Out]) call(ctx context.Context, d deps, input *schema.Schema[In], req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	in, err := input.Decode(req.GetRawArguments())
	if err != nil {
		return nil, err
	}
	if d.client, err = d.project.client(); err != nil {
		return nil, err
	}
	out, err := t.run(ctx, d, in)
	if err != nil {
		return nil, err
	}
	text, err := compactJSON(out)
	if err != nil {
		return nil, err
	}
	return mcp.NewToolResultStructured(out, text), nil
}

// compactJSON encodes a result for models: in one line, and without HTML escapes, which a
// model would copy into a URL.
func compactJSON(v any) (string, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(buf.Bytes(), []byte("\n"))), nil
}

// advice says in a sentence what to do about ZEGO's codes.
type advice map[zego.Code]string

// with returns the advice of both; more wins where both have a code.
func (a advice) with(more advice) advice {
	all := maps.Clone(a)
	maps.Copy(all, more)
	return all
}
