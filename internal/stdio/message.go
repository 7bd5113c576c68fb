package stdio

import (
	"encoding/json"
	"math"

	"github.com/mark3labs/mcp-go/mcp"
)

// message is what is read of a message of the client.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// isAnswer reports whether m answers a request of the server.
func (m *message) isAnswer() bool {
	return m.Method == "" && (m.Result != nil || m.Error != nil)
}

// isCancellation reports whether the client cancels a request by m.
func (m *message) isCancellation() bool {
	return m.ID == nil && m.Method == string(mcp.MethodNotificationCancelled)
}

// cancelledID returns the id of the request that m cancels, or nil if m names none.
func (m *message) cancelledID() json.RawMessage {
	var params struct {
		RequestID json.RawMessage `json:"requestId"`
	}
	_ = json.Unmarshal(m.Params, &params) // Of malformed parameters, requestId stays nil.
	return params.RequestID
}

// parseID returns what an id stands for: the text of a string, or the number of an integer
// as it was written. It reports false if id is neither. JSON-RPC allows fractions and null
// as well, but MCP does not:
// https://modelcontextprotocol.io/specification/2025-11-25/basic#requests
func parseID(id json.RawMessage) (any, bool) {
	var v any
	if json.Unmarshal(id, &v) != nil {
		return nil, false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		// As a float64, 2^53+1 would be the same as 2^53.
		return json.Number(id), v == math.Trunc(v)
	}
	return nil, false
}

// answer is the answer to a request of the client. Its id is written as the client wrote
// it, because mcp-go keeps the number of an id as a float64, which changes 2^53+1 to 2^53.
type answer struct {
	JSONRPC string                   `json:"jsonrpc"`
	ID      json.RawMessage          `json:"id"`
	Result  any                      `json:"result,omitempty"`
	Error   *mcp.JSONRPCErrorDetails `json:"error,omitempty"`
}

// newAnswer returns the answer to the request with this id, from what mcp-go's server has
// answered.
func newAnswer(id json.RawMessage, response mcp.JSONRPCMessage) any {
	switch r := response.(type) {
	case mcp.JSONRPCResponse:
		return answer{JSONRPC: r.JSONRPC, ID: id, Result: inOnePass(r.Result)}
	case mcp.JSONRPCError:
		return answer{JSONRPC: r.JSONRPC, ID: id, Error: &r.Error}
	}
	return response
}

// toolResult is encoded by its fields alone, because it has no methods.
type toolResult mcp.CallToolResult

// inOnePass returns a result that has the same JSON. A mcp.CallToolResult makes its JSON itself,
// which encoding/json then reads and copies once more: that would be a tenth of what a call costs.
func inOnePass(result any) any {
	r, ok := result.(*mcp.CallToolResult)
	if !ok || r == nil || r.Content == nil || r.RawStructuredContent != nil {
		return result // Then its fields alone do not say what its JSON is.
	}
	return (*toolResult)(r)
}

// newError returns the answer which says that a request has failed. An id that is nil
// becomes null.
func newError(id json.RawMessage, code int, text string) answer {
	details := mcp.NewJSONRPCErrorDetails(code, text, nil)
	return answer{JSONRPC: mcp.JSONRPC_VERSION, ID: id, Error: &details}
}
