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

// wire is an http.RoundTripper without sockets, for tests in virtual time. A request takes
// transit to arrive at the handler, and its answer takes delay to come back.
type wire struct {
	handler   http.Handler
	transit   func() time.Duration // At most the limiter's maxTransit; nil means 0.
	delay     func() time.Duration // Nil means 0.
	mu        sync.Mutex           // guards arrivals
	arrivals  []time.Time
	cancelled atomic.Int64 // Requests that were cancelled after they had arrived.
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	if w.transit != nil {
		transit := w.transit()
		arrival := time.Now().Add(transit)
		select {
		case <-time.After(transit):
		case <-req.Context().Done(): // The request arrives all the same.
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
	if w.delay != nil {
		select {
		case <-time.After(w.delay()):
		case <-req.Context().Done():
			w.cancelled.Add(1)
			return nil, req.Context().Err()
		}
	}
	return rec.Result(), nil
}

// maxPerSecond returns the largest number of arrivals within any second.
func (w *wire) maxPerSecond() int {
	slices.SortFunc(w.arrivals, time.Time.Compare)
	highest := 0
	for i, first := range w.arrivals {
		n := 0
		for _, t := range w.arrivals[i:] {
			if t.Sub(first) < time.Second {
				n++
			}
		}
		highest = max(highest, n)
	}
	return highest
}

// wireClient returns a client whose requests go over w.
func wireClient(t *testing.T, w *wire, opts zego.Options) *zego.Client {
	t.Helper()
	opts.Endpoint, opts.HTTPClient = "http://127.0.0.1:1", &http.Client{Transport: w}
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestLimit makes 100 different calls at once. None is refused, no more than 10 arrive in
// any second, and all of them take hardly longer than that allows.
func TestLimit(t *testing.T) {
	t.Parallel()
	upTo := func(limit time.Duration) func() time.Duration {
		return func() time.Duration { return rand.N(limit) }
	}
	for _, tt := range []struct {
		name           string
		transit, delay func() time.Duration
		maxTime        time.Duration
	}{
		{"near", nil, nil, 9*time.Second + 450*time.Millisecond},
		{"near, varying", upTo(5 * time.Millisecond), upTo(5 * time.Millisecond), 9*time.Second + 450*time.Millisecond},
		{"far and slow", upTo(90 * time.Millisecond), upTo(time.Second), 12 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &wire{handler: &zegosim.Server{}, transit: tt.transit, delay: tt.delay}
				client := wireClient(t, w, zego.Options{})
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
				if took := time.Since(start); took > tt.maxTime {
					t.Errorf("took %v, want at most %v", took, tt.maxTime)
				}
				if len(w.arrivals) != 100 || w.maxPerSecond() > 10 {
					t.Errorf("got %d arrivals, up to %d in a second", len(w.arrivals), w.maxPerSecond())
				}
			})
		})
	}
}

// TestLimitCountsCancelled cancels calls right after they were sent. They arrive at ZEGO
// nevertheless, so the limiter counts them.
func TestLimitCountsCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transit := 90 * time.Millisecond
		w := &wire{handler: &zegosim.Server{}, transit: func() time.Duration { return transit }}
		client := wireClient(t, w, zego.Options{})
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
					t.Error("the call succeeded within a millisecond")
				}
			})
		}
		calls.Wait()
		transit = 0
		for i := range 10 {
			calls.Go(func() {
				if err := call(10+i, 10*time.Second); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if len(w.arrivals) != 20 || w.maxPerSecond() > 10 {
			t.Errorf("got %d arrivals, up to %d in a second", len(w.arrivals), w.maxPerSecond())
		}
	})
}

