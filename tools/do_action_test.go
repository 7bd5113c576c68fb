package tools_test

import (
	"fmt"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"
)

// TestUnknownGesture checks that a gesture which the digital human does not have is refused
// before ZEGO is called, if this server knows the digital human, and by ZEGO otherwise.
func TestUnknownGesture(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	fly := func(task string) string { return fmt.Sprintf(`{"TaskId":%q,"Action":"fly"}`, task) }
	s.mustFail(t, "do_action", fly(s.createTask(t, ``)), `has no gesture "fly". Nothing was sent.`, `Pass one of these: "wave_hand", "shake_hands", "idle_action".`)
	gestureless := ""
	for _, human := range zegosim.DefaultHumans() {
		if len(human.Gestures) == 0 {
			gestureless = human.ID
		}
	}
	task := s.mustCall(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"}`, gestureless))["TaskId"].(string)
	s.mustFail(t, "do_action", fly(task), "it has none")
	if s.requestCountOf("DoAction") != 0 {
		t.Error("ZEGO was called")
	}
	s.mustFail(t, "do_action", fly(s.createForeignTask(t)), "400000001", "find_digital_humans lists")
}
