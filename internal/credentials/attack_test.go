package credentials_test

import (
	"os"
	"path/filepath"
	"testing"
	"zego-mcp/internal/credentials"
)

// TestSaveOverDirectory keeps the login where its secret cannot be replaced.
func TestSaveOverDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := credentials.NewStore(dir)
	if err := store.Save(t.Context(), credentials.Login{AppID: 1}, "old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(store.SecretFile()); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(store.SecretFile(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := store.Save(t.Context(), credentials.Login{AppID: 2}, "new"); err == nil {
		t.Error("got no error")
	}
	if login, err := store.Login(); err != nil || login.AppID != 1 {
		t.Errorf("got %+v, %v, want the old login", login, err)
	}
}

// TestLeftovers deletes what a login that was killed has left, which may hold a secret.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := credentials.NewStore(dir)
	leftover := filepath.Join(dir, ".new-123")
	for name, do := range map[string]func() error{
		"login":  func() error { return store.Save(t.Context(), credentials.Login{AppID: 1}, "secret") },
		"logout": func() error { _, err := store.Delete(t.Context()); return err },
	} {
		if err := os.WriteFile(leftover, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(leftover); err == nil {
			t.Errorf("%s: %s is still there", name, leftover)
		}
	}
}
