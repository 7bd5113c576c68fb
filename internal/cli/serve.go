package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
	"zego-mcp/internal/httpserver"
	"zego-mcp/internal/stdio"
	"zego-mcp/tools"
)

type serveCommand struct {
	Transport string   `enum:"stdio,http,sse" default:"stdio" help:"stdio; http: Streamable HTTP at /mcp and SSE at /sse; sse: SSE alone. Default: stdio."`
	Listen    string   `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where http and sse listen; port 0 picks one. Default: 127.0.0.1:8080."`
	AllowHost []string `variable:"ZEGO_ALLOW_HOST" placeholder:"NAME" help:"Host names besides localhost and addresses under which browsers and clients may reach http and sse."`
}

// Run serves until the input ends or a signal comes; both are a success.
func (c *serveCommand) Run(p *process) error {
	log := p.logger(slog.LevelInfo)
	b, err := p.connect(log)
	if err != nil {
		return err
	}
	defer b.close()
	if b.redis != nil {
		_ = b.redis.Ping(p.ctx) // It tells the log itself.
	}
	switch {
	case b.unavailable != nil:
		log.Warn("calls will fail: " + b.unavailable.Error())
	case b.simulated:
		log.Warn("SIMULATED: answers come from the built-in simulator, not from ZEGOCLOUD", "simulator", b.endpoint)
	}
	project := p.project(b, log)
	cfg := p.toolsConfig(project, b.simulator != "", log)
	cfg.Local = c.Transport == "stdio"
	var listener net.Listener
	if c.Transport != "stdio" {
		if listener, err = (&net.ListenConfig{}).Listen(p.ctx, "tcp", c.Listen); err != nil {
			return fmt.Errorf("--listen: %w; choose HOST:PORT, with port 0 for any that is free", withoutListen(err))
		}
	}
	if slices.Contains(project.Toolsets, tools.Streaming) && b.client != nil {
		defer p.manageStreams(project.Streams)()
	}
	s := tools.NewServer(cfg)
	// A call may use its whole time limit before the process ends.
	grace := p.settings.Timeout + time.Second
	if c.Transport == "stdio" {
		if isTerminal(p.stdin) {
			log.Info("speaking MCP on standard input and output, for a client to launch; to try a tool here: zego-mcp call list_digital_humans --simulate")
		}
		return stdio.Serve(p.ctx, s, p.stdin, p.stdout, log, grace)
	}

	path := map[string]string{"http": "/mcp", "sse": "/sse"}[c.Transport]
	log.Info("serving MCP", "transport", c.Transport, "url", "http://"+listener.Addr().String()+path)
	if address, err := netip.ParseAddrPort(listener.Addr().String()); err == nil && !address.Addr().IsLoopback() {
		log.Warn("reachable from other machines: whoever reaches this address uses your ZEGO account; put a proxy with authentication in front")
	}
	handler := httpserver.NewHandler(s, httpserver.TrackCalls(s), httpserver.Options{
		SSEOnly: c.Transport == "sse", AllowedHosts: c.AllowHost, Logger: log,
	})
	return httpserver.Serve(p.ctx, listener, handler, log, grace)
}

// manageStreams warns of stream tasks that an earlier process left behind. It returns a
// function that stops the tasks of this process, unless --keep-tasks is set; call it
// before the process exits.
func (p *process) manageStreams(ledger *streams.Ledger) (end func()) {
	ctx, cancel := context.WithTimeout(p.ctx, p.settings.Timeout)
	var background sync.WaitGroup
	background.Go(func() { ledger.WarnOfOrphans(ctx) })
	ended := make(chan struct{})
	if !p.settings.KeepTasks {
		background.Go(func() { p.stopAfterSignal(ledger, ended) })
	}
	return func() {
		cancel()
		close(ended)
		background.Wait()
		if !p.settings.KeepTasks {
			ledger.StopAll(p.ctx)
		}
	}
}

// stopAfterSignal stops all tasks a second after a signal came, unless the server ends
// before. Clients soon kill a server that a signal does not end, and a call that takes
// long must not keep the streams on air until then.
func (p *process) stopAfterSignal(ledger *streams.Ledger, ended <-chan struct{}) {
	select {
	case <-ended:
		return
	case <-p.ctx.Done():
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		ledger.StopAll(p.ctx)
	}
}

// withoutListen drops the words that repeat the flag's name.
func withoutListen(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		return fmt.Errorf("%s: %w", op.Addr, op.Err)
	}
	return err
}
