// Package health answers the probes of load balancers and orchestrators: whether this process
// works, and whether it should get requests.
package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego"
)

// The paths that Checker answers.
const (
	// LivePath answers 200 as long as the process works.
	LivePath = "/healthz"
	// ReadyPath answers 200 if the process should get requests, and otherwise 503.
	ReadyPath = "/readyz"
)

const (
	// maxUnanswered is how many requests in a row may get no answer from ZEGO before the
	// process is not ready.
	maxUnanswered = 3
	// unansweredPause is how long the process is not ready after that. Then it gets requests
	// again, because only they show whether ZEGO answers.
	unansweredPause = 30 * time.Second
	// pingTimeout bounds how long Redis may take to answer.
	pingTimeout = time.Second
	// pingInterval is how long an answer of Redis counts, however many probes come.
	pingInterval = time.Second
)

// Checker knows whether a process is ready for requests. It is not while it ends, as long as Redis
// has never answered, and for a while after ZEGO has left several requests in a row unanswered.
//
// Redis that has answered once may go without making the process unready. All processes share
// it, so all would be unready at once, although everything but the creation of streams works
// without it. A process whose Redis has never answered may have a wrong address or password.
//
// Its methods are safe for concurrent use.
type Checker struct {
	ping func(context.Context) error // Nil if there is no Redis.
	now  func() time.Time

	mu       sync.Mutex // guards what follows
	draining bool
	projects []*upstream

	pingMu   sync.Mutex // Held while Redis is asked; guards what follows.
	pingedAt time.Time
	pingErr  error
	answered bool // Redis has answered at least once.
}

// upstream is ZEGO, as the requests of one project find it.
type upstream struct {
	unanswered  int       // How many requests in a row got no answer.
	lastAttempt time.Time // When the last request ended; zero if there was none.
}

// New returns a Checker. now is this machine's clock; nil means time.Now.
func New(now func() time.Time) *Checker {
	if now == nil {
		now = time.Now
	}
	return &Checker{now: now}
}

// UseRedis lets the readiness depend on Redis, until Redis has answered once. ping returns an error if Redis does not answer.
// UseRedis must be called before the Checker is asked.
func (c *Checker) UseRedis(ping func(context.Context) error) { c.ping = ping }

// Drain makes the process not ready for good, because it ends.
func (c *Checker) Drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
}

// AddProject returns a function that notes whether ZEGO answered a request of a project, until
// remove is called. It has the type of zego.Observer's Attempt. ZEGO's silence counts only if it is
// silent to all projects that have asked: they may have different endpoints.
func (c *Checker) AddProject() (attempt func(context.Context, zego.AttemptInfo), remove func()) {
	p := &upstream{}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.projects = append(c.projects, p)
	return func(_ context.Context, info zego.AttemptInfo) { c.note(p, info) }, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.projects = slices.DeleteFunc(c.projects, func(other *upstream) bool { return other == p })
	}
}

// note notes a request of a project.
func (c *Checker) note(p *upstream, attempt zego.AttemptInfo) {
	if errors.Is(attempt.Err, context.Canceled) {
		return // Its caller did not wait for the answer.
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p.lastAttempt = c.now()
	if _, refused := errors.AsType[*zego.Error](attempt.Err); attempt.Err == nil || refused {
		p.unanswered = 0
	} else {
		p.unanswered++
	}
}

// Handler answers LivePath and ReadyPath. With details it says what keeps the process from
// being ready, which is for operators and not for everyone.
func (c *Checker) Handler(details bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+LivePath, func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET "+ReadyPath, func(w http.ResponseWriter, r *http.Request) {
		status, text := http.StatusOK, "ready\n"
		checks, ready := c.check(r.Context())
		if !ready {
			status, text = http.StatusServiceUnavailable, "not ready\n"
		}
		if details {
			text += checks
		}
		answer(w, status, text)
	})
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// check reports whether the process is ready, and describes each thing that it depends on in a
// line.
func (c *Checker) check(ctx context.Context) (checks string, ready bool) {
	var text strings.Builder
	ready = true
	line := func(name, problem, fine string) {
		if problem != "" {
			ready = false
			fine = problem
		}
		fmt.Fprintf(&text, "%-6s  %s\n", name, fine)
	}
	draining, upstream, seen := c.state()
	problem := ""
	if draining {
		problem = "ending"
	}
	line("server", problem, "ok")
	if c.ping != nil {
		up, everUp := c.askRedis(ctx)
		switch {
		case up:
			line("redis", "", "ok")
		case everUp:
			line("redis", "", "does not answer; until it does, no stream is created, and each server keeps to a rate limit of its own")
		default:
			line("redis", "has not answered yet", "")
		}
	}
	line("zego", upstream, seen)
	return text.String(), ready
}

// state returns whether the process ends, what is wrong with ZEGO ("" if nothing is), and
// what is known of ZEGO otherwise.
func (c *Checker) state() (draining bool, problem, seen string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	best, latest := upstream{}, time.Time{}
	for _, p := range c.projects {
		if p.lastAttempt.IsZero() {
			continue
		}
		if best.lastAttempt.IsZero() || p.unanswered < best.unanswered || p.unanswered == best.unanswered && p.lastAttempt.After(best.lastAttempt) {
			best = *p
		}
		if p.lastAttempt.After(latest) {
			latest = p.lastAttempt
		}
	}
	age := c.now().Sub(best.lastAttempt)
	switch {
	case best.lastAttempt.IsZero():
		return c.draining, "", "not asked yet"
	case best.unanswered == 0:
		return c.draining, "", fmt.Sprintf("ok (answered %v ago)", age.Round(time.Second))
	}
	seen = fmt.Sprintf("did not answer the last request (%v ago)", age.Round(time.Second))
	if age = c.now().Sub(latest); best.unanswered >= maxUnanswered {
		seen = fmt.Sprintf("did not answer the last %d requests (%v ago)", best.unanswered, age.Round(time.Second))
		if age < unansweredPause {
			problem = seen
		}
	}
	return c.draining, problem, seen
}

// RedisUp reports whether Redis answers. It must be called only after UseRedis.
func (c *Checker) RedisUp() bool {
	up, _ := c.askRedis(context.Background())
	return up
}

// askRedis reports whether Redis answers, and whether it has ever done so. Probes that come at once
// share one answer.
func (c *Checker) askRedis(ctx context.Context) (up, everUp bool) {
	c.pingMu.Lock()
	defer c.pingMu.Unlock()
	if now := c.now(); c.pingedAt.IsZero() || now.Sub(c.pingedAt) >= pingInterval {
		// A prober that gives up says nothing about Redis.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
		defer cancel()
		c.pingErr = c.ping(ctx)
		c.pingedAt = now
		c.answered = c.answered || c.pingErr == nil
	}
	return c.pingErr == nil, c.answered
}
