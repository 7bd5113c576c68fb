package clients_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"zego-mcp/internal/clients"
)

// TestDiffHidesSecrets shows changes of files in which secrets stand in unusual places.
func TestDiffHidesSecrets(t *testing.T) {
	t.Parallel()
	for client, lines := range map[string][]string{
		"cursor": {
			`"args": ["mcp-remote", "--header", "Authorization: Bearer hunter2 hunter2"]`,
			`"args": ["--api-key", "hunter2"]`, `"args": ["--api-key=hunter2", "x"]`, "\"args\": [\n\"--token\",\n\"hunter2\"]",
			`"password": "$hunter2"`, `"password": "${X}hunter2"`, `"API_KEY": /* mine */ "hunter2"`, `"Cookie": "hunter2"`, "\"password\":\n\"hunter2\"",
			`"password": "a\"hunter2"`, `"url": "https://x/mcp?api_key=hunter2"`, `"url": "https://hunter2@x/mcp"`, `"DB_PWD": "hunter2"`,
		},
		"codex": {
			"api_key = \"\"\"\nhunter2\n\"\"\"", "api_key = '''\nhunter2\n'''", "args = ['--token', 'hunter2']", "\"api key\" = 'hunter2'", "headers = { Authorization = \"Basic hunter2\" }",
		},
		"goose": {
			"API_KEY: |\n  hunter2\n\n  hunter2\nx: 1", "API_KEY: >- # c\n  hunter2", "API_KEY: Bearer hunter2", "API_KEY: abc#hunter2", "args:\n  - --api-key\n  - hunter2", "API_KEY: 'it''s hunter2'",
			"l:\n  - token: |\n      hunter2\n    x: 1",
		},
	} {
		for _, line := range lines {
			before := map[string]string{"cursor": "{\n" + line + ",\n\"mcpServers\": {}\n}\n", "codex": line + "\n", "goose": line + "\n"}[client]
			file := filepath.Join(t.TempDir(), "file")
			writeFile(t, file, []byte(before))
			change, err := clients.Find(client).Install(clients.Location{File: file}, local, program, false)
			if err != nil {
				t.Errorf("%s %q: %v", client, line, err)
				continue
			}
			if text := change.Diff(); strings.Contains(text, "hunter2") || !strings.Contains(text, program) {
				t.Errorf("%s %q: the diff shows\n%s", client, line, text)
			}
		}
	}
}

// TestDiffShowsReferences keeps what only names a secret, and what stands behind a secret.
func TestDiffShowsReferences(t *testing.T) {
	t.Parallel()
	for client, before := range map[string]string{
		"cursor": "{\"a\": {\"API_KEY\": \"${env:API_KEY}\", \"TOKEN\": \"$MY_TOKEN\", \"args\": [\"--token=hunter2\", \"shown\"]}, \"mcpServers\": {}}\n",
		"goose":  "API_KEY: |\n  hunter2\nshown: 1 # ${env:API_KEY} $MY_TOKEN\n",
	} {
		file := filepath.Join(t.TempDir(), "file")
		writeFile(t, file, []byte(before))
		change, err := clients.Find(client).Install(clients.Location{File: file}, local, program, false)
		if err != nil {
			t.Fatal(err)
		}
		text := change.Diff()
		for _, want := range []string{"${env:API_KEY}", "$MY_TOKEN", "shown"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s is not in\n%s", client, want, text)
			}
		}
	}
}

// TestOddServers installs servers whose paths are unusual.
func TestOddServers(t *testing.T) {
	t.Parallel()
	for _, c := range clients.All {
		if c.Link() {
			continue
		}
		for path, note := range map[string]bool{
			`/opt/it's "mine"/zego-mcp`: false, `C:\Program Files\zego\zego-mcp.exe`: false, "/opt/50%/#1/zego-mcp": false, "/opt/a: b, {c}/zego-mcp": false,
			"/opt/我的\u2028\u0085\x7f\t\n/zego-mcp": false, "/opt/${env:HOME}/zego-mcp": true, "/opt/$HOME/zego-mcp": true, "/opt/{env:X}/zego-mcp": true, "/opt/${{ secrets.X }}/zego-mcp": true,
		} {
			at := clients.Location{File: filepath.Join(t.TempDir(), "file")}
			server := clients.Server{Name: "zego", Command: path, Args: []string{"--audio-dir=" + path}}
			change, err := c.Install(at, server, path, false)
			if err != nil {
				t.Errorf("%s %q: %v", c.Name, path, err)
				continue
			}
			if got := strings.Contains(strings.Join(change.Notes, " "), "for a variable"); got != note {
				t.Errorf("%s %q: got notes %q", c.Name, path, change.Notes)
			}
			if _, err := change.Write(now); err != nil {
				t.Fatal(err)
			}
			if got := c.Inspect(at, "zego", path); got.State != clients.Current || got.Command != path || len(got.Args) != 1 || got.Args[0] != server.Args[0] {
				t.Errorf("%s %q: got %+v", c.Name, path, got)
			}
			uninstall(t, c, at)
			if _, err := os.Stat(at.File); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s %q: after uninstall: %v", c.Name, path, err)
			}
		}
		bad := clients.Server{Name: "zego", Command: "/opt/\xff/zego-mcp"}
		if _, err := c.Install(clients.Location{File: filepath.Join(t.TempDir(), "file")}, bad, bad.Command, false); err == nil || !strings.Contains(err.Error(), "not in UTF-8") {
			t.Errorf("%s: a path that is no UTF-8: got %v", c.Name, err)
		}
	}
}

