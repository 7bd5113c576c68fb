package zegosim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestSignCallback checks the vector of ZEGO's documents, and two made with sha1sum.
func TestSignCallback(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ secret, timestamp, nonce, want string }{
		{"secret", "1470820198", "123412", "5bd59fd62953a8059fb7eaba95720f66d19e4517"},
		{"callbacksecret0123456789abcdef000", "1681221510", "abcdd22113", "0312faa7ca7ceec93f48bc88f2ca844ea869101b"},
		{"0aaaabbbbccccdddd", "1774356158143", "zz9", "ef7d7a1fe499bf45461206483382a2f73b584c1c"},
	} {
		if got := zegosim.SignCallback(tt.secret, tt.timestamp, tt.nonce); got != tt.want {
			t.Errorf("%s, %s, %s: got %s, want %s", tt.secret, tt.timestamp, tt.nonce, got, tt.want)
		}
	}
}

// callback is what ZEGO sends, written down from its documents.
type callback struct {
	AppID     uint32 `json:"AppId"`
	TaskID    string `json:"TaskId"`
	EventType int
	Nonce     string
	Timestamp string
	Signature string
	EventTime int64
	Detail    struct {
		Status     int
		RoomID     string `json:"RoomId"`
		StreamID   string `json:"StreamId"`
		FailReason string
		DriveID    string `json:"DriveId"`
	}
}

// receiver takes the callbacks. It notes each attempt as "time kind status", and "of"
// the time of the event if that is another.
type receiver struct {
	*testServer
	answer func(callback) (status int, after time.Duration) // default: 200 at once

	mu       sync.Mutex
	begin    time.Time
	attempts []string
	bodies   []string
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var c callback
	if err := json.Unmarshal(raw, &c); err != nil {
		r.Errorf("%s: %v", raw, err)
	}
	name := map[int]string{3: "task", 4: "drive"}[c.EventType]
	if got := zegosim.SignCallback(zegosim.DefaultCallbackSecret, c.Timestamp, c.Nonce); got != c.Signature || c.Nonce == "" {
		r.Errorf("%s: want signature %s", raw, got)
	}
	if c.AppID != zegosim.DefaultAppID || req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" || req.URL.String() != "http://example.test/zego" {
		r.Errorf("got %s %s %v with %s", req.Method, req.URL, req.Header, raw)
	}
	if got := fmt.Sprint(time.Now().UnixMilli()); got != c.Timestamp {
		r.Errorf("got Timestamp %s, want %s", c.Timestamp, got)
	}
	r.mu.Lock()
	line := fmt.Sprint(time.Since(r.begin), " ", name, " ", c.Detail.Status)
	if at := time.UnixMilli(c.EventTime).Sub(r.begin); at != time.Since(r.begin) {
		line += fmt.Sprint(" of ", at)
	}
	r.attempts = append(r.attempts, line)
	r.bodies = append(r.bodies, string(raw))
	r.mu.Unlock()

	status := http.StatusOK
	if r.answer != nil {
		var after time.Duration
		status, after = r.answer(c)
		select {
		case <-time.After(after):
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// runWithCallbacks runs scenario in a synctest bubble, while callbacks are delivered.
func runWithCallbacks(t *testing.T, sim *zegosim.Server, answer func(callback) (int, time.Duration), scenario func(r *receiver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{testServer: &testServer{T: t, handler: sim}, answer: answer, begin: time.Now()}
		sim.QPS = -1
		sim.CallbackURL = "http://example.test/zego"
		sim.CallbackClient = &http.Client{Transport: r}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- sim.RunCallbacks(ctx) }()
		synctest.Wait()
		scenario(r)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("RunCallbacks: got %v, want nil", err)
		}
		// The bubble fails the test if a goroutine is left.
	})
}

