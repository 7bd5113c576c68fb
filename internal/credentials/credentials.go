// Package credentials keeps the AppID and the ServerSecret of a ZEGOCLOUD project for all
// commands of this user: zego-mcp login gives them, and zego-mcp logout deletes them.
//
// A directory holds login.json, with everything but the secret, and server-secret, unless the
// secret is in the system's keyring. Both files are for their owner alone. Errors name files,
// and never repeat what they hold.
package credentials

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Login is what was given to zego-mcp login, without the secret.
type Login struct {
	AppID    uint32 `json:"AppId"`
	Endpoint string `json:",omitzero"` // Empty: ZEGO's default.
	Keyring  bool   // The secret is in the system's keyring, not in a file.
}

// ErrNone is the error of reading a login where none is kept.
var ErrNone = errors.New("nobody has logged in")

// Store is a directory that holds at most one login.
type Store struct{ dir string }

// Files of the directory.
const (
	loginName  = "login.json"
	secretName = "server-secret"
	lockName   = "lock"

	temporaryPrefix = ".new-"
)

// maxFileSize is more than any file of a Store has, in bytes.
const maxFileSize = 4096

// NewStore returns the Store in dir, which need not exist.
func NewStore(dir string) Store { return Store{dir} }

// Directory returns where zego-mcp keeps the login of this user: the directory zego-mcp in
// that of os.UserConfigDir. It is an error if the variables do not say where that is.
func Directory(getenv func(string) string) (string, error) {
	return directory(runtime.GOOS, getenv)
}

func directory(goos string, getenv func(string) string) (string, error) {
	variable, below := "HOME", ".config"
	switch goos {
	case "windows":
		variable, below = "AppData", ""
	case "darwin", "ios":
		below = filepath.Join("Library", "Application Support")
	default:
		if dir := getenv("XDG_CONFIG_HOME"); dir != "" {
			variable, below = "XDG_CONFIG_HOME", ""
		}
	}
	base := getenv(variable)
	switch {
	case base == "":
		return "", fmt.Errorf("there is no directory for the settings of this user: %s is not set", variable)
	case goos != "windows" && !filepath.IsAbs(base):
		return "", fmt.Errorf("there is no directory for the settings of this user: %s is not an absolute path", variable)
	}
	return filepath.Join(base, below, "zego-mcp"), nil
}

// SecretFile returns the file that holds the ServerSecret of a login without keyring.
func (s Store) SecretFile() string { return s.path(secretName) }

// LoginFile returns the file that holds everything else of a login.
func (s Store) LoginFile() string { return s.path(loginName) }

func (s Store) path(name string) string { return filepath.Join(s.dir, name) }

// Login returns the login that is kept. If there is none, the error is ErrNone.
func (s Store) Login() (Login, error) {
	text, err := s.read(loginName)
	if errors.Is(err, fs.ErrNotExist) {
		return Login{}, ErrNone
	}
	if err != nil {
		return Login{}, err
	}
	return s.parse(text)
}

func (s Store) parse(text string) (Login, error) {
	var login Login
	if err := json.Unmarshal([]byte(text), &login); err != nil || login.AppID == 0 {
		return Login{}, fmt.Errorf("%s is not as zego-mcp login wrote it; log in again", s.LoginFile())
	}
	return login, nil
}

// Read returns the login that is kept, and its ServerSecret. If appID is neither 0 nor that of
// the login, the secret is left out, and empty. If there is no login, the error is ErrNone.
func (s Store) Read(ctx context.Context, appID uint32) (login Login, secret string, err error) {
	login, secret, err = s.readFiles(ctx, appID)
	if err != nil || !login.Keyring || appID != 0 && appID != login.AppID {
		return login, secret, err
	}
	secret, err = getFromKeyring(ctx, login.AppID)
	return login, secret, err
}

func (s Store) readFiles(ctx context.Context, appID uint32) (login Login, secret string, err error) {
	if _, err := os.Stat(s.LoginFile()); errors.Is(err, fs.ErrNotExist) {
		return login, "", ErrNone
	}
	// Where the lock cannot be had, for example on a file system that cannot be written, the
	// files are read without it.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	lock := flock.New(s.path(lockName))
	_, _ = lock.TryRLockContext(ctx, 10*time.Millisecond)
	defer func() { _ = lock.Close() }()

	if login, err = s.Login(); err != nil || login.Keyring || appID != 0 && appID != login.AppID {
		return login, "", err
	}
	if secret, err = s.read(secretName); errors.Is(err, fs.ErrNotExist) {
		return login, "", fmt.Errorf("%s is missing; log in again", s.SecretFile())
	}
	if secret = strings.TrimSpace(secret); secret == "" && err == nil {
		return login, "", fmt.Errorf("%s is empty; log in again", s.SecretFile())
	}
	return login, secret, err
}

