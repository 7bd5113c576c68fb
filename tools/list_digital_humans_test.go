package tools_test

import (
	"encoding/json"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestListDigitalHumans checks the entries and NextOffset of several pages, and that the text
// of a result says the same as its structured content.
func TestListDigitalHumans(t *testing.T) {
	t.Parallel()
	humans := []zego.DigitalHuman{{ID: "a", Name: `<b> & "知" `, AvatarURL: "https://x.test/a.png?a=1&b=2"}, {ID: "b"}, {ID: "c", IsPublic: true}}
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Humans: humans}, tools.Config{})
	for _, tt := range []struct {
		arguments string
		ids       []string
		next      any
	}{
		{``, []string{"a", "b", "c"}, nil},
		{`null`, []string{"a", "b", "c"}, nil},
		{`{}`, []string{"a", "b", "c"}, nil},
		{`{"Limit":"2"}`, []string{"a", "b"}, 2.0},
		{`{"Limit":1.0,"Offset":1e0}`, []string{"b"}, 2.0},
		{`{"Limit":2,"Offset":1}`, []string{"b", "c"}, nil},
		{`{"FetchMode":2}`, []string{"c"}, nil},
		{`{"FetchMode":3,"Limit":1}`, []string{"a"}, 1.0},
		{`{"Offset":3}`, []string{}, nil},
		{`{"Offset":1000000}`, []string{}, nil},
	} {
		result := callTool(t.Context(), t, s, "list_digital_humans", tt.arguments)
		text := textOf(t, result)
		structured, err := json.Marshal(result.StructuredContent)
		if err != nil || result.IsError {
			t.Fatalf("%s: %v %s", tt.arguments, err, text)
		}
		var fromText, fromStructure map[string]any
		if json.Unmarshal([]byte(text), &fromText) != nil || json.Unmarshal(structured, &fromStructure) != nil {
			t.Fatalf("%s: not JSON: %s", tt.arguments, text)
		}
		if diff := cmp.Diff(fromText, fromStructure); diff != "" {
			t.Errorf("%s: text and structuredContent differ:\n%s", tt.arguments, diff)
		}
		if strings.Contains(text, `\u0026`) || strings.Contains(text, "null") || strings.Contains(text, "\n") {
			t.Errorf("%s: got %s", tt.arguments, text)
		}
		ids := []string{}
		for _, human := range fromText["DigitalHumans"].([]any) {
			ids = append(ids, human.(map[string]any)["DigitalHumanId"].(string))
		}
		if diff := cmp.Diff(tt.ids, ids); diff != "" || fromText["NextOffset"] != tt.next || fromText["AvatarUrlsExpireAt"] != "2026-11-24T12:00:00Z" {
			t.Errorf("%s: got %s", tt.arguments, text)
		}
	}
}

// TestEmptyPage lets ZEGO send nothing although it says that there is more. A model that went on
// with NextOffset would never come to an end.
func TestEmptyPage(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Fault: func(action string, _ int) *zegosim.Fault {
		return &zegosim.Fault{Body: `{"Code":0,"Data":{"Total":5,"DigitalHumans":[],"Timbres":[]}}`}
	}}, tools.Config{})
	for _, tool := range []string{"list_digital_humans", "list_timbres"} {
		got := textOf(t, callTool(t.Context(), t, s, tool, ``))
		if !strings.Contains(got, `"Total":5`) || strings.Contains(got, "NextOffset") {
			t.Errorf("%s: got %s", tool, got)
		}
	}
}
