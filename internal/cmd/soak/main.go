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

func main() {
	duration := flag.Duration("duration", time.Minute, "how long to call, after a warm-up of a quarter of it")
	sessions := flag.Int("sessions", 50, "sessions at a time")
	percent := flag.Int("faults", 20, "percent of the upstream calls that fail")
	timeout := flag.Duration("timeout", 5*time.Second, "time limit of one call")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := soak(ctx, os.Stdout, *duration, *sessions, *percent, *timeout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak failed:", err)
		os.Exit(1)
	}
}

// soak runs everything in this process, where goroutines can be counted.
func soak(ctx context.Context, out io.Writer, duration time.Duration, sessions, percent int, timeout time.Duration) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	idle := timeout + grace                             // A session may be idle as long as a call takes.
	meter := meter{calm: 2*idle - 500*time.Millisecond} // The server looks for idle ones every idle/2.
	upstream := upstream{percent: percent}
	// ZEGO's own limit holds: fifty sessions are more than it serves at once, so that
	// queueing, sharing, caching and failing all happen at the same time.
	sim := &zegosim.Server{Fault: upstream.choose, Observe: upstream.observe}
	simulator, err := meter.listen(ctx)
	if err != nil {
		return err
	}
	simServer := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = simServer.Serve(simulator) }()
	defer func() { _ = simServer.Close() }()

	transport := http.DefaultTransport.(*http.Transport).Clone()
	meter.pool = transport
	zegoClient, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint:   "http://" + simulator.Addr().String(),
		HTTPClient: &http.Client{Transport: transport},
		Timeout:    timeout * 2 / 5, // A stalled attempt leaves time for another.
		CacheTTL:   5 * time.Second,
	})
	if err != nil {
		return err
	}
	listener, err := meter.listen(ctx)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() {
		log := slog.New(slog.DiscardHandler)
		s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: zegoClient}), Simulated: true, Timeout: timeout, Logger: log})
		handler := httpserver.NewHandler(s, httpserver.TrackCalls(s), httpserver.Options{SessionIdleTimeout: idle, Logger: log})
		served <- httpserver.Serve(ctx, listener, handler, log, timeout)
	}()

	crowd := crowd{url: "http://" + listener.Addr().String() + "/mcp", timeout: timeout, humans: zegosim.DefaultHumans()}
	crowd.run(ctx, duration/4, sessions)
	before := meter.quiet(ctx)
	crowd.run(ctx, duration, sessions)
	after := meter.quiet(ctx)
	crowd.print(out)
	upstream.print(out)
	printUsage(out, before, after)
	stop()
	return errors.Join(crowd.problems(), upstream.problems(), grown(before, after), <-served)
}

// run keeps sessions going for some time, and waits for their ends.
func (c *crowd) run(ctx context.Context, duration time.Duration, sessions int) {
	end := time.Now().Add(duration)
	var running sync.WaitGroup
	for range sessions {
		running.Go(func() {
			for time.Now().Before(end) && ctx.Err() == nil {
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