// read returns the content of a file, which must be for its owner alone.
func (s Store) read(name string) (string, error) {
	path := s.path(name)
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return "", fmt.Errorf("%s is not a regular file", path)
	case runtime.GOOS != "windows" && mode.Perm()&0o077 != 0:
		return "", fmt.Errorf("other users have access to %s (mode %04o); run: chmod 600 '%[1]s'", path, mode.Perm())
	case info.Size() > maxFileSize:
		return "", fmt.Errorf("%s has %d bytes, which is more than zego-mcp login writes; log in again", path, info.Size())
	}
	text, err := os.ReadFile(path) //nolint:gosec // The path is made of the user's own directory.
	return string(text), err
}

// Save keeps a login and its ServerSecret in place of those that were kept before. If the new
// ones cannot be written, the old ones stay.
func (s Store) Save(ctx context.Context, login Login, secret string) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if login.Keyring {
		if err := setInKeyring(ctx, login.AppID, secret); err != nil {
			return fmt.Errorf("%w; without --keyring the secret is kept in a file that only you can read", err)
		}
	}
	old, err := s.replaceFiles(ctx, login, secret)
	if err != nil {
		return err
	}
	if old.Keyring && (!login.Keyring || old.AppID != login.AppID) {
		if err := deleteFromKeyring(ctx, old.AppID); err != nil {
			return fmt.Errorf("the new login is kept, but the secret of AppID %d is still in the keyring: %w", old.AppID, err)
		}
	}
	return nil
}

// replaceFiles writes the files of a login, and returns the login that was kept before.
func (s Store) replaceFiles(ctx context.Context, login Login, secret string) (old Login, err error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return old, err
	}
	defer unlock()
	s.removeLeftovers()
	if info, err := os.Lstat(s.SecretFile()); err == nil && info.IsDir() {
		return old, fmt.Errorf("%s is a directory; delete it", s.SecretFile())
	}
	old, _ = s.lastLogin()
	text, err := json.Marshal(login)
	if err != nil {
		return old, err
	}
	newLogin, err := s.writeTemporary(string(text))
	if err != nil {
		return old, err
	}
	defer func() { _ = os.Remove(newLogin) }() // It is gone if all goes well.
	var newSecret string
	if !login.Keyring {
		if newSecret, err = s.writeTemporary(secret); err != nil {
			return old, err
		}
		defer func() { _ = os.Remove(newSecret) }()
	}
	// A crash between these steps leaves no login, rather than one with the secret of another.
	if err := removeIfExists(s.LoginFile()); err != nil {
		return old, err
	}
	if login.Keyring {
		err = removeIfExists(s.SecretFile())
	} else {
		err = os.Rename(newSecret, s.SecretFile())
	}
	if err != nil {
		return old, err
	}
	return old, os.Rename(newLogin, s.LoginFile())
}

// lastLogin returns the login that is kept, whoever may read its file.
func (s Store) lastLogin() (Login, error) {
	text, err := os.ReadFile(s.LoginFile())
	if err != nil {
		return Login{}, err
	}
	return s.parse(string(text))
}

// lock lets no other process read or write until unlock is called.
func (s Store) lock(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	lock := flock.New(s.path(lockName))
	if locked, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil || !locked {
		return nil, fmt.Errorf("cannot lock %s: %w", s.path(lockName), err)
	}
	return func() { _ = lock.Close() }, nil
}

// writeTemporary writes text to a new file for its owner alone, and returns its path.
func (s Store) writeTemporary(text string) (path string, err error) {
	file, err := os.CreateTemp(s.dir, temporaryPrefix+"*")
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(text + "\n")
	err = errors.Join(err, file.Sync(), file.Close())
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return file.Name(), err
}

// removeLeftovers deletes the temporary files of a login that was killed, which may hold a
// secret. The directory is locked.
func (s Store) removeLeftovers() {
	entries, _ := os.ReadDir(s.dir) // What cannot be read cannot be deleted either.
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), temporaryPrefix) && entry.Type().IsRegular() {
			_ = os.Remove(s.path(entry.Name()))
		}
	}
}

func removeIfExists(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Delete deletes the login and its secret, and says what it has deleted. It is no error if
// there is nothing.
func (s Store) Delete(ctx context.Context) (deleted []string, err error) {
	if _, err := os.Stat(s.dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	login, loginErr := s.lastLogin()
	if login.Keyring { // Before the file: only that tells of the keyring.
		if err := deleteFromKeyring(ctx, login.AppID); err != nil {
			return nil, fmt.Errorf("the secret is still in the keyring: %w", err)
		}
		deleted = append(deleted, fmt.Sprintf("the secret of AppID %d in the system's keyring", login.AppID))
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return deleted, err
	}
	defer unlock()
	s.removeLeftovers()
	for _, path := range []string{s.LoginFile(), s.SecretFile()} {
		switch err := os.Remove(path); {
		case err == nil:
			deleted = append(deleted, path)
		case !errors.Is(err, fs.ErrNotExist):
			return deleted, err
		}
	}
	if loginErr != nil && !errors.Is(loginErr, fs.ErrNotExist) {
		return deleted, fmt.Errorf("%s could not be read: if its secret was in the system's keyring, it is still there, with the name %s", s.LoginFile(), keyringService)
	}
	return deleted, nil
}
