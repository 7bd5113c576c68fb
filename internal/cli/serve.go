package cli

import (
	"context"
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
	logBackend(p.ctx, b, log)
	overStdio := c.Transport == "stdio"
	cfg := p.toolsConfig(b, log)
	cfg.Local = overStdio
	var listener net.Listener
	if !overStdio {
		if listener, err = listen(p.ctx, c.Listen); err != nil {
			return err
		}
	}
	if slices.Contains(cfg.Toolsets, tools.Streaming) && b.client != nil {
		defer p.tend(cfg.Streams)()
	}
	mcpServer := tools.NewServer(cfg)
	// When a signal comes, a call that runs may still use its whole time limit.
	grace := p.settings.Timeout + time.Second
	if overStdio {
		if isTerminal(p.stdin) {
			log.Info("speaking MCP on standard input and output, for a client to launch; to try a tool here: zego-mcp call list_digital_humans --simulate")
		}
		return stdio.Serve(p.ctx, mcpServer, p.stdin, p.stdout, log, grace)
	}
	c.logAddress(listener.Addr(), log)
	return httpserver.Serve(p.ctx, listener, mcpServer, httpserver.Options{
		SSEOnly: c.Transport == "sse", AllowedHosts: c.AllowHost, Grace: grace, Logger: log,
	})
}

// logBackend logs what the operator should know of the backend before the first call.
func logBackend(ctx context.Context, b backend, log *slog.Logger) {
	if b.redis != nil {
		_ = b.redis.Ping(ctx) // The client logs the error itself.
	}
	switch {
	case b.unavailable != nil:
		log.Warn("calls will fail: " + b.unavailable.Error())
	case b.simulated:
		log.Warn("SIMULATED: answers come from the built-in simulator, not from ZEGOCLOUD", "simulator", b.endpoint)
	}
}

// logAddress logs the URL that clients need, and warns if other machines reach it.
func (c *serveCommand) logAddress(address net.Addr, log *slog.Logger) {
	path := map[string]string{"http": "/mcp", "sse": "/sse"}[c.Transport]
	log.Info("serving MCP", "transport", c.Transport, "url", "http://"+address.String()+path)
	if parsed, err := netip.ParseAddrPort(address.String()); err == nil && !parsed.Addr().IsLoopback() {
		log.Warn("reachable from other machines: whoever reaches this address uses your ZEGO account; put a proxy with authentication in front")
	}
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
