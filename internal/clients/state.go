package clients

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"zego-mcp/internal/configfile"
)

// State is what an entry is good for.
type State string

// The states of an entry.
const (
	Absent     State = "absent"     // There is no entry of that name.
	Current    State = "current"    // It starts this program.
	Outdated   State = "outdated"   // It starts another zego-mcp, which is there.
	Broken     State = "broken"     // It starts a zego-mcp that is not there, or cannot be started.
	Remote     State = "remote"     // It connects to a URL.
	Foreign    State = "foreign"    // It starts something else.
	Unreadable State = "unreadable" // The file cannot be read.
)

// Entry is the entry of a client's file, as the client reads it.
type Entry struct {
	Location
	Client *Client
	State  State
	Detail string // Why the state is Broken or Unreadable; otherwise empty.

	Command string // The program, or "" for an entry with a URL.
	Args    []string
	Env     map[string]string // What is set for the program, references as they are written.
	URL     string
}

// Inspect reads the entry of a name from a file of the client. self is the path of this
// program.
func (c *Client) Inspect(at Location, name, self string) Entry {
	e := Entry{Location: at, Client: c}
	file, err := configfile.Read(at.File)
	if err == nil {
		at, pathErr := c.at(file.Data, name)
		var value json.RawMessage
		var found bool
		if err = pathErr; err == nil {
			value, found, err = configfile.Get(c.format, file.Data, at.path...)
		}
		if err == nil && !found {
			e.State = Absent
			return e
		}
		e.read(at, value)
	}
	if err != nil {
		e.State, e.Detail = Unreadable, plainError(err)
		return e
	}
	e.State, e.Detail = e.judge(self)
	return e
}

// plainError returns the text of an error about a file without the file's name, which stands
// beside it.
func plainError(err error) string {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		return pathError.Err.Error()
	}
	return err.Error()
}

// read fills in what the client would start or connect to.
func (e *Entry) read(at position, value json.RawMessage) {
	entry, _ := decodeMembers(value)
	text := func(key string) (text string) {
		_ = json.Unmarshal(entry.get(key), &text) // Empty if it is no text.
		return text
	}
	e.Command, e.Args = text(at.local.key(commandMark)), texts(entry.get(at.local.key(argsMark)))
	if program := texts(entry.get(at.local.key(programMark))); len(program) > 0 {
		e.Command, e.Args = program[0], program[1:]
	}
	e.Env = map[string]string{}
	variables, _ := decodeMembers(entry.get(at.local.key(envMark)))
	for _, v := range variables {
		var value string
		if json.Unmarshal(v.value, &value) == nil {
			e.Env[v.key] = value
		}
	}
	for _, key := range []string{parseTemplate(e.Client.remote).key(urlMark), "url"} {
		if e.Command == "" && e.URL == "" {
			e.URL = text(key)
		}
	}
}

// judge returns the state of an entry that is there.
func (e *Entry) judge(self string) (State, string) {
	switch {
	case e.URL != "":
		return Remote, ""
	case sameFile(e.Command, self):
		return Current, ""
	case !isOurName(e.Command):
		return Foreign, ""
	}
	if problem := cannotStart(e.Command); problem != "" {
		return Broken, problem
	}
	return Outdated, ""
}

// isOurs reports whether an entry is one that zego-mcp may change: it starts a zego-mcp, or it
// connects to the URL.
func (e *Entry) isOurs(url string) bool {
	if e.URL != "" {
		return e.URL == url
	}
	return isOurName(e.Command) || e.State == Current
}

// describe names what an entry starts or connects to.
func (e *Entry) describe() string {
	switch {
	case e.URL != "":
		return "connects to another URL"
	case e.Command != "":
		return fmt.Sprintf("starts %q", e.Command)
	}
	return "starts no zego-mcp"
}

// isOurName reports whether a program is called zego-mcp, or like the file of a release, such
// as zego-mcp-linux-amd64 or zego-mcp.exe.
func isOurName(command string) bool {
	name := command[strings.LastIndexAny(command, `/\`)+1:]
	return name == "zego-mcp" || strings.HasPrefix(name, "zego-mcp.") || strings.HasPrefix(name, "zego-mcp-") || strings.HasPrefix(name, "zego-mcp_")
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	if a == b {
		return a != ""
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// cannotStart says why a program cannot be started, or "" if nothing is known against it.
func cannotStart(command string) string {
	info, err := os.Stat(command)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "there is no " + command
	case err != nil:
		return command + ": " + plainError(err)
	case info.IsDir():
		return command + " is a directory"
	case runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return command + " may not be executed"
	}
	return ""
}
