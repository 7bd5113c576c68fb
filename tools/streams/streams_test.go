package streams_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// ledger returns a ledger over sim, and the client that it uses.
func ledger(t *testing.T, sim *zegosim.Server, opts streams.Options) (*streams.Ledger, *zego.Client) {
	t.Helper()
	sim.QPS = -1
	srv := httptest.NewServer(sim)
	t.Cleanup(func() { srv.Close(); _ = sim.Close() })
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
		Endpoint: srv.URL, RetryInterval: time.Microsecond, QPS: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return streams.New(client, opts), client
}

// request is a task that any project can create.
func request() streams.StartRequest {
	return streams.StartRequest{
		DigitalHumanID: zegosim.DefaultHumans()[0].ID, RoomID: "room",
		TTL: time.Minute, MaxIdleTime: 30 * time.Second, Timeout: 10 * time.Second,
	}
}

// running returns how many tasks ZEGO runs.
func running(t *testing.T, client *zego.Client) int {
	t.Helper()
	list, err := client.ListStreamTasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Tasks)
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	l, client := ledger(t, &zegosim.Server{StartDelay: -1}, streams.Options{MaxTasks: 1})
	started, err := l.Start(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if !l.Owns(t.Context(), started.TaskID) || started.Status != zego.TaskInitializing || started.RoomID != "room" || started.StreamID == "" {
		t.Errorf("got %+v", started)
	}
	task, err := l.Get(t.Context(), started.TaskID)
	if err != nil || l.StartedBy(task) != streams.ThisServer {
		t.Errorf("got %+v, %v, started by %s", task, err, l.StartedBy(task))
	}
	full, ok := errors.AsType[*streams.LimitError](second(l.Start(t.Context(), request())))
	if !ok || full.MaxTasks != 1 || len(full.Running) != 1 || full.Running[0] != started.TaskID {
		t.Errorf("one too many: got %+v", full)
	}
	if _, err := l.Stop(t.Context(), started.TaskID); err != nil || l.Owns(t.Context(), started.TaskID) || running(t, client) != 0 {
		t.Errorf("stop: got %v", err)
	}
	l.Close(t.Context())
	if _, err := l.Start(t.Context(), request()); !errors.Is(err, streams.ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
}

// TestStartFails checks that a task whose start fails in any way is stopped.
func TestStartFails(t *testing.T) {
	t.Parallel()
	leave, left := context.WithCancel(t.Context())
	for name, tt := range map[string]struct {
		ctx   context.Context
		wait  func(context.Context, string) (zego.StreamTask, error)
		wants func(error) bool
	}{
		"it did not start": {t.Context(), func(_ context.Context, id string) (zego.StreamTask, error) {
			return zego.StreamTask{ID: id, Status: zego.TaskInitFailed}, nil
		}, func(err error) bool { _, ok := errors.AsType[*streams.StartFailedError](err); return ok }},
		"it ended": {t.Context(), func(context.Context, string) (zego.StreamTask, error) {
			return zego.StreamTask{}, zego.CodeStreamStopped
		}, func(err error) bool { _, ok := errors.AsType[*streams.EndedEarlyError](err); return ok }},
		"the caller left": {leave, func(context.Context, string) (zego.StreamTask, error) {
			left()
			return zego.StreamTask{Status: zego.TaskStreaming}, nil
		}, func(err error) bool { return errors.Is(err, context.Canceled) }},
	} {
		l, client := ledger(t, &zegosim.Server{}, streams.Options{})
		req := request()
		req.Wait = tt.wait
		_, err := l.Start(tt.ctx, req)
		if !tt.wants(err) {
			t.Errorf("%s: got %v", name, err)
		}
		l.Close(t.Context())
		if n := running(t, client); n != 0 {
			t.Errorf("%s: %d tasks run", name, n)
		}
	}
}

// TestStatusUnknown checks that a task is handed over although its status could not be had.
func TestStatusUnknown(t *testing.T) {
	t.Parallel()
	l, client := ledger(t, &zegosim.Server{}, streams.Options{})
	req := request()
	req.Wait = func(context.Context, string) (zego.StreamTask, error) {
		return zego.StreamTask{}, context.DeadlineExceeded
	}
	started, err := l.Start(t.Context(), req)
	if err != nil || !l.Owns(t.Context(), started.TaskID) || running(t, client) != 1 {
		t.Errorf("got %+v, %v", started, err)
	}
	l.Close(t.Context())
	if n := running(t, client); n != 0 {
		t.Errorf("%d tasks run", n)
	}
}

func second[T any](_ T, err error) error { return err }

// TestRecover starts a process after others of its installation: it stops what a dead one
// left running, and nothing else.
func TestRecover(t *testing.T) {
	t.Parallel()
	sim := &zegosim.Server{StartDelay: -1}
	isDead := func(process string) bool { return process != "alive" && process != "new" }
	start := func(mark streams.Mark, streamID string) string {
		l, _ := ledger(t, sim, streams.Options{Mark: mark})
		req := request()
		req.StreamID = streamID
		started, err := l.Start(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return started.TaskID
	}
	origins := map[string]streams.Origin{
		start(streams.Mark{Installation: "here", Process: "dead"}, ""):              streams.Orphan,
		start(streams.Mark{Installation: "here", Process: "alive"}, ""):             streams.Orphan,
		start(streams.Mark{Installation: "here", Process: streams.KeepProcess}, ""): streams.Orphan,
		start(streams.Mark{Installation: "here", Process: streams.CallProcess}, ""): streams.Call,
		start(streams.Mark{Installation: "there", Process: "dead"}, ""):             streams.Orphan,
		start(streams.Mark{}, ""):                 streams.Orphan,
		start(streams.Mark{}, "chosen-by-a-user"): streams.Other,
	}
	for _, keep := range []bool{true, false} {
		l, client := ledger(t, sim, streams.Options{KeepTasks: keep, Mark: streams.Mark{Installation: "here", Process: "new", IsDead: isDead}})
		list, err := l.List(t.Context())
		if err != nil || len(list.Tasks) != len(origins) {
			t.Fatal(list, err)
		}
		for _, task := range list.Tasks {
			if got := l.StartedBy(task); got != origins[task.ID] {
				t.Errorf("%s counts as started by %s, want %s", task.StreamID, got, origins[task.ID])
			}
		}
		l.Recover(t.Context())
		l.Close(t.Context())
		want := len(origins) - 1
		if keep {
			want = len(origins)
		}
		if n := running(t, client); n != want {
			t.Errorf("with KeepTasks %t: %d tasks run, want %d", keep, n, want)
		}
	}
}

// TestEndedTasks checks that a task counts as one of this server after its end, too.
func TestEndedTasks(t *testing.T) {
	t.Parallel()
	l, _ := ledger(t, &zegosim.Server{StartDelay: -1}, streams.Options{})
	started, err := l.Start(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Stop(t.Context(), started.TaskID); err != nil {
		t.Fatal(err)
	}
	if got := l.StartedBy(zego.StreamTask{ID: started.TaskID}); got != streams.ThisServer {
		t.Errorf("got %s", got)
	}
}

// TestChosenStreamIDInUse checks that a StreamId which a task at ZEGO has is refused before
// anything is created.
func TestChosenStreamIDInUse(t *testing.T) {
	t.Parallel()
	var creates atomic.Int32
	sim := &zegosim.Server{StartDelay: -1, Observe: func(call zegosim.Call) {
		if call.Action == "CreateDigitalHumanStreamTask" {
			creates.Add(1)
		}
	}}
	other, _ := ledger(t, sim, streams.Options{})
	l, _ := ledger(t, sim, streams.Options{})
	req := request()
	req.StreamID = "chosen"
	theirs, err := other.Start(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	inUse, ok := errors.AsType[*streams.StreamIDInUseError](second(l.Start(t.Context(), req)))
	if !ok || inUse.TaskID != theirs.TaskID || creates.Load() != 1 {
		t.Errorf("got %+v after %d creates", inUse, creates.Load())
	}
}
