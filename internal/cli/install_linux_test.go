package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUninstallAsks takes an entry out at a terminal, where the user sees the change and is
// asked about it.
func TestUninstallAsks(t *testing.T) {
	t.Parallel()
	const before = `{"mcpServers": {"zego": {"command": "/opt/zego-mcp", "env": {"ZEGO_SERVER_SECRET": "hunter2"}}}}`
	for answer, want := range map[string]string{
		"n\n":   before,
		"\n":    before,
		"yes\n": `{"mcpServers": {}}`,
	} {
		project := t.TempDir()
		file := filepath.Join(project, ".cursor", "mcp.json")
		if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		out := onTerminal(t, "http://127.0.0.1:1", answer, "uninstall", "cursor", "--project", project)
		if !strings.Contains(out, `"command": "/opt/zego-mcp"`) || !strings.Contains(out, "Change Cursor? [y/N] ") || strings.Contains(out, "hunter2") {
			t.Errorf("%q: the terminal shows %s", answer, out)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%q: got %s, %v; want %s", answer, got, err, want)
		}
	}
}
