//go:build unix

package reload_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/reload"
)

// TestPipe puts a named pipe, to which nobody writes, in the place of a file. What was read before
// stays, and nobody waits for the pipe.
func TestPipe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		files := openText(t, file)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if got := files.Get(); got != "text" {
			t.Errorf("got %q", got)
		}
		if err := reload.CheckReadable(file); err == nil {
			t.Error("the pipe counts as readable")
		}
	})
}
