package zego_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// panicking is a Cache and a Limiter that panics.
type panicking struct{ zego.Limiter }

func (panicking) Get(context.Context, string) ([]byte, bool) { panic("hunter2") }

func (panicking) Set(context.Context, string, []byte, time.Duration) {}

// TestPanicInSharedCall checks that a panic while calls share a request ends no process, but
// fails these calls. The slot of the rate limit is free again.
func TestPanicInSharedCall(t *testing.T) {
	t.Parallel()
	check := func(name string, err error) {
		t.Helper()
		panicked := new(zego.PanicError)
		if !errors.As(err, &panicked) || panicked.Value != "hunter2" || strings.Contains(err.Error(), "hunter2") || !strings.Contains(string(panicked.Stack), "zego/") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	client := newClient(t, &zegosim.Server{}, zego.Options{Cache: panicking{}, CacheTTL: time.Minute})
	_, err := client.ListDigitalHumans(t.Context(), zego.ListDigitalHumansRequest{})
	check("cache", err)

	calls := 0
	client = mustNew(t, zego.Options{QPS: 1, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if calls++; calls <= 3 {
			panic("hunter2")
		}
		return inProcess{&zegosim.Server{}}.RoundTrip(r)
	})}})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // Nothing waits for the limit.
	defer cancel()
	for i := range 3 {
		_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
		check(fmt.Sprint("transport ", i), err)
	}
	if _, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{}); err != nil {
		t.Errorf("after the panics: %v", err)
	}
}

// TestSuccessAtTheDeadline lets a shared call succeed at the moment when its first caller's
// deadline passes. A caller that joined takes the answer, and does not ask again.
func TestSuccessAtTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		client := mustNew(t, zego.Options{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			calls++
			<-r.Context().Done() // The answer comes at that moment.
			return inProcess{&zegosim.Server{}}.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
		})}, Timeout: time.Minute})
		list := func(limit time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			_, err := client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{})
			return err
		}
		go func() { _ = list(time.Second) }()
		synctest.Wait()
		if err := list(30 * time.Second); err != nil || calls != 1 {
			t.Errorf("got %v after %d requests, want 1", err, calls)
		}
	})
}

// earlyDeadline is a context that ends a moment after its deadline, as contexts do on a busy
// machine.
type earlyDeadline struct {
	context.Context
	deadline time.Time
}

func (c earlyDeadline) Deadline() (time.Time, bool) { return c.deadline, true }

// TestCauseOfTheDeadline ends a shared request by the deadline of its only caller, a moment before
// the context of the caller ends. The caller gets the cause of that.
func TestCauseOfTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := mustNew(t, zego.Options{HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}, Timeout: time.Minute})
		tired := errors.New("tired of waiting")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second+time.Millisecond, tired)
		defer cancel()
		_, err := client.ListDigitalHumans(earlyDeadline{ctx, time.Now().Add(time.Second)}, zego.ListDigitalHumansRequest{})
		if !errors.Is(err, tired) {
			t.Errorf("got %v, want %v", err, tired)
		}
	})
}
