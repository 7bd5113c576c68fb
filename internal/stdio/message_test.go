package stdio

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
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

// randomContent returns content of any kind that mcp-go has, or nil.
func randomContent(r *rand.Rand, depth int) mcp.Content {
	text, meta := randomText(r), randomMeta(r)
	switch r.IntN(8) {
	case 0:
		return mcp.TextContent{Meta: meta, Type: "text", Text: text}
	case 1:
		return &mcp.ImageContent{Meta: meta, Type: "image", Data: text, MIMEType: "image/jpeg"}
	case 2:
		return mcp.AudioContent{Type: "audio", Data: text, MIMEType: "audio/wav"}
	case 3:
		return mcp.NewResourceLink("zego://"+text, text, text, "")
	case 4:
		return mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: text, Meta: map[string]any{text: text}, Text: text})
	case 5:
		return mcp.ToolUseContent{Type: "tool_use", ID: text, Name: text, Input: randomValue(r, depth)}
	case 6:
		if depth > 0 {
			return mcp.ToolResultContent{Type: "tool_result", ToolUseID: text, Content: []mcp.Content{randomContent(r, depth-1)}, StructuredContent: randomValue(r, depth)}
		}
	}
	return nil
}

func randomText(r *rand.Rand) string {
	texts := []string{"", "a", "<a href=\"b\">&amp;</a>", "\u2028\u2029\ufeff", "\xff\xc3(", "\x00\x1f\x7f\\n", "é🎬\U0010ffff", "\xed\xa0\x80", strings.Repeat("<\xf0", 1<<9)}
	return texts[r.IntN(len(texts))]
}

func randomMeta(r *rand.Rand) *mcp.Meta {
	switch r.IntN(3) {
	case 0:
		return &mcp.Meta{}
	case 1:
		return &mcp.Meta{ProgressToken: randomText(r), AdditionalFields: map[string]any{randomText(r): randomValue(r, 1)}}
	}
	return nil
}

func randomValue(r *rand.Rand, depth int) any {
	switch r.IntN(13) {
	case 0:
		return randomText(r)
	case 1:
		return []float64{0, math.Copysign(0, -1), 1e21, 1e-7, 1 << 53, math.MaxFloat64, math.NaN(), math.Inf(1)}[r.IntN(8)]
	case 2:
		return map[string]any{randomText(r): depth, randomText(r): nil}
	case 3:
		return struct {
			A any    `json:"a"`
			B []int  `json:"b,omitempty"`
			C string `json:",omitempty"`
		}{A: randomText(r), C: randomText(r)}
	case 4:
		return json.RawMessage(" {\"b\": [1,\n2], \"<\":\"\u2028&\"}\n")
	case 5:
		return json.RawMessage("{broken")
	case 6:
		return (*int)(nil)
	case 7:
		return []any{}
	case 8:
		return func() {} // It has no JSON.
	case 9:
		if depth > 0 {
			return []any{randomValue(r, depth-1), &[]any{randomValue(r, depth-1)}}
		}
	case 10:
		return int64(math.MaxInt64)
	case 11:
		return map[string]any{}
	}
	return nil
}

// TestRandomResultsInOnePass encodes random results in both ways: either both fail, or they are the
// same JSON in one line.
func TestRandomResultsInOnePass(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 0))
	failed := 0
	for i := range 2000 {
		result := &mcp.CallToolResult{IsError: r.IntN(2) == 0, StructuredContent: randomValue(r, 3)}
		result.Meta, result.RequestState = randomMeta(r), randomText(r)
		if r.IntN(9) > 0 {
			result.Content = make([]mcp.Content, r.IntN(3))
		}
		for i := range result.Content {
			result.Content[i] = randomContent(r, 2)
		}
		switch r.IntN(6) {
		case 0:
			result.ResultType = mcp.ResultTypeComplete
		case 1:
			result.RawStructuredContent = json.RawMessage("{\n}")
		case 2:
			result.RawStructuredContent = json.RawMessage{}
		}
		want, wantErr := encodedAnswer(result)
		got, gotErr := encodedAnswer(inOnePass(result))
		if (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("result %d: got error %v, want %v: %+v", i, gotErr, wantErr, result)
		}
		if gotErr != nil {
			failed++
			continue
		}
		if bytes.Count(got, []byte("\n")) != 1 {
			t.Errorf("result %d is not in one line: %s", i, got)
		}
		if a, b := decoded(t, json.RawMessage(want)), decoded(t, json.RawMessage(got)); !reflect.DeepEqual(a, b) {
			t.Errorf("result %d: mcp-go's result (-) and ours (+) differ:\n%s", i, cmp.Diff(a, b))
		}
	}
	if failed == 0 || failed > 1000 {
		t.Errorf("%d results have no JSON", failed)
	}
}

// encodedAnswer returns the line of an answer with a result.
func encodedAnswer(result any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(answer{JSONRPC: mcp.JSONRPC_VERSION, ID: json.RawMessage("1"), Result: result})
	return text.Bytes(), err
}
