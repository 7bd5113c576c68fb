package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/cli"
	"zego-mcp/internal/clients"
)

// shellScript writes a shell script into a file that can be executed.
func shellScript(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "zego-mcp")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDoctorBadPrograms lets doctor start programs that are no MCP servers. It must come back
// soon, say what is wrong, keep little of what they write, and leave none of them running.
func TestDoctorBadPrograms(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ script, initialize, version string }{
		"hangs":              {"exec sleep 60", "no answer in", "no answer in"},
		"ends":               {"exit 0", "ended without an answer", "no zego-mcp"},
		"fails":              {"exit 3", "ended without an answer", "exit status 3"},
		"garbage":            {"echo hello; echo '{'; echo 'null'; exec sleep 60", "no answer in", "no answer in"},
		"endless lines":      {"exec yes", "writes too much", "writes too much"},
		"one endless line":   {"exec cat /dev/zero", "writes too much", "writes too much"},
		"endless errors":     {"yes >&2 & echo $! > \"$0.pid\"; wait", "no answer in", "no answer in"},
		"forks":              {"sleep 60 & echo $! > \"$0.pid\"; exit 0", "", ""},
		"asks for input":     {"read a; read b; exec sleep 60", "no answer in", "no answer in"},
		"ignores signals":    {"trap '' TERM INT HUP PIPE; while :; do sleep 0.1; done", "no answer in", "no answer in"},
		"closes its output":  {"exec >&-; exec sleep 60", "ended without an answer", ""},
		"an escape sequence": {"printf '\\033[2J\\n'; exit 1", "ended without an answer", "exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := shellScript(t, "echo $$ > \"$0.pid\"; "+tt.script)
			for what, do := range map[string]struct {
				run  func(context.Context) error
				want string
			}{
				"initialize": {func(ctx context.Context) error { return cli.Initialize(ctx, clients.Entry{Command: command}) }, tt.initialize},
				"version":    {func(ctx context.Context) error { return cli.VersionOf(ctx, command) }, tt.version},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				start := time.Now()
				err := do.run(ctx)
				cancel()
				if err == nil || !strings.Contains(err.Error(), do.want) {
					t.Errorf("%s: got %v, want %s", what, err, do.want)
				}
				if took := time.Since(start); took > 8*time.Second {
					t.Errorf("%s: took %v", what, took)
				}
				pid, err := os.ReadFile(command + ".pid")
				if err != nil {
					t.Fatal(err)
				}
				if runs(strings.TrimSpace(string(pid))) {
					t.Errorf("%s: the program, or what it has started, still runs", what)
				}
			}
		})
	}
}

// runs reports whether a process still runs after two seconds. One that was killed may take a moment
// to end, and one that has ended may still have an entry until somebody asks how it did.
func runs(pid string) bool {
	for range 200 {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		_, state, _ := strings.Cut(string(stat), ") ")
		if err != nil || strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X") {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}
