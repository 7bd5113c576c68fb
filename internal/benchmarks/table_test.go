// Package main holds benchmarks that compare zego-mcp with a plain mcp-go server that has
// the same tool. Both are measured in one run, because times of different runs differ.
package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// BenchmarkTable measures both servers as processes and prints a table with one row for
// each figure. It fails for no figure, because times depend on the machine and its load.
func BenchmarkTable(b *testing.B) {
	skipWithoutProc(b)
	for b.Loop() {
		t := table{tb: b, counts: counts{
			starts: 15, idles: 5, rounds: 20, calls: 100, bursts: 7, burst: 100, pipes: 9,
			humans: 1000, idle: 300 * time.Millisecond, takes: 400 * time.Millisecond,
		}}
		t.plain, t.ours = build(b, "-trimpath") // As releases are built.
		t.measure()
		fmt.Print("\n", t.text.String(), "\n")
	}
}

// TestTable measures each figure of BenchmarkTable as few times as possible, and checks
// only that it can be measured.
func TestTable(t *testing.T) {
	skipWithoutProc(t)
	table := table{tb: t, counts: counts{starts: 1, idles: 1, rounds: 1, calls: 1, bursts: 1, burst: 3, pipes: 1, humans: page + 1}}
	table.plain, table.ours = build(t) // Without -trimpath most of it is in the build cache.
	table.measure()
	if got, want := strings.Count(table.text.String(), "\n"), 2+18; got != want {
		t.Errorf("got %d lines, want %d:\n%s", got, want, table.text.String())
	}
}

// skipWithoutProc skips the test on systems without /proc.
func skipWithoutProc(tb testing.TB) {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skip("memory and processor time are read from /proc")
	}
}

// table measures the figures and keeps their rows.
type table struct {
	tb          testing.TB
	counts      counts
	plain, ours program
	text        strings.Builder
}

// counts say how often each figure is measured, and with how many calls.
type counts struct {
	starts, idles int           // Processes of each server: for the cold start, for the idle memory.
	idle          time.Duration // How long a server idles before its memory is read.
	rounds, calls int           // For the latency: rounds, and calls of each server in a round.
	bursts, burst int           // Bursts of calls at once, and calls in a burst.
	pipes         int           // Processes of each server whose input ends at once.
	humans        int           // How many digital humans allHumans reads.
	takes         time.Duration // How long the upstream takes for each of its answers there.
}

// measure adds all rows.
func (t *table) measure() {
	t.processes()
	t.latency("stdio", program.overStdio)
	t.latency("HTTP", program.overHTTP)
	t.sideBySide()
	t.piped()
	t.equal()
	t.distinct()
	t.allHumans()
}

// row adds a row with the figure of both servers and their ratio. Less is better.
func (t *table) row(figure, format string, plain, ours float64, target string) {
	ratio := "-"
	if plain > 0 {
		ratio = fmt.Sprintf("%.2f", ours/plain)
	}
	t.line(figure, fmt.Sprintf(format, plain), fmt.Sprintf(format, ours), ratio, target)
}

// line adds a row of texts. Before the first one it adds the head of the table.
func (t *table) line(figure, plain, ours, ratio, target string) {
	if t.text.Len() == 0 {
		fmt.Fprintf(&t.text, "| %-44s | %10s | %10s | %5s | %-17s |\n|%s|\n", "figure", "plain", "zego-mcp", "ratio", "target",
			strings.Repeat("-", 46)+"|"+strings.Repeat("-", 12)+"|"+strings.Repeat("-", 12)+"|"+strings.Repeat("-", 7)+"|"+strings.Repeat("-", 19))
	}
	fmt.Fprintf(&t.text, "| %-44s | %10s | %10s | %5s | %-17s |\n", figure, plain, ours, ratio, target)
}

// upstream is a simulator of ZEGO that counts its calls.
type upstream struct {
	url   string
	calls atomic.Int64
}

// startUpstream serves sim on loopback. Each answer takes some time.
func startUpstream(tb testing.TB, sim *zegosim.Server, takes time.Duration) *upstream {
	tb.Helper()
	u := &upstream{}
	sim.Observe = func(zegosim.Call) { u.calls.Add(1) }
	sim.Fault = func(string, int) *zegosim.Fault { return &zegosim.Fault{Latency: takes} }
	srv := httptest.NewServer(sim)
	tb.Cleanup(srv.Close)
	u.url = srv.URL
	return u
}

