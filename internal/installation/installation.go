// Package installation names this machine's zego-mcp and its running processes, so that a
// process can tell what an earlier one left behind when it died.
//
// A directory holds a random installation id and one locked file for each running process.
// The operating system releases a lock when its process ends, however it ends.
package installation

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// Installation is the zego-mcp of this machine and user, as one process sees it.
type Installation struct {
	ID      string // 8 hexadecimal digits, the same for all processes.
	Process string // 8 hexadecimal digits, different for each process.

	dir  string
	lock *flock.Flock
}

// Directory returns where zego-mcp keeps its state for this user. It is $XDG_STATE_HOME or
// ~/.local/state on Unix, and %LocalAppData% on Windows, each with /zego-mcp.
func Directory(getenv func(string) string) (string, error) {
	for _, variable := range []string{"XDG_STATE_HOME", "LocalAppData"} {
		if dir := getenv(variable); filepath.IsAbs(dir) {
			return filepath.Join(dir, "zego-mcp"), nil
		}
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", fmt.Errorf("no home directory")
	}
	return filepath.Join(home, ".local", "state", "zego-mcp"), nil
}

// Open makes the process known in dir, which Open creates if it is not there. Close must be
// called at the end. An error means that nothing can be kept in dir.
func Open(dir string) (*Installation, error) {
	id, err := CreateID(dir)
	if err != nil {
		return nil, err
	}
	i := &Installation{ID: id, Process: randomName(), dir: dir}
	i.lock = flock.New(i.lockFile(i.Process))
	if locked, err := i.lock.TryLock(); err != nil || !locked {
		return nil, fmt.Errorf("cannot lock %s: %w", filepath.Base(i.lock.Path()), err)
	}
	return i, nil
}

// Close removes the process from the directory.
func (i *Installation) Close() error {
	// The file goes first: whoever locks it after us would find a process that has ended, too.
	_ = os.Remove(i.lock.Path())
	return i.lock.Close()
}

// IsDead reports whether the process with a name has ended. It is false if that cannot be
// told.
func (i *Installation) IsDead(process string) bool {
	if process == i.Process || !name().MatchString(process) {
		return false
	}
	path := i.lockFile(process)
	if _, err := os.Stat(path); err != nil {
		return os.IsNotExist(err)
	}
	lock := flock.New(path)
	locked, err := lock.TryLock()
	if err != nil || !locked {
		return false
	}
	_ = os.Remove(path)
	_ = lock.Close()
	return true
}

func (i *Installation) lockFile(process string) string {
	return filepath.Join(i.dir, "process-"+process+".lock")
}

// name is the form of ids and process names.
var name = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{8}$`) })

func randomName() string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // It never fails.
	return hex.EncodeToString(random[:])
}

// ReadID returns the installation id in dir, or "" if there is none yet. It changes nothing.
func ReadID(dir string) (string, error) {
	path, err := idFile(dir)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path) //nolint:gosec // The name is made of the host's.
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(text))
	if !name().MatchString(id) {
		return "", fmt.Errorf("%s holds no installation id", filepath.Base(path))
	}
	return id, nil
}

// CreateID returns the installation id in dir, and creates dir and the id if they are not
// there.
func CreateID(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if id, err := ReadID(dir); id != "" || err != nil {
		return id, err
	}
	path, err := idFile(dir)
	if err != nil {
		return "", err
	}
	if err := createOnce(path, randomName()+"\n"); err != nil {
		return "", err
	}
	return ReadID(dir)
}

// idFile returns the file of the installation id. Machines that share a home directory have
// different ids, because locks may not be seen from one machine to the other.
func idFile(dir string) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "installation-"+regexp.MustCompile(`[^0-9A-Za-z.-]`).ReplaceAllString(host, "_")), nil
}

// createOnce writes a file, unless it is there already. It links a complete file into place:
// of two processes that begin at once one wins, and both read the whole of its id.
func createOnce(path, text string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".installation-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	if _, err := temporary.WriteString(text); err != nil {
		_ = temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	if err := os.Link(temporary.Name(), path); err != nil && !os.IsExist(err) {
		return err
	}
	return nil
}
