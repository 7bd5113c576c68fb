package streams_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

// interceptor passes requests on to a model of ZEGO. A test uses it to see and change the
// answers. Fields that are nil are not used.
type interceptor struct {
	to      http.RoundTripper
	after   func(action string, answer *http.Response) // Called before the client gets the answer.
	rewrite func(action string, body []byte) []byte    // Returns the body that the client gets.
}

func (i *interceptor) RoundTrip(r *http.Request) (*http.Response, error) {
	action := r.URL.Query().Get("Action")
	answer, err := i.to.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if i.rewrite != nil {
		body, _ := io.ReadAll(answer.Body) // It is in memory.
		answer.Body = io.NopCloser(bytes.NewReader(i.rewrite(action, body)))
	}
	if i.after != nil {
		i.after(action, answer)
	}
	return answer, nil
}

const (
	createAction = "CreateDigitalHumanStreamTask"
	listAction   = "QueryDigitalHumanStreamTasks"
	statusAction = "GetDigitalHumanStreamTaskStatus"
	stopAction   = "StopDigitalHumanStreamTask"
)

// modelLedger returns a ledger over a model of ZEGO, and its log.
func modelLedger(t *testing.T, transport http.RoundTripper, opts streams.Options) (*streams.Ledger, *safeBuffer) {
	t.Helper()
	client, err := zego.New(1, strings.Repeat("x", 32), zego.Options{HTTPClient: &http.Client{Transport: transport}, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	log := &safeBuffer{}
	opts.Logger = slog.New(slog.NewTextHandler(log, nil))
	return streams.New(client, opts), log
}

// checkNoneLost fails if a task runs that no ERROR line names.
func checkNoneLost(t *testing.T, m *model, log *safeBuffer) {
	t.Helper()
	for _, task := range m.running() {
		if !strings.Contains(log.errorLines(), task.stream) {
			t.Errorf("%s (StreamId %s) runs, and no ERROR line names it; log:\n%s\ncalls:\n%s", task.id, task.stream, log, m.calls.String())
		}
	}
	for _, violation := range m.violations {
		t.Error(violation)
	}
}

// TestStopWhileCreating stops a task, whose TaskId ZEGO's list tells, before the answer to its
// create arrives. If ZEGO has called itself busy, the client creates the task once more. Start
// must not return a task that is not in the ledger.
func TestStopWhileCreating(t *testing.T) {
	t.Parallel()
	for _, answer := range []fault{noFault, busyAfter, dropAfter, errorAfter, hangAfter} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{faults: map[string][]fault{createAction: {answer}}}
			l, log := modelLedger(t, m, streams.Options{})
			m.created = sync.OnceFunc(func() {
				list, err := l.List(t.Context())
				if err != nil || len(list.Tasks) != 1 {
					t.Errorf("got %v, %v", list, err)
					return
				}
				if _, err := l.Stop(t.Context(), list.Tasks[0].ID); err != nil {
					t.Error(err)
				}
			})
			started, err := l.Start(t.Context(), modelRequest())
			if err == nil && (len(m.running()) == 0 || !l.Owns(t.Context(), started.TaskID)) {
				t.Errorf("answer %d: Start returned %s, which is stopped or not in the ledger", answer, started.TaskID)
			}
			time.Sleep(time.Minute)
			if n := len(m.running()); n != 0 {
				t.Errorf("answer %d: %d tasks run", answer, n)
			}
			l.Close(t.Context())
			checkNoneLost(t, m, log)
		})
	}
}

// TestStopBeforeSecondCreate begins to stop a task, and ZEGO's answer to that arrives only
// after the client has created another task with the same StreamId.
func TestStopBeforeSecondCreate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{faults: map[string][]fault{createAction: {busyAfter}, stopAction: {slowAfter}}}
		l, log := modelLedger(t, m, streams.Options{})
		m.created = sync.OnceFunc(func() {
			list, err := l.List(t.Context())
			if err != nil {
				t.Error(err)
			}
			go func() { _, _ = l.Stop(context.Background(), list.Tasks[0].ID) }()
		})
		_, _ = l.Start(t.Context(), modelRequest()) // It succeeds if the answer to Stop is late enough.
		time.Sleep(time.Minute)
		l.Close(t.Context())
		checkNoneLost(t, m, log)
	})
}

