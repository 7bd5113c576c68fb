package installation_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"zego-mcp/internal/installation"
)

func open(t *testing.T, dir string) *installation.Installation {
	t.Helper()
	i, err := installation.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "zego-mcp")
	first, second := open(t, dir), open(t, dir)
	if first.ID != second.ID || first.Process == second.Process {
		t.Errorf("got %s and %s of %s and %s", first.Process, second.Process, first.ID, second.ID)
	}
	if second.IsDead(first.Process) || first.IsDead(second.Process) || first.IsDead(first.Process) {
		t.Error("a running process counts as dead")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if !second.IsDead(first.Process) || !second.IsDead("0000abcd") {
		t.Error("a process that has ended counts as running")
	}
	for _, foreign := range []string{"", "call", "../../etc/passwd", "0000ABCD", "0000abcde"} {
		if second.IsDead(foreign) {
			t.Errorf("%q is no name of a process, and counts as dead", foreign)
		}
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "process-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestKilledProcess kills a process that has opened the directory.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "OPEN_AND_WAIT="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 8)
	if _, err := out.Read(text); err != nil {
		t.Fatal(err)
	}
	i := open(t, dir)
	defer func() { _ = i.Close() }()
	if i.IsDead(string(text)) {
		t.Error("it counts as dead while it runs")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if !i.IsDead(string(text)) {
		t.Error("it counts as running after it was killed")
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("OPEN_AND_WAIT"); dir != "" {
		i, err := installation.Open(dir)
		if err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString(i.Process)
		select {}
	}
	os.Exit(m.Run())
}

// TestBeginAtOnce opens a new directory from many goroutines: all get one id.
func TestBeginAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var mu sync.Mutex
	ids := map[string]bool{}
	var opening sync.WaitGroup
	for range 20 {
		opening.Go(func() {
			i, err := installation.Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			ids[i.ID] = true
			mu.Unlock()
			_ = i.Close()
		})
	}
	opening.Wait()
	if len(ids) != 1 {
		t.Errorf("got %d ids", len(ids))
	}
}

func TestUnusable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := installation.Open(filepath.Join(file, "zego-mcp")); err == nil {
		t.Error("a directory below a file was opened")
	}
	broken := t.TempDir()
	open(t, broken)
	ids, _ := filepath.Glob(filepath.Join(broken, "installation-*"))
	if err := os.WriteFile(ids[0], []byte("not an id"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := installation.Open(broken); err == nil || !strings.Contains(err.Error(), "no installation id") {
		t.Errorf("got %v", err)
	}
	if dir, err := installation.Directory(func(string) string { return "" }); err == nil {
		t.Errorf("without a home: got %s", dir)
	}
}
