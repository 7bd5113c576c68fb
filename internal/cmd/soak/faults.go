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
	over        bool       // No more calls fail.
	calls       int
	rateLimited int            // Calls that the simulator refused because there were too many.
	counts      map[string]int // Faults, by name.
	created     int            // Stream tasks that the simulator created,
	stopped     int            // and that it stopped because it was told to.
}

// choose is a hook for zegosim.Server.Fault.
func (f *faultInjector) choose(string, int) *zegosim.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.over || rand.IntN(100) >= f.percent {
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
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case call.Code == zego.CodeRateLimited:
		f.rateLimited++
	case call.Code == 0 && call.Action == "CreateDigitalHumanStreamTask":
		f.created++
	case call.Code == 0 && call.Action == "StopDigitalHumanStreamTask":
		f.stopped++
	}
}

// tasks returns how many stream tasks the simulator has created, and how many of them were
// stopped before they ended by themselves.
func (f *faultInjector) tasks() (created, stopped int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.created, f.stopped
}

// end lets all calls succeed until begin is called.
func (f *faultInjector) end() { f.setOver(true) }

func (f *faultInjector) begin() { f.setOver(false) }

func (f *faultInjector) setOver(over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = over
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

// maxRateLimited is how many percent of the calls may be too many for ZEGO. On a busy machine
// calls that left one after the other can arrive at the same time.
const maxRateLimited = 10

// verdict returns an error if the server called ZEGO too often, or if no fault happened
// although some were wanted.
func (f *faultInjector) verdict() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rateLimited*100 > maxRateLimited*f.calls {
		return fmt.Errorf("%d of %d upstream calls were refused for the rate", f.rateLimited, f.calls)
	}
	if f.percent > 0 && len(f.counts) == 0 {
		return errors.New("no fault happened")
	}
	return nil
}
