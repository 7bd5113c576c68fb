package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// faultKinds are the ways in which upstream calls fail, all equally often.
var faultKinds = []struct {
	name  string
	fault zegosim.Fault
}{
	{"connection reset", zegosim.Fault{Drop: true}},
	{"truncated answer", zegosim.Fault{Truncate: true}},
	{"stall", zegosim.Fault{Stall: true}},
	{"slow", zegosim.Fault{Latency: 700 * time.Millisecond}},
	{"500, error code in JSON", zegosim.Fault{Status: http.StatusInternalServerError, Code: zego.CodeSystemError}},
	{"200, busy", zegosim.Fault{Code: zego.CodeSystemBusy}},
	{"503, HTML", zegosim.Fault{Status: http.StatusServiceUnavailable, Body: "<html>Service unavailable</html>"}},
	{"502, empty", zegosim.Fault{Status: http.StatusBadGateway, Empty: true}},
	{"200, HTML", zegosim.Fault{Body: "<html>Log in</html>"}},
	{"200, garbage", zegosim.Fault{Body: "\x00\xff{]"}},
	{"200, half an answer", zegosim.Fault{Body: `{"Code":0,"Message":"succ`}},
}

// faultInjector makes a share of the simulator's calls fail, and counts them.
type faultInjector struct {
	percent int // How many of a hundred calls fail.

	mu          sync.Mutex // guards what follows
	calls       int
	rateLimited int            // Calls that the simulator refused because there were too many.
	counts      map[string]int // Faults, by name.
}

// choose is a hook for zegosim.Server.Fault.
func (f *faultInjector) choose(string, int) *zegosim.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if rand.IntN(100) >= f.percent {
		return nil
	}
	chosen := &faultKinds[rand.IntN(len(faultKinds))]
	if f.counts == nil {
		f.counts = map[string]int{}
	}
	f.counts[chosen.name]++
	return &chosen.fault
}

// observe is a hook for zegosim.Server.Observe.
func (f *faultInjector) observe(call zegosim.Call) {
	if call.Code == zego.CodeRateLimited {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.rateLimited++
	}
}

func (f *faultInjector) print(out io.Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	row(out, "upstream calls", f.calls)
	row(out, "  refused for the rate", f.rateLimited)
	for _, kind := range faultKinds {
		row(out, "  "+kind.name, f.counts[kind.name])
	}
}

// verdict returns an error if the server called ZEGO too often, or if no fault happened
// although some were wanted.
func (f *faultInjector) verdict() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rateLimited > 0 {
		return fmt.Errorf("%d of %d upstream calls were refused for the rate", f.rateLimited, f.calls)
	}
	if f.percent > 0 && len(f.counts) == 0 {
		return errors.New("no fault happened")
	}
	return nil
}
