// Package watch serves, on this machine only, pages on which a person watches stream tasks.
//
// A page has an address that nobody can guess, on a free port of 127.0.0.1. What it shows and
// does, it gets and does by the tools of this program, so that their rules hold for it as well.
// The page plays the stream with ZEGO's web SDK, which the browser loads from a public CDN.
package watch

import (
	"cmp"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// html is the page. Its source is in the folder page; after a change of that, the command
// "bash .ci/pages/run build" writes it anew.
//
//go:embed watch.html
var html string

const (
	maxPages   = 100
	maxRequest = 4 << 10 // Bytes of a request's body.

	// unwatchedAfter is how long no browser asks for the state of a page that nobody looks at.
	unwatchedAfter = time.Minute
)

// Options says what the pages work with.
type Options struct {
	// Call calls a tool of this program and returns its result as JSON. Its error has the text
	// that the tool gives for people. It must not be nil.
	Call func(ctx context.Context, tool string, arguments map[string]any) (string, error)
	// Simulated says that a simulator answers, so that there is no video. The pages then load no
	// player, and send nothing to ZEGO. Default: false.
	Simulated bool
	// DigitalHumanID is the digital human of the streams that do not tell theirs. Default: their
	// pages show neither its name nor its gestures.
	DigitalHumanID string
	// Now returns the time. Default: time.Now.
	Now func() time.Time
}

// Server serves the pages of any number of stream tasks. [New] returns one; it listens once a
// page is opened, until Close is called.
type Server struct {
	opts Options

	mu       sync.Mutex // guards what follows
	listener net.Listener
	http     *http.Server
	pages    map[string]*page // By the secret part of their path.
	closed   bool
}

// page is the page of one stream task.
type page struct {
	taskID string

	mu      sync.Mutex // guards what follows
	ended   bool       // The task runs no more.
	last    task       // What was last known of the task.
	human   human      // Its Actions are nil until they are known.
	askedAt time.Time  // When the page was opened, or a browser last asked for its state.
}

// human is what a page shows of a digital human.
type human struct {
	Name    string
	Actions []struct{ Action string }
}

// gestures returns the names of the gestures; never nil.
func (h human) gestures() []string {
	names := []string{}
	for _, a := range h.Actions {
		names = append(names, a.Action)
	}
	return names
}

// New returns a Server.
func New(opts Options) *Server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Server{opts: opts, pages: map[string]*page{}}
}

// Open returns the URL of the page for a stream task. For the same task it is the same, as long
// as the page is kept. It does not ask whether the task runs: Running does. It fails if the
// server is closed, or if people look at 100 pages already.
func (s *Server) Open(ctx context.Context, taskID string) (url string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.listen(ctx); err != nil {
		return "", err
	}
	for path, p := range s.pages {
		if p.taskID == taskID {
			return s.url(path), nil
		}
	}
	if err := s.makeRoom(); err != nil {
		return "", err
	}
	var secret [16]byte
	_, _ = rand.Read(secret[:]) // rand.Read returns no error: it ends the program instead.
	path := hex.EncodeToString(secret[:])
	s.pages[path] = &page{taskID: taskID, last: task{TaskID: taskID}, askedAt: s.opts.Now()}
	return s.url(path), nil
}

// Running reports whether a stream task runs. Its error is that of the tool get_stream_task.
func (s *Server) Running(ctx context.Context, taskID string) (bool, error) {
	task, err := s.task(ctx, taskID)
	return err == nil && task.running(), err
}

// Ended reports whether a stream task that has run has ended, or is known to nobody any more.
// If that cannot be asked for, it reports false.
func (s *Server) Ended(ctx context.Context, taskID string) bool {
	task, err := s.task(ctx, taskID)
	if err != nil {
		return s.isGone(ctx, taskID)
	}
	return !task.running()
}

// isGone reports whether a stream task is not among those that run: ZEGO may forget one that
// has ended. If these cannot be listed, it reports false.
func (s *Server) isGone(ctx context.Context, taskID string) bool {
	text, err := s.opts.Call(ctx, "list_stream_tasks", nil)
	var list struct{ StreamTasks []task }
	if err != nil || json.Unmarshal([]byte(text), &list) != nil || list.StreamTasks == nil {
		return false
	}
	return !slices.ContainsFunc(list.StreamTasks, func(t task) bool { return t.TaskID == taskID })
}

