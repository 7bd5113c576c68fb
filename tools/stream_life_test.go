package tools_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestStreamLife creates a stream task, drives it in every way, and stops it.
func TestStreamLife(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{StartDelay: 30 * time.Millisecond}, tools.Config{}, streams.Options{})
	before := time.Now()
	created := s.mustCall(t, "create_stream_task", createArguments(``))
	id, streamID := created["TaskId"].(string), created["StreamId"].(string)
	ends, err := time.Parse(time.RFC3339, created["EndsAt"].(string))
	if err != nil || ends.Sub(before) < 599*time.Second || ends.Sub(before) > 610*time.Second {
		t.Errorf("ends %v after its creation, %v", ends.Sub(before), err)
	}
	if created["Status"] != 3.0 || created["StatusName"] != "streaming" || !strings.Contains(created["NextCalls"].(string), "drive_by_text") {
		t.Errorf("got %v", created)
	}
	if !strings.HasPrefix(streamID, "zego-mcp-") {
		t.Errorf("StreamId %s does not begin with zego-mcp-", streamID)
	}
	want := fmt.Sprintf(`{"DigitalHumanConfig":{"DigitalHumanId":%q},"RTCConfig":{"RoomId":"room","StreamId":%q},"TTL":600,"MaxIdleTime":120}`, humanWithGesture, streamID)
	if diff := cmp.Diff([]string{want}, s.requestBodies("CreateDigitalHumanStreamTask")); diff != "" {
		t.Error(diff)
	}

	task := fmt.Sprintf(`"TaskId":%q`, id)
	s.mustCall(t, "drive_by_text", fmt.Sprintf(`{%s,"Text":"你好 & <hello> 👋","TimbreId":%q,"SpeechRate":10,"PitchRate":-10,"Volume":"60","InterruptMode":1,"WaitUntilSpoken":false}`, task, publicTimbre))
	s.mustCall(t, "drive_by_audio", `{`+task+`,"AudioUrl":"https://example.com/a.wav?b=1&c=2","VoiceChannel":1,"WaitUntilSpoken":false}`)
	s.mustCall(t, "drive_by_rtc_stream", `{`+task+`,"InterruptMode":1,"RoomId":"other","StreamId":"mic"}`)
	s.mustCall(t, "do_action", `{`+task+`,"Action":"wave_hand"}`)
	s.mustCall(t, "interrupt_drive", `{`+task+`}`)
	for action, want := range map[string]string{
		"DriveByText":        `{"TaskId":"` + id + `","Text":"你好 \u0026 \u003chello\u003e 👋","TTSConfig":{"Volume":60,"SpeechRate":10,"PitchRate":-10,"TimbreId":"` + publicTimbre + `"},"InterruptMode":1}`,
		"DriveByAudio":       `{"TaskId":"` + id + `","AudioUrl":"https://example.com/a.wav?b=1\u0026c=2","VoiceChannel":1}`,
		"DriveByRTCStream":   `{"TaskId":"` + id + `","RTCConfig":{"RoomId":"other","StreamId":"mic"}}`,
		"DoAction":           `{"TaskId":"` + id + `","Action":"wave_hand"}`,
		"InterruptDriveTask": `{"TaskId":"` + id + `"}`,
	} {
		if diff := cmp.Diff([]string{want}, s.requestBodies(action)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
	listed := s.mustCall(t, "list_stream_tasks", ``)["StreamTasks"].([]any)
	if got := listed[0].(map[string]any); len(listed) != 1 || got["TaskId"] != id || got["StartedBy"] != "this_server" || got["StatusName"] != "streaming" {
		t.Errorf("got %v", listed)
	}
	if got := s.mustCall(t, "get_stream_task", `{`+task+`}`); got["TaskId"] != id || got["StartedBy"] != "this_server" || got["Status"] != 3.0 {
		t.Errorf("got %v", got)
	}
	// No confirmation is needed, because this server started the task.
	if got := s.mustCall(t, "stop_stream_task", `{`+task+`}`); fmt.Sprint(got["Stopped"]) != fmt.Sprint([]any{id}) || got["AlreadyStopped"] != nil {
		t.Errorf("got %v", got)
	}
	if got := s.mustCall(t, "stop_stream_task", `{`+task+`}`); fmt.Sprint(got["Stopped"]) != "[]" || got["AlreadyStopped"] != true {
		t.Errorf("twice: got %v", got)
	}
	s.mustFail(t, "drive_by_text", fmt.Sprintf(`{%s,"Text":"x","TimbreId":%q}`, task, publicTimbre), "400000007", "call create_stream_task")
	if len(s.runningTasks(t)) != 0 {
		t.Error("the task still runs")
	}
	if strings.Contains(s.logText(), "hello") {
		t.Errorf("the log holds the spoken text: %s", s.logText())
	}
}

// TestNoGoroutinesAreLeft counts goroutines before tasks are created and after they were
// stopped. It does not run in parallel, because other tests start goroutines.
func TestNoGoroutinesAreLeft(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.wav"), wavFile(make([]byte, 4800), 4800))
	before := runtime.NumGoroutine()
	t.Run("streams", func(t *testing.T) {
		s := newTestServer(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{dir}}, streams.Options{})
		for range 3 {
			s.mustCall(t, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":%q,"Path":"a.wav"}`, s.createTask(t, ``)))
		}
		s.streams.Close(t.Context())
	})
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
		runtime.GC()
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	t.Errorf("%d goroutines became %d:\n%s", before, runtime.NumGoroutine(), stacks)
}
