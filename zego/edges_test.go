package zego_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// TestCacheForgets checks that the memory has room for 500 answers, and drops the one that was
// not read for the longest time.
func TestCacheForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{QPS: -1}}
		client := wireClient(t, w, zego.Options{QPS: -1, CacheTTL: time.Minute})
		isCached := func(offset int) bool {
			t.Helper()
			ctx, info := traced(t)
			if _, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Offset: &offset}); err != nil {
				t.Fatal(err)
			}
			return info.Cached
		}
		for i := range 500 {
			if isCached(i) {
				t.Fatalf("%d is cached at first", i)
			}
		}
		if !isCached(0) {
			t.Error("500 answers have no room")
		}
		if isCached(500) || !isCached(0) || isCached(1) {
			t.Error("the answer that was read last is forgotten, or the one that was not is kept")
		}
	})
}

// TestWaitPauses checks how long the client waits between two looks at a task that is starting.
func TestWaitPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Duration
		start := time.Now()
		client := mustNew(t, zego.Options{QPS: -1, RetryInterval: 200 * time.Millisecond, HTTPClient: &http.Client{Transport: inProcess{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked = append(asked, time.Since(start))
			status := zego.TaskInitializing
			if len(asked) == 7 {
				status = zego.TaskStreaming
			}
			_, _ = io.WriteString(w, succeeded(fmt.Sprintf(`{"Status":%d}`, status)))
		})}}})
		if task, err := client.WaitStreamTask(t.Context(), taskID, nil); err != nil || task.Status != zego.TaskStreaming {
			t.Errorf("got %+v, %v", task, err)
		}
		const ms = time.Millisecond
		if want := []time.Duration{0, 200 * ms, 600 * ms, 1400 * ms, 2400 * ms, 3400 * ms, 4400 * ms}; !slices.Equal(asked, want) {
			t.Errorf("asked after %v, want %v", asked, want)
		}
	})
}

// TestDrivePauses checks how long the client waits between two drives of a stream that is said to
// be on air but cannot be driven yet.
func TestDrivePauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var driven []time.Duration
		start := time.Now()
		client := mustNew(t, zego.Options{QPS: -1, RetryInterval: 200 * time.Millisecond, HTTPClient: &http.Client{Transport: inProcess{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("Action") != "DriveByText" {
				_, _ = io.WriteString(w, succeeded(`{"Status":3}`))
				return
			}
			answer := refused(zego.CodeStreamNotStarted)
			if driven = append(driven, time.Since(start)); len(driven) == 6 {
				answer = succeeded(`{"DriveId":"d"}`)
			}
			_, _ = io.WriteString(w, answer)
		})}}})
		if drive, err := client.DriveByText(t.Context(), zego.DriveByTextRequest{TaskID: taskID, Text: "x"}); err != nil || drive.ID != "d" {
			t.Errorf("got %+v, %v", drive, err)
		}
		const ms = time.Millisecond
		if want := []time.Duration{0, 200 * ms, 600 * ms, 1400 * ms, 2400 * ms, 3400 * ms}; !slices.Equal(driven, want) {
			t.Errorf("driven after %v, want %v", driven, want)
		}
	})
}

// lostCreates answers no create, and lists with list.
func lostCreates(t *testing.T, list func(r *http.Request) (string, error)) *zego.Client {
	t.Helper()
	return mustNew(t, zego.Options{QPS: -1, RetryInterval: 200 * time.Millisecond, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("Action") != "QueryDigitalHumanStreamTasks" {
			return nil, io.ErrUnexpectedEOF
		}
		text, err := list(r)
		if err != nil {
			return nil, err
		}
		return &http.Response{
			StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text)), Request: r,
			Header: http.Header{"Date": {time.Now().UTC().Format(http.TimeFormat)}},
		}, nil
	})}})
}

// TestLookPauses checks when the client looks for a task after the answer to a create was lost,
// and that a list which does not answer keeps nobody waiting for more than five seconds.
func TestLookPauses(t *testing.T) {
	t.Parallel()
	for _, hangs := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var looked []time.Duration
			start := time.Now()
			client := lostCreates(t, func(r *http.Request) (string, error) {
				looked = append(looked, time.Since(start))
				if hangs {
					<-r.Context().Done()
					return "", r.Context().Err()
				}
				return succeeded(`{"TaskList":null}`), nil
			})
			_, err := client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{RTCConfig: zego.RTCConfig{RoomID: "room", StreamID: "mine"}})
			want, wantTook := []time.Duration{0, time.Second, 2 * time.Second}, 2*time.Second
			if hangs {
				want, wantTook = []time.Duration{0}, 5*time.Second
			}
			if took := time.Since(start); !errors.As(err, new(*zego.LostAnswerError)) || !slices.Equal(looked, want) || took != wantTook {
				t.Errorf("the list hangs: %t: got %v after looks at %v, in %v", hangs, err, looked, took)
			}
		})
	}
}

