package stdio

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
)

// message is what the relay reads of a message of the client.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}

// isAnswer reports whether m answers a request of the server.
func (m *message) isAnswer() bool {
	return m.Method == "" && (m.Result != nil || m.Error != nil)
}

// isRequest reports whether mcp-go's server will answer m. It takes a message with a
// result for an answer, even if there is a method as well.
func (m *message) isRequest() bool {
	return m.ID != nil && !m.isAnswer() && (m.Result == nil || bytes.Equal(m.Result, []byte("null")))
}

// isCancellation reports whether the client cancels a request by m.
func (m *message) isCancellation() bool {
	return m.ID == nil && m.Method == string(mcp.MethodNotificationCancelled)
}

// isValidID reports whether id is a string or an integer, as MCP demands. JSON-RPC allows
// fractions and null as well, but MCP does not:
// https://modelcontextprotocol.io/specification/2025-11-25/basic#requests
func isValidID(id json.RawMessage) bool {
	var v any
	if json.Unmarshal(id, &v) != nil {
		return false
	}
	switch v := v.(type) {
	case string:
		return true
	case float64:
		return v == math.Trunc(v)
	}
	return false
}

// wrappedID begins the string that mcp-go's server gets in place of an id that it would
// change. The id itself follows, as the client wrote it.
const wrappedID = "zego-mcp id "

// wrapID returns the id that mcp-go's server gets for an id of the client. It is the same,
// unless the server would change it: mcp-go v1.2.1 keeps a number as a float64, so that of
// 2^53+1 it makes 2^53. To be unique, an id that looks like a wrapped one is wrapped, too.
func wrapID(id json.RawMessage) json.RawMessage {
	if !isLossy(id) {
		return id
	}
	wrapped, err := json.Marshal(wrappedID + string(id))
	if err != nil {
		return id
	}
	return wrapped
}

// isLossy reports whether an id would not come back from mcp-go's server as it is.
func isLossy(id json.RawMessage) bool {
	if bytes.HasPrefix(id, []byte(`"`)) {
		var text string
		return json.Unmarshal(id, &text) == nil && strings.HasPrefix(text, wrappedID)
	}
	const safeLength = 15 // Every integer of 15 digits is below 2^53.
	return len(id) > safeLength || bytes.ContainsAny(id, ".eE")
}

// unwrapID returns the id of the client for an id of mcp-go's server, and whether they
// differ.
func unwrapID(id json.RawMessage) (json.RawMessage, bool) {
	if !bytes.HasPrefix(id, []byte(`"`+wrappedID)) {
		return id, false
	}
	var text string
	if json.Unmarshal(id, &text) != nil {
		return id, false
	}
	return json.RawMessage(strings.TrimPrefix(text, wrappedID)), true
}

// cancelledParams are the parameters of notifications/cancelled that mcp-go's server reads.
type cancelledParams struct {
	RequestID json.RawMessage `json:"requestId"`
}

// wrapIDs replaces the id in m, or the id of the request that m cancels, by the one that
// mcp-go's server gets for it. It reports whether it changed m.
func (m *message) wrapIDs() bool {
	switch {
	case m.isCancellation():
		var params cancelledParams
		if json.Unmarshal(m.Params, &params) != nil || !isLossy(params.RequestID) {
			return false
		}
		wrapped, err := json.Marshal(cancelledParams{wrapID(params.RequestID)})
		if err != nil {
			return false
		}
		m.Params = wrapped
		return true
	case m.ID != nil && !m.isAnswer() && isLossy(m.ID):
		m.ID = wrapID(m.ID)
		return true
	}
	return false
}
