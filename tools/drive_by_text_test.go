package tools_test

import (
	"fmt"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"
)

func TestTextLengths(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	task := s.createTask(t, ``)
	for _, letter := range []string{"a", "字", "👋"} {
		for n, ok := range map[int]bool{0: false, 1: true, 1800: true, 1801: true, 18000: true, 18001: false} {
			arguments := fmt.Sprintf(`{"TaskId":%q,"Text":%q,"TimbreId":%q,"InterruptMode":1,"WaitUntilSpoken":false}`, task, strings.Repeat(letter, n), publicTimbre)
			if before := len(s.requestBodies("DriveByText")); ok {
				s.mustCall(t, "drive_by_text", arguments)
			} else if s.mustFail(t, "drive_by_text", arguments, fmt.Sprintf("Text must have 1 to 18000 characters, got %d", n)); len(s.requestBodies("DriveByText")) != before {
				t.Errorf("a text of %d times %s reached ZEGO", n, letter)
			}
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
