package credentials

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zalando/go-keyring"
)

// secretOf returns a secret by which a test knows its AppID.
func secretOf(appID uint32) string { return fmt.Sprintf("hunter2-%024d", appID) }

// newStore returns a Store in a directory with a blank and CJK, which does not exist yet.
func newStore(t *testing.T) Store {
	t.Helper()
	return NewStore(filepath.Join(t.TempDir(), "用户 设置", "zego-mcp"))
}

func save(t *testing.T, s Store, login Login) {
	t.Helper()
	if err := s.Save(t.Context(), login, secretOf(login.AppID)); err != nil {
		t.Fatal(err)
	}
}

func TestDirectory(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		goos string
		env  map[string]string
		want string // Of the directory, or a part of the error.
	}{
		{"linux", map[string]string{"HOME": "/home/me"}, "/home/me/.config/zego-mcp"},
		{"linux", map[string]string{"HOME": "/home/me", "XDG_CONFIG_HOME": "/cfg"}, "/cfg/zego-mcp"},
		{"linux", map[string]string{"HOME": "/home/me", "XDG_CONFIG_HOME": "cfg"}, "XDG_CONFIG_HOME is not an absolute path"},
		{"linux", nil, "HOME is not set"},
		{"darwin", map[string]string{"HOME": "/Users/me", "XDG_CONFIG_HOME": "/cfg"}, "/Users/me/Library/Application Support/zego-mcp"},
		{"windows", map[string]string{"AppData": "C:/Users/me"}, "C:/Users/me/zego-mcp"},
		{"windows", map[string]string{"HOME": "/home/me"}, "AppData is not set"},
	} {
		got, err := directory(tt.goos, func(name string) string { return tt.env[name] })
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != tt.want || !strings.HasSuffix(got, tt.want) {
			t.Errorf("%s %v: got %s, want %s", tt.goos, tt.env, got, tt.want)
		}
	}
}

func TestSaveReadDelete(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	if _, _, err := s.Read(t.Context(), 0); !errors.Is(err, ErrNone) {
		t.Errorf("before the login: %v", err)
	}
	if deleted, err := s.Delete(t.Context()); deleted != nil || err != nil {
		t.Errorf("deleted %q, %v", deleted, err)
	}
	save(t, s, Login{AppID: 6})
	want := Login{AppID: 7, Endpoint: "https://example.com"}
	save(t, s, want)
	for appID, wantSecret := range map[uint32]string{0: secretOf(7), 7: secretOf(7), 6: ""} {
		login, secret, err := s.Read(t.Context(), appID)
		if err != nil || secret != wantSecret {
			t.Errorf("for AppID %d: got a secret of %d characters, %v", appID, len(secret), err)
		}
		if diff := cmp.Diff(want, login); diff != "" {
			t.Error(diff)
		}
	}
	if runtime.GOOS != "windows" {
		for path, want := range map[string]os.FileMode{s.dir: 0o700, s.SecretFile(): 0o600, s.LoginFile(): 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: got %v, %v, want %v", path, info.Mode(), err, want)
			}
		}
	}
	checkNothingLeft(t, s, loginName, secretName, lockName)
	deleted, err := s.Delete(t.Context())
	if diff := cmp.Diff([]string{s.LoginFile(), s.SecretFile()}, deleted); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if deleted, err = s.Delete(t.Context()); deleted != nil || err != nil {
		t.Errorf("a second time: deleted %q, %v", deleted, err)
	}
	checkNothingLeft(t, s, lockName)
}

