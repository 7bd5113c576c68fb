package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
	"zego-mcp/zego/zegosim"
)

type simulateCommand struct {
	Listen        string `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Where to listen; port 0 picks a free port. Default: 127.0.0.1:8081."`
	NoDriveStatus bool   `help:"Refuse GetDriveStatus as unknown: ZEGO no longer documents it."`
	CallbackURL   string `name:"callback-url" placeholder:"URL" help:"Where to POST callbacks about stream tasks and drives, signed like those of ZEGO."`
}

// Validate refuses a callback URL that is not a web address.
func (c *simulateCommand) Validate() error {
	if u, err := url.Parse(c.CallbackURL); c.CallbackURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("--callback-url must be an http or https URL, got %q", c.CallbackURL)
	}
	return nil
}

// Run serves the simulator until a signal comes.
func (c *simulateCommand) Run(e *env) error {
	listener, err := listen(e.ctx, c.Listen)
	if err != nil {
		return err
	}
	sim := &zegosim.Server{CallbackURL: c.CallbackURL, NoDriveStatus: c.NoDriveStatus}
	defer func() { _ = sim.Close() }()
	if err := c.printSettings(e.stdout, listener.Addr()); err != nil {
		return err
	}
	if c.CallbackURL != "" {
		defer startCallbacks(e.ctx, sim)()
	}
	return serveUntilDone(e.ctx, listener, sim)
}

// printSettings prints what a client must be told to use the simulator.
func (c *simulateCommand) printSettings(stdout io.Writer, address net.Addr) error {
	url, _ := localURL(address)
	_, err := fmt.Fprintf(stdout, `ZEGO simulator: a test double, nothing reaches ZEGOCLOUD. In another shell:

export ZEGO_ENDPOINT=%s
export ZEGO_APP_ID=%d
export ZEGO_SERVER_SECRET=%s

The pictures of its digital humans: %[1]s/
`, url, zegosim.DefaultAppID, zegosim.DefaultSecret)
	if err == nil && c.CallbackURL != "" {
		_, err = fmt.Fprintf(stdout, "Callbacks go to %s, signed with the callback secret %s\n", c.CallbackURL, zegosim.DefaultCallbackSecret)
	}
	return err
}

// startCallbacks lets the simulator send callbacks until stop is called.
func startCallbacks(ctx context.Context, sim *zegosim.Server) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var callbacks sync.WaitGroup
	callbacks.Go(func() { _ = sim.RunCallbacks(ctx) }) // It fails only for a malformed URL, which Validate refuses.
	return func() {
		cancel()
		callbacks.Wait()
	}
}

// serveUntilDone serves handler until ctx is done.
func serveUntilDone(ctx context.Context, listener net.Listener, handler http.Handler) error {
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = srv.Close() })()
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
