package zego_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// wire is a network without sockets, for tests in virtual time: a request is on
// its way for some time, the simulator counts it and answers after some more.
type wire struct {
	handler  http.Handler
	there    func() time.Duration // at most mostTravel
	answer   func() time.Duration
	arrivals []time.Time
	mu       sync.Mutex   // guards arrivals
	cut      atomic.Int64 // Requests whose caller hung up before the answer.
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	if w.there != nil {
		travel := w.there()
		arrival := time.Now().Add(travel)
		select {
		case <-time.After(travel):
		case <-req.Context().Done(): // What is on its way arrives all the same.
			w.mu.Lock()
			defer w.mu.Unlock()
			w.arrivals = append(w.arrivals, arrival)
			return nil, req.Context().Err()
		}
	}
	w.mu.Lock()
	w.arrivals = append(w.arrivals, time.Now())
	w.mu.Unlock()
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, req)
	if w.answer != nil {
		select {
		case <-time.After(w.answer()):
		case <-req.Context().Done():
			w.cut.Add(1)
			return nil, req.Context().Err()
		}
	}
	return rec.Result(), nil
}

// most is the largest number of arrivals within any second.
func (w *wire) most() int {
	slices.SortFunc(w.arrivals, time.Time.Compare)
	most := 0
	for i, first := range w.arrivals {
		n := 0
		for _, t := range w.arrivals[i:] {
			if t.Sub(first) < time.Second {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

func wired(t *testing.T, w *wire, opts zego.Options) *zego.Client {
	t.Helper()
	opts.Endpoint, opts.HTTPClient = "http://127.0.0.1:1", &http.Client{Transport: w}
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestLimit sends 100 different calls at once. None is refused, no second of the
// server sees more than 10, and it takes hardly longer than that allows.
func TestLimit(t *testing.T) {
	t.Parallel()
	random := func(most time.Duration) func() time.Duration {
		return func() time.Duration { return rand.N(most) }
	}
	for _, tt := range []struct {
		name          string
		there, answer func() time.Duration
		most          time.Duration
	}{
		{"near", nil, nil, 9*time.Second + 450*time.Millisecond},
		{"drifting", random(5 * time.Millisecond), random(5 * time.Millisecond), 9*time.Second + 450*time.Millisecond},
		{"far and slow", random(90 * time.Millisecond), random(time.Second), 12 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &wire{handler: &zegosim.Server{}, there: tt.there, answer: tt.answer}
				client := wired(t, w, zego.Options{})
				start := time.Now()
				var calls sync.WaitGroup
				for i := range 100 {
					calls.Go(func() {
						if _, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: &i}); err != nil {
							t.Error(err)
						}
					})
				}
				calls.Wait()
				if took := time.Since(start); took > tt.most {
					t.Errorf("took %v, want at most %v", took, tt.most)
				}
				if len(w.arrivals) != 100 || w.most() > 10 {
					t.Errorf("got %d arrivals, up to %d in a second", len(w.arrivals), w.most())
				}
			})
		})
	}
}

// TestLimitAfterGivingUp: a call that is given up right after it was sent is counted
// when it arrives.
func TestLimitAfterGivingUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		travel := 90 * time.Millisecond
		w := &wire{handler: &zegosim.Server{}, there: func() time.Duration { return travel }}
		client := wired(t, w, zego.Options{})
		call := func(i int, limit time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Offset: &i})
			return err
		}
		var calls sync.WaitGroup
		for i := range 10 {
			calls.Go(func() {
				if call(i, time.Millisecond) == nil {
					t.Error("it was not given up")
				}
			})
		}
		calls.Wait()
		travel = 0
		for i := range 10 {
			calls.Go(func() {
				if err := call(10+i, 10*time.Second); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if len(w.arrivals) != 20 || w.most() > 10 {
			t.Errorf("got %d arrivals, up to %d in a second", len(w.arrivals), w.most())
		}
	})
}