// TestRewrittenByClient uninstalls after the client has written the file anew, in its own
// order, with its own members and another indentation.
func TestRewrittenByClient(t *testing.T) {
	t.Parallel()
	c := clients.Find("vscode")
	at := clients.Location{File: filepath.Join(t.TempDir(), "mcp.json")}
	writeFile(t, at.File, []byte("{\"servers\": {\"a\": {}}}"))
	server := local
	server.Credentials = clients.Credentials{Ask: true}
	install(t, c, at, server)
	writeFile(t, at.File, []byte(`{
	"inputs": [
		{"password": true, "id": "zego_server_secret", "type": "promptString"},
		{"id": "other"},
		{"id": "zego_app_id", "type": "promptString"}
	],
	"servers": {
		"zego": {"gallery": true, "env": {"ZEGO_SERVER_SECRET": "${input:zego_server_secret}"}, "args": [], "command": "`+program+`"},
		"a": {}
	}
}`))
	uninstall(t, c, at)
	if got, want := string(readFile(t, at.File)), "{\n\t\"inputs\": [\n\t\t{\"id\": \"other\"}\n\t],\n\t\"servers\": {\n\t\t\"a\": {}\n\t}\n}"; got != want {
		t.Errorf("got %s", got)
	}
}

// TestBackups uninstalls after somebody has meddled with the backups.
func TestBackups(t *testing.T) {
	t.Parallel()
	c := clients.Find("cursor")
	const before = "{ \"mcpServers\": null }"
	for name, tt := range map[string]struct {
		meddle func(backup string) error
		want   string
	}{
		"deleted":       {os.Remove, `{ "mcpServers": {} }`},
		"read-only":     {func(backup string) error { return os.Chmod(backup, 0o400) }, before},
		"a directory":   {func(backup string) error { return errors.Join(os.Remove(backup), os.Mkdir(backup, 0o700)) }, `{ "mcpServers": {} }`},
		"garbage":       {func(backup string) error { return os.WriteFile(backup, []byte("\x00{"), 0o600) }, `{ "mcpServers": {} }`},
		"another day's": {func(backup string) error { return os.WriteFile(backup, []byte(`{"mcpServers": {"b": 1}}`), 0o600) }, `{ "mcpServers": {} }`},
	} {
		at := clients.Location{File: filepath.Join(t.TempDir(), "mcp.json")}
		writeFile(t, at.File, []byte(before))
		change, err := c.Install(at, local, program, false)
		if err != nil {
			t.Fatal(err)
		}
		backup, err := change.Write(now)
		if err != nil {
			t.Fatal(err)
		}
		if err := tt.meddle(backup); err != nil {
			t.Fatal(err)
		}
		uninstall(t, c, at)
		if got := strings.Join(strings.Fields(string(readFile(t, at.File))), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

// TestForeignEntryComesBack says so when uninstall brings back what --force replaced.
func TestForeignEntryComesBack(t *testing.T) {
	t.Parallel()
	c := clients.Find("cursor")
	at := clients.Location{File: filepath.Join(t.TempDir(), "mcp.json")}
	writeFile(t, at.File, []byte(`{"mcpServers": {"zego": {"url": "https://a.example.com/mcp"}}}`))
	change, err := c.Install(at, remote, program, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := change.Write(now); err != nil {
		t.Fatal(err)
	}
	change, err = c.Uninstall(at, "zego", remote.URL, program, false)
	if err != nil || !strings.Contains(strings.Join(change.Notes, ""), "The entry zego that was there before is back") {
		t.Errorf("got %v, %v", change, err)
	}
}

// TestKeyTwice updates an entry that has its command twice: clients take the second.
func TestKeyTwice(t *testing.T) {
	t.Parallel()
	c := clients.Find("cursor")
	at := clients.Location{File: filepath.Join(t.TempDir(), "mcp.json")}
	writeFile(t, at.File, []byte(`{"mcpServers": {"zego": {"command": "`+program+`", "args": [], "command": "/old/zego-mcp"}}}`))
	if got := c.Inspect(at, "zego", program); got.Command != "/old/zego-mcp" {
		t.Errorf("got %+v", got)
	}
	install(t, c, at, local)
	if text := string(readFile(t, at.File)); strings.Contains(text, "/old/") || strings.Count(text, "command") != 1 {
		t.Errorf("got %s", text)
	}
}

// TestSecretInOpenFile writes the secret into a file that others may read: the user is told. The
// file and its backups keep their mode.
func TestSecretInOpenFile(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	c := clients.Find("cursor")
	server := local
	server.Credentials = clients.Credentials{AppID: "1", Secret: "0123456789abcdef0123456789abcdef"}
	for mode, want := range map[fs.FileMode]bool{0: false, 0o600: false, 0o644: true, 0o640: true} {
		at := clients.Location{File: filepath.Join(t.TempDir(), "mcp.json")}
		if mode != 0 {
			writeFile(t, at.File, []byte("{}"))
			if err := os.Chmod(at.File, mode); err != nil {
				t.Fatal(err)
			}
		}
		change, err := c.Install(at, server, program, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(change.Notes, ""), "other users of this machine may have access"); got != want {
			t.Errorf("%v: got notes %q", mode, change.Notes)
		}
		backup, err := change.Write(now)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{at.File, backup} {
			if info, err := os.Stat(file); file != "" && (err != nil || info.Mode().Perm() != max(mode, 0o600) && info.Mode().Perm() != mode) {
				t.Errorf("%v: %s has mode %v, %v", mode, file, info.Mode(), err)
			}
		}
	}
}
