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

// TestSwappedLink lets a link lead to another file with the same time, size and mode, as tools do
// that prepare the files before they swap the link.
func TestSwappedLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	for _, name := range []string{"1", "2"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(name), 0o600), os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("1", link); err != nil {
		t.Skip(err)
	}
	synctest.Test(t, func(t *testing.T) {
		files := openText(t, link)
		err := errors.Join(os.Symlink("2", link+".new"), os.Rename(link+".new", link))
		time.Sleep(2 * time.Second)
		if got := files.Get(); got != "2" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

// TestHalfWritten looks at a file while it is being written: what is there of it is not read.
func TestHalfWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	synctest.Test(t, func(t *testing.T) {
		write := func(text string) {
			t.Helper()
			if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chtimes(path, time.Now(), time.Now())); err != nil {
				t.Fatal(err)
			}
		}
		write("old")
		files := openText(t, path)
		time.Sleep(2 * time.Second)
		for _, text := range []string{"", "he", "hello"} {
			write(text)
			if got := files.Get(); got != "old" {
				t.Errorf("after %q: got %q", text, got)
			}
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if got := files.Get(); got != "hello" {
			t.Errorf("got %q", got)
		}
	})
}

// openText returns the text of a file.
func openText(t *testing.T, path string) *reload.Files[string] {
	t.Helper()
	files, err := reload.Open([]string{path}, func(string) (string, error) {
		text, err := os.ReadFile(path)
		return string(text), err
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return files
}
