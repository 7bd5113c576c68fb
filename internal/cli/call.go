package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"zego-mcp/tools"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

type callCommand struct {
	Tool      string   `arg:"" help:"The tool's name; see: zego-mcp tools."`
	Arguments []string `arg:"" optional:"" name:"Key=Value" help:"Arguments of the tool."`
	JSON      string   `name:"json" placeholder:"'{…}'" help:"Arguments as a JSON object; Key=Value goes over it."`
	Output    string   `placeholder:"FORM" help:"table or json. Default: table on a terminal, JSON in a pipe."`
}

// Validate refuses an unknown form of output.
func (c *callCommand) Validate() error {
	if !slices.Contains([]string{"", "table", "json"}, c.Output) {
		return fmt.Errorf("--output must be table or json, got %q", c.Output)
	}
	return nil
}

// Run calls the tool through the whole MCP stack, in process.
func (c *callCommand) Run(p *process) error {
	log := p.logger(slog.LevelError)
	b, err := p.connect(log)
	if err != nil {
		return err
	}
	defer b.close()
	var options []client.ClientOption
	// Who typed the confirmation is not asked again.
	confirmed := slices.ContainsFunc(c.Arguments, func(argument string) bool { return strings.EqualFold(argument, "Confirm=true") })
	if _, terminal := terminalWidth(p.stderr); terminal && isTerminal(p.stdin) && !confirmed {
		options = append(options, client.WithElicitationHandler(asker{p.stdin, p.stderr}))
	}
	project := p.project(b, log)
	cfg := p.toolsConfig(project, b.simulator != "", log)
	defer project.Streams.WaitStopping()
	caller, err := client.NewInProcessClientWithOptions(tools.NewServer(cfg), options...)
	if err != nil {
		return err
	}
	defer func() { _ = caller.Close() }()
	tool, err := findTool(p.ctx, caller, c.Tool)
	if set, known := tools.ToolsetOf(c.Tool); known && errors.As(err, new(usageError)) {
		return usageError{fmt.Errorf("%s belongs to the toolset %s (%s); to use it, add --toolsets %s (or ZEGO_TOOLSETS=%[4]s)", c.Tool, set.Name, set.Description, tools.AllToolsets)}
	}
	if err != nil {
		return err
	}
	arguments, err := c.arguments(tool)
	if err != nil {
		return usageError{err}
	}
	width, terminal := terminalWidth(p.stdout)
	if b.simulated {
		_, _ = fmt.Fprintln(p.stderr, "SIMULATED: made-up answers of the built-in simulator, not ZEGOCLOUD's.")
	}

	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = c.Tool, arguments
	clearProgress := func() {}
	if _, terminal := terminalWidth(p.stderr); terminal {
		shown := &progressLine{out: p.stderr}
		caller.OnNotification(shown.show)
		req.Params.Meta = &mcp.Meta{ProgressToken: c.Tool}
		clearProgress = shown.clear
	}
	result, err := caller.CallTool(p.ctx, req)
	clearProgress()
	if err != nil {
		return fmt.Errorf("%s: %w", c.Tool, err)
	}
	text := textOf(result)
	switch {
	case result.IsError:
		return errors.New(text)
	case c.Output == "table" || c.Output == "" && terminal:
		return writeTable(p.stdout, []byte(text), width)
	}
	_, err = fmt.Fprintln(p.stdout, text)
	return err
}

// progressLine shows how far a call is, in one line of a terminal.
type progressLine struct {
	mu      sync.Mutex // guards what follows
	out     io.Writer
	cleared bool
}

const clearLine = "\r\x1b[K"

func (l *progressLine) show(n mcp.JSONRPCNotification) {
	message, ok := n.Params.AdditionalFields["message"].(string)
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok && n.Method == "notifications/progress" && !l.cleared {
		_, _ = fmt.Fprint(l.out, clearLine, printable(message))
	}
}

// clear makes room for the result; what comes later is not shown.
func (l *progressLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprint(l.out, clearLine)
	l.cleared = true
}

// asker asks the person at the terminal what a tool wants confirmed.
type asker struct {
	answers io.Reader
	out     io.Writer
}

// Elicit shows the question; only a yes is one.
func (a asker) Elicit(_ context.Context, req mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	_, _ = fmt.Fprintf(a.out, "%s [y/N] ", req.Params.Message)
	answer, err := bufio.NewReader(a.answers).ReadString('\n')
	if err != nil && answer == "" {
		_, _ = fmt.Fprintln(a.out)
	}
	result := &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{Action: mcp.ElicitationResponseActionDecline}}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		result.Action, result.Content = mcp.ElicitationResponseActionAccept, map[string]any{"Confirm": true}
	}
	return result, nil
}

// findTool begins an MCP session and returns the tool, or a usageError that names
// those there are.
func findTool(ctx context.Context, caller *client.Client, name string) (mcp.Tool, error) {
	var hello mcp.InitializeRequest
	hello.Params.ProtocolVersion = mcp.LATEST_LEGACY_PROTOCOL_VERSION
	hello.Params.ClientInfo = mcp.Implementation{Name: "zego-mcp call", Version: version()}
	if err := caller.Start(ctx); err != nil {
		return mcp.Tool{}, err
	}
	if _, err := caller.Initialize(ctx, hello); err != nil {
		return mcp.Tool{}, err
	}
	list, err := caller.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return mcp.Tool{}, err
	}
	var known []string
	for _, tool := range list.Tools {
		if tool.Name == name {
			return tool, nil
		}
		known = append(known, tool.Name)
	}
	return mcp.Tool{}, usageError{fmt.Errorf("unknown tool %q (known: %s)", name, strings.Join(known, ", "))}
}

// arguments merges --json and Key=Value.
func (c *callCommand) arguments(tool mcp.Tool) (map[string]any, error) {
	arguments := map[string]any{}
	if c.JSON != "" {
		if err := json.Unmarshal([]byte(c.JSON), &arguments); err != nil || arguments == nil {
			return nil, fmt.Errorf("--json must be a JSON object, got %s", c.JSON)
		}
	}
	given := map[string]bool{}
	for _, argument := range c.Arguments {
		key, value, ok := strings.Cut(argument, "=")
		switch {
		case !ok || key == "":
			return nil, fmt.Errorf("arguments look like Key=Value, got %q", argument)
		case given[key]:
			return nil, fmt.Errorf("%s is given twice", key)
		}
		given[key] = true
		arguments[key] = typed(tool, key, value)
	}
	return arguments, nil
}

// typed reads a value from the shell: what the tool takes as text stays text, and
// the rest is JSON if it can be.
func typed(tool mcp.Tool, key, value string) any {
	property, _ := tool.InputSchema.Properties[key].(map[string]any)
	if property["type"] != "string" && json.Valid([]byte(value)) {
		dec := json.NewDecoder(bytes.NewReader([]byte(value)))
		dec.UseNumber()
		var v any
		if dec.Decode(&v) == nil {
			return v
		}
	}
	return value
}

// textOf joins the text blocks of a result.
func textOf(result *mcp.CallToolResult) string {
	var texts []string
	for _, content := range result.Content {
		if text, ok := content.(mcp.TextContent); ok {
			texts = append(texts, text.Text)
		}
	}
	return strings.Join(texts, "\n")
}