// TestListWhileCreating checks that a task with a chosen StreamId is an own one as soon as the
// list shows it, however wrong this machine's clock is.
func TestListWhileCreating(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-9 * time.Minute, 0, 9 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{clockOffset: off}
			l, _ := modelLedger(t, m, streams.Options{})
			m.created = func() {
				list, err := l.List(t.Context())
				if err != nil || !l.Owns(t.Context(), list.Tasks[0].ID) {
					t.Errorf("clock %v off: got %v, %v, not an own task", off, list, err)
				}
			}
			req := modelRequest()
			req.StreamID = "chosen"
			if _, err := l.Start(t.Context(), req); err != nil {
				t.Error(err)
			}
			l.Close(t.Context())
		})
	}
}

// TestAnswerOfAnotherCreate lets the answer to a create name the TaskId of the task before,
// which runs or has been stopped.
func TestAnswerOfAnotherCreate(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{}
			var first []byte
			transport := &interceptor{to: m, rewrite: func(action string, body []byte) []byte {
				if action != createAction {
					return body
				}
				if first == nil {
					first = body
				}
				return first
			}}
			l, log := modelLedger(t, transport, streams.Options{})
			one, err := l.Start(t.Context(), modelRequest())
			if err != nil {
				t.Fatal(err)
			}
			if stopped {
				if _, err := l.Stop(t.Context(), one.TaskID); err != nil {
					t.Error(err)
				}
			}
			two, err := l.Start(t.Context(), modelRequest())
			if lost := new(streams.LostCreateError); !errors.As(err, &lost) {
				t.Errorf("stopped %t: got %v, %v", stopped, two, err)
			}
			time.Sleep(time.Minute)
			if n := len(m.running()); stopped && n != 0 || !stopped && n != 1 {
				t.Errorf("stopped %t: %d tasks run", stopped, n)
			}
			l.Close(t.Context())
			checkNoneLost(t, m, log)
		})
	}
}

// TestGarbledList lets ZEGO's list leave a field out, while the answer to a create is lost. If
// this server has generated the StreamId, the list may even tell another room.
func TestGarbledList(t *testing.T) {
	t.Parallel()
	for _, answer := range []fault{dropAfter, errorAfter, busyAfter, gatewayAfter} {
		for _, garbled := range []struct{ streamID, old, new string }{
			{"", `"CreateTime"`, `"Other"`},
			{"", `"RoomId"`, `"Other"`},
			{"", `"StreamId"`, `"Other"`},
			{"", `"room"`, `"other"`},
			{"chosen", `"CreateTime"`, `"Other"`},
			{"chosen", `"RoomId"`, `"Other"`},
			{"chosen", `"StreamId"`, `"Other"`},
		} {
			synctest.Test(t, func(t *testing.T) {
				m := &model{faults: map[string][]fault{createAction: {answer}}}
				transport := &interceptor{to: m, rewrite: func(action string, body []byte) []byte {
					if action == listAction {
						return bytes.ReplaceAll(body, []byte(garbled.old), []byte(garbled.new))
					}
					return body
				}}
				l, log := modelLedger(t, transport, streams.Options{StopTimeout: 2 * time.Minute})
				req := modelRequest()
				req.StreamID = garbled.streamID
				_, _ = l.Start(t.Context(), req)
				l.Close(t.Context())
				checkNoneLost(t, m, log)
			})
		}
	}
}

