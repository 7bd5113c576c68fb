package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"zego-mcp/internal/clients"

	"github.com/alecthomas/kong"
)

// defaultEntryName is the name of the entry without --name.
const defaultEntryName = "zego"

// clientFlags are what install and uninstall have in common.
type clientFlags struct {
	Client  []string `arg:"" optional:"" help:"${clients}."`
	Project string   `placeholder:"DIR" help:"Change the file of the project in this directory. Default: that of the user."`
	Name    string   `default:"zego" help:"Name of the entry. Default: zego."`
	URL     string   `name:"url" placeholder:"URL" help:"The entry connects to a server that runs elsewhere, at a URL such as https://example.com/mcp."`
	Force   bool     `help:"Change the entry even if it is not zego-mcp's."`
	DryRun  bool     `help:"Show what would change, and change nothing."`
	Yes     bool     `short:"y" help:"Do not ask."`
}

type installCommand struct {
	clientFlags
	WithSecret bool   `help:"Write the server secret into the client's file, in clear. Default: a reference to it, if zego-mcp login does not keep it."`
	Print      bool   `help:"Print the entry, to paste it elsewhere."`
	Output     string `enum:",table,json" default:"" placeholder:"FORMAT" help:"table or json: the form of the list that install prints without CLIENT. Default: table."`
}

type uninstallCommand struct {
	clientFlags
}

// errClientNotFound means that a client has no file yet, and that nobody but the client knows
// where it belongs.
var errClientNotFound = errors.New("was not found on this machine")

