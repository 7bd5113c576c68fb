package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// TestBusiest checks how calls of one action are counted in any second, not only in those of the
// clock.
func TestBusiest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{}
		for range 6 {
			u.arrived("A")
			u.arrived("B")
			time.Sleep(400 * time.Millisecond)
			u.arrived("A")
		}
		if calls, action, perSecond := u.busiest(); calls != 18 || action != "A" || perSecond != 6 {
			t.Errorf("got %d calls, %d of %s, want 18, 6 of A", calls, perSecond, action)
		}
		if got := u.shortest(6); got != 1200*time.Millisecond {
			t.Errorf("7 calls came in %v, want 1.2s", got)
		}
		if got := u.shortest(12); got != 0 {
			t.Errorf("13 calls came in %v, although no action had so many", got)
		}
	})
}

// TestUpstream lets a client call the simulator too often, and checks what is counted.
func TestUpstream(t *testing.T) {
	t.Parallel()
	sim := httptest.NewServer(&zegosim.Server{QPS: 2})
	defer sim.Close()
	u := &upstream{}
	proxy := httptest.NewServer(u.handler(sim.URL))
	defer proxy.Close()
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: proxy.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: zegosim.DefaultHumans()[0].ID},
		RTCConfig:          zego.RTCConfig{RoomID: "room", StreamID: "stream"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _ = client.ListStreamTasks(t.Context())
	}
	if calls, _, _ := u.busiest(); calls < 5 || u.created != 1 || u.rateLimited == 0 {
		t.Errorf("got %d calls, %d created, %d refused", calls, u.created, u.rateLimited)
	}
}

// TestBalancer checks that a server gets requests only while it is ready, and none after a
// connection to it has failed.
func TestBalancer(t *testing.T) {
	t.Parallel()
	var ready [2]atomic.Bool
	var got [2]atomic.Int32
	b := newBalancer()
	servers := make([]*httptest.Server, 2)
	for i := range servers {
		ready[i].Store(true)
		servers[i] = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path != "/readyz":
				got[i].Add(1)
			case !ready[i].Load():
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer servers[i].Close()
		backend, err := newBackend(servers[i].URL)
		if err != nil {
			t.Fatal(err)
		}
		b.add(t.Context(), backend)
	}
	send := func(wantStatus int, want0, want1 int32) {
		t.Helper()
		w := httptest.NewRecorder()
		b.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", strings.NewReader("{}")))
		if w.Code != wantStatus || got[0].Load() != want0 || got[1].Load() != want1 {
			t.Errorf("got status %d, requests %d and %d; want %d, %d and %d", w.Code, got[0].Load(), got[1].Load(), wantStatus, want0, want1)
		}
	}
	send(http.StatusOK, 0, 1)
	send(http.StatusOK, 1, 1)
	ready[1].Store(false)
	b.probeOnce(t.Context())
	send(http.StatusOK, 2, 1)
	send(http.StatusOK, 3, 1)
	servers[0].Close()
	send(http.StatusBadGateway, 3, 1)
	send(http.StatusServiceUnavailable, 3, 1) // Nobody is left.
}

// TestVerdict checks that each wrong figure fails the run.
func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		spoil      func(*figures)
	}{
		{"all is well", "", func(*figures) {}},
		{"no call", "no call was made", func(f *figures) { f.agents.took = nil }},
		{"a failed call", "1 calls failed twice", func(f *figures) { f.agents.failed = 1 }},
		{"no task", "no stream task was created", func(f *figures) { f.upstream.created = 0 }},
		{"a task is left", "2 stream tasks run", func(f *figures) { f.running = 2 }},
		{"a refusal", "ZEGO refused 1 of 0 calls", func(f *figures) { f.upstream.rateLimited = 1 }},
		{"too often", "ZEGO got 11 calls of Drive in a second", func(f *figures) {
			f.upstream.arrivals = map[string][]time.Time{"Drive": make([]time.Time, zegosim.DefaultQPS+1)}
		}},
	} {
		f := &figures{
			agents:   &agents{took: map[string][]time.Duration{"get_digital_human": {time.Second}}},
			upstream: &upstream{created: 1},
		}
		tt.spoil(f)
		err := f.verdict()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		var out strings.Builder
		f.print(&out)
		if !strings.Contains(out.String(), "calls that failed twice") {
			t.Errorf("%s: the table is\n%s", tt.name, out.String())
		}
	}
}

// TestTimes checks the percentiles.
func TestTimes(t *testing.T) {
	t.Parallel()
	took := []time.Duration{}
	for i := range 101 {
		took = append(took, time.Duration(100-i)*time.Millisecond)
	}
	if got, want := timesOf(took), "   101   p50    50ms   p99    99ms"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := timesOf(nil); got != "0" {
		t.Errorf("without calls: got %q", got)
	}
}