// TestWrongDate lets one list have the Date of an old page of a proxy, while the answer to a
// create with a chosen StreamId is lost.
func TestWrongDate(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		for _, answer := range []fault{dropAfter, busyAfter} {
			synctest.Test(t, func(t *testing.T) {
				m := &model{faults: map[string][]fault{createAction: {answer}}}
				lists := 0
				transport := &interceptor{to: m, after: func(action string, answer *http.Response) {
					if action == listAction {
						if lists++; lists == 2 {
							answer.Header.Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
						}
					}
				}}
				l, log := modelLedger(t, transport, streams.Options{})
				req := modelRequest()
				req.StreamID = "chosen"
				_, err := l.Start(t.Context(), req)
				time.Sleep(90 * time.Second)
				if err != nil && len(m.running()) > 0 {
					t.Errorf("Date %v off: %v, and the task still runs", off, err)
				}
				l.Close(t.Context())
				checkNoneLost(t, m, log)
			})
		}
	}
}

// TestAnswerAfterClose lets the answer to a create arrive when Close has given up.
func TestAnswerAfterClose(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{faults: map[string][]fault{createAction: {slowAfter}}}
			l, log := modelLedger(t, m, streams.Options{StopTimeout: time.Second, KeepTasks: keep})
			done := make(chan error)
			go func() {
				_, err := l.Start(context.Background(), modelRequest())
				done <- err
			}()
			time.Sleep(time.Second)
			l.Close(t.Context())
			if err := <-done; !errors.Is(err, streams.ErrClosed) {
				t.Errorf("KeepTasks %t: got %v", keep, err)
			}
			checkNoneLost(t, m, log)
		})
	}
}

// TestYoungTasksStay fills the ledger with tasks that ZEGO does not know yet. They count all
// the same.
func TestYoungTasksStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{born: time.Now(), outages: []outage{{Action: statusAction, Fault: unknownTask, From: time.Second, To: time.Hour}}}
		l, log := modelLedger(t, m, streams.Options{MaxTasks: 1})
		started, err := l.Start(t.Context(), modelRequest())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Get(t.Context(), started.TaskID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if _, err := l.Start(t.Context(), modelRequest()); !errors.As(err, new(*streams.LimitError)) {
			t.Errorf("got %v", err)
		}
		l.Close(t.Context())
		if n := len(m.running()); n != 0 {
			t.Errorf("%d tasks run", n)
		}
		checkNoneLost(t, m, log)
	})
}

// TestCloseLooksForLostTask calls Close while ZEGO's list does not show a task yet, or never
// does, and the answer to the create was lost.
func TestCloseLooksForLostTask(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		listLag time.Duration
		before  time.Duration // From the create to Close.
		lost    bool
	}{
		{listLag: 8 * time.Second},
		{listLag: 25 * time.Second},
		{listLag: time.Hour, lost: true},
		{listLag: time.Hour, before: 100 * time.Second, lost: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{listLag: tt.listLag, faults: map[string][]fault{createAction: {dropAfter}}}
			l, log := modelLedger(t, m, streams.Options{StopTimeout: time.Minute})
			lost := new(streams.LostCreateError)
			if _, err := l.Start(t.Context(), modelRequest()); !errors.As(err, &lost) {
				t.Fatalf("got %v", err)
			}
			time.Sleep(tt.before)
			l.Close(t.Context())
			errorLine := log.errorLines()
			if named := strings.Contains(errorLine, "room=room") && strings.Contains(errorLine, "ends_by=2000-01-01T00:1"); named != tt.lost {
				t.Errorf("list %v late: got %q", tt.listLag, errorLine)
			}
			if n := len(m.running()); (n != 0) != tt.lost {
				t.Errorf("list %v late: %d tasks run", tt.listLag, n)
			}
			checkNoneLost(t, m, log)
		})
	}
}

// panics panics at every create, which ZEGO carries out much later.
type panics struct{ to *model }

func (p panics) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("Action") != createAction {
		return p.to.RoundTrip(r)
	}
	body, _ := io.ReadAll(r.Body) // It is in memory.
	go func() {
		time.Sleep(25 * time.Second)
		_, _ = p.to.carryOut(createAction, body, noFault) // Nobody waits for the answer.
	}()
	panic("create")
}

