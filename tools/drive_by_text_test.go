package tools_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"
)

func TestTextLengths(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{MaxTTL: 24 * time.Hour})
	task := s.createTask(t, `,"TTL":86400`)
	for _, letter := range []string{"a", "字", "👋"} {
		arguments := func(n int) string {
			return speakArguments(task, strings.Repeat(letter, n), `,"InterruptMode":1,"WaitUntilSpoken":false`)
		}
		for _, n := range []int{1, 1800, 1801, 18000} {
			s.mustCall(t, "drive_by_text", arguments(n))
		}
		s.mustCall(t, "interrupt_drive", fmt.Sprintf(`{"TaskId":%q}`, task)) // So that no more parts are sent.
		before := len(s.requestBodies("DriveByText"))
		for _, n := range []int{0, 18001} {
			s.mustFail(t, "drive_by_text", arguments(n), fmt.Sprintf("Text must have 1 to 18000 characters, got %d", n))
		}
		if len(s.requestBodies("DriveByText")) != before {
			t.Errorf("a text that is too long, of times %s, reached ZEGO", letter)
		}
	}
}

// TestRateLikeFactor checks that a model whose SpeechRate looks like a factor is told that it is
// none.
func TestRateLikeFactor(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	task := s.createTask(t, ``)
	for rate, advised := range map[int]bool{-1: false, 0: false, 1: true, 3: true, 4: false, 500: false} {
		got := s.mustCall(t, "drive_by_text", speakArguments(task, "x", fmt.Sprintf(`,"InterruptMode":1,"WaitUntilSpoken":false,"SpeechRate":%d`, rate)))
		if (got["Advice"] != nil) != advised || advised && !strings.Contains(got["Advice"].(string), fmt.Sprintf("SpeechRate %d is nearly normal speed", rate)) {
			t.Errorf("SpeechRate %d: got %v", rate, got)
		}
		if next := got["NextCalls"].(string); !strings.Contains(next, " s)") {
			t.Errorf("got %s, want how long it takes", next)
		}
	}
}

// TestLostDriveIsNotRepeated checks that a drive whose answer was lost is not sent again,
// because ZEGO may have carried it out.
func TestLostDriveIsNotRepeated(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{Fault: func(action string, _ int) *zegosim.Fault {
		if strings.HasPrefix(action, "Drive") || action == "DoAction" {
			return &zegosim.Fault{Drop: true}
		}
		return nil
	}}, tools.Config{}, streams.Options{})
	task := fmt.Sprintf(`"TaskId":%q`, s.createTask(t, ``))
	s.mustFail(t, "drive_by_text", fmt.Sprintf(`{%s,"Text":"x","TimbreId":%q}`, task, publicTimbre), "DriveByText was sent, but ZEGO's answer was lost", "may have been carried out", "Do not repeat it blindly")
	s.mustFail(t, "do_action", `{`+task+`,"Action":"wave_hand"}`, "may have been carried out")
	if got := len(s.requestBodies("DriveByText")); got != 1 {
		t.Errorf("DriveByText was sent %d times", got)
	}
}
