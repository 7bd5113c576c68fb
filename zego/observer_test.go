package zego_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
	"zego-mcp/zego"

	"github.com/google/go-cmp/cmp"
)

// record keeps what its observers are told.
type record struct {
	mu    sync.Mutex // guards lines
	lines []string
}

// observer returns an observer that adds lines which begin with name.
func (r *record) observer(name string) zego.Observer {
	add := func(format string, args ...any) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines = append(r.lines, name+": "+fmt.Sprintf(format, args...))
	}
	return zego.Observer{
		Attempt: func(_ context.Context, a zego.AttemptInfo) {
			add("attempt %d of %s: HTTP %d, code %d, request %q, failed %t", a.Number, a.Action, a.HTTPStatus, int(a.Code), a.RequestID, a.Err != nil)
		},
		Call: func(_ context.Context, c zego.CallInfo) {
			add("call of %s: attempts %d, code %d, request %q, failed %t", c.Action, c.Attempts, int(c.Code), c.RequestID, c.Err != nil)
		},
	}
}

// TestObservers sets an observer on the client and two in the context: each is told of
// each attempt and of the call.
func TestObservers(t *testing.T) {
	t.Parallel()
	s := &script{answers: map[string][]string{
		"QueryDigitalHumanStreamTasks": {refused(zego.CodeSystemBusy), succeeded(`{"TaskList":[]}`)},
	}}
	srv := httptest.NewServer(s)
	defer srv.Close()
	var got record
	c, err := zego.New(1, "0123456789abcdef0123456789abcdef", zego.Options{
		Endpoint: srv.URL, RetryInterval: time.Millisecond, Observer: got.observer("client"),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := zego.WithObserver(t.Context(), got.observer("outer"))
	ctx = zego.WithObserver(ctx, got.observer("inner"))
	if _, err := c.ListStreamTasks(ctx); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, told := range []string{
		`attempt 1 of QueryDigitalHumanStreamTasks: HTTP 200, code 400010002, request "r", failed true`,
		`attempt 2 of QueryDigitalHumanStreamTasks: HTTP 200, code 0, request "r", failed false`,
		`call of QueryDigitalHumanStreamTasks: attempts 2, code 0, request "r", failed false`,
	} {
		for _, name := range []string{"client", "outer", "inner"} {
			want = append(want, name+": "+told)
		}
	}
	if diff := cmp.Diff(want, got.lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestObserveNothingSent cancels a call before it is sent: there is no attempt, but the
// call is reported with its error.
func TestObserveNothingSent(t *testing.T) {
	t.Parallel()
	c, err := zego.New(1, "0123456789abcdef0123456789abcdef", zego.Options{Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var calls []zego.CallInfo
	ctx = zego.WithObserver(ctx, zego.Observer{Call: func(_ context.Context, info zego.CallInfo) { calls = append(calls, info) }})
	if _, err := c.ListStreamTasks(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if len(calls) != 1 || calls[0].Attempts != 0 || !errors.Is(calls[0].Err, context.Canceled) {
		t.Errorf("got %+v", calls)
	}
}
