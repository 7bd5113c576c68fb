// Command soak drives the HTTP server with many MCP sessions while ZEGO, here the
// simulator, fails again and again. Every call must end with the right answer or a clear
// error within its time limit. At the end no stream task may run, and no goroutine,
// connection or memory may be left over.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"
	"zego-mcp/internal/httpserver"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// options are the flags, and what only tests set.
type options struct {
	duration     time.Duration // How long to make calls: half of it with stream tasks, half without.
	sessions     int           // How many sessions run at the same time.
	faultPercent int           // Percent of the upstream calls that fail.
	timeout      time.Duration // Time limit of one call.
	idleSession  time.Duration // When the server forgets an unused session; default timeout + grace.
}

func main() {
	var opts options
	flag.DurationVar(&opts.duration, "duration", time.Minute, "how long to call: half of it with stream tasks, half without")
	flag.IntVar(&opts.sessions, "sessions", 50, "sessions at a time")
	flag.IntVar(&opts.faultPercent, "faults", 20, "percent of the upstream calls that fail")
	flag.DurationVar(&opts.timeout, "timeout", 5*time.Second, "time limit of one call")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := soak(ctx, os.Stdout, opts)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak failed:", err)
		os.Exit(1)
	}
}

// soak runs the simulator, servers and clients in this process, prints a table to out, and
// returns what went wrong. One process, because it counts its own goroutines.
func soak(ctx context.Context, out io.Writer, opts options) error {
	if opts.idleSession == 0 {
		opts.idleSession = opts.timeout + grace // A session may be idle for as long as a call takes.
	}
	// The server looks for unused sessions every idleSession/2, so the last one is gone
	// after 1.5 times idleSession.
	r := &run{options: opts, out: out, meter: meter{releaseTime: opts.idleSession * 7 / 4}}
	r.faults.percent = opts.faultPercent
	stopSimulator, err := r.startSimulator(ctx)
	if err != nil {
		return err
	}
	defer stopSimulator()
	err = errors.Join(r.soakStreams(ctx), r.soakSessions(ctx))
	r.faults.print(out)
	return errors.Join(err, r.faults.verdict())
}

// run is one run of the soak.
type run struct {
	options
	out    io.Writer
	meter  meter
	faults faultInjector
	client *zego.Client // Of the simulator; for all servers.
}

// soakSessions runs clients that create no stream tasks, and checks that the server frees,
// while it lives, all that its sessions used.
func (r *run) soakSessions(ctx context.Context) error {
	r.faults.begin()
	s, err := r.startServer(ctx, nil)
	if err != nil {
		return err
	}
	clients := r.newClients(s.url)
	clients.orderly = true
	clients.run(ctx, 0, r.sessions)
	before := r.meter.settledUsage(ctx)
	clients.orderly = false
	clients.run(ctx, r.duration/2, r.sessions)
	after := r.meter.releasedUsage(ctx, before)
	clients.print(r.out)
	printUsage(r.out, before, after)
	return errors.Join(clients.verdict(), checkGrowth(before, after), s.stop())
}

func (r *run) newClients(url string) *clients {
	return &clients{url: url, timeout: r.timeout, humans: zegosim.DefaultHumans()}
}

// mcpServer is an MCP server that runs.
type mcpServer struct {
	url  string
	stop func() error // Ends it as a signal does, and returns when it has ended.
}

// startServer starts an MCP server. With a nil ledger it has no tools for streams.
func (r *run) startServer(ctx context.Context, ledger *streams.Ledger) (mcpServer, error) {
	listener, err := r.meter.listen(ctx)
	if err != nil {
		return mcpServer{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	project := tools.Project{Client: r.client, Streams: ledger}
	if ledger != nil {
		project.Toolsets = []tools.Toolset{tools.Assets, tools.Streaming}
	}
	s := tools.NewServer(tools.Config{Project: tools.OneProject(project), Simulated: true, Timeout: r.timeout, Logger: log})
	handler := httpserver.NewHandler(s, httpserver.Options{SessionIdleTimeout: r.idleSession, Logger: log})
	go func() { served <- httpserver.Serve(ctx, listener, handler, log, r.timeout) }()
	return mcpServer{url: "http://" + listener.Addr().String() + "/mcp", stop: func() error {
		cancel()
		return <-served
	}}, nil
}

// startSimulator starts ZEGO's simulator, whose calls fail as r.faults says, and a client
// for it. It returns a function that stops the simulator.
func (r *run) startSimulator(ctx context.Context) (stop func(), err error) {
	listener, err := r.meter.listen(ctx)
	if err != nil {
		return nil, err
	}
	// The simulator keeps ZEGO's rate limit. Fifty sessions ask for more than that, so
	// that calls wait, share answers, read the cache and fail, all at the same time.
	sim := &zegosim.Server{Fault: r.faults.choose, Observe: r.faults.observe, MaxTasks: -1, StartDelay: 200 * time.Millisecond}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	r.meter.pool = http.DefaultTransport.(*http.Transport).Clone()
	r.client, err = zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint:   "http://" + listener.Addr().String(),
		HTTPClient: &http.Client{Transport: r.meter.pool},
		Timeout:    r.timeout * 2 / 5, // A stalled attempt leaves time for another one.
		CacheTTL:   5 * time.Second,
	})
	return func() { _ = server.Close() }, err
}

// listen returns a listener on a free port of the loopback interface. The meter counts
// its connections.
func (m *meter) listen(ctx context.Context) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	return &countedListener{Listener: listener, open: &m.connections}, err
}
