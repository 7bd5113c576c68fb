package tools_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// speakArguments returns arguments for drive_by_text: the required ones, and more, which is
// empty or begins with a comma.
func speakArguments(task, text, more string) string {
	return fmt.Sprintf(`{"TaskId":%q,"Text":%q,"TimbreId":%q%s}`, task, text, publicTimbre, more)
}

// mustBeSpoken checks that the simulator has spoken all drives to their ends.
func (s *testServer) mustBeSpoken(t *testing.T) {
	t.Helper()
	for _, drive := range s.sim.Drives() {
		if drive.Status != zego.DriveEnded {
			t.Errorf("%.40q: %v", drive.Text, drive.Status)
		}
	}
}

// TestDriveWaitsUntilSpoken checks that drive_by_text answers after the last word, with and
// without GetDriveStatus.
func TestDriveWaitsUntilSpoken(t *testing.T) {
	t.Parallel()
	for _, noStatus := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newVirtualServer(t, &zegosim.Server{NoDriveStatus: noStatus}, tools.Config{}, streams.Options{}, speech.Options{})
			task := s.createTask(t, ``)
			want := map[bool]string{false: "drive_status", true: "estimate"}[noStatus]
			start := time.Now()
			got := s.mustCall(t, "drive_by_text", speakArguments(task, strings.Repeat("字", 50), ``)) // 10 s.
			if took := time.Since(start); got["Spoken"] != true || got["KnownBy"] != want || took < 10*time.Second || took > 20*time.Second || got["NextCalls"] != nil {
				t.Errorf("after %v: got %v", took, got)
			}
			s.mustBeSpoken(t)
			s.mustCall(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task))
			if asked := s.requestCountOf("GetDriveStatus"); noStatus && asked != 1 || asked > 10 {
				t.Errorf("GetDriveStatus was called %d times", asked)
			}
		})
	}
}

// TestLongSpeech checks that calls answer in time while a text is being spoken for longer, and
// that neither a stop nor another drive cuts it off.
func TestLongSpeech(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{}, speech.Options{})
		task := s.createTask(t, ``)
		start := time.Now()
		got := s.mustCall(t, "drive_by_text", speakArguments(task, strings.Repeat("字", 300), ``)) // 60 s.
		until, err := time.Parse(time.RFC3339, got["SpeakingUntil"].(string))
		if took := time.Since(start); err != nil || got["Spoken"] != false || took != 29*time.Second || until.Before(start.Add(60*time.Second)) || until.After(start.Add(110*time.Second)) {
			t.Errorf("after %v: got %v", took, got)
		}
		stop := fmt.Sprintf(`{"TaskId":%q}`, task)
		s.mustFail(t, "stop_stream_task", stop, "Not stopped: the stream is still speaking, until ", "call again then; or at once with Now=true")
		s.mustCall(t, "stop_stream_task", stop)
		s.mustBeSpoken(t)
		if took := time.Since(start); took < 60*time.Second || took > 65*time.Second {
			t.Errorf("stopped after %v", took)
		}
	})
}

// TestStopNow checks that a stop cuts speech off only when it is told to.
func TestStopNow(t *testing.T) {
	t.Parallel()
	for _, more := range []string{`"Now":true`, `"WaitUntilSpoken":false`} {
		synctest.Test(t, func(t *testing.T) {
			s := newVirtualServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{}, speech.Options{})
			task := s.createTask(t, ``)
			s.mustCall(t, "drive_by_text", speakArguments(task, strings.Repeat("字", 300), `,"WaitUntilSpoken":false`))
			start := time.Now()
			s.mustCall(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q,%s}`, task, more))
			if took := time.Since(start); took > time.Second {
				t.Errorf("stopped after %v", took)
			}
			if got := s.sim.Drives()[0].Status; got != zego.DriveInterrupted {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestStopAll stops all tasks of this server, and no other one.
func TestStopAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{}, speech.Options{})
		foreign, first, second := s.createForeignTask(t), s.createTask(t, ``), s.createTask(t, ``)
		s.mustCall(t, "drive_by_text", speakArguments(first, strings.Repeat("字", 250), `,"WaitUntilSpoken":false`)) // 50 s.
		s.mustFail(t, "stop_stream_task", `{"All":true}`, "1 of 2 stream tasks were stopped", first+": Not stopped")
		if got := s.mustCall(t, "stop_stream_task", `{"All":true}`); fmt.Sprint(got["Stopped"]) != "["+first+"]" {
			t.Errorf("got %v", got)
		}
		s.mustBeSpoken(t)
		if running := s.runningTasks(t); len(running) != 1 || running[0].ID != foreign {
			t.Errorf("got %v, want the foreign one; %s", running, second)
		}
		if got := s.mustCall(t, "stop_stream_task", `{"All":true}`); got["AlreadyStopped"] != true {
			t.Errorf("got %v", got)
		}
		s.mustFail(t, "stop_stream_task", `{}`, "TaskId is required (or All=true)")
		s.mustFail(t, "stop_stream_task", `{"All":true,"TaskId":"x"}`, "not both")
	})
}
