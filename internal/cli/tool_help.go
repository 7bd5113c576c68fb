package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"zego-mcp/tools"

	"github.com/alecthomas/kong"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mattn/go-runewidth"
)

// listTools returns what tools/list answers, as JSON.
func listTools(ctx context.Context, cfg tools.Config) ([]byte, error) {
	answer, ok := tools.NewServer(cfg).HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)).(mcp.JSONRPCResponse)
	if !ok {
		return nil, errors.New("tools/list was refused")
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	err := enc.Encode(answer.Result)
	return text.Bytes(), err
}

// describedTool is a tool in the answer to tools/list, with its schemas as they were written.
type describedTool struct {
	Name, Title, Description  string
	InputSchema, OutputSchema json.RawMessage
}

// findAnyTool returns the tool with the given name, whatever its toolset. If there is none,
// it returns a usageError that says what to do.
func findAnyTool(ctx context.Context, name string) (tool describedTool, definition json.RawMessage, err error) {
	sets, err := tools.ParseToolsets(tools.AllToolsets)
	if err != nil {
		return tool, nil, err
	}
	text, err := listTools(ctx, tools.Config{Project: tools.OneProject(tools.Project{Toolsets: sets}), Logger: slog.New(slog.DiscardHandler), Local: true})
	if err != nil {
		return tool, nil, err
	}
	var list struct{ Tools []json.RawMessage }
	if err := json.Unmarshal(text, &list); err != nil {
		return tool, nil, err
	}
	var names []string
	for _, definition := range list.Tools {
		var tool describedTool
		if err := json.Unmarshal(definition, &tool); err != nil {
			return tool, nil, err
		}
		if tool.Name == name {
			return tool, definition, nil
		}
		names = append(names, tool.Name)
	}
	return tool, nil, usageError{errors.New(tools.NotOffered(name, names))}
}

// helpPrinter returns kong's printer of help, with two differences: the help of a call that
// names a tool is the tool's, and the flags of a command come before those that every command
// has. It sets err if there is no such tool.
func helpPrinter(ctx context.Context, stdout io.Writer, err *error) kong.HelpPrinter {
	return func(options kong.HelpOptions, parsed *kong.Context) error {
		for _, path := range parsed.Path {
			if path.Positional == nil || path.Positional.Name != "tool" {
				continue
			}
			name := parsed.Value(path).String()
			var tool describedTool
			if tool, _, *err = findAnyTool(ctx, name); *err == nil {
				*err = printTool(stdout, tool)
			}
			return nil
		}
		if parsed.Selected() != nil {
			for _, flag := range parsed.Model.Flags {
				flag.Group = &kong.Group{Key: "every", Title: "Flags of every command:"}
			}
		}
		return kong.DefaultHelpPrinter(options, parsed)
	}
}