// TestLimitIsFair serves callers in the order in which they came.
func TestLimitIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := wired(t, &wire{handler: &zegosim.Server{}}, zego.Options{})
		served := make(chan int, 100)
		var calls sync.WaitGroup
		for i := range 40 {
			calls.Go(func() {
				if _, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: &i}); err != nil {
					t.Error(err)
				}
				served <- i / 10 // Those of one round come together.
			})
			synctest.Wait()
		}
		calls.Wait()
		close(served)
		last := 0
		for round := range served {
			if round < last {
				t.Fatalf("round %d after round %d", round, last)
			}
			last = round
		}
	})
}

func TestLimitIsPerAction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := wired(t, &wire{handler: &zegosim.Server{}}, zego.Options{})
		start := time.Now()
		for i := range 10 {
			_, err1 := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: &i})
			_, err2 := client.GetDigitalHuman(t.Context(), "fa592895-d988-4584-b27b-97b8f4b921ad")
			if err1 != nil || err2 != nil {
				t.Error(err1, err2)
			}
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("took %v, want no wait", took)
		}
	})
}

// TestQueue fails at once when the turn would come too late, and lets a caller
// that gives up make room.
func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{}, answer: func() time.Duration { return 10 * time.Millisecond }}
		client := wired(t, w, zego.Options{})
		var calls sync.WaitGroup
		call := func(ctx context.Context, i int) error {
			_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Offset: &i})
			return err
		}
		for i := range 10 {
			calls.Go(func() { _ = call(t.Context(), i) })
		}
		synctest.Wait()
		impatient, giveUp := context.WithCancel(t.Context())
		for i := range 20 {
			calls.Go(func() {
				if err := call(impatient, 100+i); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want cancelled", err)
				}
			})
		}
		synctest.Wait()

		start := time.Now()
		short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := call(short, 200)
		queue := new(zego.QueueError)
		if !errors.As(err, &queue) || queue.Ahead != 20 || queue.Wait < 2*time.Second || queue.Wait > 4*time.Second || time.Since(start) > 0 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		giveUp()
		synctest.Wait()
		if err := call(short, 200); err != nil || time.Since(start) > 1500*time.Millisecond {
			t.Errorf("after the others left: got %v after %v", err, time.Since(start))
		}
		calls.Wait()
		if len(w.arrivals) != 11 {
			t.Errorf("got %d calls upstream, want 11", len(w.arrivals))
		}
	})
}

func TestNoLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{QPS: -1}}
		client := wired(t, w, zego.Options{QPS: -1})
		for i := range 50 {
			if _, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: &i}); err != nil {
				t.Error(err)
			}
		}
		if w.most() != 50 {
			t.Errorf("got %d in a second, want 50", w.most())
		}
	})
}

// TestRateLimited waits until ZEGO forgets, when another program used the limit up.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := &zegosim.Server{}
		greedy := wired(t, &wire{handler: sim}, zego.Options{QPS: -1})
		for i := range 10 {
			if _, err := greedy.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: &i}); err != nil {
				t.Error(err)
			}
		}
		ctx, info := traced(t)
		if _, err := wired(t, &wire{handler: sim}, zego.Options{}).ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{}); err != nil || info.Attempts != 2 {
			t.Errorf("got %v after %d attempts", err, info.Attempts)
		}
		if info.Duration < time.Second || info.Duration > 2*time.Second {
			t.Errorf("took %v", info.Duration)
		}
	})
}

