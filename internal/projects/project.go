package projects

import (
	"context"
	"net/url"
	"slices"
	"sync/atomic"
	"zego-mcp/internal/redisshare"
	"zego-mcp/tools"
	"zego-mcp/tools/pictures"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

// identity is what makes a project another one. Whatever else changes in the file, its streams
// and the sessions of its callers go on.
type identity struct {
	appID    uint32
	endpoint string
}

func (d definition) identity() identity { return identity{d.appID, d.endpoint} }

// project is an open project. Nothing in it is shared with another one, but the connections to
// Redis and the bounds of what is fetched at once.
type project struct {
	id      identity
	client  *zego.Client
	limiter *limiter
	ledger  *streams.Ledger
	tracker *speech.Tracker
	redis   *redisshare.Client // Nil if nothing is shared with other servers.
	current atomic.Pointer[tools.Project]

	secret string   // That the client uses; only Set.read uses it.
	ends   []func() // Called by end, the last one first.
}

// open opens a project. Its callers cannot use it yet. If it fails, nothing is left open.
func (s *Set) open(def definition) (_ *project, err error) {
	p := &project{id: def.identity(), limiter: &limiter{}}
	defer func() {
		if err != nil {
			p.runEnds()
		}
	}()
	endpoint, secret, simulated := def.endpoint, def.secret, s.opts.Simulate != nil
	if simulated {
		var stop func()
		if endpoint, secret, stop, err = s.opts.Simulate(def.appID); err != nil {
			return nil, err
		}
		p.ends = append(p.ends, stop)
	}
	clientOptions := zego.Options{Endpoint: endpoint, Limiter: p.limiter, CacheTTL: s.opts.CacheTTL}
	if s.opts.Redis != nil {
		p.redis = s.opts.Redis.ForProject(redisshare.Options{AppID: def.appID, Endpoint: def.endpoint})
		clientOptions.Cache = p.redis
	}
	names := func(taskID string) (roomID, streamID string) { return p.ledger.Names(taskID) }
	if s.opts.Observer != nil {
		var ended func()
		clientOptions.Observer, ended = s.opts.Observer(def.appID, names)
		p.ends = append(p.ends, ended)
	}
	if p.client, err = zego.New(def.appID, secret, clientOptions); err != nil {
		return nil, err
	}
	p.ends = append(p.ends, p.client.Close)
	streaming := slices.Contains(s.opts.Toolsets, tools.Streaming)
	log := s.opts.Logger.With("project", def.name)
	ledgerOptions := streams.Options{
		MaxTTL: def.maxTTL, MaxTasks: def.maxTasks, KeepTasks: s.opts.KeepTasks, StopTimeout: s.opts.StopTimeout, Logger: log,
	}
	speechOptions := speech.Options{Callbacks: def.callbackSecret != "", Logger: log}
	if streaming && !simulated {
		var unmark func()
		ledgerOptions.Mark, unmark = s.opts.Mark()
		p.ends = append(p.ends, unmark)
		if p.redis != nil {
			ledgerOptions.Store, speechOptions.Share = p.redis.Ledger(), p.redis.Speech()
		}
	}
	p.ledger, p.tracker = streams.New(p.client, ledgerOptions), speech.New(p.client, speechOptions)
	if s.opts.Opened != nil {
		p.ends = append(p.ends, s.opts.Opened(def.appID, p.ledger))
	}
	store := s.opts.Pictures.Apart(pictures.NewFetcher(fetcherOptions(endpoint)))
	p.current.Store(&tools.Project{
		Client: p.client, Streams: p.ledger, Speech: p.tracker, Toolsets: s.opts.Toolsets, Name: def.name, Pictures: store,
	})
	p.adjust(def)
	if streaming {
		p.recover(s.opts)
	}
	return p, nil
}

// fetcherOptions returns how the pictures of a project are fetched: those of a simulator come
// from this machine.
func fetcherOptions(endpoint string) pictures.FetcherOptions {
	if u, err := url.Parse(endpoint); err == nil && u.Scheme == "http" {
		return pictures.FetcherOptions{LoopbackHost: u.Host}
	}
	return pictures.FetcherOptions{}
}

// recover stops in the background what an earlier process of this server left running.
func (p *project) recover(opts Options) {
	ctx, cancel := context.WithTimeout(context.Background(), opts.Timeout)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.ledger.Recover(ctx)
	}()
	p.ends = append(p.ends, func() { cancel(); <-done })
}

// adjust lets the project be as def describes it, which has the same identity. It reports whether
// the secret is another one.
func (p *project) adjust(def definition) (renewed bool) {
	renewed = p.secret != "" && p.secret != def.secret
	if renewed {
		_ = p.client.SetSecret(def.secret) // readFile has checked it.
	}
	p.secret = def.secret
	p.limiter.set(def, p.redis)
	p.ledger.SetLimits(def.maxTTL, def.maxTasks)
	if now := p.current.Load(); now.Name != def.name {
		renamed := *now
		renamed.Name = def.name
		p.current.Store(&renamed)
	}
	return renewed
}

// end stops the streams, as streams.Ledger.Close does, and closes what open has opened.
func (p *project) end(ctx context.Context) {
	p.tracker.Close()
	p.ledger.Close(ctx)
	p.runEnds()
}

func (p *project) runEnds() {
	for _, end := range slices.Backward(p.ends) {
		end()
	}
}

// limiter is the rate limit of a project, which the file can change.
type limiter struct {
	qps     int // Of current; only Set.read uses it.
	current atomic.Pointer[zego.Limiter]
}

// Acquire implements zego.Limiter.
func (l *limiter) Acquire(ctx context.Context, action string) (zego.Permit, error) {
	return (*l.current.Load()).Acquire(ctx, action)
}

// set sets the limit that def has. With redis, all servers keep to it together.
func (l *limiter) set(def definition, redis *redisshare.Client) {
	qps := def.qps
	if l.current.Load() != nil && l.qps == qps {
		return
	}
	var limit zego.Limiter = unlimited{}
	switch {
	case qps > 0 && redis != nil:
		limit = redis.ForProject(redisshare.Options{AppID: def.appID, QPS: qps})
	case qps > 0:
		limit = zego.NewLimiter(qps)
	}
	l.qps = qps
	l.current.Store(&limit)
}

// unlimited lets every call through. It implements zego.Limiter and zego.Permit.
type unlimited struct{}

// Acquire implements zego.Limiter.
func (unlimited) Acquire(context.Context, string) (zego.Permit, error) { return unlimited{}, nil }

// Sent implements zego.Permit.
func (unlimited) Sent() {}

// Done implements zego.Permit.
func (unlimited) Done(bool) {}
