package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
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
	"github.com/mark3labs/mcp-go/server"
)

type watchCommand struct {
	Task   string `arg:"" optional:"" help:"TaskId of the stream; default: the only one that runs."`
	NoOpen bool   `help:"Print the page's URL, but open no browser."`
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
	e.settings.Toolsets = tools.AllToolsets // The user at this terminal may do everything.
	project := e.project(b, e.readMark(streams.CallProcess, log), true, log)
	defer project.Streams.Close(e.ctx)
	defer project.Speech.Close()
	call, end := toolCaller(e.ctx, tools.NewServer(e.toolsConfig(b, project, log)))
	defer end()
	taskID, err := c.taskID(e.ctx, call)
	if err != nil {
		return err
	}
	pages := watch.New(watch.Options{Call: call})
	defer pages.Close()
	url, err := pages.Open(e.ctx, taskID)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(e.stdout, "Watch the stream at %s\nThe page lives until the stream ends, or until you press Ctrl-C. The stream goes on then.\n", url); err != nil {
		return err
	}
	if !c.NoOpen {
		openBrowser(e.ctx, url, log)
	}
	return waitForEnd(e.ctx, pages, taskID)
}

// waitForEnd returns when a stream task has ended, or ctx is done.
func waitForEnd(ctx context.Context, pages *watch.Server, taskID string) error {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if running, err := pages.Running(ctx, taskID); err == nil && !running {
			return nil
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

// toolCaller returns a function that calls the tools of s within this process. end must be
// called when it is no longer needed.
func toolCaller(ctx context.Context, s *server.MCPServer) (call callFunc, end func()) {
	var mu sync.Mutex // guards connected
	var connected *client.Client
	connect := func() (*client.Client, error) {
		mu.Lock()
		defer mu.Unlock()
		if connected != nil {
			return connected, nil
		}
		session, err := client.NewInProcessClient(s)
		if err != nil {
			return nil, err
		}
		var initialize mcp.InitializeRequest
		initialize.Params.ProtocolVersion = mcp.LATEST_LEGACY_PROTOCOL_VERSION
		initialize.Params.ClientInfo = mcp.Implementation{Name: "zego-mcp watch", Version: version()}
		if err = session.Start(ctx); err == nil {
			_, err = session.Initialize(ctx, initialize)
		}
		if err != nil {
			return nil, err
		}
		connected = session
		return session, nil
	}
	call = func(ctx context.Context, tool string, arguments map[string]any) (string, error) {
		session, err := connect()
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
	return call, func() {
		mu.Lock()
		defer mu.Unlock()
		if connected != nil {
			_ = connected.Close()
		}
	}
}

// addWatching lets the tool watch_stream_task serve pages. It returns what must be called with
// the server that cfg is for, and what ends the pages.
func addWatching(ctx context.Context, cfg *tools.Config) (serve func(*server.MCPServer), end func()) {
	var pages *watch.Server
	var endCalls func()
	cfg.Watch = func(ctx context.Context, taskID string) (string, error) { return pages.Open(ctx, taskID) }
	return func(s *server.MCPServer) {
			var call callFunc
			call, endCalls = toolCaller(ctx, s)
			pages = watch.New(watch.Options{Call: call})
		}, func() {
			pages.Close()
			endCalls()
		}
}

// isLoopbackListener reports whether only this machine reaches a listener.
func isLoopbackListener(listener net.Listener) bool {
	addr, err := netip.ParseAddrPort(listener.Addr().String())
	return err == nil && addr.Addr().IsLoopback()
}

// openBrowser opens a page in the user's browser. If that fails, the user still has the URL.
func openBrowser(ctx context.Context, url string, log *slog.Logger) {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	command := exec.CommandContext(context.WithoutCancel(ctx), name, args...) //nolint:gosec // The URL is this program's own.
	if err := command.Start(); err != nil {
		log.Debug("no browser was opened", "err", err)
		return
	}
	go func() { _ = command.Wait() }() // The browser may outlive this program.
}
