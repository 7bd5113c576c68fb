package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
	"zego-mcp/internal/audit"
	"zego-mcp/internal/httpserver"
	"zego-mcp/internal/projects"
	"zego-mcp/internal/stdio"
	"zego-mcp/tools"

	"github.com/alecthomas/kong"
)

type serveCommand struct {
	Transport string   `enum:"stdio,http,sse" default:"stdio" help:"stdio; http: Streamable HTTP at /mcp and SSE at /sse; sse: SSE alone. Default: stdio."`
	Listen    string   `placeholder:"HOST:PORT" help:"Where http and sse listen; port 0 picks a free port. Default: 127.0.0.1:8080."`
	AllowHost []string `variable:"ZEGO_ALLOW_HOST" placeholder:"NAME" help:"Host names under which browsers and clients may reach http and sse; localhost and IP addresses are always allowed."`

	accessFlags
	edgeFlags

	MaxSessions int `variable:"ZEGO_MAX_SESSIONS" default:"1000" help:"Sessions that http and sse keep, and streams that are open, at once; further clients get status 503. Default: 1000."`

	operationFlags
}

// defaultListen is where http and sse listen without --listen.
const defaultListen = "127.0.0.1:8080"

// Validate refuses values with which serve cannot work, and --listen for a transport that
// does not listen: its user would wait for a server that is not there.
func (c *serveCommand) Validate(*kong.Context) error {
	if c.MaxSessions < 1 {
		return fmt.Errorf("--max-sessions must be 1 or more, got %d", c.MaxSessions)
	}
	if c.Listen != "" && c.Transport == "stdio" {
		return errors.New("--listen needs --transport http (or sse); without it, zego-mcp speaks over stdio")
	}
	if c.Projects != "" && c.Transport == "stdio" {
		return errors.New("--projects needs --transport http (or sse)")
	}
	return errors.Join(c.accessFlags.validate(), c.edgeFlags.validate(), c.validateOperations())
}

// Run serves until the input ends or a signal comes; both are a success.
func (c *serveCommand) Run(e *env) error {
	overStdio := c.Transport == "stdio"
	if overStdio {
		collectLessGarbage()
	}
	log := e.logger(slog.LevelInfo)
	ops, err := c.observe(e, overStdio, log)
	if err != nil {
		return err
	}
	defer ops.end()
	if c.Projects != "" {
		return c.serveProjects(e, ops)
	}
	return c.serveProject(e, ops)
}

// serveProject serves the project of the settings.
func (c *serveCommand) serveProject(e *env, ops *operations) error {
	log, overStdio := ops.log, c.Transport == "stdio"
	e.observer, _ = ops.observer(func() audit.Project { return *ops.audited.Load() })
	b, err := e.connect(log)
	if err != nil {
		return err
	}
	defer b.close()
	endAdmin, err := ops.begin(e, b)
	if err != nil {
		return err
	}
	defer endAdmin()
	logBackend(e.ctx, b, log)
	streaming := slices.Contains(e.toolsets(), tools.Streaming) && b.client != nil
	mark, unmark := e.processMark(streaming && !b.simulated, log)
	defer unmark()
	listener, err := c.listen(e.ctx)
	if err != nil {
		return err
	}
	// The streams of a simulator are its own process's. A server that creates none has no part
	// in those of the others either.
	if streaming && !b.simulated && b.redis != nil {
		b.store, b.speech = b.redis.Ledger(), b.redis.Speech()
	}
	secret := e.callbackSecret(c.Transport, log)
	b.callbacks = secret != ""
	project := e.project(b, mark, e.settings.KeepTasks, log)
	ops.auditProject(b.account.appID, project)
	cfg := e.toolsConfig(b, project, log)
	cfg.Local = overStdio
	if streaming {
		defer e.manageStreams(project, overStdio)()
	}
	defer project.Speech.Close()
	if streaming && (overStdio || isLoopbackListener(listener)) {
		defer e.addWatching(&cfg, project, b.endpoint)()
	}
	ops.watchTools(&cfg) // Not what the pages for watching call every few seconds.
	ops.countStreams(b.account.appID, project.Streams)
	if overStdio {
		return e.serveStdio(cfg, project, log)
	}
	defer func() { _ = listener.Close() }()
	return c.serveHTTP(e, listener, cfg, ops, nil, callbackHandler(secret, b.account.appID, project.Speech))
}

// listen returns a listener for the transports that listen, or nil for stdio.
func (c *serveCommand) listen(ctx context.Context) (net.Listener, error) {
	if c.Transport == "stdio" {
		return nil, nil
	}
	listener, err := listen(ctx, "--listen", cmp.Or(c.Listen, defaultListen))
	if err != nil {
		return nil, err
	}
	if err := c.checkExposed(listener); err != nil {
		_ = listener.Close()
		return nil, err
	}
	return listener, nil
}

// grace returns how long calls may go on after a signal: each may use its whole time limit.
func (e *env) grace() time.Duration { return e.settings.Timeout + time.Second }

