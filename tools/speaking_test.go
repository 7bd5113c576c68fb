package tools_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
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
			if took := time.Since(start); got["Spoken"] != true || got["KnownBy"] != want || took < 10*time.Second || took > 20*time.Second || got["NextCalls"] != nil || got["DriveIds"] != nil {
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
		var left int
		if _, err := fmt.Sscanf(got["NextCalls"].(string), "get_stream_task with WaitUntilSpoken=true, until Speaking is false (about %d s).", &left); err != nil || time.Until(until).Truncate(time.Second) != time.Duration(left)*time.Second {
			t.Errorf("it speaks until %v, but got %v", until, got["NextCalls"])
		}
		stop := fmt.Sprintf(`{"TaskId":%q}`, task)
		s.mustFail(t, "stop_stream_task", stop, "Not stopped: the stream is still speaking, until ", "Call again, as often as needed: each call waits. Now=true")
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

// TestStateOfTasks checks what get_stream_task and list_stream_tasks tell while a stream
// speaks, and after that.
func TestStateOfTasks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{}, speech.Options{})
		s.createForeignTask(t)
		task := s.createTask(t, ``)
		get := func() map[string]any { return s.mustCall(t, "get_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task)) }
		if got := get(); got["Speaking"] != false || got["DigitalHumanId"] != humanWithGesture || got["Name"] == nil || got["EndsAt"] != "2000-01-01T00:10:00Z" || got["IdleEndsAt"] != "2000-01-01T00:02:00Z" {
			t.Errorf("got %v", got)
		}
		time.Sleep(30 * time.Second)
		for range 3 { // 10 s each.
			s.mustCall(t, "drive_by_text", speakArguments(task, strings.Repeat("字", 50), `,"WaitUntilSpoken":false`))
		}
		time.Sleep(2 * time.Second)
		got := get()
		until, err := time.Parse(time.RFC3339, got["SpeakingUntil"].(string))
		if err != nil || got["Speaking"] != true || got["Waiting"] != 2.0 || got["KnownBy"] != "drive_status" || got["RunningSeconds"] != 32.0 || time.Until(until) < 28*time.Second {
			t.Errorf("got %v", got)
		}
		start := time.Now()
		got = s.mustCall(t, "get_stream_task", fmt.Sprintf(`{"TaskId":%q,"WaitUntilSpoken":true}`, task))
		if took := time.Since(start); took < 28*time.Second || got["Speaking"] != false || got["Waiting"] != nil || got["SpeakingUntil"] != nil {
			t.Errorf("after %v: got %v", took, got)
		}
		list := s.mustCall(t, "list_stream_tasks", ``)
		if list["Advice"] != nil { // None of them is an orphan.
			t.Errorf("got the advice %v", list["Advice"])
		}
		entries := list["StreamTasks"].([]any)
		if foreign := entries[0].(map[string]any); foreign["Speaking"] != nil || foreign["EndsAt"] != nil {
			t.Errorf("got %v", foreign)
		}
		if own := entries[1].(map[string]any); own["Speaking"] != false || own["Name"] == nil {
			t.Errorf("got %v", own)
		}
		if minutes := list["RunningMinutes"]; minutes != 2.0 && minutes != 2.1 { // Two streams for a good minute each.
			t.Errorf("got %v minutes", minutes)
		}
	})
}

// TestTextAfterTheEnd checks that a text is refused which the end of the stream would cut off.
func TestTextAfterTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{}, speech.Options{})
		task := s.createTask(t, `,"TTL":60`)
		s.mustFail(t, "drive_by_text", speakArguments(task, strings.Repeat("字", 300), ``),
			"Nothing was sent: the text may take 1m34s to speak, and the stream ends at 2000-01-01T00:01:00Z", "create_stream_task with a TTL of at least 214")
		s.mustCall(t, "drive_by_text", speakArguments(task, strings.Repeat("字", 100), `,"WaitUntilSpoken":false`))
		s.mustFail(t, "drive_by_text", speakArguments(task, strings.Repeat("字", 100), ``), "Nothing was sent")
		s.mustCall(t, "drive_by_text", speakArguments(task, strings.Repeat("字", 100), `,"InterruptMode":1`))
	})
}

