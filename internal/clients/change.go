package clients

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"zego-mcp/internal/configfile"
)

// ErrAbsent means that there is no entry to remove.
var ErrAbsent = errors.New("there is no such entry")

// Change is a change of one file that is ready to be written.
type Change struct {
	Client *Client
	After  []byte // What the file is to hold.
	Delete bool   // The file is to go: nothing but the entry was ever in it.
	Notes  []string

	file *configfile.File
}

// Path returns the file that changes, behind all symbolic links.
func (c *Change) Path() string { return c.file.Path }

// Nothing reports whether the file holds already what it should.
func (c *Change) Nothing() bool {
	return !c.Delete && c.file.Exists && bytes.Equal(c.file.Data, c.After)
}

// Write makes the change, unless somebody else has changed the file since it was read. The
// file as it was stays beside it as backup, which is "" if there was no file.
func (c *Change) Write(now time.Time) (backup string, err error) {
	if c.Delete {
		return c.file.Remove(now)
	}
	return c.file.Write(c.After, now)
}

// position is where an entry stands, and how it is written there.
type position struct {
	path          []string
	local, remote template
}

// at returns the position of the entry of a name in a file.
func (c *Client) at(data []byte, name string) (position, error) {
	keys, local := c.keys, c.local
	if c.newerKeys != nil {
		_, isNewer, err := configfile.Get(c.format, data, c.newerKeys...)
		if err != nil {
			return position{}, err
		}
		// A server of the older layout may have the name of the newer layout's object.
		_, isServer, _ := configfile.Get(c.format, data, append(slices.Clone(c.newerKeys), "type")...)
		if isNewer && !isServer {
			keys, local = c.newerKeys, c.newer
		}
	}
	key := name
	if c.list {
		key = "[name=" + name + "]"
	}
	return position{append(slices.Clone(keys), key), parseTemplate(local), parseTemplate(c.remote)}, nil
}

// template returns the template for a server.
func (p position) template(s Server) template {
	if s.URL != "" {
		return p.remote
	}
	return p.local
}

// Install returns the change that adds the server to a file of the client, or updates its
// entry. An entry of that name that is not zego-mcp's is an error, unless force is set.
func (c *Client) Install(at Location, s Server, self string, force bool) (*Change, error) {
	if err := c.check(s); err != nil {
		return nil, err
	}
	file, err := configfile.Read(at.File)
	if err != nil {
		return nil, err
	}
	change := &Change{Client: c, file: file, Notes: c.notes}
	entry := c.Inspect(at, s.Name, self)
	switch {
	case entry.State == Unreadable:
		return nil, fmt.Errorf("%s: %s. Nothing was changed", file.Path, entry.Detail)
	case entry.State != Absent && !entry.isOurs(s.URL) && !force:
		return nil, fmt.Errorf("%s: its entry %q %s, and is not zego-mcp's. What to do: choose another --name, or replace it with --force", file.Path, s.Name, entry.describe())
	}
	change.After, err = c.installed(file.Data, s, force && !entry.isOurs(s.URL))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Path, err)
	}
	change.Notes = append(slices.Clone(change.Notes), c.warnings(file, s)...)
	return change, nil
}

// warnings returns what the user should know of an entry that stands in a file.
func (c *Client) warnings(file *configfile.File, s Server) (notes []string) {
	if c.noSpaces && strings.Contains(s.Command, " ") {
		notes = append(notes, fmt.Sprintf("%s cannot start a program whose path has a space, as %q has: move zego-mcp, and install it again from there.", c.Title, s.Command))
	}
	if strings.Contains(s.Command, "$") || strings.Contains(s.Command, "{env:") || strings.Contains(s.Command, "{file:") {
		notes = append(notes, fmt.Sprintf("%s may take a part of the path %q for a variable: if it does not start zego-mcp, move zego-mcp, and install it again from there.", c.Title, s.Command))
	}
	if s.Secret != "" && file.Mode&0o077 != 0 && runtime.GOOS != "windows" {
		notes = append(notes, fmt.Sprintf("The file holds the secret, and other users of this machine may have access to it (mode %04o): run chmod 600 '%s'.", file.Mode, file.Path))
	}
	return notes
}