// want checks the attempts so far.
func (r *receiver) want(want ...string) {
	r.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if diff := cmp.Diff(want, r.attempts); diff != "" {
		r.Errorf("attempts (-want +got):\n%s", diff)
	}
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		sim      *zegosim.Server
		scenario func(r *receiver)
		want     []string
	}{
		{
			"from creation to the end", &zegosim.Server{}, func(r *receiver) {
				r.mustCall(create, withFields(`"MaxIdleTime":30`, createBody))
				time.Sleep(2 * time.Second)
				r.mustCall(byText, textBody)
				r.mustCall(byAudio, audioBody)
				time.Sleep(time.Hour)
			},
			[]string{
				"0s task 1", "1.5s task 3",
				"2s drive 1", "2s drive 2", "2s drive 1", "3s drive 4", "3s drive 2", "8s drive 4",
				"38s task 4", "39s task 5",
			},
		},
		{
			"no event for interrupted drives", &zegosim.Server{StartDelay: -1}, func(r *receiver) {
				r.mustCall(create, createBody)
				r.mustCall(byText, textBody)
				r.mustCall(byText, textBody)
				r.mustCall(interrupt, taskBody)
				r.mustCall(stop, taskBody)
				time.Sleep(time.Minute)
			},
			[]string{"0s task 1", "0s task 3", "0s drive 1", "0s drive 2", "0s drive 1", "0s task 4", "1s task 5"},
		},
		{
			"a task that fails", &zegosim.Server{FailStart: func(string, string) string { return "no GPU" }}, func(r *receiver) {
				r.mustCall(create, createBody)
				time.Sleep(time.Minute)
			},
			[]string{"0s task 1", "1.5s task 2"},
		},
		{
			"a drive that fails", &zegosim.Server{StartDelay: -1, Fault: func(string, int) *zegosim.Fault { return &zegosim.Fault{FailDrive: true} }}, func(r *receiver) {
				r.mustCall(create, createBody)
				r.mustCall(byText, textBody)
				time.Sleep(time.Minute)
			},
			[]string{"0s task 1", "0s task 3", "0s drive 1", "0s drive 3"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			runWithCallbacks(t, tt.sim, nil, func(r *receiver) {
				tt.scenario(r)
				r.want(tt.want...)
			})
		})
	}
}

// TestCallbackRetries lets the first event of a task fail.
func TestCallbackRetries(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		after  time.Duration
		want   []string
	}{
		{"refused", 500, 0, []string{"0s task 1", "2s task 1 of 0s", "6s task 1 of 0s", "14s task 1 of 0s", "30s task 1 of 0s", "1m2s task 1 of 0s", "1m2s task 3 of 1.5s"}},
		{"redirect", 302, 0, []string{"0s task 1", "2s task 1 of 0s", "6s task 1 of 0s", "14s task 1 of 0s", "30s task 1 of 0s", "1m2s task 1 of 0s", "1m2s task 3 of 1.5s"}},
		{"not connected", 0, 0, []string{"0s task 1", "2s task 1 of 0s", "6s task 1 of 0s", "14s task 1 of 0s", "30s task 1 of 0s", "1m2s task 1 of 0s", "1m2s task 3 of 1.5s"}},
		{"no answer", 200, time.Hour, []string{"0s task 1", "7s task 1 of 0s", "16s task 1 of 0s", "29s task 1 of 0s", "50s task 1 of 0s", "1m27s task 1 of 0s", "1m32s task 3 of 1.5s"}},
		{"slow", 204, 4999 * time.Millisecond, []string{"0s task 1", "4.999s task 3 of 1.5s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			answer := func(c callback) (int, time.Duration) {
				if c.Detail.Status == 1 {
					return tt.status, tt.after
				}
				return 299, 0
			}
			runWithCallbacks(t, &zegosim.Server{}, answer, func(r *receiver) {
				r.mustCall(create, createBody)
				time.Sleep(3 * time.Minute)
				r.want(tt.want...)
				nonces := make(map[string]bool)
				for _, body := range r.bodies {
					var c callback
					_ = json.Unmarshal([]byte(body), &c)
					nonces[c.Nonce] = true
				}
				if len(nonces) != len(r.bodies) {
					t.Errorf("got %d nonces in %d attempts", len(nonces), len(r.bodies))
				}
			})
		})
	}
}

// TestCallbackOrder has a receiver that does not answer callbacks of the first task.
// Its later events wait; those of the second task do not.
func TestCallbackOrder(t *testing.T) {
	t.Parallel()
	answer := func(c callback) (int, time.Duration) {
		if c.TaskID == firstTask {
			return 200, time.Hour
		}
		return 200, 0
	}
	runWithCallbacks(t, &zegosim.Server{}, answer, func(r *receiver) {
		r.mustCall(create, createBody)
		r.mustCall(create, withStreamID("second"))
		time.Sleep(3 * time.Second)
		r.want("0s task 1", "0s task 1", "1.5s task 3")
	})
}

