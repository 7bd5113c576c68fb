package httpserver

import (
	"encoding/json"
	"strings"
	"zego-mcp/tools"

	"github.com/mark3labs/mcp-go/mcp"
)

// maxClientText is how many bytes are kept of each text by which a client names itself.
const maxClientText = 128

// clientInfo is what is kept of the things that a client says in initialize: less than
// 1 KiB, whatever it says.
type clientInfo struct {
	implementation mcp.Implementation
	capabilities   mcp.ClientCapabilities
}

// keepImplementation returns the parts of i that are kept. Icons and descriptions are not.
func keepImplementation(i mcp.Implementation) mcp.Implementation {
	return mcp.Implementation{Name: keepText(i.Name), Title: keepText(i.Title), Version: keepText(i.Version)}
}

// keepCapabilities returns the parts of c that are kept: those of a fixed size, and of the
// extensions the one that the tools know.
func keepCapabilities(c mcp.ClientCapabilities) mcp.ClientCapabilities {
	kept := mcp.ClientCapabilities{Roots: c.Roots, Sampling: c.Sampling, Elicitation: c.Elicitation, Tasks: c.Tasks}
	if tools.ShowsApps(c) {
		kept.Extensions = tools.AppsCapability()
	}
	return kept
}

// keepText returns the beginning of text, in memory of its own.
func keepText(text string) string {
	return strings.ToValidUTF8(strings.Clone(text[:min(len(text), maxClientText)]), "")
}

// readClientInfo returns what is kept of an initialize message.
func readClientInfo(body []byte) clientInfo {
	var m struct {
		Params struct {
			ClientInfo   mcp.Implementation
			Capabilities mcp.ClientCapabilities
		}
	}
	if json.Unmarshal(body, &m) != nil {
		return clientInfo{} // mcp-go refuses the message.
	}
	return clientInfo{keepImplementation(m.Params.ClientInfo), keepCapabilities(m.Params.Capabilities)}
}
