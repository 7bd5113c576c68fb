package streams_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	l, _ := ledger(t, &zegosim.Server{StartDelay: -1}, streams.Options{Now: clock})
	check := func(when string, running int, streamed time.Duration) {
		t.Helper()
		if got := l.Usage(); got != (streams.Usage{Running: running, Streamed: streamed}) {
			t.Errorf("%s: got %+v", when, got)
		}
	}
	check("at first", 0, 0)
	started, err := l.Start(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if room, stream := l.Names(started.TaskID); room != "room" || stream != started.StreamID {
		t.Errorf("got the names %q and %q", room, stream)
	}
	now = now.Add(20 * time.Second)
	check("while it runs", 1, 20*time.Second)
	if _, err := l.Start(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(5 * time.Second)
	check("with a second one", 2, 30*time.Second)
	if _, err := l.Stop(t.Context(), started.TaskID); err != nil {
		t.Fatal(err)
	}
	check("when one is stopped", 1, 30*time.Second)
	if room, stream := l.Names(started.TaskID); room != "" || stream != "" {
		t.Errorf("after the stop: got the names %q and %q", room, stream)
	}
	now = now.Add(time.Hour)
	if got := l.Usage(); got.Running != 0 || got.Streamed < 85*time.Second || got.Streamed > 3*time.Minute {
		t.Errorf("when the other one's TTL is over: got %+v", got)
	}
	req := request()
	req.DigitalHumanID = "nobody"
	before := l.Usage()
	if _, err := l.Start(t.Context(), req); !errors.Is(err, zego.CodeDigitalHumanNotFound) {
		t.Errorf("got %v", err)
	}
	if got := l.Usage(); got != before {
		t.Errorf("after a create that failed: got %+v, want %+v", got, before)
	}
}

// TestStopReason checks that the calls by which a ledger stops tasks tell why.
func TestStopReason(t *testing.T) {
	t.Parallel()
	sim := &zegosim.Server{StartDelay: -1, QPS: -1}
	srv := httptest.NewServer(sim)
	t.Cleanup(func() { srv.Close(); _ = sim.Close() })
	stops := make(chan string, 10)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint: srv.URL, QPS: -1, Observer: zego.Observer{Call: func(ctx context.Context, call zego.CallInfo) {
			if call.Action == "StopDigitalHumanStreamTask" {
				stops <- streams.StopReason(ctx)
			}
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	l := streams.New(client, streams.Options{})
	failing := request()
	failing.Wait = func(_ context.Context, id string) (zego.StreamTask, error) {
		return zego.StreamTask{ID: id, Status: zego.TaskInitFailed}, nil
	}
	if _, err := l.Start(t.Context(), failing); err == nil {
		t.Error("the task started")
	}
	reasons := []string{<-stops}
	first, err := l.Start(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Stop(t.Context(), first.TaskID); err != nil {
		t.Error(err)
	}
	if _, err := l.Start(t.Context(), request()); err != nil {
		t.Fatal(err)
	}
	l.Close(t.Context())
	reasons = append(reasons, <-stops, <-stops)
	if want := []string{"not_started", "", "server_ends"}; !slices.Equal(reasons, want) {
		t.Errorf("got %q, want %q", reasons, want)
	}
}
