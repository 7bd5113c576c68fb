// Package gallery holds the page that shows digital humans in the chat of clients that
// support MCP Apps: https://modelcontextprotocol.io/extensions/apps
package gallery

import _ "embed"

// HTML is the page. It needs no other file and makes no request: it gets what it shows from
// the client, by messages. Its source is in the folder page; after a change of that, the
// command "bash .ci/pages/run build" writes it anew.
//
//go:embed gallery.html
var HTML string
