package cli

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"zego-mcp/internal/audit"
	"zego-mcp/internal/projects"
	"zego-mcp/internal/redisshare"
	"zego-mcp/tools"
	"zego-mcp/tools/pictures"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// serveProjects serves the projects of --projects. It offers no watch_stream_task, whose pages
// ask nobody for a token.
func (c *serveCommand) serveProjects(e *env, ops *operations) error {
	log := ops.log
	if e.settings.AppID != "" {
		log.Warn("--projects says which projects are served; " + appIDVariable + " is not used")
	}
	var shared backend
	if e.settings.RedisURL != "" {
		redis, err := redisshare.Open(e.settings.RedisURL, redisshare.Options{QPS: e.settings.QPS, Logger: log})
		if err != nil {
			return fmt.Errorf("--redis-url %w", err)
		}
		shared.redis = redis
		defer shared.close()
	}
	if shared.simulated = e.settings.Simulate; shared.simulated {
		log.Warn("SIMULATED: answers come from a built-in simulator for each project, not from ZEGOCLOUD")
	}
	endAdmin, err := ops.begin(e, shared)
	if err != nil {
		return err
	}
	defer endAdmin()
	if shared.redis != nil {
		_ = shared.redis.Ping(e.ctx) // The client logs the error itself.
	}
	cfg := e.toolsConfig(shared, tools.Project{}, log)
	set, err := projects.Open(c.Projects, c.projectOptions(e, ops, shared, cfg.Pictures))
	if err != nil {
		return usageError{fmt.Errorf("--projects: %w", err)}
	}
	defer e.endProjects(set)()
	listener, err := c.listen(e.ctx)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	cfg.Project, cfg.Local = set.Project, false
	ops.watchTools(&cfg)
	var callbacks http.Handler
	if c.Transport == "http" {
		callbacks = http.HandlerFunc(set.ServeCallback)
	}
	return c.serveHTTP(e, listener, cfg, ops, set, callbacks)
}

// endProjects returns a function that must be called before the process ends. After a signal no
// call waits for the end of speech any more; the streams are stopped when the calls have ended.
func (e *env) endProjects(set *projects.Set) (end func()) {
	stop := context.AfterFunc(e.ctx, set.EndSpeech)
	return func() {
		stop()
		set.Close(e.ctx)
	}
}

// projectOptions returns what the projects of --projects have in common.
func (c *serveCommand) projectOptions(e *env, ops *operations, shared backend, store *pictures.Store) projects.Options {
	opts := projects.Options{
		Getenv: e.getenv, Endpoint: e.settings.Endpoint, QPS: cmp.Or(e.settings.QPS, -1), CacheTTL: e.settings.CacheTTL,
		MaxTTL: e.settings.MaxTTL, MaxTasks: e.settings.MaxTasks, KeepTasks: e.settings.KeepTasks, StopTimeout: e.settings.StopTimeout,
		Timeout: e.settings.Timeout, Toolsets: e.toolsets(), Redis: shared.redis, Pictures: store, Logger: ops.log,
		Callbacks: c.Transport == "http", CallbackSecret: e.callbackSecret(c.Transport, ops.log),
		Mark: func() (streams.Mark, func()) { return e.processMark(true, ops.log) },
		Observer: func(appID uint32, names func(string) (string, string)) (zego.Observer, func()) {
			return ops.observer(func() audit.Project { return audit.Project{AppID: appID, Names: names} })
		},
		Opened: ops.countStreams,
	}
	if shared.simulated {
		opts.Simulate = func(appID uint32) (endpoint, secret string, stop func(), err error) {
			endpoint, stop, err = startSimulator(e.ctx, &zegosim.Server{AppID: appID})
			return endpoint, zegosim.DefaultSecret, stop, err
		}
	}
	return opts
}
