package tools_test

import (
	"encoding/json"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
)

// TestLongValuesAreNotRepeated puts a value of 100 kB in each place of a request that an
// error may repeat.
func TestLongValuesAreNotRepeated(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{}, tools.Config{})
	long := strings.Repeat("9", 100_000)
	for name, request := range map[string]string{
		"method":             `"method":"` + long + `"`,
		"tool":               `"method":"tools/call","params":{"name":"` + long + `"}`,
		"prompt":             `"method":"prompts/get","params":{"name":"` + long + `"}`,
		"resource":           `"method":"resources/read","params":{"uri":"` + long + `"}`,
		"stream task":        `"method":"resources/read","params":{"uri":"zego://stream-tasks/` + long + `"}`,
		"type of reference":  `"method":"completion/complete","params":{"ref":{"type":"` + long + `"},"argument":{"name":"x","value":"y"}}`,
		"protocol version":   `"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"` + long + `","io.modelcontextprotocol/clientCapabilities":{}}}`,
		"initialize":         `"method":"initialize","params":{"protocolVersion":"` + long + `","capabilities":{},"clientInfo":{"name":"x","version":"1"}}`,
		"number":             `"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Limit":` + long + `}}`,
		"zeros":              `"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Limit":1` + strings.Repeat("0", 100_000) + `}}`,
		"number in a string": `"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Limit":"` + long + `"}}`,
		"unknown argument":   `"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"` + long + `":1}}`,
		"level":              `"method":"logging/setLevel","params":{"level":"` + long + `"}`,
		"cursor":             `"method":"tools/list","params":{"cursor":"` + long + `"}`,
	} {
		answer, err := json.Marshal(s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,`+request+`}`)))
		if err != nil || len(answer) > 2000 {
			t.Errorf("%s: got %d bytes: %.200s, %v", name, len(answer), answer, err)
		}
	}
}

// TestLongArgumentsAreTaken sends a long text with digits in it, and values that are just short
// enough.
func TestLongArgumentsAreTaken(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{}, tools.Config{})
	role := `\" 1 ` + strings.Repeat("9", 2000)
	for _, request := range []string{
		`"method":"prompts/get","params":{"name":"choose_presenter","arguments":{"Role":"` + role + `"}}`,
		`"method":"tools/call","params":{"name":"list_digital_humans","arguments":{"Limit":1.` + strings.Repeat("0", 998) + `}}`,
		`"method":"tools/call","params":{"name":"list_digital_humans","arguments":{` + strings.Repeat(" ", 2000) + `}}`,
	} {
		if answer := s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,`+request+`}`)); !isResult(answer) {
			t.Errorf("%.100s: got %+v", request, answer)
		}
	}
	for length, refused := range map[int]bool{1000: false, 1001: true} { // With the quotation marks.
		uri := strings.Repeat("x", length-2)
		answer := answerTo(t.Context(), t, s, "resources/read", `{"uri":"`+uri+`"}`)
		if strings.Contains(string(answer), "params.uri is longer than 1000 bytes") != refused {
			t.Errorf("a URI of %d bytes: got %s", length, answer)
		}
	}
}

func isResult(answer mcp.JSONRPCMessage) bool {
	_, ok := answer.(mcp.JSONRPCResponse)
	return ok
}
