package zego_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

func TestCallbackSignature(t *testing.T) {
	t.Parallel()
	for _, v := range []struct{ secret, timestamp, nonce, want string }{
		{"secret", "1470820198", "123412", "5bd59fd62953a8059fb7eaba95720f66d19e4517"},
		{"callbacksecret0123456789abcdef000", "1681221510", "abcdd22113", "0312faa7ca7ceec93f48bc88f2ca844ea869101b"},
		{"0aaaabbbbccccdddd", "1774356158143", "zz9", "ef7d7a1fe499bf45461206483382a2f73b584c1c"},
	} {
		if got := zego.CallbackSignature(v.secret, v.timestamp, v.nonce); got != v.want {
			t.Errorf("%v: got %s", v, got)
		}
	}
}

const callbackSecret = "callbacksecret0123456789abcdef000"

// callback returns ZEGO's documented example of an event type with some fields changed. It
// signs it, unless changes has a Signature.
func callback(t *testing.T, kind int, changes map[string]any) []byte {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("testdata/wire/Callback%d.json", kind))
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		t.Fatal(err)
	}
	maps.Copy(fields, changes)
	if _, ok := changes["Signature"]; !ok {
		fields["Signature"] = zego.CallbackSignature(callbackSecret, fmt.Sprint(fields["Timestamp"]), fmt.Sprint(fields["Nonce"]))
	}
	text, err = json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestParseCallback(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1681221510034)
	for _, tt := range []struct {
		name string
		body []byte
		want zego.Event
		key  string
	}{
		{"task", callback(t, 3, nil), zego.Event{
			AppID: 123456789, Type: zego.EventTask, TaskID: "XXXXXX", Time: at, Sent: time.Unix(1681221510, 0),
			Task: &zego.TaskEvent{Status: zego.TaskStopped, RoomID: "XXXXXXXXXXXX", StreamID: "XXXXXXXXXXXX"},
		}, "3 XXXXXX 5"},
		{"drive", callback(t, 4, nil), zego.Event{
			AppID: 123456789, Type: zego.EventDrive, TaskID: "XXXXXX", Time: at, Sent: time.Unix(1681221510, 0),
			Drive: &zego.DriveEvent{DriveID: "XXXXXXXXXXXX", Status: zego.DriveEnded},
		}, "4 XXXXXX XXXXXXXXXXXX 4"},
		{"milliseconds, failure, unknown fields", callback(t, 3, map[string]any{
			"Timestamp": "1774356158143", "More": 1, "Detail": map[string]any{"Status": 2, "FailReason": "no model", "More": 1},
		}), zego.Event{
			AppID: 123456789, Type: zego.EventTask, TaskID: "XXXXXX", Time: at, Sent: time.UnixMilli(1774356158143),
			Task: &zego.TaskEvent{Status: zego.TaskInitFailed, FailReason: "no model"},
		}, "3 XXXXXX 2"},
		{"an unknown type", callback(t, 4, map[string]any{"EventType": 9, "Detail": "?"}), zego.Event{
			AppID: 123456789, Type: 9, TaskID: "XXXXXX", Time: at, Sent: time.Unix(1681221510, 0),
		}, "9 XXXXXX"},
	} {
		got, err := zego.ParseCallback(tt.body, callbackSecret)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if got.Key() != tt.key {
			t.Errorf("%s: key %q, want %q", tt.name, got.Key(), tt.key)
		}
	}
	for _, tt := range []struct {
		name, secret string
		body         []byte
		want         string
	}{
		{"documented placeholder", callbackSecret, callback(t, 3, map[string]any{"Signature": "XXXXXXX"}), "signature does not match"},
		{"no signature", callbackSecret, callback(t, 3, map[string]any{"Signature": ""}), "signature does not match"},
		{"another secret", "hunter2", callback(t, 3, nil), "signature does not match"},
		{"no secret", "", callback(t, 3, nil), "secret is empty"},
		{"not JSON", callbackSecret, []byte("<xml>"), "invalid character"},
		{"timestamp no number", callbackSecret, callback(t, 3, map[string]any{"Timestamp": "noon"}), "Timestamp is no number"},
		{"timestamp not text", callbackSecret, callback(t, 3, map[string]any{"Timestamp": 1681221510}), "cannot unmarshal"},
		{"detail of another kind", callbackSecret, callback(t, 4, map[string]any{"Detail": []int{}}), "Detail"},
	} {
		if _, err := zego.ParseCallback(tt.body, tt.secret); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestCallbackHandler(t *testing.T) {
	t.Parallel()
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	at := func(d time.Duration) string { return strconv.FormatInt(time.Now().Add(d).Unix(), 10) }
	taken := make(chan zego.Event, 10)
	handler := zego.CallbackHandler(callbackSecret, func(_ context.Context, event zego.Event) error {
		if event.TaskID == "trouble" {
			return errors.New("disk full")
		}
		taken <- event
		return nil
	})
	for _, tt := range []struct {
		name, method string
		body         io.Reader
		want         int
	}{
		{"right", "POST", bytes.NewReader(callback(t, 3, map[string]any{"Timestamp": now})), 204},
		{"in seconds", "POST", bytes.NewReader(callback(t, 4, map[string]any{"Timestamp": at(0)})), 204},
		{"a repetition a minute old", "POST", bytes.NewReader(callback(t, 4, map[string]any{"Timestamp": at(-time.Minute)})), 204},
		{"old", "POST", bytes.NewReader(callback(t, 3, map[string]any{"Timestamp": at(-11 * time.Minute)})), 401},
		{"in the future", "POST", bytes.NewReader(callback(t, 3, map[string]any{"Timestamp": at(11 * time.Minute)})), 401},
		{"forged", "POST", bytes.NewReader(callback(t, 3, map[string]any{"Timestamp": now, "Signature": "x"})), 401},
		{"not taken", "POST", bytes.NewReader(callback(t, 3, map[string]any{"Timestamp": now, "TaskId": "trouble"})), 500},
		{"not JSON", "POST", strings.NewReader("?"), 400},
		{"too large", "POST", bytes.NewReader(make([]byte, 2<<20)), 400},
		{"GET", "GET", nil, 405},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, "/", tt.body))
		if w.Code != tt.want {
			t.Errorf("%s: got %d %s, want %d", tt.name, w.Code, w.Body, tt.want)
		}
		if tt.want == http.StatusNoContent {
			if event := <-taken; event.TaskID != "XXXXXX" {
				t.Errorf("%s: got %+v", tt.name, event)
			}
		}
	}
	if len(taken) > 0 {
		t.Errorf("%d events too many", len(taken))
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic without a secret")
		}
	}()
	zego.CallbackHandler("", nil)
}

