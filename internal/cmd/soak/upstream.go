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

// faults are what goes wrong with upstream calls, each as often as the others.
var faults = []struct {
	name  string
	fault zegosim.Fault
}{
	{"connection reset", zegosim.Fault{Drop: true}},
	{"answer broken off", zegosim.Fault{Truncate: true}},
	{"stall", zegosim.Fault{Stall: true}},
	{"slow", zegosim.Fault{Latency: 700 * time.Millisecond}},
	{"500 in an envelope", zegosim.Fault{Status: http.StatusInternalServerError, Code: zego.CodeSystemError}},
	{"200, busy", zegosim.Fault{Code: zego.CodeSystemBusy}},
	{"503, HTML", zegosim.Fault{Status: http.StatusServiceUnavailable, Body: "<html>Service unavailable</html>"}},
	{"502, empty", zegosim.Fault{Status: http.StatusBadGateway, Empty: true}},
	{"200, HTML", zegosim.Fault{Body: "<html>Log in</html>"}},
	{"200, garbage", zegosim.Fault{Body: "\x00\xff{]"}},
	{"200, half an envelope", zegosim.Fault{Body: `{"Code":0,"Message":"succ`}},
}

// upstream makes calls of the simulator fail, and counts.
type upstream struct {
	percent int

	mu      sync.Mutex // guards what follows
	calls   int
	refused int            // For calling too often.
	faults  map[string]int // By name.
}

// choose is a hook for zegosim.Server.Fault.
func (u *upstream) choose(string, int) *zegosim.Fault {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.calls++
	if rand.IntN(100) >= u.percent {
		return nil
	}
	chosen := &faults[rand.IntN(len(faults))]
	if u.faults == nil {
		u.faults = map[string]int{}
	}
	u.faults[chosen.name]++
	return &chosen.fault
}

// observe is a hook for zegosim.Server.Observe.
func (u *upstream) observe(call zegosim.Call) {
	if call.Code == zego.CodeRateLimited {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.refused++
	}
}

func (u *upstream) print(out io.Writer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	row(out, "upstream calls", u.calls)
	row(out, "  refused for the rate", u.refused)
	for _, f := range faults {
		row(out, "  "+f.name, u.faults[f.name])
	}
}

func (u *upstream) problems() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.refused > 0 {
		return fmt.Errorf("%d of %d upstream calls were refused for the rate", u.refused, u.calls)
	}
	if u.percent > 0 && len(u.faults) == 0 {
		return errors.New("no fault happened")
	}
	return nil
}
