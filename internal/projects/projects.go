// Package projects serves several ZEGO projects with one server: it reads the file that names
// them, keeps them open, and knows to which one a caller belongs.
package projects

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"zego-mcp/internal/auth"
	"zego-mcp/internal/redisshare"
	"zego-mcp/internal/reload"
	"zego-mcp/tools"
	"zego-mcp/tools/pictures"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

// lookEvery is how often the file is looked at while nobody calls.
const lookEvery = 2 * time.Second

// Options says what all projects have in common.
type Options struct {
	// Getenv returns an environment variable, in which the file may say that a secret is.
	Getenv func(string) string

	// The next five hold for each project of which the file says nothing else.

	Endpoint       string        // Of ZEGO's API. Default: zego.DefaultEndpoint.
	QPS            int           // Calls of each action per second; below 0: no limit.
	MaxTTL         time.Duration // Longest life and idle time of a stream task; at least 10 s. The file can only shorten it.
	MaxTasks       int           // How many stream tasks may run at once in each project; at least 1.
	CallbackSecret string        // Signs ZEGO's callbacks. Default: none, and they are refused.

	// Callbacks says that ServeCallback gets ZEGO's callbacks; otherwise no callback secret is used.
	Callbacks bool

	CacheTTL    time.Duration // How long pages of lists are kept; 0: they are not.
	Timeout     time.Duration // How long the search for streams that were left behind may take at first.
	StopTimeout time.Duration // How long the end of a project may take to stop its streams.
	KeepTasks   bool          // The streams outlive their project.
	Toolsets    []tools.Toolset

	// Simulate starts a simulator for a project, which then answers in place of ZEGO; no secret
	// is read. Default: nil, ZEGO answers.
	Simulate func(appID uint32) (endpoint, secret string, stop func(), err error)
	// Redis is what several servers share; each project has keys of its own there. Default: nil.
	Redis *redisshare.Client
	// Pictures bounds how many pictures are fetched and decoded at once.
	Pictures *pictures.Store
	// Mark returns the mark of the streams of one project, and a function that is called when
	// these are stopped.
	Mark func() (streams.Mark, func())
	// Observer returns what is told of the calls of a project's client, and what is called when the
	// project ends. names returns the RoomId and the StreamId of a task. Default: nil, nobody is
	// told.
	Observer func(appID uint32, names func(taskID string) (roomID, streamID string)) (_ zego.Observer, ended func())
	// Opened is told of each project, and returns what is called when it ends. Default: nil.
	Opened func(appID uint32, ledger *streams.Ledger) (ended func())
	Logger *slog.Logger
}

// Set is the projects of a file. A change of the file opens the projects that are new. Those that
// are gone from it, or have another AppID or endpoint, end: their callers are refused, the requests
// and event streams of these callers end, and then the streams are stopped. A file that has become
// broken changes nothing.
//
// Its methods are safe for concurrent use.
type Set struct {
	opts    Options
	files   *reload.Files[*members]
	outside tools.Project

	ending       sync.WaitGroup // Of the projects that have left the file.
	stopWatching func()
}

// members is what a file says, with the projects that are open for it. It does not change.
type members struct {
	claim    string
	projects map[identity]*project
	defs     map[uint32]definition // By AppID.
	places   map[string]*place     // By what callers show: see tokenKey and claimKey.
}

// place is where a caller belongs.
type place struct {
	project *project
	ended   context.Context // Done when the caller no longer belongs there.
	end     context.CancelFunc
}

func tokenKey(name string) string         { return "token " + name }
func claimKey(claim, value string) string { return "claim " + claim + "\x00" + value }

// Open reads the file at path and opens its projects. Close the Set after use.
func Open(path string, opts Options) (*Set, error) {
	s := &Set{opts: opts, outside: tools.Project{
		Unavailable: errors.New("this request belongs to no project"), Toolsets: opts.Toolsets,
		Streams: streams.New(nil, streams.Options{MaxTTL: opts.MaxTTL, MaxTasks: opts.MaxTasks}),
	}}
	read := func(previous *members, watch func(string)) (*members, error) { return s.read(path, previous, watch) }
	var err error
	if s.files, err = reload.OpenNaming([]string{path}, read, opts.Logger); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx) })
	s.stopWatching = func() { cancel(); watching.Wait() }
	return s, nil
}

// watch looks whether the file has changed, until ctx is done: a project that nobody calls ends,
// too.
func (s *Set) watch(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.files.Get()
		}
	}
}

// Reread reads the file, whether or not it has changed.
func (s *Set) Reread() { s.files.Reread() }

