package tools_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"zego-mcp/internal/leaktest"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
)

// outcomes records which tools the tests of this package called with success, and which
// tools failed a call for another reason than a bad argument.
var outcomes = struct {
	mu                 sync.Mutex // guards what follows
	succeeded, refused map[string]bool
}{succeeded: map[string]bool{}, refused: map[string]bool{}}

// recordOutcome records the result of one call. A failure counts if its text says what to do;
// texts about bad arguments do not.
func recordOutcome(tool string, result *mcp.CallToolResult) {
	outcomes.mu.Lock()
	defer outcomes.mu.Unlock()
	if !result.IsError {
		outcomes.succeeded[tool] = true
		return
	}
	for _, content := range result.Content {
		if text, ok := content.(mcp.TextContent); ok && strings.Contains(text.Text, "What to do:") {
			outcomes.refused[tool] = true
		}
	}
}

// TestMain fails if no test called a tool with success, or if no test saw it refuse a call.
// It does so only if all tests of the package were run.
func TestMain(m *testing.M) {
	code := leaktest.Tests{M: m, Secrets: []string{zegosim.DefaultSecret}}.Run()
	if run := flag.Lookup("test.run").Value.String(); code == 0 && run == "" {
		for name := range effects {
			if !outcomes.succeeded[name] || !outcomes.refused[name] {
				fmt.Printf("FAIL: the tests of package tools must call %s with success (done: %t) and see it refuse a call (done: %t)\n",
					name, outcomes.succeeded[name], outcomes.refused[name])
				code = 1
			}
		}
	}
	os.Exit(code)
}
