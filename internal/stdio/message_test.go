package stdio

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
)

// TestResultInOnePass checks that a result has the JSON that mcp-go gives it, whatever it holds.
func TestResultInOnePass(t *testing.T) {
	t.Parallel()
	full := &mcp.CallToolResult{
		Result:            mcp.Result{Meta: &mcp.Meta{AdditionalFields: map[string]any{"a": 1}}, ResultType: mcp.ResultTypeComplete},
		StructuredContent: map[string]any{"URL": "https://example.com/?a=1&b=<2>"},
		Content: []mcp.Content{
			mcp.NewTextContent("<a & b>\u2028"), mcp.NewImageContent("AAAA", "image/jpeg"), mcp.NewResourceLink("zego://x", "x", "", ""),
		},
		IsError: true,
		MultiRoundTripResult: mcp.MultiRoundTripResult{
			InputRequests: mcp.InputRequests{"q": mcp.InputRequest{Method: mcp.MethodElicitationCreate, Elicitation: &mcp.ElicitationParams{Message: "?"}}},
			RequestState:  "state",
		},
	}
	for field, value := range reflect.ValueOf(*full).Fields() {
		if value.IsZero() && field.Name != "RawStructuredContent" {
			t.Errorf("the field %s of mcp-go's result is not tested", field.Name)
		}
	}
	for name, result := range map[string]*mcp.CallToolResult{
		"everything":         full,
		"text":               mcp.NewToolResultText("text"),
		"error":              mcp.NewToolResultError("error"),
		"no content":         {Content: []mcp.Content{}, StructuredContent: struct{}{}},
		"nil content":        {},
		"raw":                {Content: []mcp.Content{}, RawStructuredContent: json.RawMessage(`{"a":1}`)},
		"nil in an any":      {Content: []mcp.Content{}, StructuredContent: (*int)(nil)},
		"no result at all":   nil,
		"nothing to ask for": {Content: []mcp.Content{}, MultiRoundTripResult: mcp.MultiRoundTripResult{InputRequests: mcp.InputRequests{}}},
	} {
		if diff := cmp.Diff(decoded(t, result), decoded(t, inOnePass(result))); diff != "" {
			t.Errorf("%s: mcp-go's result (-) and ours (+) differ:\n%s", name, diff)
		}
	}
}

// decoded returns what a client reads of the JSON of v.
func decoded(t *testing.T, v any) (read any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		t.Fatal(err)
	}
	return read
}
