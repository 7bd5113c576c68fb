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
	if runtime.GOOS != "linux" {
		b.Skip("memory and processor time are read from /proc")
	}
	for b.Loop() {
		t := table{b: b}
		t.plain, t.ours = build(b)
		t.processes()
		t.latency("stdio", product.overStdio)
		t.latency("HTTP", product.overHTTP)
		t.sideBySide()
		t.piped()
		t.equal()
		t.distinct()
		t.everyone()
		fmt.Print("\n", t.text.String(), "\n")
	}
}

type table struct {
	b           *testing.B
	plain, ours product
	text        strings.Builder
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

func start(b *testing.B, sim *zegosim.Server, takes time.Duration) *upstream {
	b.Helper()
	u := &upstream{}
	sim.Observe = func(zegosim.Call) { u.calls.Add(1) }
	sim.Fault = func(string, int) *zegosim.Fault { return &zegosim.Fault{Latency: takes} }
	srv := httptest.NewServer(sim)
	b.Cleanup(srv.Close)
	u.url = srv.URL
	return u
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

const (
	msec  = float64(time.Millisecond)
	usec  = float64(time.Microsecond)
	mib   = float64(1 << 20)
	page  = zego.MaxLimit
	burst = 100 // Calls at once.
)

// processes measures what a server costs before its first call and between calls.
func (t *table) processes() {
	zegos := start(t.b, &zegosim.Server{QPS: -1}, 0)
	var first, idle [2][]float64
	for range 15 {
		for i, p := range []product{t.plain, t.ours} {
			began := time.Now()
			r := p.overStdio(t.b, zegos.url)
			r.page(0)
			first[i] = append(first[i], float64(time.Since(began)))
			r.stop()
		}
	}
	for range 5 {
		for i, p := range []product{t.plain, t.ours} {
			r := p.overStdio(t.b, zegos.url)
			r.page(0)
			time.Sleep(300 * time.Millisecond)
			idle[i] = append(idle[i], r.memory())
			r.stop()
		}
	}
	size := func(p product) float64 {
		info, err := os.Stat(p.binary)
		if err != nil {
			t.b.Fatal(err)
		}
		return float64(info.Size())
	}
	t.row("cold start to the first answer, stdio", "%.1f ms", median(first[0])/msec, median(first[1])/msec, "<= 1.3")
	t.row("idle memory after one call", "%.1f MiB", median(idle[0])/mib, median(idle[1])/mib, "<= 1.3")
	t.row("binary", "%.1f MiB", size(t.plain)/mib, size(t.ours)/mib, "<= 2.5")
}

// latency measures calls one after another, in turns so that noise meets all alike.
func (t *table) latency(transport string, connect func(product, *testing.B, string) *running) {
	const rounds, calls = 20, 100
	zegos := start(t.b, &zegosim.Server{QPS: -1}, 0)
	servers := []*running{
		connect(t.plain, t.b, zegos.url),
		connect(t.ours.with("--qps", "0", "--cache-ttl", "0"), t.b, zegos.url),
		connect(t.ours.with("--qps", "0", "--cache-ttl", "1h"), t.b, zegos.url),
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
				cpu[0]/usec/rounds/calls, cpu[i]/usec/rounds/calls, target)
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
	zegos := start(t.b, &zegosim.Server{QPS: -1}, 50*time.Millisecond)
	var took [2]float64
	for i, p := range []product{t.plain, t.ours.with("--qps", "0", "--cache-ttl", "0")} {
		r := p.overStdio(t.b, zegos.url)
		var all []float64
		for range 7 {
			d, refused := r.atOnce(pages(burst))
			if refused > 0 {
				t.b.Errorf("%s: %d of %d calls failed", p.name, refused, burst)
			}
			all = append(all, float64(d))
		}
		r.stop()
		took[i] = median(all)
	}
	t.row("100 at once over stdio, upstream takes 50 ms", "%.0f ms", took[0]/msec, took[1]/msec, "<= 80 ms")
}

// piped writes requests and closes the input at once.
func (t *table) piped() {
	const requests = 3
	zegos := start(t.b, &zegosim.Server{QPS: -1}, 50*time.Millisecond)
	var answered [2]float64
	for i, p := range []product{t.plain, t.ours} {
		var all []float64
		for range 9 {
			cmd := p.command(t.b, zegos.url, p.stdio)
			cmd.Stdin = strings.NewReader(strings.Join(append([]string{hello, ready}, pages(requests)...), "\n") + "\n")
			out, err := cmd.Output()
			if err != nil {
				t.b.Fatal(err)
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
		zegos := start(t.b, &zegosim.Server{}, 0)
		r := p.overStdio(t.b, zegos.url)
		took[i], refused[i] = r.atOnce(requests)
		upstream[i] = zegos.calls.Load()
		r.stop()
	}
	return upstream, refused, took
}

func (t *table) equal() {
	upstream, refused, _ := t.limited(slices.Repeat([]string{listing(1, 0)}, burst))
	t.row("100 equal at once, 10/s: upstream calls", "%.0f", float64(upstream[0]), float64(upstream[1]), "1")
	t.row("100 equal at once, 10/s: refused", "%.0f", float64(refused[0]), float64(refused[1]), "0")
}

func (t *table) distinct() {
	_, refused, took := t.limited(pages(burst))
	t.row("100 distinct at once, 10/s: refused", "%.0f", float64(refused[0]), float64(refused[1]), "0")
	t.line("100 distinct at once, 10/s: all answered in", "never", fmt.Sprintf("%.2f s", took[1].Seconds()), "-", "9 s + 5 %")
}

// everyone reads 1,000 digital humans, with and without a tool for it.
func (t *table) everyone() {
	const humans = 1000
	const takes = 400 * time.Millisecond
	r := t.plain.overStdio(t.b, start(t.b, &zegosim.Server{Humans: crowd(humans)}, takes).url)
	began := time.Now()
	for offset := 0; offset < humans; offset += page {
		r.page(offset)
	}
	plain := time.Since(began)
	r.stop()

	r = t.ours.overStdio(t.b, start(t.b, &zegosim.Server{Humans: crowd(humans)}, takes).url)
	began = time.Now()
	answer := parse(t.b, r.ask(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find_digital_humans","arguments":{"Query":"Human 999"}}}`))
	ours := time.Since(began)
	if found := answer.Result.StructuredContent; !found.Complete || len(found.DigitalHumans) != 1 {
		t.b.Errorf("find_digital_humans: %+v", answer.Result)
	}
	r.stop()
	t.row("1,000 humans, upstream takes 400 ms", "%.1f s", plain.Seconds(), ours.Seconds(), "<= 6 s")
}

// crowd returns many digital humans.
func crowd(n int) []zego.DigitalHuman {
	humans := make([]zego.DigitalHuman, n)
	for i := range humans {
		humans[i] = zego.DigitalHuman{ID: fmt.Sprint("id-", i), Name: fmt.Sprint("Human ", i), IsPublic: true}
	}
	return humans
}