// TestCutSpeech checks what a call answers whose text another call cuts off.
func TestCutSpeech(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, tool, arguments, want string }{
		{strings.Repeat("字", 100), "interrupt_drive", `{"TaskId":%q}`, "It was cut off before its end."},
		{strings.Repeat("一二三四五六七八九。", 300), "interrupt_drive", `{"TaskId":%q}`, "parts of the text were not sent: it was cut off."},
		{strings.Repeat("一二三四五六七八九。", 300), "stop_stream_task", `{"TaskId":%q,"Now":true}`, "parts of the text were not sent: the stream has ended."},
		{strings.Repeat("一二三四五六七八九。", 300), "drive_by_audio", `{"TaskId":%q,"AudioUrl":"https://example.com/a.wav","InterruptMode":1}`, "parts of the text were not sent: another drive cut it off."},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newVirtualServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{MaxTTL: 24 * time.Hour}, speech.Options{})
			task := s.createTask(t, `,"TTL":86400`)
			answered := make(chan map[string]any)
			go func() { answered <- s.mustCall(t, "drive_by_text", speakArguments(task, tt.text, ``)) }()
			time.Sleep(5 * time.Second)
			s.mustCall(t, tt.tool, fmt.Sprintf(tt.arguments, task))
			if got := <-answered; got["Spoken"] != false || got["KnownBy"] == "estimate" && got["SpeakingUntil"] == nil || !strings.Contains(got["Advice"].(string), tt.want) {
				t.Errorf("%s: got %v, want %s", tt.tool, got, tt.want)
			}
		})
	}
}

// TestCancelledText checks that no further sentence is sent when a call is cancelled.
func TestCancelledText(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{MaxTTL: 24 * time.Hour}, speech.Options{})
		task := s.createTask(t, `,"TTL":86400`)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		result := callTool(ctx, t, s.MCPServer, "drive_by_text", speakArguments(task, strings.Repeat("一二三四五六七八九。", 300), ``))
		if !result.IsError || !strings.Contains(textOf(t, result), "cancelled") {
			t.Errorf("got %v", textOf(t, result))
		}
		sent := len(s.sim.Drives())
		time.Sleep(10 * time.Minute)
		if got := len(s.sim.Drives()); got != sent || got > 2 {
			t.Errorf("%d parts were sent, %d before the call was cancelled", got, sent)
		}
		s.mustBeSpoken(t)
	})
}

// TestFailedDrive checks what a model is told when ZEGO takes a text but cannot speak it.
func TestFailedDrive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualServer(t, &zegosim.Server{Fault: failAction("DriveByText", zegosim.Fault{FailDrive: true})}, tools.Config{}, streams.Options{}, speech.Options{})
		s.mustFail(t, "drive_by_text", speakArguments(s.createTask(t, ``), "hello", ``), "could not speak it", "RequestId: ")
	})
}