// TestLateCreateAfterPanic lets ZEGO carry a create out late, after the client has panicked.
// Close waits until ZEGO's list shows the task, and stops it.
func TestLateCreateAfterPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{listLag: 20 * time.Second}
		l, log := modelLedger(t, panics{m}, streams.Options{StopTimeout: time.Minute})
		func() {
			defer func() { _ = recover() }() // As the server does for each call.
			_, _ = l.Start(t.Context(), modelRequest())
		}()
		l.Close(t.Context())
		if n := len(m.running()); n != 0 || len(m.tasks) != 1 {
			t.Errorf("%d of %d tasks run; log:\n%s", n, len(m.tasks), log)
		}
	})
}

// TestCloseWhileCreatesEnd calls Close several times at once, while creates end whose callers
// have left, and are stopped.
func TestCloseWhileCreatesEnd(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			m := &model{}
			l, log := modelLedger(t, m, streams.Options{MaxTasks: 100})
			var acting sync.WaitGroup
			for i := range 20 {
				acting.Go(func() {
					ctx, leave := context.WithCancel(context.Background())
					leave()
					time.Sleep(time.Duration(i/4) * 10 * time.Millisecond) // Some end when Close is called.
					_, _ = l.Start(ctx, modelRequest())
				})
			}
			for range 4 {
				acting.Go(func() {
					time.Sleep(30 * time.Millisecond)
					l.Close(context.Background())
				})
			}
			acting.Wait()
			if n := len(m.running()); n != 0 {
				t.Errorf("%d tasks run", n)
			}
			checkNoneLost(t, m, log)
			if got := log.errorLines(); got != "" {
				t.Errorf("every answer came, and all were stopped, but the log says %s", got)
			}
		})
	}
}

// TestListBeforeWrongTaskID lets ZEGO's list tell the TaskId before the answer to the create
// names one that does not exist. The task is stopped all the same.
func TestListBeforeWrongTaskID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &model{faults: map[string][]fault{"CreateDigitalHumanStreamTask": {wrongTaskID}}}
		l, _ := modelLedger(t, m, streams.Options{})
		m.created = func() {
			if _, err := l.List(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if _, err := l.Start(t.Context(), modelRequest()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // Until ZEGO's word about an unknown TaskId counts.
		l.Close(t.Context())
		if n := len(m.running()); n != 0 {
			t.Errorf("%d tasks run", n)
		}
	})
}

// TestYoungEnds checks to the nanosecond from when on a task counts as ended that ZEGO does not
// know any more. Before, its status was asked for, or Start has waited for that.
func TestYoungEnds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		age   time.Duration
		waits bool
		place bool
	}{{30*time.Second - 1, false, false}, {30 * time.Second, false, true}, {30 * time.Second, true, true}} {
		synctest.Test(t, func(t *testing.T) {
			m := &model{}
			l, _ := modelLedger(t, m, streams.Options{MaxTasks: 1})
			req := modelRequest()
			if tt.waits {
				req.Wait = func(_ context.Context, id string) (zego.StreamTask, error) {
					return zego.StreamTask{ID: id, Status: zego.TaskStreaming}, nil
				}
			}
			started, err := l.Start(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			created := time.Now()
			if !tt.waits {
				if _, err := l.Get(t.Context(), started.TaskID); err != nil {
					t.Fatal(err)
				}
			}
			m.mu.Lock()
			m.tasks[0].stopped = true // By itself.
			m.mu.Unlock()
			time.Sleep(time.Until(created.Add(tt.age)))
			_, err = l.Start(t.Context(), modelRequest())
			if full := errors.As(err, new(*streams.LimitError)); full == tt.place {
				t.Errorf("after %v, Start has waited: %t: got %v", tt.age, tt.waits, err)
			}
			l.Close(t.Context())
		})
	}
}