// check returns an error if the client cannot use a server.
func (c *Client) check(s Server) error {
	for _, text := range append([]string{s.Command, s.SecretFile}, s.Args...) {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%q is not in UTF-8, and no client's file can hold it. What to do: rename it, or the directory that it is in", text)
		}
	}
	if s.URL != "" && c.remote == "" {
		return fmt.Errorf("%s takes no URL from its file. What to do: %s", c.Title, c.remedy)
	}
	return nil
}

// installed returns a file with the entry of a server. With replace, nothing of an entry that
// is there stays.
func (c *Client) installed(data []byte, s Server, replace bool) ([]byte, error) {
	data = c.begin(data)
	at, err := c.at(data, s.Name)
	if err != nil {
		return nil, err
	}
	t := at.template(s)
	entry := c.entry(t, s)
	before, found, err := configfile.Get(c.format, data, at.path...)
	if err != nil {
		return nil, err
	}
	old, _ := decodeMembers(before)
	if !found || replace || !t.fits(old) {
		return c.put(data, at.path, entry.json(), c.inputs(entry))
	}
	merged := merge(t, old, entry, s.Args == nil)
	changed, err := c.update(data, at.path, old, merged)
	if err != nil { // What the format cannot change inside the entry, it can replace as a whole.
		changed, err = configfile.Set(c.format, data, merged.json(), at.path...)
	}
	if err != nil {
		return nil, err
	}
	return c.put(changed, nil, nil, c.inputs(merged))
}

// fits reports whether an entry is of the kind of the template.
func (t template) fits(entry members) bool {
	for _, mark := range []string{commandMark, programMark, urlMark} {
		if key := t.key(mark); key != "" && entry.get(key) != nil {
			return true
		}
	}
	return false
}

// begin returns what a file holds before an entry is put in: an empty one needs more than
// that in some clients.
func (c *Client) begin(data []byte) []byte {
	if len(data) == 0 {
		return []byte(c.newFile)
	}
	return data
}

// put returns a file with an entry at path, unless path is nil, and with inputs.
func (c *Client) put(data []byte, path []string, entry json.RawMessage, inputs map[string]members) ([]byte, error) {
	var err error
	for _, id := range slices.Sorted(maps.Keys(inputs)) {
		if data, err = configfile.Set(c.format, data, inputs[id].json(), "inputs", "[id="+id+"]"); err != nil {
			return nil, err
		}
	}
	if path == nil {
		return data, nil
	}
	return configfile.Set(c.format, data, entry, path...)
}

