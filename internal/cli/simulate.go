package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
	"zego-mcp/zego/zegosim"
)

type simulateCommand struct {
	Listen      string `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Where to listen; port 0 picks one. Default: 127.0.0.1:8081."`
	CallbackURL string `name:"callback-url" placeholder:"URL" help:"Where to POST what happens to stream tasks and drives, signed as ZEGO signs it."`
}

// Validate refuses a callback URL that nobody can be called at.
func (c *simulateCommand) Validate() error {
	if u, err := url.Parse(c.CallbackURL); c.CallbackURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return fmt.Errorf("--callback-url must be an http or https URL, got %q", c.CallbackURL)
	}
	return nil
}

// Run serves the simulator until a signal comes.
func (c *simulateCommand) Run(p *process) error {
	listener, err := (&net.ListenConfig{}).Listen(p.ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", withoutListen(err))
	}
	sim := &zegosim.Server{CallbackURL: c.CallbackURL}
	defer func() { _ = sim.Close() }()
	srv := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(p.ctx, func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), time.Second)
		defer cancel()
		if srv.Shutdown(ending) != nil {
			_ = srv.Close()
		}
	})()
	_, err = fmt.Fprintf(p.stdout, `ZEGO simulator: a test double, nothing reaches ZEGOCLOUD. In another shell:

export ZEGO_ENDPOINT=http://%s
export ZEGO_APP_ID=%d
export ZEGO_SERVER_SECRET=%s

The pictures of its digital humans: http://%[1]s/
`, listener.Addr(), zegosim.DefaultAppID, zegosim.DefaultSecret)
	if err != nil {
		return err
	}
	if c.CallbackURL != "" {
		_, _ = fmt.Fprintf(p.stdout, "Callbacks go to %s, signed with the callback secret %s\n", c.CallbackURL, zegosim.DefaultCallbackSecret)
		ctx, cancel := context.WithCancel(p.ctx)
		var callbacks sync.WaitGroup
		defer callbacks.Wait()
		defer cancel()
		callbacks.Go(func() { _ = sim.RunCallbacks(ctx) }) // Validate has seen the URL.
	}
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