// Close ends all pages.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.http != nil {
		_ = s.http.Close() // This closes the listener, too.
	}
}

// listen begins to serve, unless that was done before. s.mu must be held.
func (s *Server) listen(ctx context.Context) error {
	if s.closed {
		return errors.New("this server is ending")
	}
	if s.http != nil {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.listener = listener
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() { _ = s.http.Serve(listener) }() // It ends when Close is called.
	return nil
}

func (s *Server) url(path string) string {
	return "http://" + s.listener.Addr().String() + "/" + path + "/"
}

// makeRoom forgets the page that nobody has looked at for the longest time, if there are as many
// as can be. Nobody needs the page of a task that has ended. s.mu must be held.
func (s *Server) makeRoom() error {
	if len(s.pages) < maxPages {
		return nil
	}
	var oldest string
	var oldestAskedAt time.Time
	for path, p := range s.pages {
		if askedAt := p.lastAsked(); oldest == "" || askedAt.Before(oldestAskedAt) {
			oldest, oldestAskedAt = path, askedAt
		}
	}
	if s.opts.Now().Sub(oldestAskedAt) < unwatchedAfter {
		return fmt.Errorf("%d pages are open", maxPages)
	}
	delete(s.pages, oldest)
	return nil
}

// lastAsked returns when a browser last asked for the state; the zero time if the task has ended.
func (p *page) lastAsked() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return time.Time{}
	}
	return p.askedAt
}

func (p *page) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// ServeHTTP serves the pages to browsers of this machine.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if !s.isLocal(r) {
		http.Error(w, "This page is for this machine only.", http.StatusForbidden)
		return
	}
	path, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s.mu.Lock()
	p := s.pages[path]
	s.mu.Unlock()
	if p == nil || r.URL.RawQuery != "" {
		http.Error(w, "No stream can be watched here. The page may be one that zego-mcp served before: ask for a new one.", http.StatusNotFound)
		return
	}
	// A page elsewhere must not be able to stop a stream, even if it knew the path.
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "This page takes no requests of other pages.", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	s.serveRequest(w, r, p, rest)
}

// serveRequest serves a request for a page, which comes from this machine. rest is its path below
// that of the page.
func (s *Server) serveRequest(w http.ResponseWriter, r *http.Request, p *page, rest string) {
	switch r.Method + " " + rest {
	case "GET ":
		servePage(w)
	case "GET state":
		s.serveState(w, r, p)
	case "POST viewer":
		// A token is for one UserId: to renew its token, a page names the one that it has.
		var in struct {
			UserID string `json:"UserId"`
		}
		arguments := map[string]any{}
		if json.NewDecoder(r.Body).Decode(&in) == nil && in.UserID != "" {
			arguments["UserId"] = in.UserID
		}
		s.serveTool(w, r, p, "create_viewer_link", arguments)
	case "POST stop":
		// Whoever pressed the button has agreed, and does not want to wait.
		s.serveTool(w, r, p, "stop_stream_task", map[string]any{"Confirm": true, "Now": true})
	case "POST action":
		var in struct{ Action string }
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.Action == "" {
			writeJSON(w, http.StatusBadRequest, problem{"Action is missing."})
			return
		}
		s.serveTool(w, r, p, "do_action", map[string]any{"Action": in.Action})
	default:
		http.NotFound(w, r)
	}
}

// isLocal reports whether a request comes from this machine and is meant for this server. A page
// of another host whose name was made to mean 127.0.0.1 sends another Host.
func (s *Server) isLocal(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return false
	}
	own := s.listener.Addr().String()
	_, port, err := net.SplitHostPort(own)
	return err == nil && (r.Host == own || r.Host == "localhost:"+port)
}

// sdkFiles returns the URLs of the files of ZEGO's web SDK, which the page loads and checks with
// hashes. The rest of that host is not allowed: anybody can publish a script there.
var sdkFiles = sync.OnceValue(func() string {
	return strings.Join(regexp.MustCompile(`https://cdn\.jsdelivr\.net/npm/[\w@./-]+`).FindAllString(html, -1), " ")
})

