package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"zego-mcp/internal/clients"

	"github.com/alecthomas/kong"
)

// goos returns the operating system whose clients are meant.
func (*env) goos() string { return runtime.GOOS }

// thisProgram returns the path by which clients are to start this program. A symbolic link by
// which it was called stays, because the link often outlives what it leads to: a package
// manager puts each version into a directory of its own.
func thisProgram() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("this program does not know where it is: %w", err)
	}
	if called, err := exec.LookPath(os.Args[0]); err == nil {
		if called, err = filepath.Abs(called); err == nil && isSameFile(called, path) {
			path = called
		}
	}
	for element := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		if strings.HasPrefix(element, "go-build") {
			return "", errors.New("go run keeps this program only for a while, so a client would not find it. What to do: go build -o zego-mcp . && ./zego-mcp install")
		}
	}
	return path, nil
}

// isSameFile reports whether two paths of this program lead to one file.
func isSameFile(a, b string) bool {
	infoA, errA := os.Stat(a) //nolint:gosec // It comes from the command line that runs this program.
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// server returns what the entry is to start or to connect to.
func (c *installCommand) server(e *env, line *kong.Context) (clients.Server, error) {
	server := clients.Server{Name: c.Name, URL: c.URL}
	args, err := servingArgs(line)
	if err != nil {
		return server, err
	}
	if c.URL != "" {
		if len(args) > 0 || c.WithSecret {
			return server, usageError{errors.New("--url names a server that runs already; the flags of a server to start go with no --url")}
		}
		return server, nil
	}
	if server.Command, err = thisProgram(); err != nil {
		return server, err
	}
	if server.Credentials, err = c.credentials(e); err != nil {
		return server, err
	}
	server.Args = args
	return server, nil
}

// servingArgs returns the flags on the command line that a server understands, as arguments
// for it, or nil if there are none. The AppID is not among them: it goes with the secret.
func servingArgs(line *kong.Context) ([]string, error) {
	var args []string
	var given []*kong.Flag
	for _, p := range line.Path {
		if p.Flag == nil || p.Resolved || p.Flag.Name == "app-id" || slices.Contains(given, p.Flag) || !slices.Contains(line.Model.Flags, p.Flag) {
			continue
		}
		given = append(given, p.Flag)
		flag := "--" + p.Flag.Name
		switch value := reflect.ValueOf(line.FlagValue(p.Flag)); value.Kind() {
		case reflect.Bool:
			args = append([]string{}, args...) // Even --simulate=false is a choice.
			if value.Bool() {
				args = append(args, flag)
			}
		case reflect.Slice:
			for i := range value.Len() {
				path, err := filepath.Abs(value.Index(i).String()) // The client has another working directory.
				if err != nil {
					return nil, err
				}
				args = append(args, flag+"="+path)
			}
		default:
			args = append(args, flag+"="+fmt.Sprint(value.Interface()))
		}
	}
	return args, nil
}

// credentials returns how the server in the entry gets its AppID and its secret.
func (c *installCommand) credentials(e *env) (clients.Credentials, error) {
	if e.settings.Simulate {
		return clients.Credentials{}, nil
	}
	appID, secret, problems := e.credentials()
	if c.WithSecret {
		if len(problems) > 0 {
			return clients.Credentials{}, fmt.Errorf("--with-secret: %s. %s", joinErrors(problems), whatToSet)
		}
		return clients.Credentials{AppID: fmt.Sprint(appID), Secret: secret}, nil
	}
	credentials := clients.Credentials{Ask: true}
	if appID, err := e.appID(); err == nil {
		credentials.AppID = fmt.Sprint(appID)
	} else if e.settings.AppID != "" {
		return credentials, usageError{err}
	}
	return credentials, nil
}
