package httpserver

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A kind of work is counted and bounded.
type kind int

const (
	bodies    kind = iota // Requests whose body is being read.
	calls                 // JSON-RPC requests that are not answered yet.
	streams               // Open streams, which last as long as their clients.
	callbacks             // Requests to CallbackPath.
	kinds
)

// workload counts what a Handler does. It refuses work beyond the maximum of its kind, and
// all work after drain or close.
type workload struct {
	max [kinds]int

	mu      sync.Mutex // guards what follows
	running [kinds]int
	idle    chan struct{} // Made by drain; closed when no bodies and no calls are left.
	closed  bool
}

// begin counts one piece of work until end is called, which must happen once. It reports
// false if the work is refused.
func (l *workload) begin(k kind) (end func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.running[k] >= l.max[k] {
		return nil, false
	}
	l.running[k]++
	return func() { l.end(k) }, true
}

// count returns how many streams are open and how many calls run.
func (l *workload) count() (openStreams, runningCalls int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running[streams], l.running[calls]
}

func (l *workload) end(k kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[k]--
	if l.idle != nil && l.isIdle() {
		close(l.idle)
		l.idle = nil
	}
}

// isIdle reports whether no body is read and no call runs. The caller holds l.mu.
func (l *workload) isIdle() bool { return l.running[bodies]+l.running[calls] == 0 }

// drain waits until no body is read and no call runs, or until ctx is done. After that all
// work is refused.
func (l *workload) drain(ctx context.Context) {
	for {
		l.mu.Lock()
		if l.isIdle() || ctx.Err() != nil {
			l.closed = true
			l.mu.Unlock()
			return
		}
		if l.idle == nil {
			l.idle = make(chan struct{})
		}
		idle := l.idle
		l.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
		}
	}
}

// close makes begin refuse all work.
func (l *workload) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// refuse tells a client that the server has no room for its request now, but may have it
// after some time.
func refuse(w http.ResponseWriter, what string, after time.Duration) {
	seconds := max(1, int((after+time.Second-1)/time.Second))
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
	http.Error(w, what+"; try again later", http.StatusServiceUnavailable)
}

// What refuse tells clients.
const (
	tooManyRequests = "Too many requests at once, or the server is ending"
	tooManyStreams  = "Too many streams are open (the operator's --max-sessions), or the server is ending"
	tooManySessions = "Too many sessions (the operator's --max-sessions)"
)
