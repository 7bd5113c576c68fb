package tools_test

import (
	"bytes"
	"fmt"
	"io"
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

func TestStreamLife(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{StartDelay: 30 * time.Millisecond}, tools.Config{}, streams.Options{})
	before := time.Now()
	created := s.do(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"}`, waver))
	id := created["TaskId"].(string)
	ends, err := time.Parse(time.RFC3339, created["EndsAt"].(string))
	if err != nil || ends.Sub(before) < 599*time.Second || ends.Sub(before) > 610*time.Second {
		t.Errorf("ends %v after its creation, %v", ends.Sub(before), err)
	}
	if created["Status"] != 3.0 || created["StatusName"] != "streaming" || !strings.Contains(created["NextCalls"].(string), "drive_by_text") {
		t.Errorf("got %v", created)
	}
	stream := created["StreamId"].(string)
	if !strings.HasPrefix(stream, "zego-mcp-") {
		t.Errorf("StreamId %s has no mark", stream)
	}
	want := fmt.Sprintf(`{"DigitalHumanConfig":{"DigitalHumanId":%q},"RTCConfig":{"RoomId":"room","StreamId":%q},"TTL":600,"MaxIdleTime":120}`, waver, stream)
	if diff := cmp.Diff([]string{want}, s.sent("CreateDigitalHumanStreamTask")); diff != "" {
		t.Error(diff)
	}

	task := fmt.Sprintf(`"TaskId":%q`, id)
	s.do(t, "drive_by_text", fmt.Sprintf(`{%s,"Text":"你好 & <hello> 👋","TimbreId":%q,"SpeechRate":10,"PitchRate":-10,"Volume":"60","InterruptMode":1}`, task, everyone))
	s.do(t, "drive_by_audio", `{`+task+`,"AudioUrl":"https://example.com/a.wav?b=1&c=2","VoiceChannel":1}`)
	s.do(t, "drive_by_rtc_stream", `{`+task+`,"RoomId":"other","StreamId":"mic"}`)
	s.do(t, "do_action", `{`+task+`,"Action":"wave_hand"}`)
	s.do(t, "interrupt_drive", `{`+task+`}`)
	for action, want := range map[string]string{
		"DriveByText":        `{"TaskId":"` + id + `","Text":"你好 \u0026 \u003chello\u003e 👋","TTSConfig":{"Volume":60,"SpeechRate":10,"PitchRate":-10,"TimbreId":"` + everyone + `"},"InterruptMode":1}`,
		"DriveByAudio":       `{"TaskId":"` + id + `","AudioUrl":"https://example.com/a.wav?b=1\u0026c=2","VoiceChannel":1}`,
		"DriveByRTCStream":   `{"TaskId":"` + id + `","RTCConfig":{"RoomId":"other","StreamId":"mic"}}`,
		"DoAction":           `{"TaskId":"` + id + `","Action":"wave_hand"}`,
		"InterruptDriveTask": `{"TaskId":"` + id + `"}`,
	} {
		if diff := cmp.Diff([]string{want}, s.sent(action)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
	listed := s.do(t, "list_stream_tasks", ``)["StreamTasks"].([]any)
	if got := listed[0].(map[string]any); len(listed) != 1 || got["TaskId"] != id || got["StartedBy"] != "this_server" || got["StatusName"] != "streaming" {
		t.Errorf("got %v", listed)
	}
	if got := s.do(t, "get_stream_task", `{`+task+`}`); got["TaskId"] != id || got["StartedBy"] != "this_server" || got["Status"] != 3.0 {
		t.Errorf("got %v", got)
	}
	// Our own: nobody is asked.
	if got := s.do(t, "stop_stream_task", `{`+task+`}`); got["AlreadyStopped"] != false {
		t.Errorf("got %v", got)
	}
	if got := s.do(t, "stop_stream_task", `{`+task+`}`); got["AlreadyStopped"] != true {
		t.Errorf("twice: got %v", got)
	}
	s.fails(t, "drive_by_text", fmt.Sprintf(`{%s,"Text":"x","TimbreId":%q}`, task, everyone), "400000007", "call create_stream_task")
	if len(s.running(t)) != 0 {
		t.Error("it runs still")
	}
	if strings.Contains(s.logged(), "hello") {
		t.Errorf("what was said is in the log: %s", s.logged())
	}
}

// TestNothingIsLeft counts goroutines after tasks were created, spoken to and stopped.
func TestNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.wav"), wavFile(make([]byte, 4800), 4800))
	before := runtime.NumGoroutine()
	t.Run("streams", func(t *testing.T) {
		s := onStage(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{dir}}, streams.Options{})
		for range 3 {
			s.do(t, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":%q,"Path":"a.wav"}`, s.create(t, ``)))
		}
		s.streams.StopAll(t.Context())
	})
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
		runtime.GC()
	}
	var stacks bytes.Buffer
	buf := make([]byte, 1<<20)
	_, _ = io.Copy(&stacks, bytes.NewReader(buf[:runtime.Stack(buf, true)]))
	t.Errorf("%d goroutines became %d:\n%s", before, runtime.NumGoroutine(), stacks.String())
}
