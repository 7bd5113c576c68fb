package streams_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

// TestEndedTasksMakePlace fills the ledger, and checks which answers to the status of its task
// make place for another one.
func TestEndedTasksMakePlace(t *testing.T) {
	t.Parallel()
	answer := func(code zego.Code, status zego.TaskStatus) []byte {
		return fmt.Appendf(nil, `{"Code":%d,"Message":"m","RequestId":"r","Data":{"TaskId":"task-1","Status":%d}}`, code, status)
	}
	for _, tt := range []struct {
		status    []byte
		confirmed bool
		place     bool
	}{
		{answer(0, zego.TaskStreaming), true, false},
		{answer(0, zego.TaskInitializing), true, false},
		{answer(0, zego.TaskStopped), true, true},
		{answer(0, zego.TaskInitFailed), true, true},
		{answer(zego.CodeTaskNotFound, 0), true, true},
		{answer(zego.CodeStreamStopped, 0), true, true},
		{answer(zego.CodeStreamStopped, 0), false, false}, // The TaskId may be wrong.
		{answer(zego.CodeInsufficientResources, 0), true, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			var rewrites bool
			transport := &interceptor{to: &model{}, rewrite: func(action string, body []byte) []byte {
				if action == statusAction && rewrites {
					return tt.status
				}
				return body
			}}
			l, _ := modelLedger(t, transport, streams.Options{MaxTasks: 1})
			started, err := l.Start(t.Context(), modelRequest())
			if err != nil {
				t.Fatal(err)
			}
			if tt.confirmed {
				if _, err := l.Get(t.Context(), started.TaskID); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			rewrites = true
			_, err = l.Start(t.Context(), modelRequest())
			full, ok := errors.AsType[*streams.LimitError](err)
			if ok == tt.place || ok && (full.OfCaller || full.MaxTasks != 1) {
				t.Errorf("%s, confirmed %t: got %v", tt.status, tt.confirmed, err)
			}
			l.Close(t.Context())
		})
	}
}

// TestExpired checks to the nanosecond until when a task counts that ZEGO never tells about.
func TestExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		l, _ := modelLedger(t, &model{}, streams.Options{MaxTasks: 1})
		if _, err := l.Start(t.Context(), modelRequest()); err != nil {
			t.Fatal(err)
		}
		// Timeout, the longest delay of the create, TTL, and the longest delay of the end.
		expires := begin.Add(30*time.Second + 30*time.Second + 10*time.Minute + 30*time.Second)
		ran := time.Until(expires)
		time.Sleep(ran)
		if got := l.Usage(); got != (streams.Usage{Running: 1, Streamed: ran}) {
			t.Errorf("at its end: got %+v", got)
		}
		if _, err := l.Start(t.Context(), modelRequest()); !errors.As(err, new(*streams.LimitError)) {
			t.Errorf("at its end: got %v", err)
		}
		time.Sleep(time.Nanosecond)
		if got := l.Usage(); got != (streams.Usage{Streamed: ran}) {
			t.Errorf("after its end: got %+v", got)
		}
		if _, err := l.Start(t.Context(), modelRequest()); err != nil {
			t.Errorf("after its end: got %v", err)
		}
		l.Close(t.Context())
	})
}

// TestCallerLimit lets a caller start tasks at two replicas. They count together, and other
// callers are not limited.
func TestCallerLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, store := &model{}, newSharedStore()
		a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
		req := modelRequest()
		req.Caller, req.CallerMaxTasks = "ann", 2
		var running []string
		for _, r := range []*modelReplica{a, b} {
			started, err := r.ledger.Start(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			running = append(running, started.TaskID)
			time.Sleep(5 * time.Second)
		}
		for _, r := range []*modelReplica{a, b} {
			full, ok := errors.AsType[*streams.LimitError](second(r.ledger.Start(t.Context(), req)))
			if !ok || !full.OfCaller || full.MaxTasks != 2 || len(full.Running) != 2 || !slices.Contains(full.Running, running[0]) || !slices.Contains(full.Running, running[1]) {
				t.Errorf("got %+v", full)
			}
		}
		req.Caller = "bob"
		if _, err := a.ledger.Start(t.Context(), req); err != nil {
			t.Errorf("another caller: got %v", err)
		}
		a.ledger.Close(t.Context())
		b.ledger.Close(t.Context())
	})
}