// checkNothingLeft checks that the directory holds the given files and no others.
func checkNothingLeft(t *testing.T, s Store, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, entry := range entries {
		got[entry.Name()] = true
	}
	for _, name := range want {
		if !got[name] {
			t.Errorf("%s is missing", name)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("left over: %v", got)
	}
}

// TestSpoiledFiles changes the files of a login. The error must say what is wrong, and must
// not repeat what the files hold.
func TestSpoiledFiles(t *testing.T) {
	t.Parallel()
	write := func(file, text string) func(t *testing.T, s Store) {
		return func(t *testing.T, s Store) {
			t.Helper()
			path := s.path(file)
			if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, s Store)
		want  string
	}{
		{"empty secret", write(secretName, "\n"), "server-secret is empty; log in again"},
		{"no secret", func(t *testing.T, s Store) { t.Helper(); _ = os.Remove(s.SecretFile()) }, "server-secret is missing; log in again"},
		{"huge secret", write(secretName, strings.Repeat("hunter2", 1000)), "server-secret has 7000 bytes"},
		{"empty login", write(loginName, ""), "login.json is not as zego-mcp login wrote it; log in again"},
		{"secret as login", write(loginName, secretOf(7)), "login.json is not as zego-mcp login wrote it"},
		{"quoted secret as login", write(loginName, `"hunter2"`), "login.json is not as zego-mcp login wrote it"},
		{"secret as AppID", write(loginName, `{"AppId":"hunter2"}`), "login.json is not as zego-mcp login wrote it"},
		{"no AppID", write(loginName, `{}`), "login.json is not as zego-mcp login wrote it"},
		{"directory", func(t *testing.T, s Store) {
			t.Helper()
			_ = os.Remove(s.SecretFile())
			_ = os.Mkdir(s.SecretFile(), 0o700)
		}, "server-secret is not a regular file"},
		{"readable by others", func(t *testing.T, s Store) { t.Helper(); chmod(t, s.SecretFile(), 0o644) }, "server-secret (mode 0644); run: chmod 600 '"},
		{"writable by the group", func(t *testing.T, s Store) { t.Helper(); chmod(t, s.LoginFile(), 0o620) }, "login.json (mode 0620); run: chmod 600 '"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			save(t, s, Login{AppID: 7})
			tt.spoil(t, s)
			_, secret, err := s.Read(t.Context(), 0)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter2") || secret != "" {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if !strings.HasSuffix(tt.want, "; log in again") {
				return
			}
			save(t, s, Login{AppID: 8}) // The advice is good.
			if _, secret, err := s.Read(t.Context(), 0); secret != secretOf(8) || err != nil {
				t.Errorf("after a new login: %v", err)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestSaveFails lets a login fail half-way. The one before it must still be there.
func TestSaveFails(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	save(t, s, Login{AppID: 7})
	if err := errors.Join(os.Rename(s.LoginFile(), s.path("kept")), os.Mkdir(s.LoginFile(), 0o700), os.Mkdir(s.path(loginName+"/x"), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), Login{AppID: 8}, secretOf(8)); err == nil {
		t.Error("login.json is a directory: got no error")
	}
	if err := errors.Join(os.RemoveAll(s.LoginFile()), os.Rename(s.path("kept"), s.LoginFile())); err != nil {
		t.Fatal(err)
	}
	if login, secret, err := s.Read(t.Context(), 0); login.AppID != 7 || secret != secretOf(7) || err != nil {
		t.Errorf("got %+v, %v", login, err)
	}
	checkNothingLeft(t, s, loginName, secretName, lockName)

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := NewStore(filepath.Join(file, "zego-mcp")).Save(t.Context(), Login{AppID: 8}, secretOf(8)); err == nil {
		t.Error("the directory cannot be made: got no error")
	}
}

// TestManyLoginsAtOnce lets logins overwrite each other while others read. Nobody may see the
// AppID of one with the secret of another.
func TestManyLoginsAtOnce(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	save(t, s, Login{AppID: 1})
	var all sync.WaitGroup
	for i := range uint32(4) {
		all.Go(func() {
			for j := range uint32(10) {
				appID := 1 + i*10 + j
				if err := s.Save(t.Context(), Login{AppID: appID}, secretOf(appID)); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 50 {
				login, secret, err := s.Read(t.Context(), 0)
				if err != nil && !errors.Is(err, ErrNone) {
					t.Error(err)
				}
				if err == nil && secret != secretOf(login.AppID) {
					t.Errorf("AppID %d has %s", login.AppID, secret)
				}
			}
		})
	}
	all.Wait()
	checkNothingLeft(t, s, loginName, secretName, lockName)
}

// TestKeyring runs alone, because the keyring of the tests is one for the whole process.
func TestKeyring(t *testing.T) {
	keyring.MockInit()
	s := newStore(t)
	save(t, s, Login{AppID: 6})
	save(t, s, Login{AppID: 7, Keyring: true})
	checkNothingLeft(t, s, loginName, lockName)
	login, secret, err := s.Read(t.Context(), 0)
	if err != nil || login.AppID != 7 || !login.Keyring || secret != secretOf(7) {
		t.Errorf("got %+v, %v", login, err)
	}
	save(t, s, Login{AppID: 8, Keyring: true})
	if _, err := keyring.Get(keyringService, "7"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("the secret of an earlier login: %v", err)
	}
	if deleted, err := s.Delete(t.Context()); err != nil || len(deleted) != 2 {
		t.Errorf("deleted %q, %v", deleted, err)
	}
	if _, err := keyring.Get(keyringService, "8"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("after Delete: %v", err)
	}

	save(t, s, Login{AppID: 9, Keyring: true})
	save(t, s, Login{AppID: 9})
	if _, err := keyring.Get(keyringService, "9"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("after a login with a file: %v", err)
	}
	save(t, s, Login{AppID: 9, Keyring: true})
	_ = keyring.Delete(keyringService, "9")
	if _, _, err := s.Read(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "has no secret of AppID 9; log in again") {
		t.Errorf("the entry is gone: %v", err)
	}

	keyring.MockInitWithError(errors.New("no bus"))
	if _, _, err := s.Read(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "cannot be used: no bus") {
		t.Errorf("got %v", err)
	}
	if _, _, err := s.Read(t.Context(), 5); err != nil {
		t.Errorf("the keyring is not needed for another AppID, but: %v", err)
	}
	if err := s.Save(t.Context(), Login{AppID: 5, Keyring: true}, secretOf(5)); err == nil || !strings.Contains(err.Error(), "without --keyring") {
		t.Errorf("got %v", err)
	}
	if deleted, err := s.Delete(t.Context()); err == nil || deleted != nil {
		t.Errorf("deleted %q, %v", deleted, err)
	}
	if login, err := s.Login(); err != nil || login.AppID != 9 {
		t.Errorf("got %+v, %v; want the login that could not be replaced or deleted", login, err)
	}
}

// TestSilentKeyring waits for a keyring that does not answer.
func TestSilentKeyring(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin, answer := time.Now(), make(chan struct{})
		silent := func() (string, error) { <-answer; return "", nil }
		if _, err := within(t.Context(), 10*time.Second, silent); err == nil || !strings.Contains(err.Error(), "perhaps it is locked") || time.Since(begin) != 10*time.Second {
			t.Errorf("got %v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := within(ctx, 10*time.Second, silent); err == nil {
			t.Error("the caller has gone: got no error")
		}
		close(answer)
	})
}