// median sorts values and returns the middle one.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

const (
	msec = float64(time.Millisecond)
	usec = float64(time.Microsecond)
	mib  = float64(1 << 20)
	page = zego.MaxLimit
)

// processes measures how fast a server starts, its memory when it is idle, and its size.
func (t *table) processes() {
	sim := startUpstream(t.tb, &zegosim.Server{QPS: -1}, 0)
	var first, idle [2][]float64
	for range t.counts.starts {
		for i, p := range []program{t.plain, t.ours} {
			start := time.Now()
			r := p.overStdio(t.tb, sim.url)
			r.page(0)
			first[i] = append(first[i], float64(time.Since(start)))
			r.stop()
		}
	}
	for range t.counts.idles {
		for i, p := range []program{t.plain, t.ours} {
			r := p.overStdio(t.tb, sim.url)
			r.page(0)
			time.Sleep(t.counts.idle)
			idle[i] = append(idle[i], r.memory())
			r.stop()
		}
	}
	size := func(p program) float64 {
		info, err := os.Stat(p.binary)
		if err != nil {
			t.tb.Fatal(err)
		}
		return float64(info.Size())
	}
	t.row("cold start to the first answer, stdio", "%.1f ms", median(first[0])/msec, median(first[1])/msec, "<= 1.2")
	t.row("idle memory after one call", "%.1f MiB", median(idle[0])/mib, median(idle[1])/mib, "<= 1.4")
	t.row("binary", "%.1f MiB", size(t.plain)/mib, size(t.ours)/mib, "<= 2.3")
}

// latency measures calls one after another. The servers take turns, so that other load
// on the machine slows all of them down.
func (t *table) latency(transport string, connect func(program, testing.TB, string) *process) {
	rounds, calls := t.counts.rounds, t.counts.calls
	sim := startUpstream(t.tb, &zegosim.Server{QPS: -1}, 0)
	servers := []*process{
		connect(t.plain, t.tb, sim.url),
		connect(t.ours.with("--qps", "0", "--cache-ttl", "0"), t.tb, sim.url),
		connect(t.ours.with("--qps", "0", "--cache-ttl", "1h"), t.tb, sim.url),
	}
	var took [3][]float64
	var cpu [3]float64
	request := listCall(1, 0)
	for round := range 1 + rounds {
		for i, r := range servers {
			used := r.cpu()
			for range calls {
				start := time.Now()
				r.send(request)
				if round > 0 { // Round 0 is a warm-up.
					took[i] = append(took[i], float64(time.Since(start)))
				}
			}
			if round > 0 {
				cpu[i] += float64(r.cpu() - used)
			}
			r.page(0)
		}
	}
	for _, r := range servers {
		r.stop()
	}
	for _, cache := range []struct {
		server       int
		name, target string
	}{
		{1, "uncached", "<= 1.0"},
		{2, "cached", "<= 0.6"},
	} {
		i, perCall := cache.server, usec*float64(rounds*calls)
		t.row(fmt.Sprintf("latency p50, %s, %s page", transport, cache.name), "%.0f µs", median(took[0])/usec, median(took[i])/usec, cache.target)
		t.row(fmt.Sprintf("CPU per call, %s, %s page", transport, cache.name), "%.0f µs", cpu[0]/perCall, cpu[i]/perCall, cache.target)
	}
}

// pages returns n requests for different pages.
func pages(n int) []string {
	requests := make([]string, n)
	for i := range requests {
		requests[i] = listCall(i, i)
	}
	return requests
}

// sideBySide measures calls at once while ZEGO sets no limit.
func (t *table) sideBySide() {
	sim := startUpstream(t.tb, &zegosim.Server{QPS: -1}, 50*time.Millisecond)
	var took [2]float64
	for i, p := range []program{t.plain, t.ours.with("--qps", "0", "--cache-ttl", "0")} {
		r := p.overStdio(t.tb, sim.url)
		var all []float64
		for range t.counts.bursts {
			d, failed := r.atOnce(pages(t.counts.burst))
			if failed > 0 {
				t.tb.Errorf("%s: %d of %d calls failed", p.name, failed, t.counts.burst)
			}
			all = append(all, float64(d))
		}
		r.stop()
		took[i] = median(all)
	}
	t.row(fmt.Sprintf("%d at once over stdio, upstream takes 50 ms", t.counts.burst), "%.0f ms", took[0]/msec, took[1]/msec, "<= 80 ms")
}

