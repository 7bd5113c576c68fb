// Command soak drives the HTTP server with many sessions while ZEGO, here the
// simulator, fails again and again. Every call must end in its own answer or a clear
// error within its time limit, and nothing may be left behind at the end.
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
	"sync"
	"time"
	"zego-mcp/internal/httpserver"
	"zego-mcp/tools"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// options says what to do, and for how long.
type options struct {
	duration    time.Duration // How long to call, after a warm-up of a quarter of it.
	sessions    int           // At a time.
	faults      int           // Percent of the upstream calls that fail.
	timeout     time.Duration // Of one call.
	idleSession time.Duration // When the server forgets a session; default timeout + grace.
}

func main() {
	var opts options
	flag.DurationVar(&opts.duration, "duration", time.Minute, "how long to call, after a warm-up of a quarter of it")
	flag.IntVar(&opts.sessions, "sessions", 50, "sessions at a time")
	flag.IntVar(&opts.faults, "faults", 20, "percent of the upstream calls that fail")
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

// soak runs everything in this process, where goroutines can be counted.
func soak(ctx context.Context, out io.Writer, opts options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if opts.idleSession == 0 {
		opts.idleSession = opts.timeout + grace // A session may be idle as long as a call takes.
	}
	meter := meter{calm: opts.idleSession * 7 / 4} // The server looks for idle ones every idle/2.
	upstream := upstream{percent: opts.faults}
	zegoClient, stopSimulator, err := meter.simulate(ctx, &upstream, opts.timeout)
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
		handler := httpserver.NewHandler(s, httpserver.TrackCalls(s), httpserver.Options{SessionIdleTimeout: opts.idleSession, Logger: log})
		served <- httpserver.Serve(ctx, listener, handler, log, opts.timeout)
	}()

	crowd := crowd{url: "http://" + listener.Addr().String() + "/mcp", timeout: opts.timeout, humans: zegosim.DefaultHumans()}
	crowd.run(ctx, opts.duration/4, opts.sessions)
	before := meter.quiet(ctx)
	crowd.run(ctx, opts.duration, opts.sessions)
	after := meter.released(ctx, before)
	crowd.print(out)
	upstream.print(out)
	printUsage(out, before, after)
	stop()
	return errors.Join(crowd.problems(), upstream.problems(), grown(before, after), <-served)
}

// simulate starts ZEGO's simulator with faults, and returns a client of it.
func (m *meter) simulate(ctx context.Context, faults *upstream, timeout time.Duration) (*zego.Client, func(), error) {
	listener, err := m.listen(ctx)
	if err != nil {
		return nil, nil, err
	}
	// ZEGO's own limit holds: fifty sessions are more than it serves at once, so that
	// queueing, sharing, caching and failing all happen at the same time.
	sim := &zegosim.Server{Fault: faults.choose, Observe: faults.observe}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	m.pool = http.DefaultTransport.(*http.Transport).Clone()
	c, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint:   "http://" + listener.Addr().String(),
		HTTPClient: &http.Client{Transport: m.pool},
		Timeout:    timeout * 2 / 5, // A stalled attempt leaves time for another.
		CacheTTL:   5 * time.Second,
	})
	return c, func() { _ = server.Close() }, err
}

// run keeps sessions going for some time, each at least once, and waits for their ends.
func (c *crowd) run(ctx context.Context, duration time.Duration, sessions int) {
	end := time.Now().Add(duration)
	var running sync.WaitGroup
	for range sessions {
		running.Go(func() {
			for again := true; again; again = time.Now().Before(end) && ctx.Err() == nil {
				c.session(ctx, end)
			}
		})
	}
	running.Wait()
}

// listen returns a listener on loopback whose connections are counted.
func (m *meter) listen(ctx context.Context) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	return &countedListener{Listener: listener, open: &m.connections}, err
}
