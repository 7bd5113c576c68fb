package httpserver

import (
	"context"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Calls counts the running tool calls of one MCP server, so that a Handler can wait for
// their end. TrackCalls makes it.
type Calls struct {
	mu      sync.Mutex // guards what follows
	running int
	drained chan struct{} // Made by wait; closed when running falls to 0.
}

// TrackCalls begins to count the tool calls of s. It adds a tool middleware to s, so
// call it once for each server, however many Handlers serve it.
func TrackCalls(s *server.MCPServer) *Calls {
	c := &Calls{}
	s.Use(func(next server.ToolHandlerFunc) server.ToolHandlerFunc {
		return func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			c.add(1)
			defer c.add(-1)
			return next(ctx, req)
		}
	})
	return c
}

func (c *Calls) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running += n
	if c.running == 0 && c.drained != nil {
		close(c.drained)
		c.drained = nil
	}
}

// wait returns when no call runs or ctx is done. It reports whether a call was running
// when it began to wait.
func (c *Calls) wait(ctx context.Context) bool {
	c.mu.Lock()
	if c.running == 0 {
		c.mu.Unlock()
		return false
	}
	if c.drained == nil {
		c.drained = make(chan struct{})
	}
	drained := c.drained
	c.mu.Unlock()
	select {
	case <-drained:
	case <-ctx.Done():
	}
	return true
}
