package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
)

// progressLine shows how far a call is, in one line of a terminal.
type progressLine struct {
	mu      sync.Mutex // guards what follows
	out     io.Writer
	cleared bool
}

const clearLine = "\r\x1b[K"

func (l *progressLine) show(n mcp.JSONRPCNotification) {
	message, ok := n.Params.AdditionalFields["message"].(string)
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok && n.Method == "notifications/progress" && !l.cleared {
		_, _ = fmt.Fprint(l.out, clearLine, printable(message))
	}
}

// clear makes room for the result; what comes later is not shown.
func (l *progressLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprint(l.out, clearLine)
	l.cleared = true
}

// asker asks the person at the terminal what a tool wants confirmed.
type asker struct {
	answers io.Reader
	out     io.Writer
}

// Elicit shows the question; only a yes is one.
func (a asker) Elicit(_ context.Context, req mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	_, _ = fmt.Fprintf(a.out, "%s [y/N] ", req.Params.Message)
	answer, err := bufio.NewReader(a.answers).ReadString('\n')
	if err != nil && answer == "" {
		_, _ = fmt.Fprintln(a.out)
	}
	result := &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{Action: mcp.ElicitationResponseActionDecline}}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		result.Action, result.Content = mcp.ElicitationResponseActionAccept, map[string]any{"Confirm": true}
	}
	return result, nil
}
