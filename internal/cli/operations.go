package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
	"zego-mcp/internal/audit"
	"zego-mcp/internal/auth"
	"zego-mcp/internal/health"
	"zego-mcp/internal/httpserver"
	"zego-mcp/internal/metrics"
	"zego-mcp/internal/tracing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/server"
)

// operationFlags are the flags of serve for those who operate a server.
type operationFlags struct {
	AdminListen string        `variable:"ZEGO_ADMIN_LISTEN" placeholder:"HOST:PORT" help:"Where to serve /healthz, /readyz and /metrics, without a password: keep it private. Default: no metrics; http and sse serve the others beside MCP."`
	DrainDelay  time.Duration `variable:"ZEGO_DRAIN_DELAY" default:"0s" help:"How long http and sse still take requests after a signal, while /readyz answers 503 so that load balancers send no more. Default: 0s."`
	AuditLog    string        `variable:"ZEGO_AUDIT_LOG" placeholder:"FILE" help:"Add a line of JSON to this file for everything that starts, drives or stops a stream. http and sse open it again on SIGHUP. Default: none."`
}

// validateOperations refuses values that serve cannot work with.
func (f operationFlags) validateOperations() error {
	if f.DrainDelay < 0 {
		return fmt.Errorf("--drain-delay must be 0 or more, got %v", f.DrainDelay)
	}
	return nil
}

// operations are what those who operate a server see of it.
type operations struct {
	flags   operationFlags
	log     *slog.Logger
	health  *health.Checker
	metrics *metrics.Metrics // Nil without --admin-listen.
	audit   *audit.Log       // Nil without --audit-log.
	tracer  *tracing.Tracer  // Nil unless the environment asks for traces.

	audited atomic.Pointer[audit.Project] // What the audit log knows of the project, if there is one alone.
}

// observe prepares what operators see, before the server connects to anything. From a signal
// on the server is not ready. Over HTTP it ends --drain-delay later, so e.ctx is replaced.
func (f operationFlags) observe(e *env, overStdio bool, log *slog.Logger) (*operations, error) {
	o := &operations{flags: f, log: log, health: health.New(nil)}
	context.AfterFunc(e.ctx, o.health.Drain)
	if f.DrainDelay > 0 && !overStdio {
		e.ctx = delayed(e.ctx, f.DrainDelay)
	}
	o.audited.Store(&audit.Project{})
	if f.AdminListen != "" {
		o.metrics = metrics.New(version(), commit())
	}
	if err := o.openAudit(); err != nil {
		return nil, fmt.Errorf("--audit-log: %w", err)
	}
	o.tracer = tracing.Start(tracing.Options{Getenv: e.openTelemetry, Logger: log, Version: version(), Stdio: overStdio})
	return o, nil
}

// openTelemetry returns a variable of OpenTelemetry's. An empty one, or one that holds a
// placeholder, is not set.
func (e *env) openTelemetry(name string) string {
	if value := e.getenv(name); !isEmptyOrPlaceholder(value) {
		return value
	}
	return ""
}

// openAudit opens the audit log, if there is to be one.
func (o *operations) openAudit() (err error) {
	if o.flags.AuditLog == "" {
		return nil
	}
	opts := audit.Options{Subject: auth.Subject, Logger: o.log}
	if o.metrics != nil {
		opts.Failed = o.metrics.AuditErrors()
	}
	o.audit, err = audit.Open(o.flags.AuditLog, opts)
	return err
}

// observer returns the observer of the calls of one project, of which the audit log knows what
// project returns, and what is to be called when the project ends.
func (o *operations) observer(project func() audit.Project) (observer zego.Observer, ended func()) {
	observer.Attempt, ended = o.health.AddProject()
	if o.metrics != nil {
		observer = both(observer, o.metrics.Observer())
	}
	if o.audit != nil {
		observer = both(observer, o.audit.Observer(project))
	}
	if o.tracer != nil {
		observer = both(observer, o.tracer.Observer())
	}
	return observer, ended
}

// reopen opens the audit log again, if there is one.
func (o *operations) reopen() {
	if o.audit != nil {
		o.audit.Reopen()
	}
}

// end closes what observe has opened, and sends the traces that are left.
func (o *operations) end() {
	if o.tracer != nil {
		o.tracer.End()
	}
	if o.audit != nil {
		_ = o.audit.Close()
	}
}

// both returns an observer that tells a and then b.
func both(a, b zego.Observer) zego.Observer {
	return zego.Observer{Call: inTurn(a.Call, b.Call), Attempt: inTurn(a.Attempt, b.Attempt)}
}

// inTurn returns a function that calls a and then b. Each may be nil.
func inTurn[T any](a, b func(context.Context, T)) func(context.Context, T) {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(ctx context.Context, info T) { a(ctx, info); b(ctx, info) }
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
	o.audited.Store(&audit.Project{AppID: b.account.appID})
	if b.redis != nil {
		o.health.UseRedis(b.redis.Ping)
		if o.metrics != nil {
			o.metrics.AddRedis(o.health.RedisUp)
		}
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
	o.log.Info("serving health and metrics, without a password", attrs...)
	return o.serveAdmin(listener), nil
}

// serveAdmin serves the paths for operators until end is called.
func (o *operations) serveAdmin(listener net.Listener) (end func()) {
	srv := &http.Server{
		Handler:           o.adminHandler(),
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

// adminHandler serves the paths for operators.
func (o *operations) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", o.health.Handler(true))
	mux.Handle(metrics.Path, o.metrics.Handler())
	return mux
}

// auditProject lets the audit log know the streams of a project.
func (o *operations) auditProject(appID uint32, project tools.Project) {
	o.audited.Store(&audit.Project{AppID: appID, Names: project.Streams.Names})
}

// watchTools traces the requests for which cfg is made, if there are traces, and counts the calls
// of the tools, if there are metrics.
func (o *operations) watchTools(cfg *tools.Config) {
	if o.tracer != nil {
		cfg.Trace = o.tracer.Request
	}
	if o.metrics != nil {
		cfg.Observe = o.metrics.Request
	}
}

// countStreams counts the streams of a project until ended is called, if there are metrics.
func (o *operations) countStreams(appID uint32, ledger *streams.Ledger) (ended func()) {
	if o.metrics == nil {
		return func() {}
	}
	return o.metrics.AddProject(metrics.Project{AppID: appID, MaxStreams: ledger.MaxTasks, Usage: func() (int, time.Duration) {
		usage := ledger.Usage()
		return usage.Running, usage.Streamed
	}})
}

// newHandler returns a handler of MCP over HTTP that is counted, if there are metrics.
func (o *operations) newHandler(s *server.MCPServer, opts httpserver.Options) *httpserver.Handler {
	opts.Probes = o.probes()
	if o.metrics == nil {
		return httpserver.NewHandler(s, opts)
	}
	opts.Observe = o.metrics.Middleware
	h := httpserver.NewHandler(s, opts)
	o.metrics.AddServer(func() metrics.Server {
		stats := h.Stats()
		return metrics.Server{Sessions: stats.Sessions, EventStreams: stats.Streams, Calls: stats.Calls}
	})
	return h
}

// probes returns what answers /healthz and /readyz beside MCP, or nil if --admin-listen puts
// them on an address of their own.
func (o *operations) probes() http.Handler {
	if o.flags.AdminListen != "" {
		return nil
	}
	return o.health.Handler(false)
}
