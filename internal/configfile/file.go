package configfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrChanged means that another program changed the file after it was read.
var ErrChanged = errors.New("another program has changed the file in the meantime. What to do: try again")

// ErrReadOnly means that the file may not be written.
var ErrReadOnly = errors.New("the file is read-only. What to do: make it writable, or change it where it is made")

// maxFileSize is the size in bytes of the largest file that Read reads.
const maxFileSize = 64 << 20

// File is a configuration file, as it was when it was read.
type File struct {
	Path   string // Where the file is, behind all symbolic links.
	Exists bool
	Data   []byte      // nil if the file does not exist.
	Mode   fs.FileMode // The permissions: 0600 if the file does not exist.

	info  fs.FileInfo                         // nil if the file does not exist.
	write func(*os.File, []byte) (int, error) // (*os.File).Write, but in tests.
}

// Read reads a file. It follows symbolic links. A file that does not exist is an empty one,
// as is the file that a dangling link names. A directory, or anything else that is no
// regular file of at most 64 MB, is an error.
func Read(path string) (*File, error) {
	path, err := followLinks(path)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Mode: 0o600, write: (*os.File).Write}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory, not a file", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxFileSize:
		return nil, fmt.Errorf("%s is larger than %d MB", path, maxFileSize>>20)
	}
	if f.Data, err = os.ReadFile(path); err != nil { //nolint:gosec // The caller names the file to edit.
		return nil, err
	}
	f.Exists, f.Mode, f.info = true, info.Mode().Perm(), info
	return f, nil
}

// followLinks returns the absolute path of what path names, whether that exists or not.
func followLinks(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for range 40 {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real, nil
		}
		// There is no such file, or the last of several links names none.
		dir, name := filepath.Split(path)
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			path = filepath.Join(real, name)
		}
		link, err := os.Readlink(path)
		if err != nil {
			return filepath.Clean(path), nil // What is wrong with the path, the next call on it will say.
		}
		if !filepath.IsAbs(link) {
			link = filepath.Dir(path) + string(filepath.Separator) + link // Join would shorten a/../b.
		}
		path = link
	}
	return "", fmt.Errorf("%s is a symbolic link that leads in a circle", path)
}

// Write replaces the content of the file by data: all of it or, on an error, nothing. It
// keeps permissions and, where the system allows it, the owner, and it makes the directory
// if it is not there. The file as it was is kept beside it as backup, whose name holds the
// time; backup is "" if there was no file or data is what the file holds already.
//
// Write returns ErrChanged if the file is not as Read found it, and ErrReadOnly if it may
// not be written.
func (f *File) Write(data []byte, now time.Time) (backup string, err error) {
	if f.Exists && bytes.Equal(data, f.Data) {
		return "", nil
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return "", err
	}
	backup, err = f.change(now, func() error { return f.replace(data) })
	if err != nil {
		return "", err
	}
	got, err := os.ReadFile(f.Path)
	if err != nil || !bytes.Equal(got, data) {
		return backup, fmt.Errorf("%s does not hold what was written to it (%w). What to do: compare it with its backup %q", f.Path, errors.Join(err, ErrChanged), backup)
	}
	f.Exists, f.Data = true, got
	f.info, err = os.Stat(f.Path)
	return backup, err
}

// Remove deletes the file and keeps it as backup, under the same conditions as Write. It
// does nothing if the file did not exist when it was read.
func (f *File) Remove(now time.Time) (backup string, err error) {
	if !f.Exists {
		return "", nil
	}
	backup, err = f.change(now, func() error { return os.Remove(f.Path) })
	if err == nil {
		f.Exists, f.Data, f.Mode, f.info = false, nil, 0o600, nil
	}
	return backup, err
}

// change makes a backup and does something with the file while it is locked.
func (f *File) change(now time.Time, do func() error) (backup string, err error) {
	unlock, err := f.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := f.checkUnchanged(); err != nil {
		return "", err
	}
	if err := f.checkWritable(); err != nil {
		return "", err
	}
	if f.Exists {
		if backup, err = f.backUp(now); err != nil {
			return "", fmt.Errorf("cannot make a backup of %s: %w", f.Path, err)
		}
	}
	if err := do(); err != nil {
		if backup != "" {
			_ = os.Remove(backup) // The file is as it was.
		}
		return "", err
	}
	syncDirectory(filepath.Dir(f.Path))
	return backup, nil
}

// checkUnchanged returns ErrChanged if the file is not as it was read.
func (f *File) checkUnchanged() error {
	data, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		if f.Exists {
			return fmt.Errorf("%s: %w", f.Path, ErrChanged)
		}
		return nil
	}
	if err == nil && (!f.Exists || !bytes.Equal(data, f.Data)) {
		return fmt.Errorf("%s: %w", f.Path, ErrChanged)
	}
	return err
}

