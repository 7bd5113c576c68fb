package reload_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/internal/reload"
)

// TestNamedFiles changes a file that another file names, and then the name. A file that could not
// be used is read again when what it names is there.
func TestNamedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first", "a")
	write("a", "1")
	synctest.Test(t, func(t *testing.T) {
		files, err := reload.OpenNaming([]string{filepath.Join(dir, "first")}, func(_ string, watch func(string)) (string, error) {
			name, err := os.ReadFile(filepath.Join(dir, "first"))
			if err != nil {
				return "", err
			}
			named := filepath.Join(dir, string(name))
			watch(named)
			text, err := os.ReadFile(named)
			if strings.HasPrefix(string(text), "bad") {
				err = errors.New("bad")
			}
			return string(text), err
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ file, text, want string }{
			{"a", "22", "22"},
			{"a", "bad", "22"},
			{"a", "333", "333"},
			{"first", "bb", "333"}, // There is no file bb yet.
			{"bb", "4444", "4444"},
			{"a", "55555", "4444"},
		} {
			write(tt.file, tt.text)
			time.Sleep(2 * time.Second)
			if got := files.Get(); got != tt.want {
				t.Errorf("%s is %q: got %q, want %q", tt.file, tt.text, got, tt.want)
			}
		}
	})
}
