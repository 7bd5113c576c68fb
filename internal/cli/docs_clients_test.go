package cli_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"zego-mcp/internal/clients"
)

// clientTable returns a table of the clients that install knows, and the files that it edits.
func clientTable(t *testing.T, words func(string) string) string {
	t.Helper()
	table := heading(words, "name", "client", "file", "file of a project")
	for _, c := range clients.All {
		file := clientFiles(t, c)
		switch {
		case c.Link():
			file = words("none: it gets a link")
		case file == "":
			file = words("where it is installed")
		}
		project := ""
		if p := c.ProjectFile("."); p != "" {
			project = "`" + p + "`"
		}
		table += row("`"+c.Name+"`", c.Title, file, project)
	}
	return table
}

// clientFiles returns the files of a client on each system, or one file if they agree.
func clientFiles(t *testing.T, c *clients.Client) string {
	t.Helper()
	const home = "/nobody" // Does not exist, so that no client is found there.
	var texts []string
	for _, system := range []struct{ goos, name string }{{"darwin", "macOS"}, {"linux", "Linux"}, {"windows", "Windows"}} {
		variables := map[string]string{"HOME": home, "USERPROFILE": home}
		locations, err := c.Locations(clients.Env{GOOS: system.goos, Getenv: func(name string) string { return variables[name] }})
		if err != nil {
			t.Fatal(err)
		}
		if len(locations) == 0 {
			continue // It counts only where the client is installed.
		}
		file := filepath.ToSlash(locations[0].File)
		file = "`" + strings.NewReplacer(home+"/AppData/Roaming", "%APPDATA%", home, "~").Replace(file) + "`"
		if i := slices.IndexFunc(texts, func(text string) bool { return strings.HasPrefix(text, file) }); i >= 0 {
			texts[i] += ", " + system.name
		} else {
			texts = append(texts, file+" ("+system.name)
		}
	}
	switch len(texts) {
	case 0:
		return ""
	case 1:
		file, _, _ := strings.Cut(texts[0], " (")
		return file
	}
	return strings.Join(texts, "), ") + ")"
}