// TestManyCallbacks has more tasks with events than are delivered at once, and a slow
// receiver. The events of the other tasks wait, and are delivered later.
func TestManyCallbacks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	atOnce, maxAtOnce := 0, 0
	answer := func(callback) (int, time.Duration) {
		mu.Lock()
		atOnce++
		maxAtOnce = max(maxAtOnce, atOnce)
		mu.Unlock()
		time.Sleep(time.Second)
		mu.Lock()
		atOnce--
		mu.Unlock()
		return 200, 0
	}
	runWithCallbacks(t, &zegosim.Server{MaxTasks: -1}, answer, func(r *receiver) {
		for i := range 250 {
			r.mustCall(create, withStreamID(fmt.Sprint("s", i)))
		}
		time.Sleep(time.Minute)
		r.mu.Lock()
		defer r.mu.Unlock()
		mu.Lock()
		defer mu.Unlock()
		if maxAtOnce != 100 || len(r.attempts) != 500 {
			t.Errorf("got %d callbacks, %d at once, want 500, 100 at once", len(r.attempts), maxAtOnce)
		}
	})
}

func TestCallbackWire(t *testing.T) {
	t.Parallel()
	runWithCallbacks(t, &zegosim.Server{FailStart: func(_, stream string) string { return strings.TrimPrefix(stream, "stream") }}, nil, func(r *receiver) {
		r.mustCall(create, createBody)
		time.Sleep(2 * time.Second)
		r.mustCall(byText, textBody)
		r.mustCall(create, withStreamID("streamless"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		secret := regexp.MustCompile(`"Nonce":"[0-9A-Z]{26}"|"Signature":"[0-9a-f]{40}"`)
		var got []string
		for _, body := range r.bodies {
			got = append(got, secret.ReplaceAllString(body, "*"))
		}
		slices.Sort(got)
		task := func(id, kind string, ms int, detail string) string {
			return fmt.Sprintf(`{"AppId":1234567890,"TaskId":"00000000-0000-4000-8001-%s","EventType":%s,*,"Timestamp":"%d",*,"EventTime":%d,"Detail":{%s}}`, id, kind, 946684800000+ms, 946684800000+ms, detail)
		}
		want := []string{
			task("000000000001", "3", 0, `"Status":1,"RoomId":"room","StreamId":"stream"`),
			task("000000000001", "3", 1500, `"Status":3,"RoomId":"room","StreamId":"stream"`),
			task("000000000001", "4", 2000, `"DriveId":"00000000-0000-4000-8002-000000000001","Status":1`),
			task("000000000001", "4", 2000, `"DriveId":"00000000-0000-4000-8002-000000000001","Status":2`),
			task("000000000001", "4", 3000, `"DriveId":"00000000-0000-4000-8002-000000000001","Status":4`),
			task("000000000002", "3", 2000, `"Status":1,"RoomId":"room","StreamId":"streamless"`),
			task("000000000002", "3", 3500, `"Status":2,"RoomId":"room","StreamId":"streamless","FailReason":"less"`),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("bodies (-want +got):\n%s", diff)
		}
	})
}

// TestCallbackDefaults uses the default client over a real connection, and Timestamp in
// seconds.
func TestCallbackDefaults(t *testing.T) {
	t.Parallel()
	got := make(chan callback, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/hook" {
			t.Errorf("followed a redirect to %s", r.URL)
		}
		var c callback
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			t.Error(err)
		}
		got <- c
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	t.Cleanup(hook.Close)
	sim := &zegosim.Server{CallbackURL: hook.URL + "/hook", CallbackSecret: "mine", CallbackSeconds: true}
	ts := newTestServer(t, sim)
	ts.mustCall(create, createBody) // before RunCallbacks
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- sim.RunCallbacks(ctx) }()
	c := <-got
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if want := fmt.Sprint(noon.Unix()); c.Timestamp != want || c.Signature != zegosim.SignCallback("mine", want, c.Nonce) || c.EventTime != noon.UnixMilli() {
		t.Errorf("got %+v, want Timestamp %s, signed", c, want)
	}

	// The event was not received, so the next RunCallbacks tries again.
	ctx, cancel = context.WithCancel(t.Context())
	go func() { ended <- sim.RunCallbacks(ctx) }()
	if again := <-got; again.Detail != c.Detail {
		t.Errorf("got %+v, want %+v again", again, c)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestCallbackURL(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "example.test/zego", "ftp://example.test/"} {
		sim := &zegosim.Server{CallbackURL: address}
		if err := sim.RunCallbacks(t.Context()); err == nil || !strings.Contains(err.Error(), "CallbackURL") {
			t.Errorf("%q: got %v", address, err)
		}
	}
}
