// Command soak drives the HTTP server with many MCP sessions while ZEGO, here the
// simulator, fails again and again. Every call must end with the right answer or a clear
// error within its time limit, and at the end no goroutine, connection or memory may be
// left over.
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
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// options are the flags, and what only tests set.
type options struct {
	duration     time.Duration // How long to make calls, after a warm-up of a quarter of it.
	sessions     int           // How many sessions run at the same time.
	faultPercent int           // Percent of the upstream calls that fail.
	timeout      time.Duration // Time limit of one call.
	idleSession  time.Duration // When the server forgets an unused session; default timeout + grace.
}

func main() {
	var opts options
	flag.DurationVar(&opts.duration, "duration", time.Minute, "how long to call, after a warm-up of a quarter of it")
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

// soak runs the simulator, the server and the clients in this process, prints a table to
// out, and returns what went wrong. One process, because it counts its own goroutines.
func soak(ctx context.Context, out io.Writer, opts options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if opts.idleSession == 0 {
		opts.idleSession = opts.timeout + grace // A session may be idle for as long as a call takes.
	}
	// The server looks for unused sessions every idleSession/2, so the last one is gone
	// after 1.5 times idleSession.
	meter := meter{settleTime: opts.idleSession * 7 / 4}
	faults := faultInjector{percent: opts.faultPercent}
	zegoClient, stopSimulator, err := startSimulator(ctx, &meter, &faults, opts.timeout)
	if err != nil {
		return err
	}
	defer stopSimulator()
	listener, err := meter.listen(ctx)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() {
		log := slog.New(slog.DiscardHandler)
		s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: zegoClient}), Simulated: true, Timeout: opts.timeout, Logger: log})
		handler := httpserver.NewHandler(s, httpserver.Options{SessionIdleTimeout: opts.idleSession, Logger: log})
		served <- httpserver.Serve(ctx, listener, handler, log, opts.timeout)
	}()

	clients := clients{url: "http://" + listener.Addr().String() + "/mcp", timeout: opts.timeout, humans: zegosim.DefaultHumans()}
	clients.run(ctx, opts.duration/4, opts.sessions)
	before := meter.settledUsage(ctx)
	clients.run(ctx, opts.duration, opts.sessions)
	after := meter.releasedUsage(ctx, before)
	clients.print(out)
	faults.print(out)
	printUsage(out, before, after)
	stop()
	return errors.Join(clients.verdict(), faults.verdict(), checkGrowth(before, after), <-served)
}

// startSimulator starts ZEGO's simulator, whose calls fail as faults says. It returns a
// client for it, and a function that stops it.
func startSimulator(ctx context.Context, m *meter, faults *faultInjector, timeout time.Duration) (*zego.Client, func(), error) {
	listener, err := m.listen(ctx)
	if err != nil {
		return nil, nil, err
	}
	// The simulator keeps ZEGO's rate limit. Fifty sessions ask for more than that, so
	// that calls wait, share answers, read the cache and fail, all at the same time.
	sim := &zegosim.Server{Fault: faults.choose, Observe: faults.observe}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	m.pool = http.DefaultTransport.(*http.Transport).Clone()
	c, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint:   "http://" + listener.Addr().String(),
		HTTPClient: &http.Client{Transport: m.pool},
		Timeout:    timeout * 2 / 5, // A stalled attempt leaves time for another one.
		CacheTTL:   5 * time.Second,
	})
	return c, func() { _ = server.Close() }, err
}

// listen returns a listener on a free port of the loopback interface. The meter counts
// its connections.
func (m *meter) listen(ctx context.Context) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	return &countedListener{Listener: listener, open: &m.connections}, err
}