// TestLimitIsFair checks that calls are sent in the order in which they were made.
func TestLimitIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := wireClient(t, &wire{handler: &zegosim.Server{}}, zego.Options{})
		served := make(chan int, 100)
		var calls sync.WaitGroup
		for i := range 40 {
			calls.Go(func() {
				if _, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: &i}); err != nil {
					t.Error(err)
				}
				served <- i / 10 // The calls of one second end in any order.
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
		client := wireClient(t, &wire{handler: &zegosim.Server{}}, zego.Options{})
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

// TestQueue checks that a call fails at once if its turn would come after its deadline, and
// that callers who leave the queue make room for others.
func TestQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{}, delay: func() time.Duration { return 10 * time.Millisecond }}
		client := wireClient(t, w, zego.Options{})
		var calls sync.WaitGroup
		call := func(ctx context.Context, i int) error {
			_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Offset: &i})
			return err
		}
		for i := range 10 {
			calls.Go(func() { _ = call(t.Context(), i) })
		}
		synctest.Wait()
		waiting, cancelWaiting := context.WithCancel(t.Context())
		for i := range 20 {
			calls.Go(func() {
				if err := call(waiting, 100+i); !errors.Is(err, context.Canceled) {
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
		cancelWaiting()
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
		client := wireClient(t, w, zego.Options{QPS: -1})
		for i := range 50 {
			if _, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: &i}); err != nil {
				t.Error(err)
			}
		}
		if w.maxPerSecond() != 50 {
			t.Errorf("got %d in a second, want 50", w.maxPerSecond())
		}
	})
}

// TestRateLimited calls ZEGO when another program has used the limit up: the call is
// refused, waits for a second and is repeated.
func TestRateLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := &zegosim.Server{}
		other := wireClient(t, &wire{handler: sim}, zego.Options{QPS: -1})
		for i := range 10 {
			if _, err := other.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: &i}); err != nil {
				t.Error(err)
			}
		}
		ctx, info := traced(t)
		if _, err := wireClient(t, &wire{handler: sim}, zego.Options{}).ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{}); err != nil || info.Attempts != 2 {
			t.Errorf("got %v after %d attempts", err, info.Attempts)
		}
		if info.Duration < time.Second || info.Duration > 2*time.Second {
			t.Errorf("took %v", info.Duration)
		}
	})
}

// TestCoalescing makes 100 equal calls at once. They share one request.
func TestCoalescing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{}, delay: func() time.Duration { return 50 * time.Millisecond }}
		client := wireClient(t, w, zego.Options{})
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
				page.DigitalHumans[0].Name = "mine" // Changes only this caller's copy.
				page.DigitalHumans[0].Gestures[0].Name = "mine"
			})
		}
		calls.Wait()
		if len(w.arrivals) != 1 || shared.Load() != 99 {
			t.Errorf("got %d upstream, %d shared; want 1, 99", len(w.arrivals), shared.Load())
		}
		// Without a cache the next call makes a request, and sees no changes of other callers.
		page, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{})
		if err != nil || page.DigitalHumans[0].Name == "mine" || page.DigitalHumans[0].Gestures[0].Name == "mine" || len(w.arrivals) != 2 {
			t.Errorf("got %v, %v, %d upstream", page.DigitalHumans[0], err, len(w.arrivals))
		}
	})
}

// TestCoalescingAndCancelling checks that a caller who leaves a shared call does not make
// it fail for the others, and that the request is cancelled when the last one leaves.
func TestCoalescingAndCancelling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{}, delay: func() time.Duration { return time.Second }}
		client := wireClient(t, w, zego.Options{})
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
			t.Errorf("the one with a deadline: got %v", err)
		}
		if err := <-results; err != nil {
			t.Errorf("the one who stayed: got %v", err)
		}
		if len(w.arrivals) != 1 || w.cancelled.Load() != 0 {
			t.Errorf("got %d upstream, %d cancelled; want 1, 0", len(w.arrivals), w.cancelled.Load())
		}

		alone, leave := context.WithCancel(t.Context())
		go func() { results <- call(alone) }()
		synctest.Wait()
		leave()
		err := <-results
		if failed, ok := errors.AsType[*zego.TransportError](err); !ok || failed.Action != "GetDigitalHumanList" || !errors.Is(err, context.Canceled) {
			t.Errorf("alone: got %v", err)
		}
		synctest.Wait()
		if w.cancelled.Load() != 1 {
			t.Error("the request goes on without callers")
		}
	})
}