// read reads the file, and opens and ends projects by it. If it fails, all is as before.
func (s *Set) read(path string, previous *members, watch func(string)) (*members, error) {
	claim, defs, err := readFile(path, s.opts, watch)
	if err != nil {
		return nil, err
	}
	if previous == nil {
		previous = &members{}
	}
	next := &members{claim: claim, projects: map[identity]*project{}, defs: map[uint32]definition{}, places: map[string]*place{}}
	var opened []*project
	for _, def := range defs {
		p := previous.projects[def.identity()]
		if p == nil {
			if p, err = s.open(def); err != nil {
				for _, p := range opened {
					p.end(context.Background())
				}
				return nil, fmt.Errorf("project %s: %w", def.name, err)
			}
			opened = append(opened, p)
		}
		next.projects[p.id], next.defs[def.appID] = p, def
	}
	for _, def := range defs {
		s.take(next, previous, def)
	}
	for key, old := range previous.places {
		if next.places[key] != old {
			old.end()
		}
	}
	for id, old := range previous.projects {
		if next.projects[id] == nil {
			s.endLater(old)
		}
	}
	return next, nil
}

// take makes an open project follow its definition, and notes in next which callers belong to it.
func (s *Set) take(next, previous *members, def definition) {
	p, log := next.projects[def.identity()], s.opts.Logger.With("project", def.name, "app_id", def.appID)
	if previous.projects[p.id] == nil {
		log.Info("a project is open", "tokens", len(def.tokens), "claim_values", len(def.claimValues))
	} else if p.adjust(def) {
		log.Info("a project has another secret; its streams go on")
	}
	var keys []string
	for _, token := range def.tokens {
		keys = append(keys, tokenKey(token))
	}
	for _, value := range def.claimValues {
		keys = append(keys, claimKey(next.claim, value))
	}
	for _, key := range keys {
		if old := previous.places[key]; old != nil && old.project == p {
			next.places[key] = old
			continue
		}
		ended, end := context.WithCancel(context.Background())
		next.places[key] = &place{project: p, ended: ended, end: end}
	}
}

// endLater ends a project in the background, because its streams take a while to stop.
func (s *Set) endLater(p *project) {
	log := s.opts.Logger.With("project", p.current.Load().Name, "app_id", p.id.appID)
	log.Info("a project is no longer served; its streams are stopped")
	s.ending.Go(func() {
		p.end(context.Background())
		log.Info("a project has ended")
	})
}

// placeKey is the key of a place in a context.
type placeKey struct{}

// Admit lets in a caller who belongs to a project; it has the form of auth.Options.Admit. The
// context that it returns is the only way to the project.
func (s *Set) Admit(ctx context.Context, caller auth.Caller) (_ context.Context, end func(), ok bool) {
	place := s.files.Get().placeOf(caller)
	if place == nil {
		return ctx, nil, false
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, placeKey{}, place))
	stop := context.AfterFunc(place.ended, cancel)
	return ctx, func() { stop(); cancel() }, true
}

// placeOf returns where a caller belongs, or nil. A caller whose claim names several projects
// belongs to none.
func (m *members) placeOf(caller auth.Caller) *place {
	if caller.Token != "" {
		return m.places[tokenKey(caller.Token)]
	}
	if m.claim == "" {
		return nil
	}
	var found *place
	for _, value := range caller.Claim(m.claim) {
		at := m.places[claimKey(m.claim, value)]
		switch {
		case at == nil:
		case found != nil && found.project != at.project:
			return nil
		default:
			found = at
		}
	}
	return found
}

// Project returns the project of a request that Admit has let in; it has the form of
// tools.Config.Project. For all others it returns one without a client.
func (s *Set) Project(ctx context.Context) *tools.Project {
	if place, ok := ctx.Value(placeKey{}).(*place); ok {
		return place.project.current.Load()
	}
	return &s.outside
}

// Subject names the caller of a request together with the project, so that a session ends when
// its caller gets another project.
func (s *Set) Subject(ctx context.Context) string {
	subject := auth.Subject(ctx)
	place, ok := ctx.Value(placeKey{}).(*place)
	if !ok || subject == "" {
		return subject
	}
	return strings.Join([]string{subject, fmt.Sprint(place.project.id.appID), place.project.id.endpoint}, "\n")
}

// each calls f for every open project, side by side, and waits.
func (s *Set) each(f func(*project)) {
	var all sync.WaitGroup
	for _, p := range s.files.Get().projects {
		all.Go(func() { f(p) })
	}
	all.Wait()
}

// EndSpeech lets no call wait for the end of speech any more.
func (s *Set) EndSpeech() { s.each(func(p *project) { p.tracker.Close() }) }

// Close ends all projects. It must be called once, when no request runs any more.
func (s *Set) Close(ctx context.Context) {
	s.stopWatching()
	s.each(func(p *project) { p.end(ctx) })
	s.ending.Wait()
}