// TestPlaceAfterStop checks that another replica has place for a task as soon as Stop has
// returned, however slow the Store is.
func TestPlaceAfterStop(t *testing.T) {
	t.Parallel()
	for _, stopsOwn := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m, store := &model{}, newSharedStore()
			a, b := newModelReplica("a", m, store, 0), newModelReplica("b", m, store, 0)
			var started streams.Started
			for range modelMaxTasks {
				started = startConfirmed(t, a.ledger)
			}
			stopper, other := a, b
			if !stopsOwn {
				stopper, other = b, a
				b.ledger.Owns(t.Context(), started.TaskID)
			}
			time.Sleep(time.Second)
			stopper.gate.slowDown(500 * time.Millisecond)
			if _, err := stopper.ledger.Stop(t.Context(), started.TaskID); err != nil {
				t.Error(err)
			}
			if _, err := other.ledger.Start(t.Context(), modelRequest()); err != nil {
				t.Errorf("stops an own task: %t: got %v", stopsOwn, err)
			}
			a.ledger.Close(t.Context())
			b.ledger.Close(t.Context())
		})
	}
}

// times are moments that several goroutines note.
type times struct {
	mu  sync.Mutex // guards what follows
	all []time.Time
}

func (n *times) noteNow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, time.Now())
}

// take returns the moments since the last call of take.
func (n *times) take() []time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = nil
	return all
}

// TestPausesOfAttempts lets ZEGO refuse to stop a task. The pauses between the attempts grow,
// they are short while the ledger is closed, and the log tells each thing once.
func TestPausesOfAttempts(t *testing.T) {
	t.Parallel()
	refusing := func(attempts *times) *interceptor {
		return &interceptor{to: &model{}, rewrite: func(action string, body []byte) []byte {
			if action != stopAction {
				return body
			}
			attempts.noteNow()
			return fmt.Appendf(nil, `{"Code":%d,"Message":"m","RequestId":"r"}`, zego.CodeInsufficientResources)
		}}
	}
	stop := func(t *testing.T, l *streams.Ledger) {
		t.Helper()
		started, err := l.Start(t.Context(), modelRequest())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Stop(t.Context(), started.TaskID); !errors.Is(err, zego.CodeInsufficientResources) {
			t.Fatalf("got %v", err)
		}
	}
	pauses := func(attempts []time.Time) []time.Duration {
		var all []time.Duration
		for i := 1; i < len(attempts); i++ {
			all = append(all, attempts[i].Sub(attempts[i-1])-20*time.Millisecond) // A call takes 20 ms.
		}
		return all
	}
	synctest.Test(t, func(t *testing.T) {
		var attempts times
		l, log := modelLedger(t, refusing(&attempts), streams.Options{MaxTasks: 1})
		stop(t, l)
		time.Sleep(2 * time.Minute)
		got := pauses(attempts.take())
		want := []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}
		if !slices.Equal(got, want) {
			t.Errorf("got the pauses %v, want %v", got, want)
		}
		if n := strings.Count(log.String(), "could not be stopped at once"); n != 1 {
			t.Errorf("got %d warnings: %s", n, log)
		}
		time.Sleep(15 * time.Minute)
		attempts.take()
		time.Sleep(time.Hour)
		if n, late := strings.Count(log.String(), "by now ZEGO has ended it"), attempts.take(); n != 1 || len(late) > 0 {
			t.Errorf("after its TTL: got %d attempts, and the log %s", len(late), log)
		}
		l.Close(t.Context())
		if got := log.errorLines(); got != "" {
			t.Errorf("got %s", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var attempts times
		l, log := modelLedger(t, refusing(&attempts), streams.Options{StopTimeout: 10 * time.Second})
		stop(t, l)
		time.Sleep(time.Minute)
		attempts.take()
		l.Close(t.Context())
		got := pauses(attempts.take())
		if len(got) != 8 || slices.ContainsFunc(got, func(p time.Duration) bool { return p != time.Second }) {
			t.Errorf("while the ledger is closed: got the pauses %v", got)
		}
		if n := strings.Count(log.errorLines(), "\n"); n != 1 {
			t.Errorf("got %d ERROR lines", n)
		}
	})
}

// answers is a ZEGO that answers every call with what the function returns for its action.
type answers func(action string) string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	text := a(r.URL.Query().Get("Action"))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// TestManyEnded checks that a ledger knows its last 1000 ended tasks, and no task without a
// TaskId.
func TestManyEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		created := -1
		l, _ := modelLedger(t, answers(func(action string) string {
			if action == createAction {
				if created++; created == 0 {
					return fmt.Sprintf(`{"Code":%d}`, zego.CodeInsufficientResources)
				}
			}
			return fmt.Sprintf(`{"Code":0,"Data":{"TaskId":"task-%d"}}`, created)
		}), streams.Options{})
		if _, err := l.Start(t.Context(), modelRequest()); !errors.Is(err, zego.CodeInsufficientResources) {
			t.Errorf("got %v", err)
		}
		if got := l.StartedBy(zego.StreamTask{}); got != streams.Other {
			t.Errorf("a task without a TaskId was started by %s", got)
		}
		for range 1001 {
			started, err := l.Start(t.Context(), modelRequest())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
			if _, err := l.Stop(t.Context(), started.TaskID); err != nil {
				t.Fatal(err)
			}
		}
		for id, want := range map[string]streams.Origin{"task-1": streams.Other, "task-2": streams.ThisServer, "task-1001": streams.ThisServer} {
			if got := l.StartedBy(zego.StreamTask{ID: id}); got != want {
				t.Errorf("%s was started by %s, want %s", id, got, want)
			}
		}
		l.Close(t.Context())
	})
}

