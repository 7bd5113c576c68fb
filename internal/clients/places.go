package clients

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Env is what the places of configuration files depend on.
type Env struct {
	GOOS   string              // Of which operating system the places are, as runtime.GOOS.
	Getenv func(string) string // Variables of the environment.
}

// place is a file that a client may read. A name in braces stands for a directory: see
// Env.directory. An element with * stands for every directory that matches it.
type place struct {
	os       string // As runtime.GOOS. Empty: on every system.
	file     string
	signs    []string // Files or directories, of which one is there if the client is. Empty: the directory of the file.
	optional bool     // The place counts only where a sign is there.
}

// Location is a configuration file of a client.
type Location struct {
	File  string // Absolute path. The file need not exist.
	Found bool   // The client is on this machine, as far as its files tell.
}

// errNoHome is the error of looking for files where no home directory is known.
var errNoHome = errors.New("the home directory is not known. What to do: set HOME (on Windows USERPROFILE) to its absolute path")

// Locations returns the files of the user's own settings that the client reads: those of
// every place where the client is found, or else the one that a new installation of it would
// read. It is an error if the environment does not tell where the home directory is.
func (c *Client) Locations(env Env) ([]Location, error) {
	if env.home() == "" {
		return nil, errNoHome
	}
	var found, others []Location
	for _, p := range c.places {
		if p.os != "" && p.os != env.GOOS {
			continue
		}
		for _, file := range env.expand(p.file) {
			isThere := slices.ContainsFunc(env.signsOf(p, file), exists)
			switch {
			case isThere && !slices.ContainsFunc(found, func(l Location) bool { return l.File == file }):
				found = append(found, Location{file, true})
			case !isThere && !p.optional:
				others = append(others, Location{file, false})
			}
		}
	}
	switch {
	case len(found) > 0 && c.everyPlace:
		return found, nil
	case len(found) > 0:
		return found[:1], nil
	case len(others) > 0:
		return others[:1], nil
	}
	return nil, nil
}

// ProjectFile returns the client's file of the project in directory dir, or "" if the client
// has none.
func (c *Client) ProjectFile(dir string) string {
	for i, name := range c.project {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if i == len(c.project)-1 || exists(file) {
			return file
		}
	}
	return ""
}

// signsOf returns the paths of the signs of a place with a file.
func (e Env) signsOf(p place, file string) []string {
	if len(p.signs) == 0 {
		return []string{filepath.Dir(file)}
	}
	var paths []string
	for _, sign := range p.signs {
		paths = append(paths, e.expand(sign)...)
	}
	return paths
}

// exists reports whether there is a file or directory.
func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// home returns the user's home directory, or "" if it is not known. A relative path would be
// another directory wherever it is used.
func (e Env) home() string {
	variable := "HOME"
	if e.GOOS == "windows" {
		variable = "USERPROFILE"
	}
	if home := e.Getenv(variable); filepath.IsAbs(home) {
		return home
	}
	return ""
}

// directory returns the directory that a name in braces stands for.
func (e Env) directory(name string) string {
	or := func(variable string, otherwise ...string) string {
		if dir := e.Getenv(variable); filepath.IsAbs(dir) {
			return dir
		}
		return filepath.Join(append([]string{e.home()}, otherwise...)...)
	}
	config := func() string { return or("XDG_CONFIG_HOME", ".config") }
	switch name {
	case "home":
		return e.home()
	case "config":
		return config()
	case "appdata":
		return or("APPDATA", "AppData", "Roaming")
	case "localappdata":
		return or("LOCALAPPDATA", "AppData", "Local")
	case "support": // Of an application with windows.
		switch e.GOOS {
		case "windows":
			return e.directory("appdata")
		case "darwin":
			return filepath.Join(e.home(), "Library", "Application Support")
		}
		return config()
	case "zed":
		if e.GOOS == "darwin" { // There it does not honor XDG_CONFIG_HOME.
			return filepath.Join(e.home(), ".config", "zed")
		}
		if dir := e.Getenv("FLATPAK_XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
			return filepath.Join(dir, "zed")
		}
		return filepath.Join(config(), "zed")
	case "claude":
		return or("CLAUDE_CONFIG_DIR")
	case "codex":
		return or("CODEX_HOME", ".codex")
	case "cline":
		return or("CLINE_DIR", ".cline")
	}
	panic("clients: unknown directory " + name)
}

// expand returns the files that a pattern stands for: one, or as many as the directories that
// match its elements with *.
func (e Env) expand(pattern string) []string {
	name, rest, _ := strings.Cut(pattern, "}")
	paths := []string{e.directory(strings.TrimPrefix(name, "{"))}
	for element := range strings.SplitSeq(strings.TrimPrefix(rest, "/"), "/") {
		var next []string
		for _, parent := range paths {
			if !strings.Contains(element, "*") {
				next = append(next, filepath.Join(parent, element))
				continue
			}
			entries, _ := os.ReadDir(parent) // What cannot be read is not there for the client either.
			for _, entry := range entries {
				if matches, err := path.Match(element, entry.Name()); err == nil && matches && entry.IsDir() {
					next = append(next, filepath.Join(parent, entry.Name()))
				}
			}
		}
		paths = next
	}
	return paths
}