// entryName matches the names that every client takes.
var entryName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`) })

// Validate refuses what would make no entry.
func (c *clientFlags) Validate(*kong.Context) error {
	for _, name := range c.Client {
		if clients.Find(name) == nil {
			return fmt.Errorf("unknown client %q; known: %s", name, strings.Join(clients.Names(), ", "))
		}
	}
	if !entryName().MatchString(c.Name) {
		return fmt.Errorf("--name must have letters, digits, - and _ only, at most 64, got %q", c.Name)
	}
	if c.URL == "" {
		return nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("--url must be an http or https URL, such as https://example.com/mcp")
	}
	if u.User != nil {
		return errors.New("--url must hold no user name and no password: the client's file is no place for them")
	}
	return nil
}

// Run adds the entry to the clients that are named, or lists all clients that are found.
func (c *installCommand) Run(e *env, line *kong.Context) error {
	if len(c.Client) == 0 {
		return c.list(e)
	}
	server, err := c.server(e, line)
	if err != nil {
		return err
	}
	return c.forEach(e, func(client *clients.Client) error {
		if c.Print || client.Link() {
			return printEntry(e, client, server)
		}
		locations, err := c.locations(e, client)
		if err != nil {
			return err
		}
		for _, at := range locations {
			change, err := client.Install(at, server, server.Command, c.Force)
			if err != nil {
				return err
			}
			if !at.Found && c.Project == "" {
				change.Notes = append(slices.Clone(change.Notes), client.Title+" was not found on this machine; it reads this file when it is there.")
			}
			if !client.Finds(server.Credentials) {
				change.Notes = append(slices.Clone(change.Notes), "The server does not find AppID and secret yet: run zego-mcp login.")
			}
			if err := c.carryOut(e, change, "has the entry "+c.Name+" now"); err != nil {
				return err
			}
		}
		return nil
	})
}

// Run removes the entry from the clients that are named.
func (c *uninstallCommand) Run(e *env) error {
	if len(c.Client) == 0 {
		return usageError{errors.New("name a client, such as zego-mcp uninstall cursor; zego-mcp install lists those that have an entry")}
	}
	self := programOrNone()
	return c.forEach(e, func(client *clients.Client) error {
		if client.Link() {
			return fmt.Errorf("%s keeps its servers to itself. What to do: delete the entry there, under Settings → MCP", client.Title)
		}
		locations, err := c.locations(e, client)
		if errors.Is(err, errClientNotFound) {
			_, err = fmt.Fprintf(e.stdout, "%s: there is no entry %s, because the client %v\n", client.Title, c.Name, errClientNotFound)
		}
		if err != nil {
			return err
		}
		for _, at := range locations {
			change, err := client.Uninstall(at, c.Name, c.URL, self, c.Force)
			if errors.Is(err, clients.ErrAbsent) {
				_, err = fmt.Fprintf(e.stdout, "%s: there is no entry %s in %s\n", client.Title, c.Name, at.File)
			} else if err == nil {
				err = c.carryOut(e, change, "has no entry "+c.Name+" of zego-mcp any more")
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// forEach does something for every client that is named. If it fails for one, the others have
// their turn all the same.
func (c *clientFlags) forEach(e *env, do func(*clients.Client) error) error {
	failed := 0
	for _, name := range c.Client {
		err := do(clients.Find(name))
		if _, isUsage := errors.AsType[usageError](err); isUsage {
			return err
		}
		if err != nil {
			failed++
			_, _ = fmt.Fprintf(e.stderr, "zego-mcp: %s: %v\n", name, err)
		}
	}
	if failed > 0 {
		return reportedError{fmt.Errorf("%d clients failed", failed)}
	}
	return nil
}

// locations returns the files of a client that are to change.
func (c *clientFlags) locations(e *env, client *clients.Client) ([]clients.Location, error) {
	if c.Project != "" {
		dir, err := filepath.Abs(c.Project)
		if err != nil {
			return nil, err
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("--project: there is no directory %s. What to do: make it, or correct the path", dir)
		}
		file := client.ProjectFile(dir)
		if file == "" {
			return nil, fmt.Errorf("%s has no file of its own in a project. What to do: leave --project out", client.Title)
		}
		return []clients.Location{{File: file, Found: true}}, nil
	}
	locations, err := client.Locations(e.clientEnv())
	if err == nil && len(locations) == 0 {
		err = fmt.Errorf("%s %w. What to do: start it once, then try again", client.Title, errClientNotFound)
	}
	return locations, err
}

// carryOut shows a change, asks whether to make it, and makes it.
func (c *clientFlags) carryOut(e *env, change *clients.Change, result string) error {
	title := change.Client.Title
	if change.Nothing() {
		_, err := fmt.Fprintf(e.stdout, "%s: nothing to change in %s\n", title, change.Path())
		return err
	}
	asks := !c.DryRun && !c.Yes
	if asks && (!isTerminal(e.stdin) || !isTerminal(e.stdout)) {
		return usageError{errors.New("nobody can be asked here, because this is no terminal; say --yes to change the file, or --dry-run to see what would change")}
	}
	if c.DryRun || asks {
		if err := writeDiff(e.stdout, change); err != nil || c.DryRun {
			return err
		}
		if !askUser(e.stdin, e.stdout, "Change "+title+"?") {
			_, err := fmt.Fprintf(e.stdout, "%s: nothing was changed\n", title)
			return err
		}
	}
	backup, err := change.Write(time.Now())
	if err != nil {
		return err
	}
	lines := []string{fmt.Sprintf("%s %s: %s", title, result, change.Path())}
	if backup != "" {
		lines = append(lines, "The file as it was: "+backup)
	}
	_, err = fmt.Fprintln(e.stdout, strings.Join(append(lines, change.Notes...), "\n  "))
	return err
}

// writeDiff shows what a change does.
func writeDiff(out io.Writer, change *clients.Change) error {
	text := change.Diff()
	if text == "" { // What differs is masked.
		text = "Only a secret changes in " + change.Path() + "\n"
	}
	_, err := io.WriteString(out, text)
	return err
}

// printEntry prints the entry for a client: a piece of its file, or a link.
func printEntry(e *env, client *clients.Client, server clients.Server) error {
	if client.Link() {
		link, err := client.ImportLink(server)
		if err == nil {
			_, err = fmt.Fprintf(e.stdout, "Open this link, and %s adds the server:\n%s\n", client.Title, link)
		}
		return err
	}
	snippet, err := client.Snippet(server)
	if err == nil {
		_, err = e.stdout.Write(snippet)
	}
	return err
}

// list prints which clients are on this machine, and what their entries are good for.
func (c *installCommand) list(e *env) error {
	entries, absent, err := c.entries(e)
	if err != nil {
		return err
	}
	if c.Output != "json" {
		return writeEntries(e, entries, absent)
	}
	type row struct{ Name, Client, State, File, Detail string }
	rows := []row{}
	for _, entry := range entries {
		rows = append(rows, row{entry.Client.Name, entry.Client.Title, string(entry.State), entry.File, describeEntry(entry)})
	}
	text, err := json.Marshal(map[string]any{"Clients": rows, "NotFound": absent})
	if err == nil {
		_, err = fmt.Fprintf(e.stdout, "%s\n", text)
	}
	return err
}

// writeEntries prints a line for each client that is found, and below it what is wrong there. A
// terminal of 80 columns is wide enough for most files.
func writeEntries(e *env, entries []clients.Entry, absent []string) error {
	home := e.getenv("HOME")
	if e.goos() == "windows" {
		home = e.getenv("USERPROFILE")
	}
	var text strings.Builder
	for _, entry := range entries {
		file := entry.File
		if below, ok := strings.CutPrefix(file, home+string(filepath.Separator)); ok && home != "" {
			file = filepath.Join("~", below)
		}
		fmt.Fprintf(&text, "%-15s %-11s %s\n", entry.Client.Name, entry.State, file)
		if detail := describeEntry(entry); detail != "" && entry.State != clients.Absent {
			fmt.Fprintf(&text, "%15s %s\n", "", detail)
		}
	}
	if len(absent) > 0 {
		text.WriteString("\nNot found on this machine:\n")
		width, ok := terminalWidth(e.stdout)
		if !ok {
			width = 80
		}
		writeWrapped(&text, strings.Join(absent, ", "), "  ", width)
	}
	text.WriteString("\nTo add the server to a client, or to mend its entry: zego-mcp install NAME\n")
	_, err := io.WriteString(e.stdout, text.String())
	return err
}

// entries returns the entries of all clients that are found, and the names of the others.
func (c *clientFlags) entries(e *env) (entries []clients.Entry, absent []string, err error) {
	self := programOrNone()
	for _, client := range clients.All {
		locations, err := client.Locations(e.clientEnv())
		if c.Project != "" && !client.Link() {
			if client.ProjectFile(c.Project) == "" {
				continue
			}
			locations, err = c.locations(e, client)
		}
		if err != nil {
			return nil, nil, err
		}
		found := false
		for _, at := range locations {
			if at.Found {
				entries, found = append(entries, client.Inspect(at, c.Name, self)), true
			}
		}
		if !found {
			absent = append(absent, client.Name)
		}
	}
	return entries, absent, nil
}

// describeEntry says what an entry starts, and what to do if that is wrong.
func describeEntry(entry clients.Entry) string {
	advice := "zego-mcp install " + entry.Client.Name
	switch entry.State {
	case clients.Absent:
		return "add it: " + advice
	case clients.Current:
		return ""
	case clients.Outdated:
		return "starts " + entry.Command + "; to start this program: " + advice
	case clients.Broken:
		return entry.Detail + "; mend it: " + advice
	case clients.Remote:
		return "connects to a URL"
	case clients.Foreign:
		return "starts " + entry.Command + ", which is no zego-mcp"
	}
	return entry.Detail
}

// clientEnv returns the environment that tells where the files of clients are.
func (e *env) clientEnv() clients.Env {
	return clients.Env{GOOS: e.goos(), Getenv: e.getenv}
}
