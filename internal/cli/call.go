package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"

	"github.com/alecthomas/kong"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

type callCommand struct {
	Tool      string   `arg:"" help:"The tool's name; see: zego-mcp tools."`
	Arguments []string `arg:"" optional:"" name:"Key=Value" help:"Arguments of the tool."`
	JSON      string   `name:"json" placeholder:"'{…}'" help:"Arguments as a JSON object; an argument given as Key=Value replaces the one in it."`
	Save      string   `placeholder:"FILE" help:"Where to write the picture of the result, a JPEG. Default: a picture is left out."`
	Output    string   `placeholder:"FORMAT" help:"table or json. Default: table on a terminal, JSON in a pipe."`
}

// maxSpeech is how long the command call waits for the end of speech. No stream lives longer.
const maxSpeech = 24 * time.Hour

// Validate refuses an unknown output format.
func (c *callCommand) Validate(*kong.Context) error {
	if !slices.Contains([]string{"", "table", "json"}, c.Output) {
		return fmt.Errorf("--output must be table or json, got %q", c.Output)
	}
	return nil
}

// Run calls the tool through the whole MCP stack, within this process.
func (c *callCommand) Run(e *env) error {
	log := e.logger(slog.LevelError)
	b, err := e.connect(log)
	if err != nil {
		return err
	}
	defer b.close()
	mark := e.readMark(streams.CallProcess, log)
	if c.Tool == "create_stream_task" && !b.simulated {
		mark = e.createMark(streams.CallProcess, log) // The new StreamId says that call made it.
	}
	// A stream task that call has created outlives it, unless the create failed half-way.
	const keepTasks = true
	project := e.project(b, mark, keepTasks, log)
	defer project.Streams.Close(e.ctx)
	defer project.Speech.Close()
	cfg := e.toolsConfig(b, project, log)
	cfg.SpeechWait = maxSpeech // When this process ends, what was not sent of a long text is lost.
	session, err := c.startSession(e, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = session.Close() }()
	tool, err := findTool(e.ctx, session, c.Tool)
	if err != nil {
		return err
	}
	arguments, err := c.arguments(tool)
	if err != nil {
		return usageError{err}
	}
	if b.simulated {
		_, _ = fmt.Fprintln(e.stderr, "SIMULATED: made-up answers of the built-in simulator, not ZEGOCLOUD's.")
	}
	result, err := c.callTool(e, session, arguments)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Tool, err)
	}
	if err := c.save(e.stderr, result); err != nil {
		return err
	}
	return c.print(e.stdout, result)
}

// save writes the picture of the result to the file of --save, or says that it was left out.
func (c *callCommand) save(stderr io.Writer, result *mcp.CallToolResult) error {
	for _, content := range result.Content {
		picture, ok := content.(mcp.ImageContent)
		if !ok {
			continue
		}
		if c.Save == "" {
			_, _ = fmt.Fprintln(stderr, "The result has a picture, which is left out: --save FILE writes it to a file.")
			return nil
		}
		file, err := base64.StdEncoding.DecodeString(picture.Data)
		if err != nil {
			return fmt.Errorf("the picture of the result is damaged: %w", err)
		}
		return os.WriteFile(c.Save, file, 0o644) //nolint:gosec // A picture is no secret.
	}
	if c.Save != "" && !result.IsError {
		_, _ = fmt.Fprintln(stderr, "The result has no picture: "+c.Save+" was not written.")
	}
	return nil
}

// startSession connects an MCP client to a server with the tools of cfg. The client can ask the
// user, if there is a terminal and no answer yet.
func (c *callCommand) startSession(e *env, cfg tools.Config) (*client.Client, error) {
	var options []client.ClientOption
	// The user cannot be asked without a terminal, and need not be asked who has typed
	// Confirm=true. A client that could ask would be asked in spite of it.
	confirmed := slices.ContainsFunc(c.Arguments, func(argument string) bool { return strings.EqualFold(argument, "Confirm=true") })
	if isTerminal(e.stdin) && isTerminal(e.stderr) && !confirmed {
		options = append(options, client.WithElicitationHandler(asker{e.stdin, e.stderr}))
	}
	return connectInProcess(e.ctx, cfg, "zego-mcp call", options...)
}

