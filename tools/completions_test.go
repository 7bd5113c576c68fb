package tools_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/speech"
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
	if got := complete(`{"type":"ref/resource","uri":"zego://nothing/{TaskId}"}`, "TaskId", "", ""); len(got) != 0 {
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

const completeHumans = `{"ref":{"type":"ref/prompt","name":"go_live"},"argument":{"name":"DigitalHuman","value":""}}`

// TestManyCompletions checks that the client is told whether there are more than the hundred that
// the protocol allows.
func TestManyCompletions(t *testing.T) {
	t.Parallel()
	for _, n := range []int{100, 101} {
		humans := make([]zego.DigitalHuman, n)
		for i := range humans {
			humans[i] = zego.DigitalHuman{ID: fmt.Sprint("id-", i), Name: fmt.Sprint("Human ", i)}
		}
		s := newTestServer(t, &zegosim.Server{Humans: humans}, tools.Config{}, streams.Options{})
		result, _ := s.rpc(t, "completion/complete", completeHumans)
		got := result["completion"].(map[string]any)
		if hasMore, _ := got["hasMore"].(bool); len(got["values"].([]any)) != 100 || got["total"] != float64(n) || hasMore != (n > 100) {
			t.Errorf("%d names: got %d values, total %v, hasMore %v", n, len(got["values"].([]any)), got["total"], got["hasMore"])
		}
	}
}

// TestTimeLimits lets ZEGO never answer. A completion gives up soon, because a user is typing, and a
// tool when its time limit is over.
func TestTimeLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{}, speech.Options{})
		s.sim.Fault = func(string, int) *zegosim.Fault { return &zegosim.Fault{Stall: true} }
		start := time.Now()
		result, code := s.rpc(t, "completion/complete", completeHumans)
		if took := time.Since(start); took != 3*time.Second || code != 0 {
			t.Errorf("after %v: got %v", took, result)
		}
		start = time.Now()
		s.mustFail(t, "list_digital_humans", ``, "time limit of 30s is over")
		if took := time.Since(start); took != 30*time.Second {
			t.Errorf("failed after %v", took)
		}
	})
}
