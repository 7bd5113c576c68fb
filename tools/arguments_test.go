package tools_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestBadArguments checks the texts about bad arguments, and that no such call reaches ZEGO.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	requests := make(chan string, 100)
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Observe: func(call zegosim.Call) { requests <- call.Action }}, tools.Config{})
	const known = "(known: FetchMode, Detail, Offset, Limit)"
	for _, tt := range []struct{ tool, arguments, want string }{
		{"list_digital_humans", `{"Limit":50}`, "Limit must be an integer from 1 to 20, got 50"},
		{"list_digital_humans", `{"Limit":0}`, "Limit must be an integer from 1 to 20, got 0"},
		{"list_digital_humans", `{"Limit":-1}`, "Limit must be an integer from 1 to 20, got -1"},
		{"list_digital_humans", `{"Limit":2.5}`, "Limit must be an integer from 1 to 20, got 2.5"},
		{"list_digital_humans", `{"Limit":true}`, "Limit must be an integer from 1 to 20, got true"},
		{"list_digital_humans", `{"Limit":""}`, `Limit must be an integer from 1 to 20, got ""`},
		{"list_digital_humans", `{"Limit":[]}`, "Limit must be an integer from 1 to 20, got []"},
		{"list_digital_humans", `{"Limit":null}`, "Limit must be an integer from 1 to 20, got null"},
		{"list_digital_humans", `{"FetchMode":0}`, "FetchMode must be an integer from 1 to 3, got 0"},
		{"list_digital_humans", `{"FetchMode":4}`, "FetchMode must be an integer from 1 to 3, got 4"},
		{"list_digital_humans", `{"FetchMode":"private"}`, `FetchMode must be an integer from 1 to 3, got "private"`},
		{"list_digital_humans", `{"Offset":-1}`, "Offset must be an integer from 0 to 1000000, got -1"},
		{"list_digital_humans", `{"Offset":1000001}`, "Offset must be an integer from 0 to 1000000, got 1000001"},
		{"list_digital_humans", `{"limit":5}`, `unknown argument "limit"; did you mean "Limit"? ` + known},
		{"list_digital_humans", `{"PageSize":5}`, `unknown argument "PageSize" ` + known},
		{
			"list_digital_humans", `{"FetchMode":9,"Offset":-5,"Limit":99,"x":1}`,
			"FetchMode must be an integer from 1 to 3, got 9\nOffset must be an integer from 0 to 1000000, got -5\n" +
				"Limit must be an integer from 1 to 20, got 99\nunknown argument \"x\" " + known,
		},
		{"list_digital_humans", `[]`, "arguments must be a JSON object, got []"},
		{"list_digital_humans", `"Limit=5"`, `arguments must be a JSON object, got "Limit=5"`},
		{"get_digital_human", ``, "DigitalHumanId is required"},
		{"get_digital_human", `{"DigitalHumanId":""}`, "DigitalHumanId must have 1 to 128 characters, got 0"},
		{"get_digital_human", `{"DigitalHumanId":7}`, "DigitalHumanId must be a string, got 7"},
		{"get_digital_human", `{"DigitalHumanID":"x"}`, "DigitalHumanId is required\n" + `unknown argument "DigitalHumanID"; did you mean "DigitalHumanId"? (known: DigitalHumanId, Picture)`},
	} {
		result := callTool(t.Context(), t, s, tt.tool, tt.arguments)
		if diff := cmp.Diff(tt.want, textOf(t, result)); diff != "" || !result.IsError || result.StructuredContent != nil {
			t.Errorf("%s %s: (-want +got):\n%s", tt.tool, tt.arguments, diff)
		}
	}
	if len(requests) > 0 {
		t.Errorf("ZEGO got %d requests", len(requests))
	}
}

