package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
	"zego-mcp/internal/health"
	"zego-mcp/zego"
)

// operationFlags are the flags of serve for those who operate a server.
type operationFlags struct {
	AdminListen string        `variable:"ZEGO_ADMIN_LISTEN" placeholder:"HOST:PORT" help:"Where to serve /healthz and /readyz, without a password: keep it private. Default: http and sse serve them beside MCP."`
	DrainDelay  time.Duration `variable:"ZEGO_DRAIN_DELAY" default:"0s" help:"How long http and sse still take requests after a signal, while /readyz answers 503 so that load balancers send no more. Default: 0s."`
}

// validate refuses values that serve cannot work with.
func (f operationFlags) validate() error {
	if f.DrainDelay < 0 {
		return fmt.Errorf("--drain-delay must be 0 or more, got %v", f.DrainDelay)
	}
	return nil
}

// operations are what those who operate a server see of it.
type operations struct {
	flags  operationFlags
	log    *slog.Logger
	health *health.Checker
}

// observe prepares what operators see, before the server connects to anything. From a signal
// on the server is not ready. Over HTTP it ends --drain-delay later, so e.ctx is replaced.
func (f operationFlags) observe(e *env, overStdio bool, log *slog.Logger) *operations {
	o := &operations{flags: f, log: log, health: health.New(nil)}
	context.AfterFunc(e.ctx, o.health.Drain)
	if f.DrainDelay > 0 && !overStdio {
		e.ctx = delayed(e.ctx, f.DrainDelay)
	}
	e.observer = zego.Observer{Attempt: o.health.Attempt}
	return o
}

// delayed returns a context that is done a while after ctx.
func delayed(ctx context.Context, delay time.Duration) context.Context {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(delay, cancel) })
	return later
}

// begin listens where --admin-listen says, if it says anything, until end is called. end must
// be called last: until then the server says that it is not ready.
func (o *operations) begin(e *env, b backend) (end func(), err error) {
	if b.redis != nil {
		o.health.UseRedis(b.redis.Ping)
	}
	if o.flags.AdminListen == "" {
		return func() {}, nil
	}
	listener, err := listen(e.ctx, "--admin-listen", o.flags.AdminListen)
	if err != nil {
		return nil, err
	}
	url, everywhere := localURL(listener.Addr())
	attrs := []any{"admin_url", url}
	if everywhere {
		attrs = append(attrs, "listens_on", "all addresses of this machine")
	}
	o.log.Info("serving health, without a password", attrs...)
	return o.serveAdmin(listener), nil
}

// serveAdmin serves the paths for operators until end is called.
func (o *operations) serveAdmin(listener net.Listener) (end func()) {
	srv := &http.Server{
		Handler:           o.health.Handler(true),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.log.Handler(), slog.LevelDebug),
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := srv.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			o.log.Error("what --admin-listen serves has ended", "err", err)
		}
	}()
	return func() {
		_ = srv.Close()
		<-served
	}
}

// probes returns what answers /healthz and /readyz beside MCP, or nil if --admin-listen puts
// them on an address of their own.
func (o *operations) probes() http.Handler {
	if o.flags.AdminListen != "" {
		return nil
	}
	return o.health.Handler(false)
}
