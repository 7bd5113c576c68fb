package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
	"zego-mcp/internal/watch"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

type watchCommand struct {
	Task         string `arg:"" optional:"" help:"TaskId of the stream; default: the only one that runs."`
	DigitalHuman string `placeholder:"ID" help:"DigitalHumanId of the stream, whose name and gestures the page then shows. Default: what servers with the same --redis-url know; else they are missing."`
	NoOpen       bool   `help:"Print the page's URL, but open no browser."`
}

// watchInterval is how often the command looks whether the stream has ended.
const watchInterval = 5 * time.Second

// Run serves the page until the stream ends or a signal comes.
func (c *watchCommand) Run(e *env) error {
	if e.settings.Simulate {
		return usageError{errors.New("watch --simulate would start a simulator of its own, in which no stream runs; start zego-mcp simulate, and set what it prints")}
	}
	log := e.logger(slog.LevelError)
	b, err := e.connect(log)
	if err != nil {
		return err
	}
	defer b.close()
	if b.redis != nil {
		b.speech = b.redis.Speech() // What servers say of the streams that they created.
	}
	e.settings.Toolsets = tools.AllToolsets // The user at this terminal may do everything.
	project := e.project(b, e.readMark(streams.CallProcess, log), true, log)
	defer project.Streams.Close(e.ctx)
	defer project.Speech.Close()
	caller := &toolCaller{ctx: e.ctx, cfg: e.toolsConfig(b, project, log)}
	defer caller.close()
	taskID, err := c.taskID(e.ctx, caller.call)
	if err != nil {
		return err
	}
	pages := watch.New(watch.Options{Call: caller.call, Simulated: isSimulator(b.endpoint), DigitalHumanID: c.DigitalHuman})
	defer pages.Close()
	if running, err := pages.Running(e.ctx, taskID); err != nil {
		return err
	} else if !running {
		return fmt.Errorf("the stream task %q has ended", taskID)
	}
	address, err := pages.Open(e.ctx, taskID)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.stdout, "Watch the stream at %s\nThe page lives until the stream ends, or until you press Ctrl-C. The stream goes on then.\n", address); err != nil {
		return err
	}
	if !c.NoOpen {
		openBrowser(e.ctx, address, log)
	}
	if !waitForEnd(e.ctx, pages, taskID) {
		return nil
	}
	_, err = fmt.Fprintln(e.stdout, "The stream has ended.")
	select { // The page asks every few seconds: it shall learn that the stream has ended.
	case <-e.ctx.Done():
	case <-time.After(watchInterval):
	}
	return err
}

// waitForEnd returns true when a stream task has ended, and false when ctx is done.
func waitForEnd(ctx context.Context, pages *watch.Server, taskID string) (ended bool) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
		if pages.Ended(ctx, taskID) {
			return true
		}
	}
}

// taskID returns the task to watch. If the user has named none and not exactly one runs, the
// error lists those that run.
func (c *watchCommand) taskID(ctx context.Context, call callFunc) (string, error) {
	if c.Task != "" {
		return c.Task, nil
	}
	text, err := call(ctx, "list_stream_tasks", nil)
	if err != nil {
		return "", err
	}
	var list struct {
		StreamTasks []struct {
			TaskID string `json:"TaskId"`
			RoomID string `json:"RoomId"`
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return "", err
	}
	switch len(list.StreamTasks) {
	case 0:
		return "", errors.New("no stream task runs; an agent starts one with create_stream_task")
	case 1:
		return list.StreamTasks[0].TaskID, nil
	}
	lines := []string{"several stream tasks run; name one:"}
	for _, task := range list.StreamTasks {
		lines = append(lines, fmt.Sprintf("zego-mcp watch %s   (room %q)", task.TaskID, task.RoomID))
	}
	return "", usageError{errors.New(strings.Join(lines, "\n"))}
}

// callFunc calls a tool, and returns its result as JSON, or its error.
type callFunc = func(ctx context.Context, tool string, arguments map[string]any) (string, error)

// toolCaller calls tools within this process. It makes its MCP server at the first call.
type toolCaller struct {
	ctx context.Context // Of the session.
	cfg tools.Config

	mu      sync.Mutex     // guards what follows
	session *client.Client // Nil before the first call.
}

// call is a callFunc.
func (c *toolCaller) call(ctx context.Context, tool string, arguments map[string]any) (string, error) {
	session, err := c.connect()
	if err != nil {
		return "", err
	}
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = tool, arguments
	result, err := session.CallTool(ctx, req)
	if err != nil {
		return "", err
	}
	if text := textOf(result); result.IsError {
		return "", errors.New(text)
	}
	return textOf(result), nil
}

// connect returns the session with the server.
func (c *toolCaller) connect() (*client.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil {
		return c.session, nil
	}
	session, err := connectInProcess(c.ctx, c.cfg, "zego-mcp watch")
	if err != nil {
		return nil, err
	}
	c.session = session
	return session, nil
}

// close ends the session.
func (c *toolCaller) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil {
		_ = c.session.Close()
	}
}

// addWatching lets the tool watch_stream_task of a server with cfg serve pages, until end is
// called. endpoint is where the client of project calls.
//
// The pages call tools of a server of their own. It has all toolsets, because the person who
// looks at a page may use what it shows, whatever the agent may do. It logs only calls that
// fail, because a page calls every few seconds.
func (e *env) addWatching(cfg *tools.Config, project tools.Project, endpoint string) (end func()) {
	own := *cfg
	project.Toolsets, _ = tools.ParseToolsets(tools.AllToolsets) // This word is no error.
	own.Project = tools.OneProject(project)
	own.Logger = e.logger(slog.LevelWarn)
	caller := &toolCaller{ctx: e.ctx, cfg: own}
	pages := watch.New(watch.Options{Call: caller.call, Simulated: isSimulator(endpoint)})
	cfg.Watch = pages.Open
	return func() {
		pages.Close()
		caller.close()
	}
}

// isSimulator reports whether an endpoint is on this machine, where ZEGO never is.
func isSimulator(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
}

// isLoopbackListener reports whether only this machine reaches a listener.
func isLoopbackListener(listener net.Listener) bool {
	addr, err := netip.ParseAddrPort(listener.Addr().String())
	return err == nil && addr.Addr().IsLoopback()
}

// openBrowser opens a page in the user's browser. If that fails, the user still has the URL.
func openBrowser(ctx context.Context, address string, log *slog.Logger) {
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), name, args...) //nolint:gosec // The URL is this program's own.
	if err := command.Start(); err != nil {
		log.Debug("no browser was opened", "err", err)
		return
	}
	go func() { _ = command.Wait() }() // The browser may outlive this program.
}
