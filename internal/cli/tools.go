package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mattn/go-runewidth"
)

type toolsCommand struct {
	JSON bool `name:"json" help:"Print exactly what tools/list answers."`
}

// Run lists the tools of the chosen toolsets. It needs no account.
func (c *toolsCommand) Run(e *env) error {
	log := slog.New(slog.DiscardHandler)
	s := tools.NewServer(e.toolsConfig(e.project(backend{}, streams.Mark{}, true, log), false, log))
	answer, ok := s.HandleMessage(e.ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)).(mcp.JSONRPCResponse)
	if !ok {
		return errors.New("tools/list was refused")
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer.Result); err != nil {
		return err
	}
	if c.JSON {
		_, err := e.stdout.Write(text.Bytes())
		return err
	}
	var list mcp.ListToolsResult
	if err := json.Unmarshal(text.Bytes(), &list); err != nil {
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