// piped counts the calls that are answered when the input ends right after them.
func (t *table) piped() {
	const requests = 3
	sim := startUpstream(t.tb, &zegosim.Server{QPS: -1}, 50*time.Millisecond)
	var answered [2]float64
	for i, p := range []program{t.plain, t.ours} {
		var all []float64
		for range t.counts.pipes {
			cmd := p.command(t.tb, sim.url, p.stdio)
			cmd.Stdin = strings.NewReader(strings.Join(append([]string{initialize, initialized}, pages(requests)...), "\n") + "\n")
			out, err := cmd.Output()
			if err != nil {
				t.tb.Fatal(err)
			}
			n := 0.0
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, `"structuredContent"`) { // Errors have none.
					n++
				}
			}
			all = append(all, n)
		}
		answered[i] = median(all)
	}
	t.line("piped calls answered after end of input", fmt.Sprintf("%.0f of %d", answered[0], requests),
		fmt.Sprintf("%.0f of %d", answered[1], requests), "-", "3 of 3")
}

// limited sends requests at once while ZEGO allows 10 calls a second. For each server it
// returns how many calls reached ZEGO, how many failed, and the time until the last answer.
func (t *table) limited(requests []string) (reached [2]int64, failed [2]int, took [2]time.Duration) {
	for i, p := range []program{t.plain, t.ours} {
		sim := startUpstream(t.tb, &zegosim.Server{}, 0)
		r := p.overStdio(t.tb, sim.url)
		took[i], failed[i] = r.atOnce(requests)
		reached[i] = sim.calls.Load()
		r.stop()
	}
	return reached, failed, took
}

// equal measures calls at once for the same page.
func (t *table) equal() {
	reached, failed, _ := t.limited(slices.Repeat([]string{listCall(1, 0)}, t.counts.burst))
	t.row(fmt.Sprintf("%d equal at once, 10/s: upstream calls", t.counts.burst), "%.0f", float64(reached[0]), float64(reached[1]), "1")
	t.row(fmt.Sprintf("%d equal at once, 10/s: refused", t.counts.burst), "%.0f", float64(failed[0]), float64(failed[1]), "0")
}

// distinct measures calls at once for different pages.
func (t *table) distinct() {
	_, failed, took := t.limited(pages(t.counts.burst))
	t.row(fmt.Sprintf("%d distinct at once, 10/s: refused", t.counts.burst), "%.0f", float64(failed[0]), float64(failed[1]), "0")
	t.line(fmt.Sprintf("%d distinct at once, 10/s: all answered in", t.counts.burst), "never", fmt.Sprintf("%.2f s", took[1].Seconds()), "-", "9 s + 5 %")
}

// allHumans measures how long it takes to read all digital humans: page by page from the
// plain server, and with one call of find_digital_humans from zego-mcp.
func (t *table) allHumans() {
	humans, takes := t.counts.humans, t.counts.takes
	r := t.plain.overStdio(t.tb, startUpstream(t.tb, &zegosim.Server{Humans: manyHumans(humans)}, takes).url)
	start := time.Now()
	for offset := 0; offset < humans; offset += page {
		r.page(offset)
	}
	plain := time.Since(start)
	r.stop()

	r = t.ours.overStdio(t.tb, startUpstream(t.tb, &zegosim.Server{Humans: manyHumans(humans)}, takes).url)
	start = time.Now()
	answer := parse(t.tb, r.send(fmt.Sprintf(
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find_digital_humans","arguments":{"Query":"Human %d"}}}`, humans-1)))
	ours := time.Since(start)
	if found := answer.Result.StructuredContent; !found.SearchedAll || len(found.DigitalHumans) != 1 {
		t.tb.Errorf("find_digital_humans: %+v", answer.Result)
	}
	r.stop()
	t.row(fmt.Sprintf("%d humans, upstream takes %.0f ms", humans, float64(takes)/msec), "%.1f s", plain.Seconds(), ours.Seconds(), "<= 6 s")
}

// manyHumans returns n digital humans.
func manyHumans(n int) []zego.DigitalHuman {
	humans := make([]zego.DigitalHuman, n)
	for i := range humans {
		humans[i] = zego.DigitalHuman{ID: fmt.Sprint("id-", i), Name: fmt.Sprint("Human ", i), IsPublic: true}
	}
	return humans
}