// serveStdio serves MCP over standard input and output.
func (e *env) serveStdio(cfg tools.Config, project tools.Project, log *slog.Logger) error {
	if isTerminal(e.stdin) {
		log.Info("speaking MCP on standard input and output, for a client to launch; to try a tool here: zego-mcp call list_digital_humans --simulate")
	}
	// When the client is gone, calls need not wait for the end of speech any more.
	stdin := &endNotifier{Reader: e.stdin, atEnd: project.Speech.Close}
	return stdio.Serve(e.ctx, tools.NewServer(cfg), stdin, e.stdout, log, e.grace())
}

// serveHTTP serves MCP over HTTP on listener. set has the projects; nil: there is one alone.
// callbacks answers ZEGO's callbacks; nil: none are taken.
func (c *serveCommand) serveHTTP(e *env, listener net.Listener, cfg tools.Config, ops *operations, set *projects.Set, callbacks http.Handler) error {
	opts := httpserver.Options{
		SSEOnly: c.Transport == "sse", AllowedHosts: lowerCase(c.AllowHost), MaxSessions: c.MaxSessions, Logger: ops.log,
		Callbacks: callbacks,
	}
	secured, reread, err := c.secure(listener, &opts, &cfg, set, ops.log)
	if err != nil {
		return err
	}
	if c.authenticates() || c.TLSCert != "" || ops.audit != nil {
		defer onHangup(func() {
			if set != nil { // Before the tokens, so that a new token finds its project.
				set.Reread()
			}
			reread()
			ops.reopen()
		})()
	}
	c.logAddress(listener.Addr(), ops.log)
	return httpserver.Serve(e.ctx, secured, ops.newHandler(tools.NewServer(cfg), opts), ops.log, e.grace())
}

// endNotifier is an io.Reader that calls atEnd once when nothing more can be read.
type endNotifier struct {
	io.Reader
	atEnd func()
	once  sync.Once
}

// Read implements io.Reader.
func (r *endNotifier) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil {
		r.once.Do(r.atEnd)
	}
	return n, err
}

// logBackend logs what the operator should know of the backend before the first call.
func logBackend(ctx context.Context, b backend, log *slog.Logger) {
	if b.redis != nil {
		_ = b.redis.Ping(ctx) // The client logs the error itself.
	}
	switch {
	case b.unavailable != nil:
		log.Warn("calls will fail: " + b.unavailable.Error())
	case b.simulated:
		log.Warn("SIMULATED: answers come from the built-in simulator, not from ZEGOCLOUD", "simulator", b.endpoint)
	}
}

// lowerCase returns the names in lower case and without blanks around them.
func lowerCase(names []string) []string {
	lower := make([]string, len(names))
	for i, name := range names {
		lower[i] = strings.ToLower(strings.TrimSpace(name))
	}
	return lower
}

// logAddress logs the URL that clients need, and warns if other machines reach it.
func (c *serveCommand) logAddress(address net.Addr, log *slog.Logger) {
	path := map[string]string{"http": "/mcp", "sse": "/sse"}[c.Transport]
	url, everywhere := localURL(address)
	if c.TLSCert != "" {
		url = "https" + strings.TrimPrefix(url, "http")
	}
	attrs := []any{"transport", c.Transport, "url", url + path}
	if everywhere {
		attrs = append(attrs, "listens_on", "all addresses of this machine")
	}
	log.Info("serving MCP", attrs...)
	if parsed, err := netip.ParseAddrPort(address.String()); err == nil && !parsed.Addr().IsLoopback() && !c.authenticates() {
		log.Warn("reachable from other machines: whoever reaches this address uses your ZEGO account; put a proxy with authentication in front")
	}
}

// manageStreams looks in the background for stream tasks that an earlier process left
// behind. It closes the ledger when stop is called or, over stdio, a second after a signal has
// come if that is sooner. stop must be called before the process ends.
func (e *env) manageStreams(project tools.Project, overStdio bool) (stop func()) {
	ledger := project.Streams
	ctx, cancel := context.WithTimeout(e.ctx, e.settings.Timeout)
	var background sync.WaitGroup
	background.Go(func() { ledger.Recover(ctx) })
	stopCalled := make(chan struct{})
	background.Go(func() { closeAfterSignal(e.ctx, project, overStdio, stopCalled) })
	return func() {
		cancel()
		close(stopCalled)
		ledger.Close(e.ctx)
		background.Wait()
	}
}

// closeAfterSignal closes project.Speech when ctx is done, so that no call waits for the end of
// speech any more. Over stdio it closes project.Streams a second later, even if a long call still
// runs: a client soon kills a server that has not ended after a signal, and the streams must be
// stopped before that. An operator gives a server over HTTP the time that its calls may take. It
// does nothing more when stopCalled is closed.
func closeAfterSignal(ctx context.Context, project tools.Project, overStdio bool, stopCalled <-chan struct{}) {
	select {
	case <-stopCalled:
		return
	case <-ctx.Done():
	}
	project.Speech.Close()
	if !overStdio {
		return
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-stopCalled:
	case <-timer.C:
		project.Streams.Close(ctx)
	}
}

// collectLessGarbage lets the garbage collector run a third as often, unless the user has set
// GOGC. By Go's default, a server that keeps about 1 MB for its one client would collect after
// each 4 MB, which is every twelve calls. That would be a fifth of the time that calls cost.
func collectLessGarbage() {
	const percent = 300 // Go's default is 100.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
