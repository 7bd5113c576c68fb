package streams_test

import (
	"context"
	"errors"
	"net/http/httptest"
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
	if !l.Owns(started.TaskID) || started.Status != zego.TaskInitializing || started.RoomID != "room" || started.StreamID == "" {
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
	if _, err := l.Stop(t.Context(), started.TaskID); err != nil || l.Owns(started.TaskID) || running(t, client) != 0 {
		t.Errorf("stop: got %v", err)
	}
	l.StopAll(t.Context())
	if _, err := l.Start(t.Context(), request()); !errors.Is(err, streams.ErrClosed) {
		t.Errorf("after StopAll: got %v", err)
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
		l.WaitStopping()
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
	if err != nil || !l.Owns(started.TaskID) || running(t, client) != 1 {
		t.Errorf("got %+v, %v", started, err)
	}
	l.StopAll(t.Context())
	if n := running(t, client); n != 0 {
		t.Errorf("%d tasks run", n)
	}
}

func second[T any](_ T, err error) error { return err }
