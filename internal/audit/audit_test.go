package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"zego-mcp/internal/audit"
	"zego-mcp/zego"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// open returns an audit log in a new file, and the path of that.
func open(t *testing.T, opts audit.Options) (*audit.Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	opts.Now = func() time.Time { return noon }
	l, err := audit.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, path
}

// read returns the lines of a file.
func read(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func project() audit.Project {
	return audit.Project{AppID: 7, Names: func(taskID string) (roomID, streamID string) {
		if taskID != "t1" {
			return "", ""
		}
		return "studio", "s1"
	}}
}

func TestLines(t *testing.T) {
	t.Parallel()
	l, path := open(t, audit.Options{Subject: func(context.Context) string { return "alice\n{\"by\":\"server\"} \u202e😀\x7f" }})
	call := l.Observer(project).Call
	refused := &zego.Error{Code: zego.CodeConcurrencyExceeded}
	for _, info := range []zego.CallInfo{
		{Action: "GetTimbreList", ReadOnly: true},
		{Action: "CreateDigitalHumanStreamTask", TaskID: "t1", RoomID: "studio", StreamID: "s1", Attempts: 1, RequestID: "r1"},
		{Action: "CreateDigitalHumanStreamTask", RoomID: "studio", StreamID: "s2", Attempts: 1, RequestID: "r2", Code: refused.Code, Err: refused},
		{Action: "DriveByText", TaskID: "t1", Attempts: 1, Err: &zego.LostAnswerError{Err: refused}, Code: refused.Code},
		{Action: "DriveByText", TaskID: "t1", Attempts: 1, Err: &zego.TransportError{Err: context.DeadlineExceeded}},
		{Action: "StopDigitalHumanStreamTask", TaskID: strings.Repeat("x", 300), Err: context.Canceled},
	} {
		call(t.Context(), info)
	}
	const who = `"time":"2026-11-30T12:00:00.000Z","by":"server","subject":"alice\n{\"by\":\"server\"} \u202e\ud83d\ude00\u007f"`
	want := []string{
		`{` + who + `,"action":"CreateDigitalHumanStreamTask","app_id":7,"TaskId":"t1","StreamId":"s1","RoomId":"studio","outcome":"ok","RequestId":"r1"}`,
		`{` + who + `,"action":"CreateDigitalHumanStreamTask","app_id":7,"StreamId":"s2","RoomId":"studio","outcome":"refused","code":400000008,"RequestId":"r2"}`,
		`{` + who + `,"action":"DriveByText","app_id":7,"TaskId":"t1","StreamId":"s1","RoomId":"studio","outcome":"unknown","code":400000008}`,
		`{` + who + `,"action":"DriveByText","app_id":7,"TaskId":"t1","StreamId":"s1","RoomId":"studio","outcome":"unknown"}`,
		`{` + who + `,"action":"StopDigitalHumanStreamTask","app_id":7,"TaskId":"` + strings.Repeat("x", 256) + `","outcome":"not_sent"}`,
	}
	got := read(t, path)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var decoded struct{ Subject string }
	if err := json.Unmarshal([]byte(got[0]), &decoded); err != nil || !strings.Contains(decoded.Subject, "\u202e😀\x7f") {
		t.Errorf("got %q, %v", decoded.Subject, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got the mode %v, %v", info.Mode(), err)
	}
}

// TestReopen moves the file away, as logrotate does.
func TestReopen(t *testing.T) {
	t.Parallel()
	l, path := open(t, audit.Options{})
	call := l.Observer(project).Call
	write := func(action string) { call(t.Context(), zego.CallInfo{Action: action}) }
	write("First")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("Second")
	l.Reopen()
	write("Third")
	for file, want := range map[string]int{path + ".1": 2, path: 1} {
		if got := read(t, file); len(got) != want {
			t.Errorf("%s: got %q, want %d lines", file, got, want)
		}
	}
	again, err := audit.Open(path, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	again.Observer(project).Call(t.Context(), zego.CallInfo{Action: "Fourth"})
	if got := read(t, path); len(got) != 2 {
		t.Errorf("after another start: got %q", got)
	}
	if _, err := audit.Open(t.TempDir(), audit.Options{}); err == nil {
		t.Error("a directory was opened")
	}
}

// TestWriteFails checks that lines which cannot be written are counted, and logged once.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	failed := 0
	l, path := open(t, audit.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Failed: func() { failed++ }})
	call := l.Observer(project).Call
	_ = l.Close()
	for range 3 {
		call(t.Context(), zego.CallInfo{Action: "DoAction"})
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || failed != 3 {
		t.Errorf("got %d errors in the log and %d failures: %s", n, failed, &log)
	}
	l.Reopen()
	call(t.Context(), zego.CallInfo{Action: "DoAction"})
	if got := read(t, path); len(got) != 1 || got[0] == "" || failed != 3 {
		t.Errorf("after Reopen: got %q", got)
	}
}

// TestManyWriters checks that lines are not mixed.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	l, path := open(t, audit.Options{})
	call := l.Observer(project).Call
	var writing sync.WaitGroup
	for range 20 {
		writing.Go(func() {
			for range 50 {
				call(t.Context(), zego.CallInfo{Action: "DoAction", TaskID: "t1"})
			}
		})
		writing.Go(l.Reopen)
	}
	writing.Wait()
	lines := read(t, path)
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Fatalf("got %q", line)
		}
	}
	if len(lines) != 1000 {
		t.Errorf("got %d lines", len(lines))
	}
}
