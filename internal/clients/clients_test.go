package clients_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"zego-mcp/internal/clients"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// systems are the operating systems whose files the tests look for, whatever they run on.
var systems = []string{"darwin", "linux", "windows"}

// program is the zego-mcp that the tests install. It is not there.
const program = "/opt/zego/zego-mcp"

// local is a server with everything that an entry may hold.
var local = clients.Server{
	Name: "zego", Command: program, Args: []string{"--toolsets=all"},
	Credentials: clients.Credentials{AppID: "1234567890", Variable: true},
}

// remote is a server that runs elsewhere.
var remote = clients.Server{Name: "zego", URL: "https://zego.example.com/mcp?team=a&b"}

// now is when the tests write files.
var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// environment returns the environment of a user whose home directory is new, with a name that
// few programs expect.
func environment(t *testing.T, goos string) (env clients.Env, home string) {
	t.Helper()
	home = filepath.Join(t.TempDir(), "Ana María 高")
	values := map[string]string{"HOME": home, "USERPROFILE": home}
	return clients.Env{GOOS: goos, Getenv: func(name string) string { return values[name] }}, home
}

// locate returns the file of a client after it was started for the first time.
func locate(t *testing.T, c *clients.Client, env clients.Env, home string) clients.Location {
	t.Helper()
	if strings.HasPrefix(c.Name, "trae") {
		title := c.Title
		for _, dir := range []string{".config", "Library/Application Support", "AppData/Roaming"} {
			mkdir(t, filepath.Join(home, dir, title, "User"))
		}
	}
	locations, err := c.Locations(env)
	if err != nil || len(locations) != 1 {
		t.Fatalf("got %v, %v; want one file", locations, err)
	}
	return locations[0]
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	mkdir(t, filepath.Dir(path))
	if err := os.WriteFile(path, data, 0o640); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// goldenFiles lets one test at a time use the golden files.
var goldenFiles sync.Mutex

// golden compares data with a golden file, or writes it with -update.
func golden(t *testing.T, path string, data []byte) {
	t.Helper()
	goldenFiles.Lock()
	defer goldenFiles.Unlock()
	if *update {
		writeFile(t, path, data)
	}
	if diff := cmp.Diff(string(readFile(t, path)), string(data)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// install installs a server and returns what the file holds then.
func install(t *testing.T, c *clients.Client, at clients.Location, s clients.Server) []byte {
	t.Helper()
	change, err := c.Install(at, s, program, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := change.Write(now); err != nil {
		t.Fatal(err)
	}
	return readFile(t, at.File)
}

// uninstall takes the server out again.
func uninstall(t *testing.T, c *clients.Client, at clients.Location) {
	t.Helper()
	change, err := c.Uninstall(at, "zego", "", program, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := change.Write(now); err != nil {
		t.Fatal(err)
	}
}

// deleteBackups deletes the backups of a file, as users do who clean up.
func deleteBackups(t *testing.T, at clients.Location) {
	t.Helper()
	backups, _ := filepath.Glob(filepath.Join(filepath.Dir(at.File), "*.bak"))
	for _, backup := range backups {
		if err := os.Remove(backup); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGolden installs zego-mcp into a file of every client, on every system. The file is as
// before in every byte after it was taken out again, even without the backups.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, c := range clients.All {
		if c.Link() {
			continue
		}
		for _, goos := range systems {
			t.Run(c.Name+"/"+goos, func(t *testing.T) {
				t.Parallel()
				befores, _ := filepath.Glob(filepath.Join("testdata", c.Name, "before.*"))
				if len(befores) != 1 {
					t.Fatalf("got %v, want one file before.*", befores)
				}
				before, ext := readFile(t, befores[0]), filepath.Ext(befores[0])
				for name, server := range map[string]clients.Server{"after": local, "after-url": remote} {
					env, home := environment(t, goos)
					at := locate(t, c, env, home)
					if _, err := c.Install(at, server, program, false); err != nil && server.URL != "" {
						continue // TestNoURL looks at those.
					}
					writeFile(t, at.File, before)
					after := install(t, c, at, server)
					golden(t, filepath.Join("testdata", c.Name, name+ext), after)
					if again := install(t, c, at, server); !bytes.Equal(again, after) {
						t.Errorf("%s: another install gives %s", name, again)
					}
					uninstall(t, c, at)
					if got := readFile(t, at.File); !bytes.Equal(got, before) {
						t.Errorf("%s: after uninstall (-want +got):\n%s", name, cmp.Diff(string(before), string(got)))
					}
					if info, err := os.Stat(at.File); err != nil || info.Mode().Perm() != 0o640 {
						t.Errorf("%s: got the mode %v, %v", name, info.Mode(), err)
					}
				}
			})
		}
	}
}

// TestNewFile installs zego-mcp where a client has no file yet. Afterwards there is none again.
func TestNewFile(t *testing.T) {
	t.Parallel()
	for _, c := range clients.All {
		if c.Link() {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			env, home := environment(t, "linux")
			at := locate(t, c, env, home)
			after := install(t, c, at, local)
			golden(t, filepath.Join("testdata", c.Name, "new"+filepath.Ext(at.File)), after)
			if info, err := os.Stat(at.File); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("got the mode %v, %v", info.Mode(), err)
			}
			newer := local
			newer.Args = []string{"--simulate"}
			install(t, c, at, newer)
			uninstall(t, c, at)
			if _, err := os.Stat(at.File); !os.IsNotExist(err) {
				t.Errorf("the file is there still: %v %s", err, readFile(t, at.File))
			}
		})
	}
}

// TestWithoutBackups takes the entry out of a file whose backups are gone.
func TestWithoutBackups(t *testing.T) {
	t.Parallel()
	for _, c := range clients.All {
		befores, _ := filepath.Glob(filepath.Join("testdata", c.Name, "before.*"))
		// What has no servers yet gets an empty object for them, which stays. The file of Windsurf
		// looks as if zego-mcp had made it.
		if c.Link() || c.Name == "gemini" || c.Name == "junie" || c.Name == "windsurf" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			env, home := environment(t, "linux")
			at := locate(t, c, env, home)
			before := readFile(t, befores[0])
			writeFile(t, at.File, before)
			install(t, c, at, local)
			deleteBackups(t, at)
			uninstall(t, c, at)
			if diff := cmp.Diff(string(before), string(readFile(t, at.File))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPlaces compares the files of every client on every system with a golden file.
func TestPlaces(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for _, c := range clients.All {
		for _, goos := range systems {
			env, home := environment(t, goos)
			if c.Link() {
				continue
			}
			at := locate(t, c, env, home)
			place, _ := filepath.Rel(home, at.File)
			fmt.Fprintf(&text, "%-15s %-8s ~/%s\n", c.Name, goos, filepath.ToSlash(place))
		}
		if file := c.ProjectFile("."); file != "" {
			fmt.Fprintf(&text, "%-15s project  %s\n", c.Name, filepath.ToSlash(file))
		}
	}
	golden(t, filepath.Join("testdata", "places.txt"), []byte(text.String()))
}

// TestFound creates what clients leave on a machine, and expects the files that they read.
func TestFound(t *testing.T) {
	t.Parallel()
	const claude = "claude_desktop_config.json"
	for _, tt := range []struct {
		name, client, goos string
		variables          []string // With ~ for the home directory.
		there              []string // Files and, with / at their end, directories below the home directory.
		want               []string
	}{
		{
			name: "Claude Desktop from the Store", client: "claude-desktop", goos: "windows",
			there: []string{"AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/", "AppData/Local/Packages/Other_1/LocalCache/Roaming/Claude/"},
			want:  []string{"AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/" + claude},
		},
		{
			name: "all of Claude Desktop's directories", client: "claude-desktop", goos: "windows",
			there: []string{"AppData/Local/Packages/Claude_a/LocalCache/Roaming/Claude/", "AppData/Local/Claude-Data/claude_main/", "AppData/Roaming/Claude/"},
			want:  []string{"AppData/Local/Packages/Claude_a/LocalCache/Roaming/Claude/" + claude, "AppData/Local/Claude-Data/claude_main/" + claude, "AppData/Roaming/Claude/" + claude},
		},
		{
			name: "APPDATA elsewhere", client: "claude-desktop", goos: "windows", variables: []string{"APPDATA", "~/D"},
			there: []string{"D/Claude/"}, want: []string{"D/Claude/" + claude},
		},
		{name: "Claude Code before its file", client: "claude-code", goos: "linux", there: []string{".claude/"}, want: []string{".claude.json"}},
		{
			name: "CLAUDE_CONFIG_DIR", client: "claude-code", goos: "linux", variables: []string{"CLAUDE_CONFIG_DIR", "~/c"},
			there: []string{"c/.claude.json"}, want: []string{"c/.claude.json"},
		},
		{
			name: "both editions of VS Code", client: "vscode", goos: "darwin",
			there: []string{"Library/Application Support/Code/User/", "Library/Application Support/Code - Insiders/User/"},
			want:  []string{"Library/Application Support/Code/User/mcp.json", "Library/Application Support/Code - Insiders/User/mcp.json"},
		},
		{name: "CODEX_HOME", client: "codex", goos: "linux", variables: []string{"CODEX_HOME", "~/x"}, there: []string{"x/"}, want: []string{"x/config.toml"}},
		{name: "a relative CODEX_HOME does not count", client: "codex", goos: "linux", variables: []string{"CODEX_HOME", "x"}, there: []string{".codex/"}, want: []string{".codex/config.toml"}},
		{name: "XDG_CONFIG_HOME", client: "zed", goos: "linux", variables: []string{"XDG_CONFIG_HOME", "~/xdg"}, there: []string{"xdg/zed/"}, want: []string{"xdg/zed/settings.json"}},
		{name: "XDG_CONFIG_HOME on macOS", client: "zed", goos: "darwin", variables: []string{"XDG_CONFIG_HOME", "~/xdg"}, there: []string{".config/zed/"}, want: []string{".config/zed/settings.json"}},
		{name: "Zed from Flatpak", client: "zed", goos: "linux", variables: []string{"FLATPAK_XDG_CONFIG_HOME", "~/flat"}, there: []string{"flat/zed/"}, want: []string{"flat/zed/settings.json"}},
		{name: "opencode.json", client: "opencode", goos: "linux", there: []string{".config/opencode/"}, want: []string{".config/opencode/opencode.json"}},
		{name: "opencode.jsonc", client: "opencode", goos: "linux", there: []string{".config/opencode/opencode.jsonc", ".config/opencode/opencode.json"}, want: []string{".config/opencode/opencode.jsonc"}},
		{name: "an older LM Studio", client: "lmstudio", goos: "linux", there: []string{".cache/lm-studio/"}, want: []string{".cache/lm-studio/mcp.json"}},
		{
			name: "two versions of Cline", client: "cline", goos: "linux",
			there: []string{".cline/data/settings/", ".config/Code/User/globalStorage/saoudrizwan.claude-dev/"},
			want: []string{
				".cline/data/settings/cline_mcp_settings.json",
				".config/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
			},
		},
		{name: "no Trae", client: "trae", goos: "linux"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env, home := environment(t, tt.goos)
			for i := 0; i < len(tt.variables); i += 2 {
				getenv, name, value := env.Getenv, tt.variables[i], strings.Replace(tt.variables[i+1], "~", home, 1)
				env.Getenv = func(variable string) string {
					if variable == name {
						return value
					}
					return getenv(variable)
				}
			}
			for _, name := range tt.there {
				if path := filepath.Join(home, name); strings.HasSuffix(name, "/") {
					mkdir(t, path)
				} else {
					writeFile(t, path, nil)
				}
			}
			locations, err := clients.Find(tt.client).Locations(env)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, l := range locations {
				file, _ := filepath.Rel(home, l.File)
				got = append(got, filepath.ToSlash(file))
				if !l.Found {
					t.Errorf("%s is not found", file)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoHome looks for files without a home directory.
func TestNoHome(t *testing.T) {
	t.Parallel()
	for _, goos := range systems {
		for _, c := range clients.All {
			locations, err := c.Locations(clients.Env{GOOS: goos, Getenv: func(string) string { return "" }})
			if err == nil || len(locations) > 0 {
				t.Errorf("%s on %s: got %v, %v", c.Name, goos, locations, err)
			}
		}
	}
}

// TestNoURL asks for a URL where a client can start programs only.
func TestNoURL(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"claude-desktop", "junie"} {
		env, home := environment(t, "linux")
		c := clients.Find(name)
		at := locate(t, c, env, home)
		if _, err := c.Install(at, remote, program, true); err == nil || !strings.Contains(err.Error(), "takes no URL from its file. What to do: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestStates puts entries into a file of Cursor.
func TestStates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	executable, other, text := filepath.Join(dir, "zego-mcp"), filepath.Join(dir, "old", "zego-mcp.exe"), filepath.Join(dir, "text", "zego-mcp")
	for _, file := range []string{executable, other} {
		writeFile(t, file, []byte("x"))
		if err := os.Chmod(file, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, text, nil)
	entry := func(command string) string {
		return fmt.Sprintf(`{"mcpServers":{"zego":{"command":%q,"args":["a"],"env":{"A":"b","N":1}}}}`, command)
	}
	for _, tt := range []struct {
		name, file string
		want       clients.State
		detail     string
	}{
		{"no entry", `{"mcpServers":{"other":{}}}`, clients.Absent, ""},
		{"empty file", "", clients.Absent, ""},
		{"this program", entry(executable), clients.Current, ""},
		{"another one", entry(other), clients.Outdated, ""},
		{"one that was moved", entry(filepath.Join(dir, "gone", "zego-mcp")), clients.Broken, "there is no "},
		{"a directory", entry(filepath.Join(dir, "zego-mcp", "..", "old", "..", "dir-zego-mcp", "zego-mcp")), clients.Broken, "there is no "},
		{"not executable", entry(text), clients.Broken, "may not be executed"},
		{"another program", entry("/usr/bin/python3"), clients.Foreign, ""},
		{"a program in the PATH", entry("npx"), clients.Foreign, ""},
		{"no command", `{"mcpServers":{"zego":{}}}`, clients.Foreign, ""},
		{"no object", `{"mcpServers":{"zego":"x"}}`, clients.Foreign, ""},
		{"a URL", `{"mcpServers":{"zego":{"url":"https://x"}}}`, clients.Remote, ""},
		{"a mistake", "{\n  \"mcpServers\": {,\n}", clients.Unreadable, "line 2"},
		{"a list of servers", `{"mcpServers":[]}`, clients.Unreadable, "mcpServers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "mcp.json")
			writeFile(t, file, []byte(tt.file))
			got := clients.Find("cursor").Inspect(clients.Location{File: file}, "zego", executable)
			if got.State != tt.want || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("got %s, %q; want %s, %q", got.State, got.Detail, tt.want, tt.detail)
			}
			if got.State == clients.Current && (got.Args[0] != "a" || got.Env["A"] != "b") {
				t.Errorf("got %v, %v", got.Args, got.Env)
			}
		})
	}
	if got := clients.Find("cursor").Inspect(clients.Location{File: dir}, "zego", executable); got.State != clients.Unreadable || !strings.Contains(got.Detail, "is a directory") {
		t.Errorf("a directory: got %s, %q", got.State, got.Detail)
	}
}

// TestUpdate installs over entries that are there.
func TestUpdate(t *testing.T) {
	t.Parallel()
	login := clients.Server{Name: "zego", Command: program}
	for _, tt := range []struct {
		name, client  string
		server        clients.Server
		force         bool
		before, after string
		err           string
	}{
		{
			name: "what the user added stays", client: "cursor", server: login,
			before: `{"mcpServers": {"zego": {"command": "/old/zego-mcp", "args": ["--toolsets=all"], /* mine */ "autoApprove": ["list_timbres"], "env": {"HTTPS_PROXY": "http://proxy:3128"}}}}`,
			after:  `{"mcpServers": {"zego": {"command": "/opt/zego/zego-mcp", "args": ["--toolsets=all"], /* mine */ "autoApprove": ["list_timbres"], "env": {"HTTPS_PROXY": "http://proxy:3128"}}}}`,
		},
		{
			name: "a secret in clear stays with its AppID", client: "cursor", server: login,
			before: `{"mcpServers": {"zego": {"command": "/old/zego-mcp", "args": [], "env": {"ZEGO_APP_ID": "1", "ZEGO_SERVER_SECRET": "0123456789abcdef0123456789abcdef"}}}}`,
			after:  `{"mcpServers": {"zego": {"command": "/opt/zego/zego-mcp", "args": [], "env": {"ZEGO_APP_ID": "1", "ZEGO_SERVER_SECRET": "0123456789abcdef0123456789abcdef"}}}}`,
		},
		{
			name: "a reference goes after a login", client: "cursor", server: login,
			before: `{"mcpServers": {"zego": {"command": "/old/zego-mcp", "args": [], "env": {"ZEGO_APP_ID": "1", "ZEGO_SERVER_SECRET": "${env:ZEGO_SERVER_SECRET}"}}}}`,
			after:  `{"mcpServers": {"zego": {"command": "/opt/zego/zego-mcp", "args": []}}}`,
		},
		{
			name: "other flags", client: "cursor", server: clients.Server{Name: "zego", Command: program, Args: []string{"--simulate"}},
			before: `{"mcpServers": {"zego": {"command": "/old/zego-mcp", "args": ["--toolsets=all"]}}}`,
			after:  `{"mcpServers": {"zego": {"command": "/opt/zego/zego-mcp", "args": ["--simulate"]}}}`,
		},
		{
			name: "a server that is turned off", client: "opencode", server: login,
			before: `{"mcp": {"zego": {"type": "local", "command": ["/old/zego-mcp", "--simulate"], "enabled": false}}}`,
			after:  `{"mcp": {"zego": {"type": "local", "command": ["/opt/zego/zego-mcp", "--simulate"], "enabled": false}}}`,
		},
		{
			name: "the newer layout of OpenCode", client: "opencode", server: login,
			before: `{"mcp": {"servers": {"zego": {"type": "local", "command": ["/old/zego-mcp"]}}}}`,
			after:  `{"mcp": {"servers": {"zego": {"type": "local", "command": ["/opt/zego/zego-mcp"]}}}}`,
		},
		{
			name: "a server of OpenCode with the name servers", client: "opencode", server: login,
			before: `{"mcp": {"servers": {"type": "remote", "url": "https://x"}}}`,
			after:  `{"mcp": {"servers": {"type": "remote", "url": "https://x"}, "zego": {"type": "local", "command": ["/opt/zego/zego-mcp"], "enabled": true}}}`,
		},
		{
			name: "from a program to a URL", client: "cursor", server: remote, force: true,
			before: `{"mcpServers": {"zego": {"command": "/old/zego-mcp", "args": []}}}`,
			after:  `{"mcpServers": {"zego": {"url": "https://zego.example.com/mcp?team=a&b"}}}`,
		},
		{
			name: "another server", client: "cursor", server: login,
			before: `{"mcpServers": {"zego": {"command": "npx", "args": ["zego"]}}}`, err: `its entry "zego" starts "npx", and is not zego-mcp's. What to do: choose another --name, or replace it with --force`,
		},
		{
			name: "another server by force", client: "cursor", server: login, force: true,
			before: `{"mcpServers": {"zego": {"command": "npx", "args": ["zego"], "env": {"A": "b"}}}}`,
			after:  `{"mcpServers": {"zego": {"command": "/opt/zego/zego-mcp", "args": []}}}`,
		},
		{
			name: "another URL", client: "cursor", server: remote,
			before: `{"mcpServers": {"zego": {"url": "https://elsewhere/mcp"}}}`, err: "connects to another URL",
		},
		{name: "a mistake", client: "cursor", server: login, before: "{\n\n  \"mcpServers\": {\n", err: "line 4"},
		{name: "servers that are a list", client: "cursor", server: login, before: `{"mcpServers": []}`, err: "mcpServers"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := clients.Location{File: filepath.Join(t.TempDir(), "file.json")}
			writeFile(t, at.File, []byte(tt.before))
			change, err := clients.Find(tt.client).Install(at, tt.server, program, tt.force)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.after, compactLines(string(change.After))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// compactLines joins the lines of a short JSON file.
func compactLines(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		out.WriteString(trimmed)
		if strings.HasSuffix(trimmed, ",") {
			out.WriteString(" ")
		}
	}
	return out.String()
}

// TestUninstallOther takes out entries that somebody else has written.
func TestUninstallOther(t *testing.T) {
	t.Parallel()
	c := clients.Find("cursor")
	for _, tt := range []struct {
		name, file, url string
		force           bool
		want            string // Of the file, or of the error.
	}{
		{name: "written by hand", file: `{"mcpServers": {"zego": {"command": "/x/zego-mcp"}}}`, want: `{"mcpServers": {}}`},
		{name: "another program", file: `{"mcpServers": {"zego": {"command": "npx"}}}`, want: `starts "npx"`},
		{name: "another program by force", file: `{"mcpServers": {"zego": {"command": "npx"}}}`, force: true, want: `{"mcpServers": {}}`},
		{name: "an unknown URL", file: `{"mcpServers": {"zego": {"url": "https://x"}}}`, want: "connects to another URL"},
		{name: "the URL that is named", file: `{"mcpServers": {"zego": {"url": "https://x"}}}`, url: "https://x", want: `{"mcpServers": {}}`},
		{name: "no entry", file: `{}`, want: clients.ErrAbsent.Error()},
		{name: "a mistake", file: `{`, want: "line 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := clients.Location{File: filepath.Join(t.TempDir(), "file.json")}
			writeFile(t, at.File, []byte(tt.file))
			change, err := c.Uninstall(at, "zego", tt.url, program, tt.force)
			got := fmt.Sprint(err)
			if err == nil {
				got = string(change.After)
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestHistory uninstalls after other changes: what was before the entry comes back if nothing
// else has changed since, and otherwise the entry alone goes.
func TestHistory(t *testing.T) {
	t.Parallel()
	c := clients.Find("cursor")
	const ugly = "{\n\n   \"mcpServers\" :null }"
	at := clients.Location{File: filepath.Join(t.TempDir(), "mcp.json")}
	writeFile(t, at.File, []byte(ugly))
	install(t, c, at, local)
	newer := local
	newer.Args = []string{"--simulate"}
	after := install(t, c, at, newer) // Its backup has an entry.
	uninstall(t, c, at)
	if got := string(readFile(t, at.File)); got != ugly {
		t.Errorf("got %s, want the file as it was", got)
	}
	changed := bytes.Replace(after, []byte("\n\n"), []byte("\n// mine\n"), 1)
	writeFile(t, at.File, changed)
	uninstall(t, c, at)
	if got := string(readFile(t, at.File)); !strings.Contains(got, "// mine") || strings.Contains(got, "zego") {
		t.Errorf("got %s, want the file with the comment and without the entry", got)
	}
	// The entry of a server that zego-mcp has replaced comes back.
	const other = `{"mcpServers": {"zego": {"url": "https://other/mcp"}}}`
	writeFile(t, at.File, []byte(other))
	change, err := c.Install(at, local, program, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := change.Write(now); err != nil {
		t.Fatal(err)
	}
	uninstall(t, c, at)
	if got := string(readFile(t, at.File)); got != other {
		t.Errorf("got %s, want %s", got, other)
	}
}

// TestFileProblems installs into files that cannot be written.
func TestFileProblems(t *testing.T) {
	t.Parallel()
	c := clients.Find("cursor")
	dir := t.TempDir()
	for name, tt := range map[string]struct {
		file string
		make func(file string) error
		want string
	}{
		"a directory": {"dir", func(file string) error { return os.Mkdir(file, 0o700) }, "is a directory"},
		"UTF-16":      {"utf16", func(file string) error { return os.WriteFile(file, []byte("\xff\xfe{\x00}\x00"), 0o600) }, "UTF-16"},
		"read-only":   {"ro", func(file string) error { return os.WriteFile(file, []byte("{}"), 0o400) }, "read-only"},
		"changed":     {"changed", func(file string) error { return os.WriteFile(file, []byte("{}"), 0o600) }, "another program has changed the file"},
	} {
		file := filepath.Join(dir, tt.file)
		if err := tt.make(file); err != nil {
			t.Fatal(err)
		}
		change, err := c.Install(clients.Location{File: file}, local, program, false)
		if err == nil {
			if name == "changed" {
				writeFile(t, file, []byte("{ }"))
			}
			_, err = change.Write(now)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
}

// TestTwoAtOnce lets several installations of entries with different names change one file. Each
// either succeeds or says that it was too late, and what succeeded is in the file.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	c := clients.Find("cursor")
	at := clients.Location{File: filepath.Join(t.TempDir(), "mcp.json")}
	writeFile(t, at.File, []byte("{}"))
	var installations sync.WaitGroup
	var written sync.Map
	for i := range 8 {
		installations.Go(func() {
			server := local
			server.Name = fmt.Sprint("zego-", i)
			change, err := c.Install(at, server, program, false)
			if err == nil {
				_, err = change.Write(now)
			}
			switch {
			case err == nil:
				written.Store(server.Name, true)
			case !strings.Contains(err.Error(), "another program has changed the file"):
				t.Error(err)
			}
		})
	}
	installations.Wait()
	count := 0
	written.Range(func(name, _ any) bool {
		count++
		if !bytes.Contains(readFile(t, at.File), []byte(fmt.Sprintf("%q", name))) {
			t.Errorf("%v is not in the file", name)
		}
		return true
	})
	if count == 0 {
		t.Error("no installation succeeded")
	}
}

// TestSymlink installs into a file behind a symbolic link, as people have who keep their
// settings in a repository.
func TestSymlink(t *testing.T) {
	t.Parallel()
	c := clients.Find("cursor")
	dir := t.TempDir()
	target, link := filepath.Join(dir, "dotfiles", "mcp.json"), filepath.Join(dir, ".cursor", "mcp.json")
	writeFile(t, target, []byte("{}"))
	mkdir(t, filepath.Dir(link))
	if err := os.Symlink(target, link); err != nil {
		t.Skip(err)
	}
	at := clients.Location{File: link}
	install(t, c, at, local)
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 || !bytes.Contains(readFile(t, target), []byte("zego")) {
		t.Errorf("the link is not what it was: %v, %v", info.Mode(), err)
	}
	uninstall(t, c, at)
	if got := string(readFile(t, target)); got != "{}" {
		t.Errorf("got %s", got)
	}
}

// TestSpaces warns of a path that Trae cannot start.
func TestSpaces(t *testing.T) {
	t.Parallel()
	server := clients.Server{Name: "zego", Command: "/Program Files/zego-mcp"}
	for name, want := range map[string]bool{"trae": true, "trae-cn": true, "cursor": false} {
		change, err := clients.Find(name).Install(clients.Location{File: filepath.Join(t.TempDir(), "mcp.json")}, server, program, false)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(change.Notes, "\n"), "path has a space"); got != want {
			t.Errorf("%s: got %q", name, change.Notes)
		}
	}
}

// TestDiff shows changes without the secrets of the file.
func TestDiff(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123456789abcdef"
	server := local
	server.Credentials = clients.Credentials{AppID: "1", Secret: secret}
	for client, before := range map[string]string{
		"cursor": `{"mcpServers": {
  "github": {"env": {"GITHUB_TOKEN": "ghp_abc", "Path": "/x"}, "headers": {"Authorization": "Bearer abc.def"}},
  "db": {"args": ["postgres://me:hunter2@localhost/db", "0123456789-0123456789-0123456789-01"], "url": "${env:DB_KEY}"}
}}`,
		"codex": "[mcp_servers.github]\nenv = { GITHUB_TOKEN = \"ghp_abc\", Path = '/x' }\napi_key = 'abc.def'\nenv_vars = [\"DB_KEY\"] # postgres://me:hunter2@localhost/db\n",
		"goose": "OPENAI_API_KEY: abc.def # hunter2 is my dog\nextensions:\n  github:\n    envs: {GITHUB_TOKEN: ghp_abc}\n    env_keys: [DB_KEY]\n    Path: /x\n",
	} {
		file := filepath.Join(t.TempDir(), "file")
		writeFile(t, file, []byte(before))
		change, err := clients.Find(client).Install(clients.Location{File: file}, server, program, false)
		if err != nil {
			t.Fatal(err)
		}
		text := change.Diff()
		for _, value := range []string{secret, "ghp_abc", "abc.def", "me:hunter2", "0123456789-"} {
			if strings.Contains(text, value) {
				t.Errorf("%s: shows %s:\n%s", client, value, text)
			}
		}
		for _, value := range []string{"--- " + file, "+++ " + file, "@@", "GITHUB_TOKEN", "/x", "DB_KEY", "ZEGO_SERVER_SECRET", program} {
			if !strings.Contains(text, value) {
				t.Errorf("%s: does not show %s:\n%s", client, value, text)
			}
		}
	}
}

// TestImportLink decodes the link for Cherry Studio.
func TestImportLink(t *testing.T) {
	t.Parallel()
	link, err := clients.Find("cherry-studio").ImportLink(remote)
	const want = "cherrystudio://mcp/install?servers=eyJtY3BTZXJ2ZXJzIjp7InplZ28iOnsibmFtZSI6InplZ28iLCJ0eXBlIjoic3RyZWFtYWJsZUh0dHAiLCJiYXNlVXJsIjoiaHR0cHM6Ly96ZWdvLmV4YW1wbGUuY29tL21jcD90ZWFtPWEmYiJ9fX0%3D"
	if err != nil || link != want {
		t.Errorf("got %s, %v", link, err)
	}
}
