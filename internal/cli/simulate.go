package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
	"zego-mcp/zego/zegosim"
)

type simulateCommand struct {
	Listen string `default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Where to listen; port 0 picks one. Default: 127.0.0.1:8081."`
}

// Run serves the simulator until a signal comes.
func (c *simulateCommand) Run(p *process) error {
	listener, err := (&net.ListenConfig{}).Listen(p.ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", withoutListen(err))
	}
	srv := &http.Server{Handler: &zegosim.Server{}, ReadHeaderTimeout: 10 * time.Second}
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
	if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
