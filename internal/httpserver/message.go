package httpserver

import (
	"encoding/json"
	"net/http"

	"github.com/mark3labs/mcp-go/mcp"
)

// message is what the transports need to know of a JSON-RPC message. The zero message
// stands for one that is malformed, which mcp-go answers.
type message struct {
	ID     json.RawMessage
	Method string
}

func parseMessage(body []byte) message {
	var m message
	if json.Unmarshal(body, &m) != nil {
		return message{}
	}
	return m
}

// isRequest reports whether m gets an answer.
func (m message) isRequest() bool {
	return m.Method != "" && len(m.ID) > 0 && string(m.ID) != "null"
}

// isModern reports whether a message belongs to protocol version 2026-07-28 or later, which
// has no sessions. mcp-go decides it the same way.
func isModern(header http.Header, body []byte) bool {
	var m struct {
		Params struct {
			Meta *mcp.Meta `json:"_meta"`
		}
	}
	if json.Unmarshal(body, &m) != nil {
		m.Params.Meta = nil
	}
	return mcp.IsModernProtocol(header.Get(mcp.HeaderProtocolVersion)) || mcp.IsModernProtocol(m.Params.Meta.ProtocolVersion())
}

// accept reads the message of a POST request, and counts it as a call if it gets an answer.
// end must be called once when it has been answered. If the message is refused, accept
// answers the request and returns false.
func (h *Handler) accept(w http.ResponseWriter, r *http.Request) (body []byte, m message, end func(), ok bool) {
	bodyRead, ok := h.work.begin(bodies)
	if !ok {
		refuse(w, tooManyRequests, 0)
		return nil, m, nil, false
	}
	defer bodyRead() // After the call is counted: drain must see one or the other.
	if body, ok = readBody(w, r); !ok {
		return nil, m, nil, false
	}
	m = parseMessage(body)
	switch {
	case !m.isRequest():
		end = func() {}
	case m.Method == string(mcp.MethodSubscriptionsListen): // It is answered when the stream ends.
		if end, ok = h.work.begin(streams); !ok {
			refuse(w, tooManyStreams, 0)
		}
	default:
		if end, ok = h.work.begin(calls); !ok {
			refuse(w, tooManyRequests, 0)
		}
	}
	return body, m, end, ok
}
