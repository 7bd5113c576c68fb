package zego_test

import (
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// upstream is a simulator that takes some time for each answer and counts calls.
type upstream struct {
	*httptest.Server
	calls, refused atomic.Int64
}

func startUpstream(sim *zegosim.Server, latency time.Duration) *upstream {
	u := &upstream{}
	sim.Observe = func(call zegosim.Call) {
		u.calls.Add(1)
		if call.Code == zego.CodeRateLimited {
			u.refused.Add(1)
		}
	}
	sim.Fault = func(string, int) *zegosim.Fault { return &zegosim.Fault{Latency: latency} }
	u.Server = httptest.NewServer(sim)
	return u
}

func (u *upstream) client(b *testing.B, qps int) *zego.Client {
	b.Helper()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: u.URL, QPS: qps})
	if err != nil {
		b.Fatal(err)
	}
	return client
}

func BenchmarkListDigitalHumans(b *testing.B) {
	b.ReportAllocs()
	u := startUpstream(&zegosim.Server{QPS: -1}, 0)
	defer u.Close()
	client := u.client(b, -1)
	for b.Loop() {
		if _, err := client.ListDigitalHumans(b.Context(), zego.ListDigitalHumansRequest{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCrowd makes 100 calls at once, while ZEGO allows 10 in a second.
func BenchmarkCrowd(b *testing.B) {
	for _, name := range []string{"equal", "distinct"} {
		b.Run(name, func(b *testing.B) {
			var calls, refused int64
			for b.Loop() {
				u := startUpstream(&zegosim.Server{}, 50*time.Millisecond)
				client := u.client(b, zego.DefaultQPS)
				var crowd sync.WaitGroup
				for i := range 100 {
					if name == "equal" {
						i = 0
					}
					crowd.Go(func() {
						if _, err := client.ListDigitalHumans(b.Context(), zego.ListDigitalHumansRequest{Offset: &i}); err != nil {
							b.Error(err)
						}
					})
				}
				crowd.Wait()
				u.Close()
				calls += u.calls.Load()
				refused += u.refused.Load()
			}
			b.ReportMetric(float64(calls)/float64(b.N), "upstream-calls/op")
			b.ReportMetric(float64(refused)/float64(b.N), "refusals/op")
		})
	}
}

// BenchmarkAllDigitalHumans reads all pages while an answer takes 400 ms. floor-s is how
// long it takes at least because of the rate limit.
func BenchmarkAllDigitalHumans(b *testing.B) {
	const latency = 400 * time.Millisecond
	for _, humans := range []int{1000, 10000} {
		b.Run(fmt.Sprint(humans), func(b *testing.B) {
			pages := humans / zego.MaxLimit
			floor := float64(pages-zego.DefaultQPS)/zego.DefaultQPS + latency.Seconds()
			u := startUpstream(&zegosim.Server{Humans: manyHumans(humans)}, latency)
			defer u.Close()
			client := u.client(b, zego.DefaultQPS)
			for b.Loop() {
				read := 0
				for _, err := range client.AllDigitalHumans(b.Context(), zego.FetchAll) {
					if err != nil {
						b.Fatal(err)
					}
					read++
				}
				if read != humans {
					b.Fatalf("got %d, want %d", read, humans)
				}
			}
			took := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(took, "s/op")
			b.ReportMetric(floor, "floor-s")
			b.ReportMetric(took/floor, "of-floor")
			b.ReportMetric(float64(u.refused.Load())/float64(b.N), "refusals/op")
		})
	}
}