// TestSharing sends 100 equal calls at once: one goes upstream.
func TestSharing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{}, answer: func() time.Duration { return 50 * time.Millisecond }}
		client := wired(t, w, zego.Options{})
		var calls sync.WaitGroup
		var shared atomic.Int64
		ctx := zego.WithObserver(t.Context(), zego.Observer{Call: func(_ context.Context, info zego.CallInfo) {
			if info.Shared {
				shared.Add(1)
			}
		}})
		for range 100 {
			calls.Go(func() {
				page, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
				if err != nil || len(page.DigitalHumans) != 20 {
					t.Errorf("got %v", err)
					return
				}
				page.DigitalHumans[0].Name = "mine" // Nobody else's.
				page.DigitalHumans[0].Gestures[0].Name = "mine"
			})
		}
		calls.Wait()
		if len(w.arrivals) != 1 || shared.Load() != 99 {
			t.Errorf("got %d upstream, %d shared; want 1, 99", len(w.arrivals), shared.Load())
		}
		// Without a cache the next one asks again, and sees no one's change.
		page, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{})
		if err != nil || page.DigitalHumans[0].Name == "mine" || page.DigitalHumans[0].Gestures[0].Name == "mine" || len(w.arrivals) != 2 {
			t.Errorf("got %v, %v, %d upstream", page.DigitalHumans[0], err, len(w.arrivals))
		}
	})
}

// TestSharingAndCancelling: who leaves does not fail the others; when the last one
// leaves, the upstream call stops.
func TestSharingAndCancelling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{}, answer: func() time.Duration { return time.Second }}
		client := wired(t, w, zego.Options{})
		call := func(ctx context.Context) error {
			_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
			return err
		}
		first, leave := context.WithCancel(t.Context())
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		results := make(chan error, 3)
		for _, ctx := range []context.Context{first, short, t.Context()} {
			go func() { results <- call(ctx) }()
			synctest.Wait()
		}
		leave()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("the first: got %v", err)
		}
		if err := <-results; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient: got %v", err)
		}
		if err := <-results; err != nil {
			t.Errorf("who stayed: got %v", err)
		}
		if len(w.arrivals) != 1 || w.cut.Load() != 0 {
			t.Errorf("got %d upstream, %d cut off; want 1, 0", len(w.arrivals), w.cut.Load())
		}

		alone, leave := context.WithCancel(t.Context())
		go func() { results <- call(alone) }()
		synctest.Wait()
		leave()
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("alone: got %v", err)
		}
		synctest.Wait()
		if w.cut.Load() != 1 {
			t.Error("the upstream call goes on without callers")
		}
	})
}

// TestSharingWithTheImpatient joins a call whose first caller has less time.
func TestSharingWithTheImpatient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{}, answer: func() time.Duration { return time.Second }}
		client := wired(t, w, zego.Options{})
		short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		results := make(chan error, 2)
		for _, ctx := range []context.Context{short, t.Context()} {
			go func() {
				_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
				results <- err
			}()
			synctest.Wait()
		}
		if err := <-results; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient: got %v", err)
		}
		if err := <-results; err != nil {
			t.Errorf("the patient: got %v", err)
		}
	})
}

func TestCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fail := false
		w := &wire{handler: &zegosim.Server{QPS: -1, Fault: func(string, int) *zegosim.Fault {
			if fail {
				return &zegosim.Fault{Code: zego.CodeNoPermission}
			}
			return nil
		}}}
		client := wired(t, w, zego.Options{CacheTTL: 5 * time.Second})
		list := func(offset int, want error, upstream int) {
			t.Helper()
			page, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: &offset})
			if !errors.Is(err, want) || len(w.arrivals) != upstream {
				t.Errorf("got %v and %d upstream, want %v and %d", err, len(w.arrivals), want, upstream)
			}
			if err == nil && offset < 64 {
				page.DigitalHumans[0].Name = "mine"
			}
		}
		list(0, nil, 1)
		list(0, nil, 1)
		list(1, nil, 2)
		time.Sleep(5 * time.Second)
		list(0, nil, 3)
		fail = true
		list(0, nil, 3)
		list(2, zego.CodeNoPermission, 4)
		list(2, zego.CodeNoPermission, 5) // An error is not kept.
		fail = false
		page, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: new(0)})
		if err != nil || page.DigitalHumans[0].Name == "mine" || !page.At.Equal(time.Now().Truncate(time.Second)) {
			t.Errorf("got %v at %v, %v", page.DigitalHumans[0].Name, page.At, err)
		}
		// However much is asked for, little is kept.
		for i := range 1200 {
			list(100+i, nil, 6+i)
		}
		// Details are asked for anew.
		for range 2 {
			if _, err := client.GetDigitalHuman(t.Context(), "fa592895-d988-4584-b27b-97b8f4b921ad"); err != nil {
				t.Error(err)
			}
		}
		if len(w.arrivals) != 5+1200+2 {
			t.Errorf("got %d upstream", len(w.arrivals))
		}
	})
}

