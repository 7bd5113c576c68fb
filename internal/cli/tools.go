package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"zego-mcp/tools/streams"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mattn/go-runewidth"
)

type toolsCommand struct {
	Name string `arg:"" optional:"" help:"A tool to describe, with its arguments and its result. Default: list all tools that are offered."`
	JSON bool   `name:"json" help:"Print exactly what tools/list answers."`
}

// Run lists the tools of the chosen toolsets, or describes one tool. It needs no account.
func (c *toolsCommand) Run(e *env) error {
	if c.Name != "" {
		return c.describe(e)
	}
	log := slog.New(slog.DiscardHandler)
	text, err := listTools(e.ctx, e.toolsConfig(backend{}, e.project(backend{}, streams.Mark{}, true, log), log))
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := e.stdout.Write(text)
		return err
	}
	var list mcp.ListToolsResult
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	nameWidth := 0
	for _, tool := range list.Tools {
		nameWidth = max(nameWidth, len(tool.Name))
	}
	width, terminal := terminalWidth(e.stdout)
	for _, tool := range list.Tools {
		firstSentence, _, _ := strings.Cut(tool.Description, ". ")
		line := fmt.Sprintf("%-*s  %s.", nameWidth, tool.Name, strings.TrimSuffix(firstSentence, "."))
		if terminal {
			line = runewidth.Truncate(line, width, "…")
		}
		if _, err := fmt.Fprintln(e.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// describe prints one tool, whatever its toolset.
func (c *toolsCommand) describe(e *env) error {
	tool, definition, err := findAnyTool(e.ctx, c.Name)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := fmt.Fprintf(e.stdout, "%s\n", definition)
		return err
	}
	return printTool(e.stdout, tool)
}
