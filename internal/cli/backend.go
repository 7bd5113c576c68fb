package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"zego-mcp/internal/redisshare"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// backend is what answers the calls: ZEGO, or the built-in simulator.
type backend struct {
	account       account            // Of the built-in simulator, too.
	problems      []error            // What is wrong with the account.
	client        *zego.Client       // Nil if the settings do not allow calls.
	unavailable   error              // Why client is nil, and what to do about it.
	endpoint      string             // The URL that calls go to.
	simulated     bool               // The built-in simulator answers.
	stopSimulator func()             // Nil if simulated is false.
	redis         *redisshare.Client // Nil without --redis-url.
	callbacks     bool               // This process takes ZEGO's callbacks.
	speech        speech.Share       // Shares with other servers what is spoken; nil: nothing is shared.
	store         streams.Store      // The stream tasks of all servers; nil if this process keeps its own.
}

// connect makes the backend that the settings describe; the caller must close it.
// Missing or wrong credentials are no error: the server must start and list its tools
// even so, and each call then answers with backend.unavailable.
func (e *env) connect(log *slog.Logger) (backend, error) {
	var b backend
	if e.settings.Simulate {
		url, stop, err := startSimulator(e.ctx, &zegosim.Server{})
		if err != nil {
			return b, fmt.Errorf("start the simulator: %w", err)
		}
		b.simulated, b.endpoint, b.stopSimulator = true, url, stop
		b.account = account{appID: zegosim.DefaultAppID, secret: zegosim.DefaultSecret, endpoint: url}
	} else {
		b.account, b.problems = e.account()
		b.endpoint = b.account.endpoint
		if b.unavailable = notConfigured(b.problems, b.endpoint); b.unavailable != nil {
			return b, nil
		}
	}
	opts := zego.Options{Endpoint: b.endpoint, QPS: e.settings.QPS, CacheTTL: e.settings.CacheTTL, Observer: e.observer}
	if e.settings.QPS == 0 {
		opts.QPS = -1 // For package zego, 0 means the default and less than 0 no limit.
	}
	if e.settings.RedisURL != "" {
		redis, err := redisshare.Open(e.settings.RedisURL, redisshare.Options{AppID: b.account.appID, Endpoint: b.endpoint, QPS: e.settings.QPS, Logger: log})
		if err != nil {
			return b, fmt.Errorf("--redis-url %w", err)
		}
		b.redis, opts.Cache = redis, redis
		if e.settings.QPS > 0 {
			opts.Limiter = redis
		}
	}
	client, err := zego.New(b.account.appID, b.account.secret, opts)
	if err != nil {
		return b, fmt.Errorf("configuration: %s", strings.TrimPrefix(err.Error(), "zego: "))
	}
	b.client = client
	return b, nil
}

// notConfigured returns an error that names all problems with the account, and what is wrong
// with the endpoint, and says what to do. It returns nil if all is well.
func notConfigured(problems []error, endpoint string) error {
	var advice []string
	if len(problems) > 0 {
		advice = append(advice, whatToSet)
	}
	if err := checkEndpoint(endpoint); err != nil {
		problems = append(slices.Clone(problems), err)
		advice = append(advice, "Check ZEGO_ENDPOINT.")
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("this server is not configured: %s.\n%s", joinErrors(problems), strings.Join(advice, "\n"))
}

// close ends what connect started.
func (b backend) close() {
	if b.redis != nil {
		_ = b.redis.Close()
	}
	if b.stopSimulator != nil {
		b.stopSimulator()
	}
}

// startSimulator serves a simulator on a free port of this machine until stop is called.
func startSimulator(ctx context.Context, sim *zegosim.Server) (url string, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() {
		_ = srv.Close()
		_ = sim.Close()
	}, nil
}
