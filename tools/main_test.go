package tools_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
)

// outcomes records which tools the tests of this package called with success, and which
// refused a call for another reason than a bad argument.
var outcomes = struct {
	mu                 sync.Mutex // guards what follows
	succeeded, refused map[string]bool
}{succeeded: map[string]bool{}, refused: map[string]bool{}}

// recordOutcome is called for each call of a tool. A refusal counts if it says what to do:
// bad arguments, which the schema refuses, do not.
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

// TestMain fails if a tool exists that no test called with success, or that no test saw
// refuse a call. It demands that only when all tests were run.
func TestMain(m *testing.M) {
	code := m.Run()
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