// TestLookByTime checks which tasks with the right StreamId count as the one whose create was
// lost. CreateTime is told in whole seconds, and the clocks are compared to two.
func TestLookByTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		created time.Duration // After the create was sent.
		room    string
		found   bool
	}{
		{0, "room", true},
		{-2 * time.Second, "room", true},
		{-3 * time.Second, "room", false},
		{time.Hour, "room", true},
		{0, "other", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			created := time.Now().Add(tt.created)
			client := lostCreates(t, func(*http.Request) (string, error) { return running(created), nil })
			got, err := client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{RTCConfig: zego.RTCConfig{RoomID: tt.room, StreamID: "mine"}})
			if tt.found != (err == nil) || tt.found != got.Found || tt.found && !got.At.Equal(created) {
				t.Errorf("created after %v in the room %s: got %+v, %v", tt.created, tt.room, got, err)
			}
		})
	}
}

// TestClockTolerance checks from when on the client believes the Date of an answer more than
// this machine's clock.
func TestClockTolerance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ off, want time.Duration }{
		{0, 0}, {2 * time.Second, 0}, {-2 * time.Second, 0}, {3 * time.Second, 3 * time.Second}, {-3 * time.Second, -3 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			client := mustNew(t, zego.Options{HTTPClient: &http.Client{Transport: inProcess{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", time.Now().Add(tt.off).UTC().Format(http.TimeFormat))
				_, _ = io.WriteString(w, succeeded(`{"TaskList":[]}`))
			})}}})
			if _, err := client.ListStreamTasks(t.Context()); err != nil || client.ClockOffset() != tt.want {
				t.Errorf("ZEGO's clock is %v ahead: got %v, %v", tt.off, client.ClockOffset(), err)
			}
		})
	}
}

// TestQueueWait checks how long a call that does not wait would have had to wait.
func TestQueueWait(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		waiting int
		after   time.Duration // Since the calls before were answered.
		wait    time.Duration
	}{
		{0, 0, time.Second},
		{0, 400 * time.Millisecond, 600 * time.Millisecond},
		{1, 400 * time.Millisecond, 600 * time.Millisecond},
		{2, 400 * time.Millisecond, 1600 * time.Millisecond},
		{5, 400 * time.Millisecond, 2600 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{handler: &zegosim.Server{QPS: -1}}
			client := wireClient(t, w, zego.Options{Limiter: zego.NewLimiter(2)})
			for range 2 {
				if _, err := client.ListStreamTasks(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(tt.after)
			waiting, leave := context.WithCancel(t.Context())
			for range tt.waiting {
				go func() { _, _ = client.ListStreamTasks(waiting) }()
			}
			synctest.Wait()
			short, cancel := context.WithTimeout(t.Context(), tt.wait-1)
			defer cancel()
			_, err := client.ListStreamTasks(short)
			queue, ok := errors.AsType[*zego.QueueError](err)
			if !ok || queue.Wait != tt.wait || queue.Ahead != tt.waiting {
				t.Errorf("%d wait: got %+v, want %v", tt.waiting, queue, tt.wait)
			}
			leave()
			synctest.Wait()
			enough, cancelEnough := context.WithTimeout(t.Context(), time.Second-tt.after)
			defer cancelEnough()
			if _, err := client.ListStreamTasks(enough); errors.As(err, new(*zego.QueueError)) {
				t.Errorf("a turn comes at the deadline, but got %v", err)
			}
		})
	}
	const want = "zego: DriveByText: not sent: 3 calls wait already, and a turn would come in about 1.2s, after the deadline"
	if got := (&zego.QueueError{Action: "DriveByText", Ahead: 3, Wait: 1234567 * time.Microsecond}).Error(); got != want {
		t.Errorf("got %q", got)
	}
}

// lateContext is a context whose deadline has passed at this very moment, so that it has not ended
// yet.
type lateContext struct{ context.Context }

func (lateContext) Deadline() (time.Time, bool) { return time.Now().Add(-1), true }

// TestNoWaitAtTheDeadline checks that a call for which a slot is free is not refused by the
// limiter, however little time it has left.
func TestNoWaitAtTheDeadline(t *testing.T) {
	t.Parallel()
	permit, err := zego.NewLimiter(1).Acquire(lateContext{t.Context()}, "x")
	if err != nil {
		t.Fatal(err)
	}
	permit.Done(false)
}
