package tools

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mark3labs/mcp-go/server"
)

// maxRepeated is the length in bytes of the longest value of a request that mcp-go may
// repeat in an error. The longest that is of use is the URI of a stream task.
const maxRepeated = 1000

// refuseLongValues makes the server refuse a request with a long value that mcp-go would
// otherwise repeat in its error, such as an unknown method or tool name of 3 MB. Arguments
// of tools are not among these values; only numbers in them are.
func refuseLongValues(hooks *server.Hooks) {
	hooks.AddOnRequestInitialization(func(_ context.Context, _, message any) error {
		text, ok := message.(json.RawMessage)
		if !ok || len(text) <= maxRepeated {
			return nil
		}
		return checkLongValues(text)
	})
}

// checkLongValues returns an error if a value of the request is longer than maxRepeated.
func checkLongValues(request json.RawMessage) error {
	if longestNumber(request) > maxRepeated {
		return fmt.Errorf("a number is longer than %d characters", maxRepeated)
	}
	// A part that cannot be decoded is not repeated: mcp-go fails at the same place.
	var top struct{ Method, Params json.RawMessage }
	var params struct {
		Name, URI, Ref json.RawMessage
		Meta           json.RawMessage `json:"_meta"`
	}
	var ref struct{ Type json.RawMessage }
	var meta struct {
		Version json.RawMessage `json:"io.modelcontextprotocol/protocolVersion"`
	}
	_ = json.Unmarshal(request, &top)
	_ = json.Unmarshal(top.Params, &params)
	_ = json.Unmarshal(params.Ref, &ref)
	_ = json.Unmarshal(params.Meta, &meta)
	for name, value := range map[string]json.RawMessage{
		"method": top.Method, "params.name": params.Name, "params.uri": params.URI, "params.ref.type": ref.Type,
		"the protocol version": meta.Version,
	} {
		if len(value) > maxRepeated {
			return fmt.Errorf("%s is longer than %d bytes", name, maxRepeated)
		}
	}
	return nil
}

// longestNumber returns the length of the longest number in a JSON text.
func longestNumber(text []byte) int {
	longest, length, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++ // The next byte belongs to the escape.
		case c == '"':
			inString = !inString
			length = 0
		case !inString && (c >= '0' && c <= '9' || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E'):
			length++
			longest = max(longest, length)
		default:
			length = 0
		}
	}
	return longest
}