// TestBadArgumentsOfEveryTool derives bad arguments of every tool from its schema. It checks
// that the error names the argument, and that no such call reaches ZEGO.
func TestBadArgumentsOfEveryTool(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{t.TempDir()}, Watch: watchNothing}, streams.Options{})
	calls := 0
	for _, tool := range toolDefinitions(t, allToolsets) {
		good := goodArguments(tool)
		// mustRefuse calls the tool with good arguments but one; nil leaves that one out.
		mustRefuse := func(name string, value any, want string) {
			t.Helper()
			calls++
			arguments := maps.Clone(good)
			if arguments[name] = value; value == nil {
				delete(arguments, name)
			}
			text, err := json.Marshal(arguments)
			if err != nil {
				t.Fatal(err)
			}
			result := callTool(t.Context(), t, s.MCPServer, tool.Name, string(text))
			if got := textOf(t, result); !result.IsError || !strings.Contains(got, name) || !strings.Contains(got, want) {
				t.Errorf("%s %.100s: got %.200q, want %q", tool.Name, text, got, want)
			}
		}
		mustRefuse("Surprise", 1, `unknown argument "Surprise"`)
		for name, property := range tool.InputSchema.Properties {
			if slices.Contains(tool.InputSchema.Required, name) {
				mustRefuse(name, nil, name+" is required")
			}
			wrong := []any{[]int{1}, map[string]int{"a": 1}, "", 1.5}
			switch property.Type {
			case "string":
				wrong = []any{7, true, []int{1}, map[string]int{"a": 1}}
			case "boolean":
				wrong = []any{"yes", 2, []int{1}}
			case "array":
				wrong = []any{7, true, "x", map[string]int{"a": 1}}
			}
			for _, value := range wrong {
				mustRefuse(name, value, name+" must be ")
			}
			if property.Minimum != nil {
				mustRefuse(name, *property.Minimum-1, fmt.Sprintf("from %d to ", *property.Minimum))
				mustRefuse(name, *property.Maximum+1, fmt.Sprintf(" to %d", *property.Maximum))
			}
			if property.MaxLength != nil {
				mustRefuse(name, "", "got 0")
				mustRefuse(name, strings.Repeat("x", *property.MaxLength+1), fmt.Sprintf("%d to %d characters, got %d", *property.MinLength, *property.MaxLength, *property.MaxLength+1))
			}
			if property.Pattern != "" {
				for _, value := range []string{"a b", "房间", "a/b", "a\n"} {
					mustRefuse(name, value, ", got "+strconv.Quote(value))
				}
			}
			if len(property.Enum) > 0 {
				mustRefuse(name, "none of them", "must be one of")
			}
		}
	}
	if calls < 250 || s.requestCount() != 0 {
		t.Errorf("%d calls, of which %d reached ZEGO", calls, s.requestCount())
	}
}

// goodArguments returns a value that fits the schema for every argument of a tool.
func goodArguments(tool toolDefinition) map[string]any {
	good := map[string]any{}
	for name, property := range tool.InputSchema.Properties {
		switch {
		case property.Type == "integer":
			good[name] = *property.Minimum
		case property.Type == "boolean":
			good[name] = true
		case len(property.Enum) > 0:
			good[name] = property.Enum[0]
		case name == "AudioUrl":
			good[name] = "https://example.com/a.wav"
		case name == "BackgroundColor":
			good[name] = "#a0B1c2"
		default:
			good[name] = "x"
		}
	}
	return good
}

// TestBadValues passes values that TestBadArgumentsOfEveryTool cannot derive from a schema.
func TestBadValues(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	for _, colour := range []string{"ffffff", "#fff", "#ggffff", "#fffffff", "#1234567890", "red", ""} {
		s.mustFail(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":"x","RoomId":"r","BackgroundColor":%q}`, colour), "BackgroundColor must be a color like #ffffff, got")
	}
	for _, url := range []string{"ftp://example.com/a.wav", "file:///etc/passwd", "javascript:alert(1)", "/tmp/a.wav", "https:// x/", "http://localhost/a.wav", "http://192.168.1.5/a.wav"} {
		s.mustFail(t, "drive_by_audio", fmt.Sprintf(`{"TaskId":"x","AudioUrl":%q}`, url), "AudioUrl must be an http or https URL that the internet reaches")
	}
	s.mustFail(t, "create_stream_task", `{"DigitalHumanId":"x","RoomId":"my studio"}`, `RoomId must have only digits, letters, - and _, got "my studio"; try "my-studio"`)
	s.mustFail(t, "drive_by_rtc_stream", `{"TaskId":"x","RoomId":"r","StreamId":"a b"}`, `StreamId must have only digits, letters, - and _, got "a b"; try "a-b"`)
	for _, name := range []string{"SpeechRate", "PitchRate"} {
		s.mustFail(t, "drive_by_text", fmt.Sprintf(`{"TaskId":"x","Text":"x","TimbreId":"x",%q:2.0}`, name), name+" must be an integer from -500 to 500 (0 normal, 500 ", "not a factor), got 2.0")
	}
	s.mustFail(t, "list_timbres", `{"Scope":"private"}`, `Scope "private" needs a DigitalHumanId`)
	if s.requestCount() != 0 {
		t.Errorf("%d calls reached ZEGO", s.requestCount())
	}
}