// crowd returns many digital humans.
func crowd(n int) []zego.DigitalHuman {
	humans := make([]zego.DigitalHuman, n)
	for i := range humans {
		humans[i] = zego.DigitalHuman{ID: fmt.Sprint("id-", i), Name: fmt.Sprint("Human ", i), IsPublic: true, Gestures: []zego.Gesture{}}
	}
	return humans
}

// TestAllPagesSideBySide walks 1,000 humans, answers taking 400 ms, in hardly more
// than the limit allows: 50 pages, 10 at once and 10 a second.
func TestAllPagesSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{Humans: crowd(1000)}, answer: func() time.Duration { return 400 * time.Millisecond }}
		client := wired(t, w, zego.Options{})
		start, n := time.Now(), 0
		for human, err := range client.AllDigitalHumans(t.Context(), zego.FetchAll) {
			if err != nil {
				t.Fatal(err)
			}
			if human.ID != fmt.Sprint("id-", n) {
				t.Fatalf("got %s in place %d", human.ID, n)
			}
			n++
		}
		if took := time.Since(start); n != 1000 || took > 6*time.Second || w.most() > 10 || len(w.arrivals) != 50 {
			t.Errorf("got %d in %v, %d pages, up to %d in a second", n, took, len(w.arrivals), w.most())
		}
		// Who stops early leaves nothing behind: synctest waits for every goroutine.
		for _, err := range client.AllDigitalHumans(t.Context(), zego.FetchPublic) {
			if err != nil {
				t.Error(err)
			}
			break
		}
	})
}

// TestListChanges changes the list while it is read.
func TestListChanges(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(page string) string{
		"Total moves": func(page string) string { return strings.Replace(page, `"Total":100`, `"Total":101`, 1) },
		"an id twice": func(page string) string { return strings.Replace(page, `"id-40"`, `"id-3"`, 1) },
		"an entry is cut": func(page string) string {
			return strings.Replace(page, `{"DigitalHumanId":"id-40","Name":"Human 40","AvatarUrl":"x","Actions":[],"IsPublic":true},`, "", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			humans := crowd(100)
			for i := range humans {
				humans[i].AvatarURL = "x"
			}
			sim := &zegosim.Server{QPS: -1, Humans: humans}
			client := newClient(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(bytes.NewReader(body))
				rec := httptest.NewRecorder()
				sim.ServeHTTP(rec, r)
				answer := rec.Body.String()
				if bytes.Contains(body, []byte(`"Offset":40`)) {
					changed := change(answer)
					if changed == answer {
						t.Error("nothing changed")
					}
					answer = changed
				}
				_, _ = io.WriteString(w, answer)
			}), zego.Options{})
			var last error
			ids := map[string]bool{}
			for human, err := range client.AllDigitalHumans(t.Context(), zego.FetchAll) {
				last = err
				if err == nil && ids[human.ID] {
					t.Errorf("%s comes twice", human.ID)
				}
				ids[human.ID] = true
			}
			if changed := new(zego.ListChangedError); !errors.As(last, &changed) {
				t.Errorf("got %v, want a ListChangedError", last)
			}
		})
	}
}
