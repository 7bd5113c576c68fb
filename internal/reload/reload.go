// Package reload keeps what a program has read from files, and reads them again when they
// change.
package reload

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// lookEvery is how often Get looks at most whether the files have changed.
const lookEvery = time.Second

// Files holds a value that was read from files. It is safe for concurrent use.
type Files[T any] struct {
	paths []string
	read  func(previous T) (T, error)
	log   *slog.Logger

	mu       sync.Mutex // guards what follows
	value    T
	state    string    // Of the files when they were read last.
	lookedAt time.Time // When Get looked at the files last.
}

// Open calls read, which reads the files at paths and returns what they hold. It fails as read
// does. Later Get calls read again, with the value that it returned before, when the time of
// change, the size or the mode of a file is another. A nil log means that nothing is logged.
func Open[T any](paths []string, read func(previous T) (T, error), log *slog.Logger) (*Files[T], error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	f := &Files[T]{paths: paths, read: read, log: log}
	f.lookedAt, f.state = time.Now(), f.look()
	var err error
	f.value, err = read(f.value)
	return f, err
}

// Get returns what the files hold. It looks at them at most once a second. If they have changed
// and cannot be read, it returns the old value, and the log has a line at level ERROR.
func (f *Files[T]) Get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.lookedAt) >= lookEvery {
		f.lookedAt = now
		if state := f.look(); state != f.state {
			f.state = state
			f.readAgain()
		}
	}
	return f.value
}

// Reread reads the files, whether or not they have changed.
func (f *Files[T]) Reread() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lookedAt, f.state = time.Now(), f.look()
	f.readAgain()
}

// readAgain replaces the value. f.mu must be held.
func (f *Files[T]) readAgain() {
	value, err := f.read(f.value)
	if err != nil {
		f.log.Error("a file has changed and cannot be used; what was read before stays in force", "files", f.paths, "err", err)
		return
	}
	f.value = value
	f.log.Info("read again", "files", f.paths)
}

// look returns a text that is another one when a file has changed.
func (f *Files[T]) look() string {
	var state strings.Builder
	for _, path := range f.paths {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(&state, "%v;", err)
			continue
		}
		fmt.Fprintf(&state, "%d %d %v;", info.ModTime().UnixNano(), info.Size(), info.Mode())
	}
	return state.String()
}
