package cli

import (
	"context"
	"encoding/json"
	"log/slog"
	"zego-mcp/tools"

	"github.com/alecthomas/kong"
)

// NewParser returns a parser of the command line, whose Model has every command and flag. It
// takes no variable into account.
func NewParser() *kong.Kong {
	options := parserOptions(func(string) string { return "" })
	return kong.Must(new(commandLine), append(options, kong.Exit(func(int) {}))...)
}

// DescribedTool is a tool as tools/list answers it.
type DescribedTool = describedTool

// AllTools returns every tool that a model can get, sorted by name.
func AllTools() ([]DescribedTool, error) {
	sets, err := tools.ParseToolsets(tools.AllToolsets)
	if err != nil {
		return nil, err
	}
	text, err := listTools(context.Background(), tools.Config{
		Project: tools.OneProject(tools.Project{Toolsets: sets}),
		Logger:  slog.New(slog.DiscardHandler), Local: true,
		Watch: func(context.Context, string) (string, error) { return "", nil },
	})
	if err != nil {
		return nil, err
	}
	var list struct{ Tools []DescribedTool }
	return list.Tools, json.Unmarshal(text, &list)
}

// Argument is an argument of a tool, in words.
type Argument struct {
	Name, Type, Text string
	Required         bool
}

// Arguments returns the arguments of a tool.
func Arguments(tool DescribedTool) ([]Argument, error) {
	properties, err := readProperties(tool.InputSchema)
	if err != nil {
		return nil, err
	}
	var arguments []Argument
	for _, p := range properties {
		text, _ := p.schema.get("description").(string)
		arguments = append(arguments, Argument{p.name, describeType(p.schema), text, p.required})
	}
	return arguments, nil
}

// Initialize starts the server of an entry as its client does, and says hello.
var Initialize = initialize

// VersionOf asks another zego-mcp for its version.
func VersionOf(ctx context.Context, command string) error {
	_, err := versionOf(ctx, command)
	return err
}
