package zego_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// TestLimitWithoutTrace keeps to the rate limit although the transport does not say when
// it has written a request.
func TestLimitWithoutTrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := mustNew(t, zego.Options{QPS: 10, HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(succeeded(`{"TaskList":[]}`))), Request: r}, nil
		})}})
		start := time.Now()
		for range 31 {
			if _, err := client.ListStreamTasks(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 3*time.Second {
			t.Errorf("31 calls took %v", took)
		}
	})
}

// TestNeverSent checks that a create which never left this machine is not taken for one
// that may have been carried out, and that one which perhaps left it is.
func TestNeverSent(t *testing.T) {
	t.Parallel()
	create := func(client *zego.Client) error {
		_, err := client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{RTCConfig: zego.RTCConfig{RoomID: "r", StreamID: "mine"}})
		return err
	}
	failing := func(err error) zego.Options {
		return zego.Options{RetryInterval: time.Millisecond, HTTPClient: &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, err })}}
	}
	untrusted := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request came") }))
	defer untrusted.Close()
	for name, opts := range map[string]zego.Options{
		"the certificate is not trusted":           {Endpoint: untrusted.URL},
		"a transport without trace cannot connect": failing(&net.OpError{Op: "dial", Err: errors.New("refused")}),
		"the connection takes too long": {Endpoint: "http://127.0.0.1:9", Timeout: 20 * time.Millisecond, HTTPClient: &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done() // As for a host that drops packets.
				return nil, ctx.Err()
			},
		}}},
	} {
		opts.RetryInterval = time.Millisecond
		err := create(mustNew(t, opts))
		if lost, ok := errors.AsType[*zego.LostAnswerError](err); ok || err == nil {
			t.Errorf("%s: got %v", name, lost)
		}
	}
	for _, broken := range []error{&net.OpError{Op: "read", Err: errors.New("reset")}, errors.New("reset")} {
		if err := create(mustNew(t, failing(broken))); !errors.As(err, new(*zego.LostAnswerError)) {
			t.Errorf("a transport without trace fails with %v: got %v", broken, err)
		}
	}
}

// TestClockAhead loses the answer to a create while this machine's clock is five minutes
// ahead of ZEGO's: the task is found all the same.
func TestClockAhead(t *testing.T) {
	t.Parallel()
	client := newClient(t, &script{answers: map[string][]string{
		"CreateDigitalHumanStreamTask": {""},
		"QueryDigitalHumanStreamTasks": {running(time.Now())},
	}}, zego.Options{Now: func() time.Time { return time.Now().Add(5 * time.Minute) }})
	got, err := client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{RTCConfig: zego.RTCConfig{RoomID: "room", StreamID: "mine"}})
	if err != nil || got.TaskID != "t" {
		t.Errorf("got %+v, %v", got, err)
	}
	if offset := client.ClockOffset(); offset < -5*time.Minute-3*time.Second || offset > -5*time.Minute+3*time.Second {
		t.Errorf("learnt that the clocks differ by %v", offset)
	}
}

// TestFindAfterDeadline ends the call's context while the create hangs: the task is looked
// for all the same.
func TestFindAfterDeadline(t *testing.T) {
	t.Parallel()
	upstream := &script{answers: map[string][]string{
		"CreateDigitalHumanStreamTask": {"hang"},
		"QueryDigitalHumanStreamTasks": {running(time.Now())},
	}}
	client := newClient(t, upstream, zego.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	got, err := client.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{RTCConfig: zego.RTCConfig{RoomID: "room", StreamID: "mine"}})
	if err != nil || got.TaskID != "t" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// mustNew returns a client with opts as they are.
func mustNew(t *testing.T, opts zego.Options) *zego.Client {
	t.Helper()
	client, err := zego.New(zegosim.DefaultAppID, secret, opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