// TestOwnByCreateTime checks which tasks count as own ones whose StreamId the caller chose, and
// whose TaskId is not the one in ZEGO's answer to the create. CreateTime is told in whole
// seconds.
func TestOwnByCreateTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		reserved time.Duration // After a whole second; the create is answered 20 ms later.
		created  int64         // Seconds after that whole second.
		room     string
		want     streams.Origin
	}{
		{0, -2, "room", streams.ThisServer},
		{0, -3, "room", streams.Other},
		{time.Nanosecond, -2, "room", streams.Other},
		{980 * time.Millisecond, 3, "room", streams.ThisServer},
		{980*time.Millisecond - 1, 3, "room", streams.Other},
		{0, 0, "other", streams.Other},
	} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := modelLedger(t, &model{}, streams.Options{})
			second := time.Now().Add(time.Minute)
			time.Sleep(time.Minute + tt.reserved - 20*time.Millisecond) // The list is asked first.
			req := modelRequest()
			req.StreamID = "chosen"
			if _, err := l.Start(t.Context(), req); err != nil {
				t.Fatal(err)
			}
			task := zego.StreamTask{ID: "another", StreamID: "chosen", RoomID: tt.room, CreateTime: second.Unix() + tt.created}
			if got := l.StartedBy(task); got != tt.want {
				t.Errorf("%+v: got %s", tt, got)
			}
			l.Close(t.Context())
		})
	}
}

// TestOrigins checks what StreamIds tell about who started a task.
func TestOrigins(t *testing.T) {
	t.Parallel()
	here := streams.New(nil, streams.Options{Mark: streams.Mark{Installation: "here", Process: "1"}})
	unnamed := streams.New(nil, streams.Options{})
	for _, tt := range []struct {
		l        *streams.Ledger
		streamID string
		want     streams.Origin
	}{
		{here, "zego-mcp-here-call-1", streams.Call},
		{here, "zego-mcp-here-call", streams.Orphan},
		{here, "zego-mcp-there-call-1", streams.Orphan},
		{here, "zego-mcp-here-2-1", streams.Orphan},
		{here, "zego-mcp", streams.Other},
		{here, "", streams.Other},
		{unnamed, "zego-mcp--call-1", streams.Orphan},
	} {
		if got := tt.l.StartedBy(zego.StreamTask{ID: "1", StreamID: tt.streamID}); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.streamID, got, tt.want)
		}
	}
}

