package tools

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"zego-mcp/schema"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// tool describes one tool completely: what agents see of it, and what it does. In is the
// struct of its arguments, and Out is the struct of its result. Both become JSON Schemas.
type tool[In, Out any] struct {
	name, title, description string

	toolset Toolset // Required; there is no default.
	effect  effect  // Required; there is no default.

	local      bool           // The tool reads files of this machine, so only local agents get it.
	watches    bool           // The tool needs Config.Watch.
	ownTimeout bool           // run sets its own time limit; otherwise the limit is Config.Timeout.
	meta       map[string]any // Of a tool that has to do with pages: see apps.go. Usually nil.

	// maxima returns the maxima of integer arguments that differ from those in In, because the
	// operator of a project sets them. Agents see them in the schema; run must enforce them.
	// All clients get the maxima of the project that Config.Project returns for a background
	// context. Usually nil.
	maxima func(*Project) map[string]int

	// changes returns the TaskId of the stream task that a call drives or stops, or "". Callers may
	// do that with their own tasks only: see checkOwner. Nil: the tool drives and stops nothing.
	changes func(In) (taskID string)

	// advice says what to do when ZEGO refuses a call with a certain code. For codes that
	// it lacks, the model gets the general advice of zego.Code.Advice.
	advice advice

	// summary returns the text of a result, in place of its JSON. It is for tools whose results
	// are files for a page, which must not be in a result twice. Usually nil.
	summary func(Out) string

	// run carries out a call. The arguments have been checked against the schema. If the
	// tool itself refuses the call, run returns a *toolError, whose reason can be logged;
	// of an error of an unknown type the log gets only the type.
	run func(ctx context.Context, d deps, in In) (Out, error)
}

// toolInfo is what the server must know about a tool before it registers it.
type toolInfo struct {
	name    string
	toolset Toolset
	local   bool
	watches bool
}

func (t tool[In, Out]) info() toolInfo { return toolInfo{t.name, t.toolset, t.local, t.watches} }

// effect says what a tool changes. The four MCP hints follow from it. The zero value is not
// allowed, because each tool must say what it does.
type effect int

const (
	readOnly    effect = iota + 1 // The tool changes nothing and costs nothing.
	additive                      // Each call does something more, which may cost money.
	destructive                   // The tool ends something; a second call changes nothing more.
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

// serverTool returns the tool as mcp-go serves it, without its schemas, and a function that
// adds them. It panics if the tool has no effect.
//
// Schemas are made when they are first needed: most servers offer a part of the tools, and
// making the schemas of all would be half of what the start of the program costs.
func (t tool[In, Out]) serverTool(a adapter) (served server.ServerTool, addSchemas func(*mcp.Tool)) {
	if t.effect < readOnly || t.effect > destructive {
		panic("tools: tool " + t.name + " has no effect")
	}
	input := sync.OnceValue(schema.Input[In])
	inputJSON := sync.OnceValue(func() json.RawMessage {
		if t.maxima != nil {
			return input().JSONWithMaxima(t.maxima(a.cfg.Project(context.Background())))
		}
		return input().JSON()
	})
	output := sync.OnceValue(func() json.RawMessage {
		if _, ok := any(*new(Out)).(pictured); ok {
			return nil
		}
		return schema.Output[Out]()
	})
	addSchemas = func(definition *mcp.Tool) {
		definition.RawInputSchema, definition.RawOutputSchema = inputJSON(), output()
	}
	definition := mcp.Tool{
		Name: t.name, Title: t.title, Description: t.description, Annotations: t.effect.annotations(t.title),
		RawInputSchema: json.RawMessage("{}"), // mcp-go reads it at once, and reads the zero value of InputSchema slowly.
	}
	if len(t.meta) > 0 {
		definition.Meta = &mcp.Meta{AdditionalFields: t.meta}
	}
	return server.ServerTool{
		Tool: definition,
		// The error is always nil: a refused call is a result that the model can read.
		Handler: func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			var result *mcp.CallToolResult
			r := request{kind: kindTool, name: t.name, ownTimeout: t.ownTimeout, call: &req}
			err := a.do(ctx, r, func(ctx context.Context, d deps) (err error) {
				result, err = t.call(ctx, d, input(), req)
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
	}, addSchemas
}

// call decodes the arguments, runs the tool, and encodes the result.
func (t tool[In, Out]) call(ctx context.Context, d deps, input *schema.Schema[In], req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	in, err := input.Decode(req.GetRawArguments())
	if err != nil {
		return nil, err
	}
	if d.client, err = d.project.client(); err != nil {
		return nil, err
	}
	if t.changes != nil {
		if taskID := t.changes(in); taskID != "" {
			if err := d.checkOwner(ctx, taskID); err != nil {
				return nil, err
			}
		}
	}
	out, err := t.run(ctx, d, in)
	if err != nil {
		return nil, err
	}
	if t.summary != nil {
		return mcp.NewToolResultStructured(out, t.summary(out)), nil
	}
	text, err := compactJSON(out)
	if err != nil {
		return nil, err
	}
	if len(text) > maxResult {
		return nil, &toolError{
			"the result is too large",
			fmt.Sprintf("The result has %d bytes, more than the %d that this server passes on.\nWhat to do: Ask for less, such as a smaller Limit.", len(text), maxResult),
		}
	}
	if with, ok := any(out).(pictured); ok && with.picture() != nil {
		return mcp.NewToolResultImage(text, base64.StdEncoding.EncodeToString(with.picture()), "image/jpeg"), nil
	}
	return mcp.NewToolResultStructured(out, text), nil
}

// pictured is a result that may have a picture. The tool has no output schema then, and a
// result with a picture no structured content: several clients drop the picture if there is
// structured content, and others demand that if there is a schema.
type pictured interface {
	picture() []byte // A JPEG, or nil.
}

// maxResult bounds the result of a tool, in bytes of JSON. The largest page of a list takes
// about 10 kB. What is far larger fills a model's context and is no answer of ZEGO's.
const maxResult = 1 << 20

// compactJSON encodes a result for models: in one line, and without HTML escapes, because a
// model would copy an escape such as \u0026 into a URL.
func compactJSON(v any) (string, error) {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}

// advice says in a sentence what to do when ZEGO refuses a call with a code.
type advice map[zego.Code]string

// with returns a copy of a with the entries of more. If both have an entry for a code, it
// takes that of more.
func (a advice) with(more advice) advice {
	all := maps.Clone(a)
	maps.Copy(all, more)
	return all
}
