package configfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"zego-mcp/internal/configfile"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func read(t *testing.T, path string) *configfile.File {
	t.Helper()
	f, err := configfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func writeFile(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// checkFiles compares a directory with what it should hold.
func checkFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			text = []byte(err.Error())
		}
		got[entry.Name()] = string(text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "我的 home")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "mcp.json")
	writeFile(t, path, "one", 0o640)
	f := read(t, path)
	if !f.Exists || string(f.Data) != "one" || f.Mode != 0o640 && runtime.GOOS != "windows" {
		t.Errorf("Read: got %+v", f)
	}
	first := path + ".20261130T120000.000Z.zego-mcp.bak"
	second := path + ".20261130T120000.001Z.zego-mcp.bak"
	if backup, err := f.Write([]byte("two"), noon); err != nil || backup != first {
		t.Fatalf("got %q, %v, want %q", backup, err, first)
	}
	if backup, err := f.Write([]byte("two"), noon); err != nil || backup != "" {
		t.Errorf("the same again: got %q, %v", backup, err)
	}
	if backup, err := f.Write([]byte("three"), noon); err != nil || backup != second {
		t.Errorf("in the same moment: got %q, %v, want %q", backup, err, second)
	}
	checkFiles(t, dir, map[string]string{"mcp.json": "three", filepath.Base(first): "one", filepath.Base(second): "two"})
	for _, name := range []string{path, first} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != f.Mode {
			t.Errorf("%s: got mode %v, %v, want %v", name, info.Mode(), err, f.Mode)
		}
	}
	writeFile(t, path+".old.zego-mcp.bak", "", 0o600)
	if err := os.Mkdir(path+".20270101T000000.000Z.zego-mcp.bak", 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := f.Backups(); err != nil || !cmp.Equal(got, []string{second, first}) {
		t.Errorf("Backups: got %q, %v", got, err)
	}
	if backup, err := f.Remove(noon.Add(time.Hour)); err != nil || !strings.HasSuffix(backup, "T130000.000Z.zego-mcp.bak") || f.Exists {
		t.Errorf("Remove: got %q, %v", backup, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: got %v", err)
	}
	if backup, err := f.Remove(noon); err != nil || backup != "" {
		t.Errorf("Remove again: got %q, %v", backup, err)
	}
}

func TestWriteNewFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := read(t, filepath.Join(dir, "a", "b", "mcp.json"))
	if f.Exists || f.Data != nil || f.Mode != 0o600 {
		t.Errorf("Read: got %+v", f)
	}
	if got, err := f.Backups(); err != nil || got != nil {
		t.Errorf("Backups: got %q, %v", got, err)
	}
	if backup, err := f.Write(nil, noon); err != nil || backup != "" {
		t.Errorf("got %q, %v", backup, err)
	}
	checkFiles(t, filepath.Join(dir, "a", "b"), map[string]string{"mcp.json": ""})
	if info, err := os.Stat(f.Path); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("got mode %v, %v", info.Mode(), err)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "dotfiles", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := func(to, name string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(to, path); err != nil {
			t.Skip("no symbolic links here:", err)
		}
		return path
	}
	writeFile(t, filepath.Join(dir, "dotfiles", "real.json"), "one", 0o600)
	link(filepath.Join("dotfiles", "deep"), "config")
	outer := link("config/../real.json", "outer") // Behind the first link, .. is another directory.
	f := read(t, link(outer, "outermost"))
	if _, err := f.Write([]byte("two"), noon); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Readlink(outer); err != nil || filepath.ToSlash(got) != "config/../real.json" {
		t.Errorf("the link: got %q, %v", got, err)
	}
	checkFiles(t, filepath.Join(dir, "dotfiles"), map[string]string{
		"real.json": "two", "real.json.20261130T120000.000Z.zego-mcp.bak": "one", "deep": "read " + filepath.Join(dir, "dotfiles", "deep") + ": is a directory",
	})
	f = read(t, link(filepath.Join("config", "new.json"), "dangling"))
	if f.Exists {
		t.Errorf("dangling link: got %+v", f)
	}
	if _, err := f.Write([]byte("new"), noon); err != nil {
		t.Fatal(err)
	}
	checkFiles(t, filepath.Join(dir, "config"), map[string]string{"new.json": "new"})
	if f, err := configfile.Read(link("circle", "circle")); err == nil {
		t.Errorf("a circle: got %+v", f)
	}
}

func TestReadRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if f, err := configfile.Read(dir); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: got %+v, %v", f, err)
	}
	large := filepath.Join(dir, "large")
	writeFile(t, large, "", 0o600)
	if err := os.Truncate(large, 100<<20); err != nil {
		t.Fatal(err)
	}
	if f, err := configfile.Read(large); err == nil || !strings.Contains(err.Error(), "larger than 64 MB") {
		t.Errorf("100 MB: got %+v, %v", f, err)
	}
	if f, err := configfile.Read(filepath.Join(large, "x")); err == nil {
		t.Errorf("a file in a file: got %+v, %v", f, err)
	}
	if f, err := configfile.Read(os.DevNull); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a device: got %+v, %v", f, err)
	}
}

func TestWriteRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before string // "" if there is no file.
		meddle func(t *testing.T, f *configfile.File)
		want   error
		after  string // "" if there is no file.
	}{
		{
			name: "read-only", before: "one", want: configfile.ErrReadOnly, after: "one",
			meddle: func(t *testing.T, f *configfile.File) {
				writeFile(t, f.Path, "one", 0o444)
				*f = *read(t, f.Path)
			},
		},
		{
			name: "changed", before: "one", want: configfile.ErrChanged, after: "other",
			meddle: func(t *testing.T, f *configfile.File) { writeFile(t, f.Path, "other", 0o600) },
		},
		{
			name: "changed at the last moment", before: "one", want: configfile.ErrChanged, after: "other",
			meddle: func(t *testing.T, f *configfile.File) {
				f.SetWrite(func(file *os.File, data []byte) (int, error) {
					if string(data) == "two" { // Not the backup.
						writeFile(t, f.Path, "other", 0o600)
					}
					return file.Write(data)
				})
			},
		},
		{
			name: "made by another", want: configfile.ErrChanged, after: "other",
			meddle: func(t *testing.T, f *configfile.File) { writeFile(t, f.Path, "other", 0o600) },
		},
		{
			name: "removed", before: "one", want: configfile.ErrChanged,
			meddle: func(t *testing.T, f *configfile.File) {
				if err := os.Remove(f.Path); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "disk full", before: "one", want: syscall.ENOSPC, after: "one",
			meddle: func(_ *testing.T, f *configfile.File) {
				f.SetWrite(func(file *os.File, data []byte) (int, error) {
					if string(data) == "one" {
						return file.Write(data)
					}
					n, _ := file.Write(data[:1])
					return n, syscall.ENOSPC
				})
			},
		},
		{
			name: "disk full for the backup", before: "one", want: syscall.ENOSPC, after: "one",
			meddle: func(_ *testing.T, f *configfile.File) {
				f.SetWrite(func(*os.File, []byte) (int, error) { return 0, syscall.ENOSPC })
			},
		},
		{
			name: "disk full for a new file", want: syscall.ENOSPC,
			meddle: func(_ *testing.T, f *configfile.File) {
				f.SetWrite(func(*os.File, []byte) (int, error) { return 0, syscall.ENOSPC })
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "mcp.json")
			if tt.before != "" {
				writeFile(t, path, tt.before, 0o600)
			}
			f := read(t, path)
			tt.meddle(t, f)
			if backup, err := f.Write([]byte("two"), noon); !errors.Is(err, tt.want) || backup != "" {
				t.Errorf("got %q, %v, want %v", backup, err, tt.want)
			}
			want := map[string]string{}
			if tt.after != "" {
				want["mcp.json"] = tt.after
			}
			checkFiles(t, dir, want)
		})
	}
}

// TestDirectoryNotWritable needs a user who is not root.
func TestDirectoryNotWritable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() <= 0 {
		t.Skip("root may write everywhere, and Windows knows no such directory")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "mcp.json")
	writeFile(t, path, "one", 0o600)
	f := read(t, path)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	if backup, err := f.Write([]byte("two"), noon); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "directory") {
		t.Errorf("got %q, %v", backup, err)
	}
	checkFiles(t, dir, map[string]string{"mcp.json": "one"})
	writeFile(t, path, "one", 0o000)
	if f, err := configfile.Read(path); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("a file that may not be read: got %+v, %v", f, err)
	}
}

// TestDirectoryNotReadable changes a file in a directory that cannot be listed. It needs a user
// who is not root.
func TestDirectoryNotReadable(t *testing.T) {
	t.Parallel()
	if os.Geteuid() <= 0 {
		t.Skip("root may read everywhere, and Windows knows no such directory")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "mcp.json")
	writeFile(t, path, "one", 0o600)
	if err := os.Chmod(dir, 0o300); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	if backup, err := read(t, path).Write([]byte("two"), noon); err != nil || backup == "" {
		t.Errorf("got %q, %v", backup, err)
	}
	if got := string(read(t, path).Data); got != "two" {
		t.Errorf("got %s", got)
	}
}

// TestManyWriters lets writers add to a file at once. None of them may lose what another
// wrote.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "mcp.json")
	const writers = 8
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for {
				f, err := configfile.Read(path)
				if err != nil {
					t.Error(err)
					return
				}
				data, err := configfile.Set(configfile.JSON, f.Data, []byte("1"), "mcpServers", string(rune('a'+i)))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err = f.Write(data, noon); err == nil {
					return
				}
				if !errors.Is(err, configfile.ErrChanged) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range writers {
		if _, found, err := configfile.Get(configfile.JSON, read(t, path).Data, "mcpServers", string(rune('a'+i))); !found || err != nil {
			t.Errorf("%c: got %v, %v", 'a'+i, found, err)
		}
	}
	backups, err := read(t, path).Backups()
	if err != nil || len(backups) != writers-1 {
		t.Errorf("got %d backups, %v, want %d", len(backups), err, writers-1)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != writers {
		t.Errorf("got %v, %v, want the file and its backups", entries, err)
	}
}