// TestDrivesWaitTheirTurn checks that a drive does not come between the parts of a long text,
// and that those which cut everything off wait for the end of speech unless they are told
// otherwise.
func TestDrivesWaitTheirTurn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.wav"), wavFile(make([]byte, 4800), 4800))
	const nothing = "Nothing was sent: the stream is still speaking, until "
	for _, tt := range []struct{ tool, arguments string }{
		{"drive_by_text", fmt.Sprintf(`"Text":"x","TimbreId":%q`, publicTimbre)},
		{"drive_by_audio", `"AudioUrl":"https://example.com/a.wav"`},
		{"drive_by_rtc_stream", `"RoomId":"r","StreamId":"s"`},
		{"drive_by_audio_file", `"Path":"a.wav"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newVirtualServer(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{dir}}, streams.Options{MaxTTL: 24 * time.Hour}, speech.Options{})
			task := s.createTask(t, `,"TTL":86400`)
			s.mustCall(t, "drive_by_text", speakArguments(task, strings.Repeat("一二三四五六七八九。", 300), `,"WaitUntilSpoken":false`))
			start := time.Now()
			s.mustFail(t, tt.tool, fmt.Sprintf(`{"TaskId":%q,%s}`, task, tt.arguments), nothing, "Call again, as often as needed: each call waits. InterruptMode 1")
			if took := time.Since(start); took != 29*time.Second {
				t.Errorf("%s: refused after %v", tt.tool, took)
			}
			if tt.tool != "drive_by_rtc_stream" {
				return
			}
			s.mustCall(t, tt.tool, fmt.Sprintf(`{"TaskId":%q,%s,"InterruptMode":1}`, task, tt.arguments))
			got := s.mustCall(t, "get_stream_task", fmt.Sprintf(`{"TaskId":%q,"WaitUntilSpoken":true}`, task))
			if got["Speaking"] != true || got["SpeakingUntil"] != nil { // Live audio has no end.
				t.Errorf("got %v", got)
			}
			s.mustCall(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task)) // And it is not waited for.
		})
	}
}

// TestAudioOfKnownLength checks that a file on the web is waited for as long as it is.
func TestAudioOfKnownLength(t *testing.T) {
	t.Parallel()
	file := wavFile(make([]byte, 6*48000), 6*48000) // 6 s; the simulator takes 5 s for every file.
	web := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	})
	synctest.Test(t, func(t *testing.T) {
		cfg := tools.Config{AudioClient: &http.Client{Transport: inProcess{web}}}
		s := newVirtualServer(t, &zegosim.Server{NoDriveStatus: true}, cfg, streams.Options{}, speech.Options{})
		start := time.Now()
		got := s.mustCall(t, "drive_by_audio", fmt.Sprintf(`{"TaskId":%q,"AudioUrl":"https://example.com/a.wav"}`, s.createTask(t, ``)))
		if took := time.Since(start); got["Spoken"] != true || got["KnownBy"] != "estimate" || took < 6*time.Second || took > 10*time.Second {
			t.Errorf("after %v: got %v", took, got)
		}
		s.mustBeSpoken(t)
	})
}

// TestSpeechWait checks that a call answers a tenth of its time before that is over, but not more
// than a second.
func TestSpeechWait(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]time.Duration{5 * time.Second: 4500 * time.Millisecond, 20 * time.Second: 19 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := newVirtualServer(t, &zegosim.Server{}, tools.Config{SpeechWait: wait}, streams.Options{}, speech.Options{})
			task := s.createTask(t, ``)
			start := time.Now()
			s.mustCall(t, "drive_by_text", speakArguments(task, strings.Repeat("字", 200), ``))
			if took := time.Since(start); took != want {
				t.Errorf("with %v to wait: answered after %v, want %v", wait, took, want)
			}
		})
	}
}

// TestInterruptedState checks what a task is said to speak after an interruption, if ZEGO does not
// tell: nothing, or what it spoke before if ZEGO has refused.
func TestInterruptedState(t *testing.T) {
	t.Parallel()
	for _, refused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			sim := &zegosim.Server{NoDriveStatus: true}
			s := newVirtualServer(t, sim, tools.Config{}, streams.Options{}, speech.Options{})
			task := fmt.Sprintf(`{"TaskId":%q}`, s.createTask(t, ``))
			s.mustCall(t, "drive_by_text", strings.TrimSuffix(task, "}")+fmt.Sprintf(`,"Text":%q,"TimbreId":%q,"WaitUntilSpoken":false}`, strings.Repeat("字", 100), publicTimbre))
			time.Sleep(5 * time.Second)
			if refused {
				sim.Fault = failAction("InterruptDriveTask", zegosim.Fault{Code: zego.CodeNoPermission})
			}
			callTool(t.Context(), t, s.MCPServer, "interrupt_drive", task)
			if got := s.mustCall(t, "get_stream_task", task); got["Speaking"] != refused {
				t.Errorf("refused: %t: got %v", refused, got)
			}
		})
	}
}

// TestTimesWithWrongClock lets ZEGO's clock be five minutes ahead. When a task ends is told by the
// clock of this machine.
func TestTimesWithWrongClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := &zegosim.Server{Now: func() time.Time { return time.Now().Add(5 * time.Minute) }}
		s := newVirtualServer(t, sim, tools.Config{}, streams.Options{}, speech.Options{})
		task := s.createTask(t, ``)
		time.Sleep(30 * time.Second)
		got := s.mustCall(t, "get_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task))
		if got["EndsAt"] != "2000-01-01T00:10:00Z" || got["IdleEndsAt"] != "2000-01-01T00:02:00Z" || got["RunningSeconds"] != 30.0 {
			t.Errorf("got %v", got)
		}
	})
}