// TestCallbacksOfOneTask receives the simulator's callbacks about one stream task, from its
// creation to its stop.
func TestCallbacksOfOneTask(t *testing.T) {
	t.Parallel()
	events := make(chan zego.Event, 100)
	failed := false
	receiver := httptest.NewServer(zego.CallbackHandler(callbackSecret, func(_ context.Context, event zego.Event) error {
		events <- event
		return nil
	}))
	defer receiver.Close()
	sim := &zegosim.Server{QPS: -1, StartDelay: time.Millisecond, CallbackURL: receiver.URL, CallbackSecret: callbackSecret}
	client := newClient(t, sim, zego.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() { failed = sim.RunCallbacks(ctx) != nil })

	task, err := client.CreateStreamTask(ctx, zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: zegosim.DefaultHumans()[0].ID}, RTCConfig: zego.RTCConfig{RoomID: "r", StreamID: "s"},
	})
	if err != nil {
		t.Fatal(err)
	}
	drive, err := client.DriveByText(ctx, zego.DriveByTextRequest{TaskID: task.TaskID, Text: "a", TTSConfig: zego.TTSConfig{TimbreID: zegosim.DefaultTimbres()[0].ID}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	seen := map[string]bool{}
	for event := range events {
		if seen[event.Key()] {
			t.Errorf("%s came twice", event.Key())
		}
		seen[event.Key()] = true
		if event.AppID != zegosim.DefaultAppID || event.TaskID != task.TaskID || time.Since(event.Time).Abs() > time.Minute {
			t.Errorf("got %+v", event)
		}
		switch {
		case event.Task != nil:
			got = append(got, event.Task.Status.String())
		case event.Drive.DriveID == drive.ID:
			got = append(got, event.Drive.Status.String())
		}
		if event.Drive != nil && event.Drive.Status == zego.DriveEnded {
			if _, err := client.StopStreamTask(ctx, task.TaskID); err != nil {
				t.Fatal(err)
			}
		}
		if event.Task != nil && event.Task.Status == zego.TaskStopped {
			break
		}
	}
	cancel()
	sending.Wait()
	if diff := cmp.Diff([]string{"initializing", "streaming", "queued", "driving", "ended", "stopping", "stopped"}, got); diff != "" || failed {
		t.Errorf("failed %t (-want +got):\n%s", failed, diff)
	}
}

// TestCallbackLimits checks to the millisecond how old a callback may be, to the byte how large,
// and from which number on its time is in milliseconds.
func TestCallbackLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		handler := zego.CallbackHandler(callbackSecret, func(context.Context, zego.Event) error { return nil })
		for _, tt := range []struct {
			age  time.Duration
			size int // 0: as it is.
			want int
		}{
			{10 * time.Minute, 0, 204},
			{10*time.Minute + time.Millisecond, 0, 401},
			{-10 * time.Minute, 0, 204},
			{-10*time.Minute - time.Millisecond, 0, 401},
			{0, 1 << 20, 204},
			{0, 1<<20 + 1, 400},
		} {
			body := callback(t, 3, map[string]any{"Timestamp": strconv.FormatInt(time.Now().Add(-tt.age).UnixMilli(), 10)})
			body = append(body, bytes.Repeat([]byte(" "), max(0, tt.size-len(body)))...)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(body)))
			if w.Code != tt.want {
				t.Errorf("%v old, %d bytes: got %d %s, want %d", tt.age, len(body), w.Code, w.Body, tt.want)
			}
		}
	})
	for timestamp, want := range map[string]time.Time{"99999999999": time.Unix(99999999999, 0), "100000000000": time.UnixMilli(100000000000)} {
		event, err := zego.ParseCallback(callback(t, 3, map[string]any{"Timestamp": timestamp}), callbackSecret)
		if err != nil || !event.Sent.Equal(want) {
			t.Errorf("%s: got %v, %v", timestamp, event.Sent, err)
		}
	}
}