// TestDefaults checks the options that a ledger uses if none or nonsense is given.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for _, opts := range []streams.Options{{}, {MaxTTL: -1, MaxTasks: -1, StopTimeout: -1}} {
		if l := streams.New(nil, opts); l.MaxTTL() != time.Hour || l.MaxTasks() != 3 {
			t.Errorf("got %v and %d", l.MaxTTL(), l.MaxTasks())
		}
	}
}

// TestRecoverWithoutIsDead leaves alone what another process of this installation started, if
// nothing tells whether that process has ended.
func TestRecoverWithoutIsDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{}
		_, _ = m.create("room", leftBehind, time.Hour, false)
		_, _ = m.create("room", "theirs", time.Hour, true)
		l, log := modelLedger(t, m, streams.Options{Mark: streams.Mark{Installation: "here", Process: "next"}})
		l.Recover(t.Context())
		l.Close(t.Context())
		if len(m.running()) != 1 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "created=2000-01-01T00:00:00Z") {
			t.Errorf("%d tasks run; log: %s", len(m.running()), log)
		}
	})
}

// TestListFails checks that a StreamId which the caller chose is not used if the list does not
// answer, and that a stopped task does not count as using it.
func TestListFails(t *testing.T) {
	t.Parallel()
	req := modelRequest()
	req.StreamID = "chosen"
	for _, stopped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{listStale: time.Minute}
			if stopped {
				_, _ = m.create("room", "chosen", time.Nanosecond, true)
				m.tasks[0].delisted = time.Now().Add(time.Hour)
			} else {
				m.born, m.outages = time.Now(), []outage{{Action: listAction, Fault: gatewayBefore, To: time.Hour}}
			}
			transport := &interceptor{to: m, rewrite: func(action string, body []byte) []byte {
				return bytes.ReplaceAll(body, fmt.Appendf(nil, `"Status":%d`, zego.TaskStreaming), fmt.Appendf(nil, `"Status":%d`, zego.TaskStopped))
			}}
			l, _ := modelLedger(t, transport, streams.Options{})
			if _, err := l.Start(t.Context(), req); (err == nil) != stopped {
				t.Errorf("another one with the StreamId has stopped: %t: got %v", stopped, err)
			}
			l.Close(t.Context())
		})
	}
}

// TestSetLimits raises and lowers the limits of a ledger that has a stream task.
func TestSetLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, _ := modelLedger(t, &interceptor{to: &model{}}, streams.Options{MaxTasks: 1, MaxTTL: time.Hour})
		start := func() error {
			_, err := l.Start(t.Context(), modelRequest())
			return err
		}
		if err := start(); err != nil {
			t.Fatal(err)
		}
		if _, full := errors.AsType[*streams.LimitError](start()); !full {
			t.Error("a second task was started")
		}
		l.SetLimits(time.Minute, 2)
		if err := start(); err != nil || l.MaxTasks() != 2 || l.MaxTTL() != time.Minute {
			t.Errorf("got %v, %d, %v", err, l.MaxTasks(), l.MaxTTL())
		}
		l.SetLimits(0, 0)
		if l.MaxTasks() != 2 || l.MaxTTL() != time.Minute {
			t.Errorf("no limits: got %d, %v", l.MaxTasks(), l.MaxTTL())
		}
		l.SetLimits(0, 1)
		if _, full := errors.AsType[*streams.LimitError](start()); !full || l.Usage().Running != 2 {
			t.Errorf("a lower limit: %d tasks run", l.Usage().Running)
		}
	})
}
