package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"zego-mcp/zego/zegosim"
)

// ids matches the ids in the text of an error.
var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+`)

// figures are the results of a run.
type figures struct {
	opts     options
	agents   *agents
	upstream *upstream
	events   []string
	running  int // Stream tasks that run although all servers have ended.
}

// print prints the figures as a table.
func (f *figures) print(out io.Writer) {
	for _, event := range f.events {
		_, _ = fmt.Fprintln(out, event)
	}
	a := f.agents
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []time.Duration
	for _, tool := range slices.Sorted(maps.Keys(a.took)) {
		took := a.took[tool]
		all = append(all, took...)
		row(out, "  "+tool, timesOf(took))
	}
	row(out, "calls", timesOf(all))
	row(out, "agents, duration", fmt.Sprintf("%d, %v", f.opts.agents, f.opts.duration))
	row(out, "calls mended by one retry", a.retried)
	row(out, "calls that failed twice", a.failed)
	upstreamCalls, action, perSecond := f.upstream.busiest()
	row(out, "calls to ZEGO", upstreamCalls)
	row(out, "  most in any second", fmt.Sprintf("%d (%s); allowed are %d", perSecond, cmp.Or(action, "none"), zegosim.DefaultQPS))
	row(out, fmt.Sprintf("  shortest time for %d", zegosim.DefaultQPS+1), f.upstream.shortest(zegosim.DefaultQPS).Round(time.Millisecond))
	row(out, "  refused for the rate", f.upstream.rateLimited)
	row(out, "stream tasks created", f.upstream.created)
	row(out, "  left by their agents", a.left)
	row(out, "  running at the end", f.running)
	kinds := map[string]int{}
	for _, problem := range a.problems {
		kind := ids.ReplaceAllString(strings.ReplaceAll(problem, "\n", " "), "…")
		kinds[kind]++
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		row(out, fmt.Sprintf("  %d ×", kinds[kind]), kind)
	}
}

// timesOf returns how many calls there are, and how long they took: from the agent's call to its
// answer, with the wait for the rate limit and a retry.
func timesOf(took []time.Duration) string {
	if len(took) == 0 {
		return "0"
	}
	slices.Sort(took)
	at := func(percent int) time.Duration {
		return took[(len(took)-1)*percent/100].Round(time.Millisecond)
	}
	return fmt.Sprintf("%6d   p50 %7v   p99 %7v", len(took), at(50), at(99))
}

func row(out io.Writer, name string, value any) {
	_, _ = fmt.Fprintf(out, "%-28s %v\n", name, value)
}

// maxRateLimited is how many of a thousand calls the simulator may refuse for the rate. Calls that
// are counted one after the other can reach it at the same time on a busy machine.
const maxRateLimited = 5

// verdict returns an error for each figure that is wrong.
func (f *figures) verdict() error {
	var errs []error
	f.agents.mu.Lock()
	failed, tools := f.agents.failed, len(f.agents.took)
	f.agents.mu.Unlock()
	calls, action, perSecond := f.upstream.busiest()
	if tools == 0 {
		errs = append(errs, errors.New("no call was made"))
	}
	if failed > 0 {
		errs = append(errs, fmt.Errorf("%d calls failed twice", failed))
	}
	if f.upstream.created == 0 {
		errs = append(errs, errors.New("no stream task was created"))
	}
	if f.running > 0 {
		errs = append(errs, fmt.Errorf("%d stream tasks run although all servers have ended", f.running))
	}
	if perSecond > zegosim.DefaultQPS {
		errs = append(errs, fmt.Errorf("ZEGO got %d calls of %s in a second, allowed are %d", perSecond, action, zegosim.DefaultQPS))
	}
	if f.upstream.rateLimited*1000 > maxRateLimited*calls {
		errs = append(errs, fmt.Errorf("ZEGO refused %d of %d calls for the rate", f.upstream.rateLimited, calls))
	}
	return errors.Join(errs...)
}
