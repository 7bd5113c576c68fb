// The benchmarks of this package compare zego-mcp with a plain mcp-go server of the
// same tool, in one run.
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

// BenchmarkTable measures both servers as processes and prints one row per figure.
// It judges nothing: machines differ, and their neighbours make noise.
func BenchmarkTable(b *testing.B) {
	skipWithoutProc(b)
	for b.Loop() {
		t := table{tb: b, counts: counts{
			starts: 15, idles: 5, rounds: 20, calls: 100, bursts: 7, burst: 100, pipes: 9,
			humans: 1000, idle: 300 * time.Millisecond, takes: 400 * time.Millisecond,
		}}
		t.plain, t.ours = build(b, "-trimpath")
		t.measure()
		fmt.Print("\n", t.text.String(), "\n")
	}
}

// TestTable measures each figure of BenchmarkTable as few times as possible.
func TestTable(t *testing.T) {
	skipWithoutProc(t)
	table := table{tb: t, counts: counts{starts: 1, idles: 1, rounds: 1, calls: 1, bursts: 1, burst: 3, pipes: 1, humans: page + 1}}
	table.plain, table.ours = build(t)
	table.measure()
	if got, want := strings.Count(table.text.String(), "\n"), 2+18; got != want {
		t.Errorf("got %d lines, want %d:\n%s", got, want, table.text.String())
	}
}

func skipWithoutProc(tb testing.TB) {
	tb.Helper()
	if runtime.GOOS != "linux" {
		tb.Skip("memory and processor time are read from /proc")
	}
}

type table struct {
	tb          testing.TB
	counts      counts
	plain, ours product
	text        strings.Builder
}

// counts say how often each figure is measured.
type counts struct {
	starts, idles int           // Processes of each server for the cold start, and for the memory.
	idle          time.Duration // How long a server idles until its memory is read.
	rounds, calls int           // Rounds for the latency, and calls in each.
	bursts, burst int           // Bursts of calls at once, and calls in each.
	pipes         int           // Processes of each server whose input ends at once.
	humans        int           // Digital humans that everyone reads,
	takes         time.Duration // from an upstream that takes so long.
}

func (t *table) measure() {
	t.processes()
	t.latency("stdio", product.overStdio)
	t.latency("HTTP", product.overHTTP)
	t.sideBySide()
	t.piped()
	t.equal()
	t.distinct()
	t.everyone()
}

// row adds a figure of which less is better, and the ratio.
func (t *table) row(figure, format string, plain, ours float64, target string) {
	ratio := "-"
	if plain > 0 {
		ratio = fmt.Sprintf("%.2f", ours/plain)
	}
	t.line(figure, fmt.Sprintf(format, plain), fmt.Sprintf(format, ours), ratio, target)
}

func (t *table) line(figure, plain, ours, ratio, target string) {
	if t.text.Len() == 0 {
		fmt.Fprintf(&t.text, "| %-44s | %10s | %10s | %5s | %-17s |\n|%s|\n", "figure", "plain", "zego-mcp", "ratio", "target",
			strings.Repeat("-", 46)+"|"+strings.Repeat("-", 12)+"|"+strings.Repeat("-", 12)+"|"+strings.Repeat("-", 7)+"|"+strings.Repeat("-", 19))
	}
	fmt.Fprintf(&t.text, "| %-44s | %10s | %10s | %5s | %-17s |\n", figure, plain, ours, ratio, target)
}

// upstream is a ZEGO on loopback that takes some time for each answer.
type upstream struct {
	url   string
	calls atomic.Int64
}

func start(tb testing.TB, sim *zegosim.Server, takes time.Duration) *upstream {
	tb.Helper()
	u := &upstream{}
	sim.Observe = func(zegosim.Call) { u.calls.Add(1) }
	sim.Fault = func(string, int) *zegosim.Fault { return &zegosim.Fault{Latency: takes} }
	srv := httptest.NewServer(sim)
	tb.Cleanup(srv.Close)
	u.url = srv.URL
	return u
}

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

// processes measures what a server costs before its first call and between calls.
func (t *table) processes() {
	zegos := start(t.tb, &zegosim.Server{QPS: -1}, 0)
	var first, idle [2][]float64
	for range t.counts.starts {
		for i, p := range []product{t.plain, t.ours} {
			began := time.Now()
			r := p.overStdio(t.tb, zegos.url)
			r.page(0)
			first[i] = append(first[i], float64(time.Since(began)))
			r.stop()
		}
	}
	for range t.counts.idles {
		for i, p := range []product{t.plain, t.ours} {
			r := p.overStdio(t.tb, zegos.url)
			r.page(0)
			time.Sleep(t.counts.idle)
			idle[i] = append(idle[i], r.memory())
			r.stop()
		}
	}
	size := func(p product) float64 {
		info, err := os.Stat(p.binary)
		if err != nil {
			t.tb.Fatal(err)
		}
		return float64(info.Size())
	}
	t.row("cold start to the first answer, stdio", "%.1f ms", median(first[0])/msec, median(first[1])/msec, "<= 1.3")
	t.row("idle memory after one call", "%.1f MiB", median(idle[0])/mib, median(idle[1])/mib, "<= 1.3")
	t.row("binary", "%.1f MiB", size(t.plain)/mib, size(t.ours)/mib, "<= 2.5")
}