// servePage serves the page. Its policy lets the browser load nothing but its own script and the
// SDK's. The SDK connects to hosts of ZEGO's that depend on the region.
func servePage(w http.ResponseWriter) {
	var random [16]byte
	_, _ = rand.Read(random[:])
	nonce := hex.EncodeToString(random[:])
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'nonce-"+nonce+"' "+sdkFiles()+" 'wasm-unsafe-eval'; style-src 'nonce-"+nonce+"'; "+
		"connect-src 'self' https: wss:; media-src blob:; img-src data:; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	page := strings.NewReplacer("<style>", `<style nonce="`+nonce+`">`, `<script type="module">`, `<script type="module" nonce="`+nonce+`">`).Replace(html)
	_, _ = io.WriteString(w, page)
}

// task is what the page needs to know of the answer of get_stream_task.
type task struct {
	TaskID         string `json:"TaskId"`
	DigitalHumanID string `json:"DigitalHumanId"`
	Name           string
	RoomID         string `json:"RoomId"`
	StreamID       string `json:"StreamId"`
	StatusName     string
	FailReason     string
	EndsAt         string
	IdleEndsAt     string
	Speaking       *bool
	Waiting        int
	SpeakingUntil  string
}

func (t task) running() bool { return t.StatusName == "initializing" || t.StatusName == "streaming" }

// state is what the page shows.
type state struct {
	task
	Running   bool
	Simulated bool
	Gestures  []string
}

func (s *Server) task(ctx context.Context, taskID string) (task, error) {
	text, err := s.opts.Call(ctx, "get_stream_task", map[string]any{"TaskId": taskID})
	if err != nil {
		return task{}, err
	}
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return task{}, err
	}
	return t, nil
}

// serveState serves what the page shows. When the task has ended, it notes that, and says so from
// then on without asking again.
func (s *Server) serveState(w http.ResponseWriter, r *http.Request, p *page) {
	p.mu.Lock()
	ended, t := p.ended, p.last
	p.askedAt = s.opts.Now()
	p.mu.Unlock()
	if ended {
		writeJSON(w, http.StatusOK, state{task: t, Gestures: []string{}})
		return
	}
	found, err := s.task(r.Context(), p.taskID)
	switch {
	case err == nil:
		t = found
	case s.isGone(r.Context(), p.taskID):
		t.StatusName = "stopped"
	default:
		writeProblem(w, err)
		return
	}
	shown := s.humanOf(r.Context(), p, t)
	t.Name = cmp.Or(t.Name, shown.Name)
	p.mu.Lock()
	if !p.ended { // Another request may have learnt that while this one was asking.
		p.last, p.ended = t, !t.running()
	}
	p.mu.Unlock()
	writeJSON(w, http.StatusOK, state{task: t, Running: t.running(), Simulated: s.opts.Simulated, Gestures: shown.gestures()})
}

// humanOf returns the digital human of a task; the zero value if that is not known.
func (s *Server) humanOf(ctx context.Context, p *page, t task) human {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := cmp.Or(t.DigitalHumanID, s.opts.DigitalHumanID)
	if p.human.Actions != nil || id == "" {
		return p.human
	}
	text, err := s.opts.Call(ctx, "get_digital_human", map[string]any{"DigitalHumanId": id})
	var found human
	if err != nil || json.Unmarshal([]byte(text), &found) != nil {
		return human{}
	}
	p.human = found
	return found
}

// serveTool calls a tool for the task of a page, and serves its result.
func (s *Server) serveTool(w http.ResponseWriter, r *http.Request, p *page, tool string, arguments map[string]any) {
	if p.hasEnded() {
		writeJSON(w, http.StatusGone, problem{"The stream has ended."})
		return
	}
	all := map[string]any{"TaskId": p.taskID}
	maps.Copy(all, arguments)
	text, err := s.opts.Call(r.Context(), tool, all)
	if err != nil {
		writeProblem(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, text)
}

// problem is an answer that says what went wrong.
type problem struct{ Problem string }

func writeProblem(w http.ResponseWriter, err error) {
	writeJSON(w, http.StatusBadGateway, problem{err.Error()})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
