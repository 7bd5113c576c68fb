// Package reload keeps what a program has read from files, and reads them again when they
// change.
package reload

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often Get looks at most whether the files have changed.
const lookEvery = time.Second

// settles is how long ago a file must have changed before Get reads it: whoever writes it may not
// have written all of it yet.
const settles = 100 * time.Millisecond

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

// fileState tells when a file has changed.
type fileState struct {
	path string
	info os.FileInfo // Nil if there was an error.
	err  string
}

// look returns the state of a file.
func look(path string) fileState {
	info, err := os.Stat(path)
	if err != nil {
		return fileState{path: path, err: err.Error()}
	}
	return fileState{path: path, info: info}
}

// hasChanged reports whether the file is in another state than before, or another file has its
// place. It also returns when that was changed, or zero if it is not there.
func (s fileState) hasChanged() (changed bool, at time.Time) {
	now := look(s.path)
	if now.info == nil {
		return now.err != s.err, time.Time{}
	}
	// Two files of which one takes the other's place can have the same time, size and mode.
	same := s.info != nil && os.SameFile(now.info, s.info) &&
		now.info.ModTime().Equal(s.info.ModTime()) && now.info.Size() == s.info.Size() && now.info.Mode() == s.info.Mode()
	return !same, now.info.ModTime()
}

// Open calls read, which reads the files at paths and returns what they hold. It fails as read
// does. Later Get calls read again, with the value that it returned before, when the time of
// change, the size or the mode of a file is another, or another file has its place. A nil log means
// that nothing is logged.
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
	for _, file := range f.files {
		if file.info != nil && !readable(file.info) {
			return f.value, fmt.Errorf("%s is no regular file", file.path)
		}
	}
	return f.read(f.value, f.watch)
}

// readable reports whether reading a file ends: from a named pipe nothing comes until somebody
// writes. Reading a directory ends with an error.
func readable(info os.FileInfo) bool { return info.Mode().IsRegular() || info.IsDir() }

// CheckReadable returns an error if reading the file at path may not end, as that of a named pipe.
// It returns none for a file that is not there.
func CheckReadable(path string) error {
	if info, err := os.Stat(path); err == nil && !readable(info) {
		return errors.New("it is no regular file")
	}
	return nil
}

func (f *Files[T]) watch(path string) { f.files = append(f.files, look(path)) }

// Get returns what the files hold. It looks at them at most once a second. If one of them has
// changed just now, it returns the old value, and reads them a second later. If they have changed
// and cannot be read, it returns the old value, and the log has a line at level ERROR.
func (f *Files[T]) Get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.lookedAt) >= lookEvery {
		f.lookedAt = now
		if f.haveChanged(now) {
			f.readAgain()
		}
	}
	return f.value
}

// haveChanged reports whether a file has changed, and none is being written now. f.mu must be held.
func (f *Files[T]) haveChanged(now time.Time) bool {
	some := false
	for _, file := range f.files {
		changed, at := file.hasChanged()
		if age := now.Sub(at); changed && age >= 0 && age < settles {
			return false
		}
		some = some || changed
	}
	return some
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
