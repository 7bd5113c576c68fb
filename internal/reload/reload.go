// Package reload keeps what a program has read from files, and reads them again when they
// change.
package reload

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// lookEvery is how often Get looks at most whether the files have changed.
const lookEvery = time.Second

// Files holds a value that was read from files. It is safe for concurrent use.
type Files[T any] struct {
	paths []string
	read  ReadFunc[T]
	log   *slog.Logger

	mu       sync.Mutex // guards what follows
	value    T
	files    []fileState // As they were before they were read last.
	lookedAt time.Time   // When Get looked at the files last.
}

// ReadFunc reads files and returns what they hold. previous is what it returned before. It calls
// watch with the path of each file that the first ones name, before it reads that file.
type ReadFunc[T any] func(previous T, watch func(path string)) (T, error)

// fileState tells by state, a text, when a file has changed.
type fileState struct{ path, state string }

// Open calls read, which reads the files at paths and returns what they hold. It fails as read
// does. Later Get calls read again, with the value that it returned before, when the time of
// change, the size or the mode of a file is another. A nil log means that nothing is logged.
func Open[T any](paths []string, read func(previous T) (T, error), log *slog.Logger) (*Files[T], error) {
	return OpenNaming(paths, func(previous T, _ func(string)) (T, error) { return read(previous) }, log)
}

// OpenNaming is like Open, for files that name further ones.
func OpenNaming[T any](paths []string, read ReadFunc[T], log *slog.Logger) (*Files[T], error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Files[T]{paths: paths, read: read, log: log}
	var err error
	f.value, err = f.load()
	return f, err
}

// load calls read, and notes in what state the files are. f.mu must be held, except by Open.
func (f *Files[T]) load() (T, error) {
	f.lookedAt, f.files = time.Now(), nil
	for _, path := range f.paths {
		f.watch(path)
	}
	return f.read(f.value, f.watch)
}

func (f *Files[T]) watch(path string) { f.files = append(f.files, fileState{path, look(path)}) }

// Get returns what the files hold. It looks at them at most once a second. If they have changed
// and cannot be read, it returns the old value, and the log has a line at level ERROR.
func (f *Files[T]) Get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.lookedAt) >= lookEvery {
		f.lookedAt = now
		if slices.ContainsFunc(f.files, func(file fileState) bool { return look(file.path) != file.state }) {
			f.readAgain()
		}
	}
	return f.value
}

// Reread reads the files, whether or not they have changed.
func (f *Files[T]) Reread() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readAgain()
}

// readAgain replaces the value. f.mu must be held.
func (f *Files[T]) readAgain() {
	value, err := f.load()
	if err != nil {
		f.log.Error("a file has changed and cannot be used; what was read before stays in force", "files", f.paths, "err", err)
		return
	}
	f.value = value
	f.log.Info("read again", "files", f.paths)
}

// look returns a text that is another one when a file has changed.
func look(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %d %v", info.ModTime().UnixNano(), info.Size(), info.Mode())
}