// checkWritable returns ErrReadOnly if the file may not be written. Replacing it would need
// the permission of its directory only.
func (f *File) checkWritable() error {
	if !f.Exists {
		return nil
	}
	if f.Mode&0o222 == 0 {
		return fmt.Errorf("%s: %w", f.Path, ErrReadOnly)
	}
	opened, err := os.OpenFile(f.Path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: %w", f.Path, ErrReadOnly)
	}
	if err != nil {
		return err
	}
	return opened.Close()
}

// replace puts a new file in the place of the old one.
func (f *File) replace(data []byte) error {
	temporary, err := f.writeBeside("."+filepath.Base(f.Path)+".*.tmp", data)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", f.Path, err)
	}
	if err = f.checkUnchanged(); err == nil {
		err = os.Rename(temporary, f.Path)
	}
	if err != nil {
		_ = os.Remove(temporary)
	}
	return err
}

// writeBeside writes a new file in the directory of the file, with the same permissions and
// owner, and returns its path.
func (f *File) writeBeside(pattern string, data []byte) (path string, err error) {
	temporary, err := os.CreateTemp(filepath.Dir(f.Path), pattern)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = temporary.Close()
			_ = os.Remove(temporary.Name())
		}
	}()
	if _, err := f.write(temporary, data); err != nil {
		return "", err
	}
	if f.info != nil {
		keepOwner(temporary, f.info)
	}
	if err := temporary.Chmod(f.Mode); err != nil && runtime.GOOS != "windows" {
		return "", err
	}
	if err := temporary.Sync(); err != nil {
		return "", err
	}
	return temporary.Name(), temporary.Close()
}

const (
	backupTime   = "20060102T150405.000Z"
	backupSuffix = ".zego-mcp.bak"
)

// backUp writes the data that was read into a new file, whose name holds the time.
func (f *File) backUp(now time.Time) (string, error) {
	temporary, err := f.writeBeside("."+filepath.Base(f.Path)+".*.bak", f.Data)
	if err != nil {
		return "", err
	}
	for {
		path := f.Path + "." + now.UTC().Format(backupTime) + backupSuffix
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			if err := os.Rename(temporary, path); err != nil {
				_ = os.Remove(temporary)
				return "", err
			}
			return path, nil
		}
		now = now.Add(time.Millisecond)
	}
}

// Backups returns the paths of the backups of the file, the newest first.
func (f *File) Backups() ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(f.Path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var paths []string
	for _, entry := range slices.Backward(entries) {
		name, ok := strings.CutPrefix(entry.Name(), filepath.Base(f.Path)+".")
		stamp, isBackup := strings.CutSuffix(name, backupSuffix)
		if _, err := time.Parse(backupTime, stamp); ok && isBackup && err == nil && entry.Type().IsRegular() {
			paths = append(paths, filepath.Join(filepath.Dir(f.Path), entry.Name()))
		}
	}
	return paths, nil
}

// lockTimeout is how long lock waits for another process that writes the same file.
const lockTimeout = 5 * time.Second

// lock keeps other processes of zego-mcp from writing the file until unlock is called.
func (f *File) lock() (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	path := filepath.Join(filepath.Dir(f.Path), "."+filepath.Base(f.Path)+".zego-mcp.lock")
	for {
		lock := flock.New(path, flock.SetPermissions(0o600))
		if locked, err := lock.TryLockContext(ctx, 5*time.Millisecond); !locked {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%s: another zego-mcp is writing it. What to do: try again", f.Path)
			}
			return nil, fmt.Errorf("cannot write in the directory of %s: %w", f.Path, err)
		}
		// The file may have been removed, by the one that held the lock, before it was locked.
		held, err := lock.Stat()
		there, err2 := os.Stat(path)
		if err == nil && err2 == nil && os.SameFile(held, there) {
			return func() { unlockAndRemove(lock) }, nil
		}
		_ = lock.Close()
	}
}

// unlockAndRemove releases a lock. Windows removes no open file, and elsewhere the file must
// go while it is locked.
func unlockAndRemove(lock *flock.Flock) {
	if runtime.GOOS != "windows" {
		_ = os.Remove(lock.Path())
	}
	_ = lock.Close()
	if runtime.GOOS == "windows" {
		_ = os.Remove(lock.Path())
	}
}

// syncDirectory makes a rename last, even if the machine stops. Windows needs no such call.
// Where it cannot be done, the change is made all the same.
func syncDirectory(path string) {
	if runtime.GOOS == "windows" {
		return
	}
	if dir, err := os.Open(path); err == nil { //nolint:gosec // The directory of the file to edit.
		_ = dir.Sync()
		_ = dir.Close()
	}
}