// latency measures calls one after another, in turns so that noise meets all alike.
func (t *table) latency(transport string, connect func(product, testing.TB, string) *running) {
	rounds, calls := t.counts.rounds, t.counts.calls
	zegos := start(t.tb, &zegosim.Server{QPS: -1}, 0)
	servers := []*running{
		connect(t.plain, t.tb, zegos.url),
		connect(t.ours.with("--qps", "0", "--cache-ttl", "0"), t.tb, zegos.url),
		connect(t.ours.with("--qps", "0", "--cache-ttl", "1h"), t.tb, zegos.url),
	}
	var took [3][]float64
	var cpu [3]float64
	request := listing(1, 0)
	for round := range 1 + rounds {
		for i, r := range servers {
			used := r.cpu()
			for range calls {
				began := time.Now()
				r.ask(request)
				if round > 0 { // The first one warms up.
					took[i] = append(took[i], float64(time.Since(began)))
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
	for i, what := range []string{1: "uncached", 2: "cached"} {
		if i > 0 {
			target := []string{1: "<= 1.0", 2: "<= 0.6"}[i]
			t.row(fmt.Sprintf("latency p50, %s, %s page", transport, what), "%.0f µs", median(took[0])/usec, median(took[i])/usec, target)
			t.row(fmt.Sprintf("CPU per call, %s, %s page", transport, what), "%.0f µs",
				cpu[0]/usec/float64(rounds*calls), cpu[i]/usec/float64(rounds*calls), target)
		}
	}
}

// pages are requests for different pages.
func pages(n int) []string {
	requests := make([]string, n)
	for i := range requests {
		requests[i] = listing(i, i)
	}
	return requests
}

func (t *table) sideBySide() {
	zegos := start(t.tb, &zegosim.Server{QPS: -1}, 50*time.Millisecond)
	var took [2]float64
	for i, p := range []product{t.plain, t.ours.with("--qps", "0", "--cache-ttl", "0")} {
		r := p.overStdio(t.tb, zegos.url)
		var all []float64
		for range t.counts.bursts {
			d, refused := r.atOnce(pages(t.counts.burst))
			if refused > 0 {
				t.tb.Errorf("%s: %d of %d calls failed", p.name, refused, t.counts.burst)
			}
			all = append(all, float64(d))
		}
		r.stop()
		took[i] = median(all)
	}
	t.row(fmt.Sprintf("%d at once over stdio, upstream takes 50 ms", t.counts.burst), "%.0f ms", took[0]/msec, took[1]/msec, "<= 80 ms")
}

// piped writes requests and closes the input at once.
func (t *table) piped() {
	const requests = 3
	zegos := start(t.tb, &zegosim.Server{QPS: -1}, 50*time.Millisecond)
	var answered [2]float64
	for i, p := range []product{t.plain, t.ours} {
		var all []float64
		for range t.counts.pipes {
			cmd := p.command(t.tb, zegos.url, p.stdio)
			cmd.Stdin = strings.NewReader(strings.Join(append([]string{hello, ready}, pages(requests)...), "\n") + "\n")
			out, err := cmd.Output()
			if err != nil {
				t.tb.Fatal(err)
			}
			n := 0.0
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, `"structuredContent"`) { // Which no error has.
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

// limited sends requests at once while ZEGO allows 10 a second.
func (t *table) limited(requests []string) (upstream [2]int64, refused [2]int, took [2]time.Duration) {
	for i, p := range []product{t.plain, t.ours} {
		zegos := start(t.tb, &zegosim.Server{}, 0)
		r := p.overStdio(t.tb, zegos.url)
		took[i], refused[i] = r.atOnce(requests)
		upstream[i] = zegos.calls.Load()
		r.stop()
	}
	return upstream, refused, took
}

func (t *table) equal() {
	upstream, refused, _ := t.limited(slices.Repeat([]string{listing(1, 0)}, t.counts.burst))
	t.row(fmt.Sprintf("%d equal at once, 10/s: upstream calls", t.counts.burst), "%.0f", float64(upstream[0]), float64(upstream[1]), "1")
	t.row(fmt.Sprintf("%d equal at once, 10/s: refused", t.counts.burst), "%.0f", float64(refused[0]), float64(refused[1]), "0")
}

func (t *table) distinct() {
	_, refused, took := t.limited(pages(t.counts.burst))
	t.row(fmt.Sprintf("%d distinct at once, 10/s: refused", t.counts.burst), "%.0f", float64(refused[0]), float64(refused[1]), "0")
	t.line(fmt.Sprintf("%d distinct at once, 10/s: all answered in", t.counts.burst), "never", fmt.Sprintf("%.2f s", took[1].Seconds()), "-", "9 s + 5 %")
}

// everyone reads many digital humans, with and without a tool for it.
func (t *table) everyone() {
	humans, takes := t.counts.humans, t.counts.takes
	r := t.plain.overStdio(t.tb, start(t.tb, &zegosim.Server{Humans: crowd(humans)}, takes).url)
	began := time.Now()
	for offset := 0; offset < humans; offset += page {
		r.page(offset)
	}
	plain := time.Since(began)
	r.stop()

	r = t.ours.overStdio(t.tb, start(t.tb, &zegosim.Server{Humans: crowd(humans)}, takes).url)
	began = time.Now()
	answer := parse(t.tb, r.ask(fmt.Sprintf(
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find_digital_humans","arguments":{"Query":"Human %d"}}}`, humans-1)))
	ours := time.Since(began)
	if found := answer.Result.StructuredContent; !found.Complete || len(found.DigitalHumans) != 1 {
		t.tb.Errorf("find_digital_humans: %+v", answer.Result)
	}
	r.stop()
	t.row(fmt.Sprintf("%d humans, upstream takes %.0f ms", humans, float64(takes)/msec), "%.1f s", plain.Seconds(), ours.Seconds(), "<= 6 s")
}

// crowd returns many digital humans.
func crowd(n int) []zego.DigitalHuman {
	humans := make([]zego.DigitalHuman, n)
	for i := range humans {
		humans[i] = zego.DigitalHuman{ID: fmt.Sprint("id-", i), Name: fmt.Sprint("Human ", i), IsPublic: true}
	}
	return humans
}