// printTool prints for a person what a tool does, its arguments and its result.
func printTool(stdout io.Writer, tool describedTool) error {
	width, ok := terminalWidth(stdout)
	if !ok {
		width = 80
	}
	input, err := readProperties(tool.InputSchema)
	if err != nil {
		return err
	}
	output, err := readProperties(tool.OutputSchema)
	if err != nil {
		return err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s\n\n", tool.Name, tool.Title)
	writeWrapped(&out, tool.Description, "", width)
	if set, ok := tools.ToolsetOf(tool.Name); ok {
		fmt.Fprintf(&out, "\nToolset: %s (%s)\n", set.Name, set.Description)
	}
	out.WriteString("\nArguments:\n")
	writeProperties(&out, input, "  ", width, true)
	out.WriteString("\nResult:\n")
	writeProperties(&out, output, "  ", width, false)
	fmt.Fprintf(&out, "\nTo call it: zego-mcp call %s", tool.Name)
	for _, property := range input {
		if property.required {
			fmt.Fprintf(&out, " %s=…", property.name)
		}
	}
	out.WriteString("\nFlags: zego-mcp call --help\n")
	_, err = io.WriteString(stdout, out.String())
	return err
}

// property is a property of an object in a JSON Schema.
type property struct {
	name     string
	required bool
	schema   object
}

// readProperties returns the properties of an object's schema, in their order.
func readProperties(schema json.RawMessage) ([]property, error) {
	dec := json.NewDecoder(bytes.NewReader(schema))
	dec.UseNumber()
	value, err := decodeOrdered(dec)
	if err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	root, _ := value.(object)
	return propertiesOf(root), nil
}

func propertiesOf(schema object) []property {
	required := map[string]bool{}
	names, _ := schema.get("required").([]any)
	for _, name := range names {
		required[fmt.Sprint(name)] = true
	}
	members, _ := schema.get("properties").(object)
	properties := make([]property, 0, len(members))
	for _, m := range members {
		schema, _ := m.value.(object)
		properties = append(properties, property{m.name, required[m.name], schema})
	}
	return properties
}

// get returns the value of the member with the given name, or nil if there is none.
func (o object) get(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// writeProperties writes a line for each property with its type and range, its description
// below, and then the properties of the objects that it holds.
func writeProperties(out *strings.Builder, properties []property, indent string, width int, markRequired bool) {
	if len(properties) == 0 {
		out.WriteString(indent + "none\n")
	}
	for _, p := range properties {
		typeText := describeType(p.schema)
		if p.required && markRequired {
			typeText += ", required"
		}
		fmt.Fprintf(out, "%s%s  %s\n", indent, p.name, typeText)
		if description, ok := p.schema.get("description").(string); ok {
			writeWrapped(out, description, indent+"    ", width)
		}
		inner := p.schema
		if items, ok := inner.get("items").(object); ok {
			inner = items
		}
		if nested := propertiesOf(inner); len(nested) > 0 {
			writeProperties(out, nested, indent+"    ", width, markRequired)
		}
	}
}

// describeType says what values a schema allows, as in "integer from 1 to 20, default 10".
func describeType(schema object) string {
	text := fmt.Sprint(schema.get("type"))
	if items, ok := schema.get("items").(object); ok {
		text = "list of " + fmt.Sprint(items.get("type")) + "s"
	}
	if values, ok := schema.get("enum").([]any); ok {
		text += ", one of " + strings.Join(texts(values), ", ")
	}
	text += describeRange(schema, "minimum", "maximum", " from %v to %v", " from %v", " up to %v")
	text += describeRange(schema, "minLength", "maxLength", " of %v to %v characters", " of at least %v characters", " of at most %v characters")
	text += describeRange(schema, "minItems", "maxItems", ", %v to %v items", ", at least %v items", ", at most %v items")
	for _, keyword := range []struct{ name, words string }{{"pattern", "matching"}, {"format", "format"}, {"default", "default"}} {
		if value := schema.get(keyword.name); value != nil {
			text += fmt.Sprintf(", %s %v", keyword.words, value)
		}
	}
	return text
}

// describeRange says what two keywords of a schema allow: one of three formats, depending on
// which of them the schema has.
func describeRange(schema object, minKeyword, maxKeyword, both, minOnly, maxOnly string) string {
	lower, upper := schema.get(minKeyword), schema.get(maxKeyword)
	switch {
	case lower != nil && upper != nil:
		return fmt.Sprintf(both, lower, upper)
	case lower != nil:
		return fmt.Sprintf(minOnly, lower)
	case upper != nil:
		return fmt.Sprintf(maxOnly, upper)
	}
	return ""
}

func texts(values []any) []string {
	all := make([]string, len(values))
	for i, value := range values {
		all[i] = fmt.Sprint(value)
	}
	return all
}

// writeWrapped writes text in lines of at most width columns, each after indent, that end
// between words.
func writeWrapped(out *strings.Builder, text, indent string, width int) {
	line := indent
	for word := range strings.FieldsSeq(text) {
		if line != indent && runewidth.StringWidth(line+" "+word) > width {
			out.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	if line != indent {
		out.WriteString(line + "\n")
	}
}
