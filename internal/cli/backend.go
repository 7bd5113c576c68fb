package cli

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
	"zego-mcp/internal/redisshare"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// backend is where the answers come from.
type backend struct {
	client      *zego.Client
	unavailable error              // Why client is nil.
	simulator   string             // Its URL; empty for ZEGO.
	stop        func()             // The simulator; nil without one.
	share       *redisshare.Client // Nil without Redis.
}

// connect makes the client that the settings describe. Bad settings are no error
// here: the server starts, lists its tools, and a call tells what is wrong.
func (p *process) connect(httpClient *http.Client, log *slog.Logger) (backend, error) {
	endpoint := p.settings.Endpoint
	var b backend
	var appID uint32
	var secret string
	if p.settings.Simulate {
		url, stop, err := p.simulator()
		if err != nil {
			return b, fmt.Errorf("start the simulator: %w", err)
		}
		b.simulator, b.stop = url, stop
		endpoint, appID, secret = url, zegosim.DefaultAppID, zegosim.DefaultSecret
	} else {
		var problems []error
		if appID, secret, problems = p.credentials(); len(problems) > 0 {
			b.unavailable = fmt.Errorf("this server is not configured: %s.\n%s", join(problems), whatToSet)
			return b, nil
		}
	}
	opts := zego.Options{Endpoint: endpoint, HTTPClient: httpClient, QPS: p.settings.QPS, CacheTTL: p.settings.CacheTTL}
	if p.settings.QPS == 0 {
		opts.QPS = -1
	}
	if p.settings.RedisURL != "" {
		share, err := redisshare.Open(p.settings.RedisURL, redisshare.Options{AppID: appID, QPS: p.settings.QPS, Logger: log})
		if err != nil {
			return b, fmt.Errorf("--redis-url %w", err)
		}
		b.share, opts.Cache = share, share
		if p.settings.QPS > 0 {
			opts.Limiter = share
		}
	}
	client, err := zego.New(appID, secret, opts)
	if err != nil {
		b.unavailable = fmt.Errorf("this server is not configured: %s. Check ZEGO_ENDPOINT", strings.TrimPrefix(err.Error(), "zego: "))
	}
	b.client = client
	return b, nil
}

// close lets go of what connect opened.
func (b backend) close() {
	if b.share != nil {
		_ = b.share.Close()
	}
	if b.stop != nil {
		b.stop()
	}
}

// simulator starts the simulator beside us.
func (p *process) simulator() (url string, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(p.ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	sim := &zegosim.Server{}
	srv := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() {
		_ = srv.Close()
		_ = sim.Close()
	}, nil
}
