package tools_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
)

// effects says by hand what each tool does to the world. -update does not rewrite it: who
// adds or changes a tool says here, too, what the hints for agents must be.
var effects = map[string]string{
	"create_stream_task":  "additive",
	"do_action":           "additive",
	"drive_by_audio":      "additive",
	"drive_by_audio_file": "additive",
	"drive_by_rtc_stream": "additive",
	"drive_by_text":       "additive",
	"find_digital_humans": "read-only",
	"get_digital_human":   "read-only",
	"get_stream_task":     "read-only",
	"interrupt_drive":     "destructive",
	"list_digital_humans": "read-only",
	"list_stream_tasks":   "read-only",
	"list_timbres":        "read-only",
	"stop_stream_task":    "destructive",
}

// everyToolset is a project's toolsets with which no tool is hidden.
var everyToolset = func() []tools.Toolset {
	sets, err := tools.ParseToolsets(tools.AllToolsets)
	if err != nil {
		panic(err)
	}
	return sets
}()

// listedTool is a tool in the answer to tools/list.
type listedTool struct {
	Name        string
	InputSchema struct {
		Required   []string
		Properties map[string]struct {
			Type, Pattern        string
			Minimum, Maximum     *int
			MinLength, MaxLength *int
			Enum                 []string
		}
	}
	Annotations struct{ ReadOnlyHint, DestructiveHint, IdempotentHint, OpenWorldHint *bool }
}

// listed returns the tools that a server with some toolsets offers to local agents.
func listed(t *testing.T, sets []tools.Toolset) []listedTool {
	t.Helper()
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: sets}), Local: true})
	var answer struct{ Tools []listedTool }
	if err := json.Unmarshal(list(t, s), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Tools
}

func TestEffects(t *testing.T) {
	t.Parallel()
	hints := map[string][4]bool{ // readOnly, destructive, idempotent, openWorld
		"read-only":   {true, false, true, true},
		"additive":    {false, false, false, true},
		"destructive": {false, true, true, true},
	}
	got, want := map[string][4]bool{}, map[string][4]bool{}
	for _, tool := range listed(t, everyToolset) {
		a := tool.Annotations
		got[tool.Name] = [4]bool{*a.ReadOnlyHint, *a.DestructiveHint, *a.IdempotentHint, *a.OpenWorldHint}
	}
	for name, effect := range effects {
		want[name] = hints[effect]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hints of the tools; a new tool needs a line in effects (-want +got):\n%s", diff)
	}
}

// outcomes records which tools the tests of this package called with success, and which
// refused a call for another reason than a bad argument.
var outcomes = struct {
	mu                 sync.Mutex // guards what follows
	succeeded, refused map[string]bool
}{succeeded: map[string]bool{}, refused: map[string]bool{}}

// recordOutcome is called for each call of a tool. A refusal counts if it says what to do:
// bad arguments, which the schema refuses, do not.
func recordOutcome(tool string, result *mcp.CallToolResult) {
	outcomes.mu.Lock()
	defer outcomes.mu.Unlock()
	if !result.IsError {
		outcomes.succeeded[tool] = true
		return
	}
	for _, content := range result.Content {
		if text, ok := content.(mcp.TextContent); ok && strings.Contains(text.Text, "What to do:") {
			outcomes.refused[tool] = true
		}
	}
}

// TestMain fails if a tool exists that no test called with success, or that no test saw
// refuse a call. It demands that only when all tests were run.
func TestMain(m *testing.M) {
	code := m.Run()
	if run := flag.Lookup("test.run").Value.String(); code == 0 && run == "" {
		for name := range effects {
			if !outcomes.succeeded[name] || !outcomes.refused[name] {
				fmt.Printf("FAIL: the tests of package tools must call %s with success (done: %t) and see it refuse a call (done: %t)\n",
					name, outcomes.succeeded[name], outcomes.refused[name])
				code = 1
			}
		}
	}
	os.Exit(code)
}

// TestToolsetGuard checks that tools of a toolset that is not offered are not listed and
// cannot be called.
func TestToolsetGuard(t *testing.T) {
	t.Parallel()
	asked := false
	s, _ := start(t, &zegosim.Server{Observe: func(zegosim.Call) { asked = true }}, tools.Config{})
	offered := list(t, s)
	hidden := 0
	for _, tool := range listed(t, everyToolset) {
		if slices.ContainsFunc(listed(t, nil), func(other listedTool) bool { return other.Name == tool.Name }) {
			continue
		}
		hidden++
		if strings.Contains(string(offered), `"`+tool.Name+`"`) {
			t.Errorf("%s is listed", tool.Name)
		}
		answer := s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+tool.Name+`","arguments":{"TaskId":"x"}}}`))
		if refused, ok := answer.(mcp.JSONRPCError); !ok || refused.Error.Code != mcp.INVALID_PARAMS {
			t.Errorf("%s: got %+v", tool.Name, answer)
		}
	}
	if hidden < 8 || asked {
		t.Errorf("%d tools are hidden, ZEGO was called: %t", hidden, asked)
	}
	remote := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: everyToolset})})
	if strings.Contains(string(list(t, remote)), "drive_by_audio_file") {
		t.Error("a tool that reads files of this machine is offered to other machines")
	}
}

// TestArgumentsStayOutOfTheLog puts a word into every free string argument of every tool,
// and looks for it in the log.
func TestArgumentsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{t.TempDir()}}, streams.Options{})
	const word = "privateword"
	calls := 0
	for _, tool := range listed(t, everyToolset) {
		arguments := map[string]any{}
		for name, property := range tool.InputSchema.Properties {
			switch {
			case name == "AudioUrl":
				arguments[name] = "https://example.com/" + word
			case property.Type == "string" && len(property.Enum) == 0 && name != "BackgroundColor":
				arguments[name] = word
			}
		}
		text, err := json.Marshal(arguments)
		if err != nil {
			t.Fatal(err)
		}
		call(t.Context(), t, s.MCPServer, tool.Name, string(text))
		calls++
	}
	log := s.logged()
	if strings.Count(log, "msg=\"tool call") < calls || strings.Contains(log, word) {
		t.Errorf("the log of %d calls: %s", calls, log)
	}
}
