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
	s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	task := s.create(t, ``)
	for _, letter := range []string{"a", "字", "👋"} {
		for n, ok := range map[int]bool{0: false, 1: true, 1800: true, 1801: false} {
			arguments := fmt.Sprintf(`{"TaskId":%q,"Text":%q,"TimbreId":%q}`, task, strings.Repeat(letter, n), everyone)
			if before := len(s.sent("DriveByText")); ok {
				s.do(t, "drive_by_text", arguments)
			} else if s.fails(t, "drive_by_text", arguments, fmt.Sprintf("Text must have 1 to 1800 characters, got %d", n)); len(s.sent("DriveByText")) != before {
				t.Errorf("%d of %s went upstream", n, letter)
			}
		}
	}
}

// TestLostDrives says that it may have been spoken, and does not speak again.
func TestLostDrives(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{Fault: func(action string, _ int) *zegosim.Fault {
		if strings.HasPrefix(action, "Drive") || action == "DoAction" {
			return &zegosim.Fault{Drop: true}
		}
		return nil
	}}, tools.Config{}, streams.Options{})
	task := fmt.Sprintf(`"TaskId":%q`, s.create(t, ``))
	s.fails(t, "drive_by_text", fmt.Sprintf(`{%s,"Text":"x","TimbreId":%q}`, task, everyone), "DriveByText was sent, but ZEGO's answer was lost", "may have been carried out", "do not repeat it blindly")
	s.fails(t, "do_action", `{`+task+`,"Action":"wave_hand"}`, "may have been carried out")
	if got := len(s.sent("DriveByText")); got != 1 {
		t.Errorf("driven %d times", got)
	}
}