// TestCoalescingWithDeadlines joins a call whose first caller has less time than the
// answer takes. The second caller has more and gets an answer.
func TestCoalescingWithDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{}, delay: func() time.Duration { return time.Second }}
		client := wireClient(t, w, zego.Options{})
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
			t.Errorf("the one with a deadline: got %v", err)
		}
		if err := <-results; err != nil {
			t.Errorf("the one without a deadline: got %v", err)
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
		client := wireClient(t, w, zego.Options{CacheTTL: 5 * time.Second})
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
		list(2, zego.CodeNoPermission, 5) // Errors are not kept.
		fail = false
		page, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{Offset: new(0)})
		if err != nil || page.DigitalHumans[0].Name == "mine" || !page.At.Equal(time.Now().Truncate(time.Second)) {
			t.Errorf("got %v at %v, %v", page.DigitalHumans[0].Name, page.At, err)
		}
		// There may be more different calls than the cache has room for.
		for i := range 1200 {
			list(100+i, nil, 6+i)
		}
		// GetDigitalHuman is not cached.
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

// manyHumans returns n digital humans with the ids id-0, id-1 and so on.
func manyHumans(n int) []zego.DigitalHuman {
	humans := make([]zego.DigitalHuman, n)
	for i := range humans {
		humans[i] = zego.DigitalHuman{ID: fmt.Sprint("id-", i), Name: fmt.Sprint("Human ", i), IsPublic: true, Gestures: []zego.Gesture{}}
	}
	return humans
}

// TestAllPagesSideBySide reads 1,000 digital humans, 50 pages, while an answer takes 400
// ms. Pages are fetched side by side, so it takes hardly longer than the limit of 10 calls
// a second makes it.
func TestAllPagesSideBySide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{Humans: manyHumans(1000)}, delay: func() time.Duration { return 400 * time.Millisecond }}
		client := wireClient(t, w, zego.Options{})
		start, n := time.Now(), 0
		for human, err := range client.AllDigitalHumans(t.Context(), zego.FetchAll) {
			if err != nil {
				t.Fatal(err)
			}
			if human.ID != fmt.Sprint("id-", n) {
				t.Fatalf("got %s at index %d", human.ID, n)
			}
			n++
		}
		if took := time.Since(start); n != 1000 || took > 6*time.Second || w.maxPerSecond() > 10 || len(w.arrivals) != 50 {
			t.Errorf("got %d in %v, %d pages, up to %d in a second", n, took, len(w.arrivals), w.maxPerSecond())
		}
		// An iteration that stops early leaves no goroutine behind: synctest waits for all.
		for _, err := range client.AllDigitalHumans(t.Context(), zego.FetchPublic) {
			if err != nil {
				t.Error(err)
			}
			break
		}
	})
}

// TestPagesAhead reads 1,000 digital humans without a rate limit. After the first page, ten are
// fetched at the same time.
func TestPagesAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{handler: &zegosim.Server{QPS: -1, Humans: manyHumans(1000)}, delay: func() time.Duration { return time.Second }}
		start := time.Now()
		for _, err := range wireClient(t, w, zego.Options{QPS: -1}).DigitalHumanPages(t.Context(), zego.FetchAll) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took != 6*time.Second || w.maxPerSecond() != 10 {
			t.Errorf("took %v, with up to %d pages at the same time", took, w.maxPerSecond())
		}
	})
}

// TestListChanges changes a list while its pages are read.
func TestListChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(page string) string // Of the page at offset 40.
		want   string
	}{
		{"Total moves", func(page string) string { return strings.Replace(page, `"Total":100`, `"Total":101`, 1) }, "100 entries became 101"},
		{"an id twice", func(page string) string { return strings.Replace(page, `"id-40"`, `"id-3"`, 1) }, "id-3 came twice"},
		{"an entry is cut", func(page string) string {
			return strings.Replace(page, `{"DigitalHumanId":"id-40","Name":"Human 40","AvatarUrl":"x","Actions":[],"IsPublic":true},`, "", 1)
		}, "100 entries became 99"},
		{"a page is empty", func(string) string { return succeeded(`{"Total":100,"DigitalHumans":[]}`) }, "100 entries became 40"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			humans := manyHumans(100)
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
					changed := tt.change(answer)
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
			if changed := new(zego.ListChangedError); !errors.As(last, &changed) || last.Error() != "zego: the list changed while it was read: "+tt.want {
				t.Errorf("got %v, want a ListChangedError: %s", last, tt.want)
			}
		})
	}
}
