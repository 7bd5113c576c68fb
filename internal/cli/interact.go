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

// progressLine shows how far a call is, in one line of a terminal that each message
// replaces.
type progressLine struct {
	mu      sync.Mutex // guards what follows
	out     *terminal
	cleared bool
}

// show shows the message of a progress notification and ignores other notifications.
func (l *progressLine) show(n mcp.JSONRPCNotification) {
	message, ok := n.Params.AdditionalFields["message"].(string)
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok && n.Method == "notifications/progress" && !l.cleared {
		l.out.clearLine()
		_, _ = io.WriteString(l.out, oneLine(message))
	}
}

// clear erases the line to make room for the result. Messages that come later are not
// shown.
func (l *progressLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.clearLine()
	l.cleared = true
}

// asker asks the user at the terminal to confirm what a tool is about to do.
type asker struct {
	answers io.Reader
	out     io.Writer
}

// Elicit shows the question and reads a line. Any answer but y or yes declines.
func (a asker) Elicit(_ context.Context, req mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	result := &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{Action: mcp.ElicitationResponseActionDecline}}
	if askUser(a.answers, a.out, req.Params.Message) {
		result.Action, result.Content = mcp.ElicitationResponseActionAccept, map[string]any{"Confirm": true}
	}
	return result, nil
}

// askUser shows a question and reads a line. It returns true for the answers y and yes.
func askUser(answers io.Reader, out io.Writer, question string) bool {
	_, _ = fmt.Fprintf(out, "%s [y/N] ", question)
	answer, err := bufio.NewReader(answers).ReadString('\n')
	if err != nil && answer == "" { // The input has ended, so no typed newline ends the question's line.
		_, _ = fmt.Fprintln(out)
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
