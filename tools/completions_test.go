package tools_test

import (
	"fmt"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

func TestCompletions(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	complete := func(ref, argument, value, context string) []any {
		params := fmt.Sprintf(`{"ref":%s,"argument":{"name":%q,"value":%q}%s}`, ref, argument, value, context)
		result, code := s.rpc(t, "completion/complete", params)
		if code != 0 {
			t.Fatalf("%s: error %d", params, code)
		}
		return result["completion"].(map[string]any)["values"].([]any)
	}
	const goLive = `{"type":"ref/prompt","name":"go_live"}`
	if got := complete(goLive, "DigitalHuman", "ｓｏｐｈ", ""); len(got) == 0 || got[0] != "Sophia" {
		t.Errorf("got %v", got)
	}
	if got := complete(goLive, "DigitalHuman", "", ""); len(got) < 40 {
		t.Errorf("got %d names", len(got))
	}
	public := complete(goLive, "Timbre", "", "")
	both := complete(goLive, "Timbre", "", fmt.Sprintf(`,"context":{"arguments":{"DigitalHuman":%q}}`, humanWithPrivateTimbre()))
	if len(public) < 30 || len(both) <= len(public) {
		t.Errorf("%d public timbres, %d with private ones", len(public), len(both))
	}
	if got := complete(goLive, "Script", "x", ""); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	id := s.createTask(t, ``)
	if got := complete(`{"type":"ref/resource","uri":"zego://stream-tasks/{TaskId}"}`, "TaskId", id[:5], ""); len(got) != 1 || got[0] != id {
		t.Errorf("got %v", got)
	}
	s.sim.Fault = func(string, int) *zegosim.Fault { return &zegosim.Fault{Code: zego.CodeNoPermission} }
	if got := complete(goLive, "DigitalHuman", "", ""); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// humanWithPrivateTimbre returns the name of a digital human that has private timbres.
func humanWithPrivateTimbre() string {
	for _, human := range zegosim.DefaultHumans() {
		for _, timbre := range zegosim.DefaultTimbres() {
			if timbre.DigitalHumanID == human.ID {
				return human.Name
			}
		}
	}
	panic("no digital human has private timbres")
}
