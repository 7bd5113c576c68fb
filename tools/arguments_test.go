package tools_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestBadArguments sends nothing upstream, whatever is wrong.
func TestBadArguments(t *testing.T) {
	t.Parallel()
	sent := make(chan string, 100)
	s, _ := start(t, &zegosim.Server{QPS: -1, Observe: func(call zegosim.Call) { sent <- call.Action }}, tools.Config{})
	const known = "(known: FetchMode, Offset, Limit)"
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
		{"get_digital_human", `{"DigitalHumanID":"x"}`, "DigitalHumanId is required\n" + `unknown argument "DigitalHumanID"; did you mean "DigitalHumanId"? (known: DigitalHumanId)`},
	} {
		result := call(t.Context(), t, s, tt.tool, tt.arguments)
		if diff := cmp.Diff(tt.want, textOf(t, result)); diff != "" || !result.IsError || result.StructuredContent != nil {
			t.Errorf("%s %s: (-want +got):\n%s", tt.tool, tt.arguments, diff)
		}
	}
	if len(sent) > 0 {
		t.Errorf("%d calls went upstream", len(sent))
	}
}

// TestEveryArgument derives bad arguments of every tool from its schema, and holds
// that each is named, and that nothing is sent.
func TestEveryArgument(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{t.TempDir()}}, streams.Options{})
	rows := 0
	for _, tool := range listed(t, everyToolset) {
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
		bad := func(name string, value any, want string) {
			t.Helper()
			rows++
			arguments := maps.Clone(good)
			if arguments[name] = value; value == nil {
				delete(arguments, name)
			}
			text, err := json.Marshal(arguments)
			if err != nil {
				t.Fatal(err)
			}
			result := call(t.Context(), t, s.MCPServer, tool.Name, string(text))
			if got := textOf(t, result); !result.IsError || !strings.Contains(got, name) || !strings.Contains(got, want) {
				t.Errorf("%s %.100s: got %.200q, want %q", tool.Name, text, got, want)
			}
		}
		bad("Surprise", 1, `unknown argument "Surprise"`)
		for name, property := range tool.InputSchema.Properties {
			if slices.Contains(tool.InputSchema.Required, name) {
				bad(name, nil, name+" is required")
			}
			wrong := []any{[]int{1}, map[string]int{"a": 1}, "", 1.5}
			want := name + " must be "
			switch property.Type {
			case "string":
				wrong = []any{7, true, []int{1}, map[string]int{"a": 1}}
			case "boolean":
				wrong = []any{"yes", 2, []int{1}}
			}
			for _, value := range wrong {
				bad(name, value, want)
			}
			if property.Minimum != nil {
				bad(name, *property.Minimum-1, fmt.Sprintf("from %d to %d, got", *property.Minimum, *property.Maximum))
				bad(name, *property.Maximum+1, fmt.Sprintf("from %d to %d, got", *property.Minimum, *property.Maximum))
			}
			if property.MaxLength != nil {
				bad(name, "", "got 0")
				bad(name, strings.Repeat("x", *property.MaxLength+1), fmt.Sprintf("%d to %d characters, got %d", *property.MinLength, *property.MaxLength, *property.MaxLength+1))
			}
			if property.Pattern != "" {
				for _, value := range []string{"a b", "房间", "a/b", "a\n"} {
					bad(name, value, "must match "+property.Pattern)
				}
			}
			if len(property.Enum) > 0 {
				bad(name, "none of them", "must be one of")
			}
		}
	}
	for _, colour := range []string{"ffffff", "#fff", "#ggffff", "#fffffff", "#1234567890", "red", ""} {
		s.fails(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":"x","RoomId":"r","BackgroundColor":%q}`, colour), "BackgroundColor must match")
	}
	for _, url := range []string{"ftp://example.com/a.wav", "file:///etc/passwd", "javascript:alert(1)", "/tmp/a.wav", "https:// x/"} {
		s.fails(t, "drive_by_audio", fmt.Sprintf(`{"TaskId":"x","AudioUrl":%q}`, url), "AudioUrl must match ^https?://")
	}
	s.fails(t, "list_timbres", `{"Scope":"private"}`, `Scope "private" needs a DigitalHumanId`)
	if rows < 250 || s.count() != 0 {
		t.Errorf("%d rows, %d calls went upstream", rows, s.count())
	}
}