// connectInProcess connects an MCP client to a server with the tools of cfg, within this process.
// ctx is that of the session. name is how the client introduces itself.
func connectInProcess(ctx context.Context, cfg tools.Config, name string, options ...client.ClientOption) (*client.Client, error) {
	session, err := client.NewInProcessClientWithOptions(tools.NewServer(cfg), options...)
	if err != nil {
		return nil, err
	}
	var initialize mcp.InitializeRequest
	initialize.Params.ProtocolVersion = mcp.LATEST_LEGACY_PROTOCOL_VERSION // The newest one that has initialize.
	initialize.Params.ClientInfo = mcp.Implementation{Name: name, Version: version()}
	if err = session.Start(ctx); err == nil {
		_, err = session.Initialize(ctx, initialize)
	}
	if err != nil {
		_ = session.Close()
		return nil, err
	}
	return session, nil
}

// findTool returns the description of the tool that the server offers under name. If
// there is none, it returns a usageError that says what to do.
func findTool(ctx context.Context, session *client.Client, name string) (mcp.Tool, error) {
	list, err := session.ListTools(ctx, mcp.ListToolsRequest{})
	if err != nil {
		return mcp.Tool{}, err
	}
	var offered []string
	for _, tool := range list.Tools {
		if tool.Name == name {
			return tool, nil
		}
		offered = append(offered, tool.Name)
	}
	return mcp.Tool{}, usageError{errors.New(tools.NotOffered(name, offered))}
}

// callTool calls the tool. Until the result is there, a terminal on stderr shows how far
// the call is.
func (c *callCommand) callTool(e *env, session *client.Client, arguments map[string]any) (*mcp.CallToolResult, error) {
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = c.Tool, arguments
	if t, ok := e.stderr.(*terminal); ok {
		progress := &progressLine{out: t}
		defer progress.clear()
		session.OnNotification(progress.show)
		req.Params.Meta = &mcp.Meta{ProgressToken: c.Tool} // Without a token, servers send no progress.
	}
	return session.CallTool(e.ctx, req)
}

// print prints the result in the format that --output asks for. A tool's error becomes
// the error of the command.
func (c *callCommand) print(stdout io.Writer, result *mcp.CallToolResult) error {
	text := textOf(result)
	if result.IsError {
		return errors.New(text)
	}
	width, terminal := terminalWidth(stdout)
	if c.Output == "table" || c.Output == "" && terminal {
		return writeTable(stdout, []byte(text), width)
	}
	_, err := fmt.Fprintln(stdout, text)
	return err
}

// arguments returns the arguments of --json, with those given as Key=Value over them.
func (c *callCommand) arguments(tool mcp.Tool) (map[string]any, error) {
	arguments := map[string]any{}
	if c.JSON != "" {
		if err := json.Unmarshal([]byte(c.JSON), &arguments); err != nil || arguments == nil {
			return nil, fmt.Errorf("--json must be a JSON object, got %s", c.JSON)
		}
	}
	seen := map[string]bool{}
	for _, argument := range c.Arguments {
		key, value, ok := strings.Cut(argument, "=")
		switch {
		case !ok || key == "":
			return nil, fmt.Errorf("arguments look like Key=Value, got %q", argument)
		case seen[key]:
			return nil, fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		arguments[key] = parseValue(tool, key, value)
	}
	return arguments, nil
}

// parseValue returns the value of an argument given as key=value. If the tool wants a
// string for key, or the value is not JSON, the value is text; otherwise it is read as
// JSON.
func parseValue(tool mcp.Tool, key, value string) any {
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

// textOf returns the text blocks of a result, one below the other.
func textOf(result *mcp.CallToolResult) string {
	var texts []string
	for _, content := range result.Content {
		if text, ok := content.(mcp.TextContent); ok {
			texts = append(texts, text.Text)
		}
	}
	return strings.Join(texts, "\n")
}