// update changes what differs between two versions of an object, and nothing else of it.
func (c *Client) update(data []byte, path []string, before, after members) (_ []byte, err error) {
	for _, m := range before {
		if after.get(m.key) == nil {
			if data, err = configfile.Delete(c.format, data, append(slices.Clone(path), m.key)...); err != nil {
				return nil, err
			}
		}
	}
	for _, m := range after {
		old := before.get(m.key)
		if bytes.Equal(old, m.value) {
			continue
		}
		at := append(slices.Clone(path), m.key)
		oldMembers, isObject := decodeMembers(old)
		newMembers, ok := decodeMembers(m.value)
		if isObject && ok {
			data, err = c.update(data, at, oldMembers, newMembers)
		} else {
			data, err = configfile.Set(c.format, data, m.value, at...)
		}
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

// Uninstall returns the change that takes the entry of a name out of a file of the client. If
// it is known what the file held before the entry was put in, that comes back, byte for byte.
// An entry that is not zego-mcp's is an error, unless force is set or the file's history
// shows that zego-mcp put it in. If there is no entry, the error is ErrAbsent.
func (c *Client) Uninstall(at Location, name, url, self string, force bool) (*Change, error) {
	file, err := configfile.Read(at.File)
	if err != nil {
		return nil, err
	}
	entry := c.Inspect(at, name, self)
	switch entry.State {
	case Absent:
		return nil, ErrAbsent
	case Unreadable:
		return nil, fmt.Errorf("%s: %s. Nothing was changed", file.Path, entry.Detail)
	}
	change := &Change{Client: c, file: file}
	if before, existed, known := c.before(file, name, self); known {
		change.After, change.Delete = before, !existed
		if existed && c.has(before, name) {
			change.Notes = []string{fmt.Sprintf("The entry %s that was there before is back.", name)}
		}
		return change, nil
	}
	if !entry.isOurs(url) && !force {
		return nil, fmt.Errorf("%s: its entry %q %s, and is not zego-mcp's. What to do: name it with --name, or delete it with --force", file.Path, name, entry.describe())
	}
	if change.After, err = c.without(file.Data, name); err != nil {
		return nil, fmt.Errorf("%s: %w", file.Path, err)
	}
	return change, nil
}

// has reports whether a file has an entry of a name.
func (c *Client) has(data []byte, name string) bool {
	at, err := c.at(data, name)
	if err != nil {
		return false
	}
	_, found, err := configfile.Get(c.format, data, at.path...)
	return found && err == nil
}

// without returns a file without the entry of a name, and without the inputs to which nothing
// else refers.
func (c *Client) without(data []byte, name string) ([]byte, error) {
	at, err := c.at(data, name)
	if err != nil {
		return nil, err
	}
	data, err = configfile.Delete(c.format, data, at.path...)
	for _, id := range []string{appIDInput, secretInput} {
		if c.asks && err == nil && !bytes.Contains(data, []byte("${input:"+id+"}")) {
			data, err = configfile.Delete(c.format, data, "inputs", "[id="+id+"]")
		}
	}
	return data, err
}

// before returns what a file held before its entry was put in, and whether it existed. That is
// known if putting the entry into one of the backups, or into no file, gives the file as it is.
func (c *Client) before(file *configfile.File, name, self string) (data []byte, existed, known bool) {
	at, err := c.at(file.Data, name)
	if err != nil {
		return nil, false, false
	}
	value, _, err := configfile.Get(c.format, file.Data, at.path...)
	if err != nil {
		return nil, false, false
	}
	entry, _ := decodeMembers(value)
	gives := func(data []byte) bool {
		result, err := c.put(c.begin(data), at.path, value, c.inputs(entry))
		return err == nil && bytes.Equal(result, file.Data)
	}
	backups, _ := file.Backups() // Without backups the entry alone is deleted.
	for _, path := range backups {
		data, err := os.ReadFile(path) //nolint:gosec // A backup that zego-mcp made.
		if err != nil {
			continue
		}
		// An update of the entry has left a backup with an earlier entry.
		older := c.Inspect(Location{File: path}, name, self)
		if older.State != Unreadable && (older.State == Absent || !older.isOurs("")) && gives(data) {
			return data, true, true
		}
	}
	return nil, false, gives(nil)
}

// Snippet returns a file of the client with nothing but the entry of a server, to be copied.
func (c *Client) Snippet(s Server) ([]byte, error) {
	if err := c.check(s); err != nil {
		return nil, err
	}
	at, err := c.at(nil, s.Name)
	if err != nil {
		return nil, err
	}
	entry := c.entry(at.template(s), s)
	return c.put(nil, at.path, entry.json(), c.inputs(entry))
}

// ImportLink returns a link that makes Cherry Studio import a server.
func (c *Client) ImportLink(s Server) (string, error) {
	snippet, err := c.Snippet(s)
	if err != nil {
		return "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, snippet); err != nil {
		return "", err
	}
	return "cherrystudio://mcp/install?servers=" + url.QueryEscape(base64.StdEncoding.EncodeToString(compact.Bytes())), nil
}
