package cli

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"zego-mcp/internal/clients"
	"zego-mcp/internal/credentials"
	"zego-mcp/zego"

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

// programOrNone is thisProgram, or "" if no client can start this program.
func programOrNone() string {
	path, err := thisProgram()
	if err != nil {
		return ""
	}
	return path
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
	if u, err := url.Parse(e.settings.RedisURL); err == nil && u.User != nil && !c.WithSecret && slices.Contains(args, "--redis-url="+e.settings.RedisURL) {
		return server, usageError{errors.New("--redis-url holds a password, which would stand in the client's file: say --with-secret, or set ZEGO_REDIS_URL where the client starts")}
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
	server.Args = e.endpointArgs(server.Credentials, args)
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

// credentials returns how the server in the entry gets its AppID and its secret. It takes the
// simplest way that works: nothing at all after zego-mcp login, where the server looks itself.
func (c *installCommand) credentials(e *env) (clients.Credentials, error) {
	if e.settings.Simulate {
		return clients.Credentials{}, nil
	}
	if c.WithSecret {
		a, problems := e.account()
		if len(problems) > 0 {
			return clients.Credentials{}, fmt.Errorf("--with-secret: %s. %s", joinErrors(problems), whatToSet)
		}
		return clients.Credentials{AppID: fmt.Sprint(a.appID), Secret: a.secret}, nil
	}
	var found clients.Credentials
	appID, _, err := e.appID()
	if err == nil {
		found.AppID = fmt.Sprint(appID)
	} else if e.settings.AppID != "" {
		return found, usageError{err}
	}
	secret, source, problems := e.serverSecret()
	switch {
	case len(problems) > 0 && !allUnset(problems):
		return found, errors.New(joinErrors(problems))
	case secret != "" && source == secretFileVariable:
		found.SecretFile, err = filepath.Abs(e.getenv(secretFileVariable))
		return found, err
	case secret != "":
		found.Variable = true
		return found, nil
	}
	return c.loginCredentials(e, found)
}

// loginCredentials returns how the server finds what zego-mcp login keeps. found is what flags
// and variables say.
func (c *installCommand) loginCredentials(e *env, found clients.Credentials) (clients.Credentials, error) {
	store, err := e.loginStore()
	if err != nil { // Without a directory there is no login.
		found.Ask = true
		return found, nil
	}
	login, err := store.Login()
	switch {
	case errors.Is(err, credentials.ErrNone):
		found.Ask = true
		return found, nil
	case err != nil:
		return found, err
	case found.AppID != "" && found.AppID != fmt.Sprint(login.AppID):
		return found, fmt.Errorf("there is no secret for this AppID: zego-mcp login keeps that of AppID %d", login.AppID)
	case e.getenv("XDG_CONFIG_HOME") != "" && !login.Keyring && runtime.GOOS == "linux":
		// Many clients pass this variable on to no server, which then looks elsewhere.
		return clients.Credentials{AppID: fmt.Sprint(login.AppID), SecretFile: store.SecretFile()}, nil
	}
	return clients.Credentials{}, nil
}

// endpointArgs returns the argument for an endpoint that only this shell knows.
func (e *env) endpointArgs(of clients.Credentials, args []string) []string {
	endpoint := e.settings.Endpoint
	isGiven := slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--endpoint=") })
	if of == (clients.Credentials{}) || isGiven {
		return args
	}
	if store, err := e.loginStore(); err == nil && endpoint == "" && of.SecretFile == store.SecretFile() {
		login, _ := store.Login() // Read before without an error.
		endpoint = login.Endpoint
	}
	if endpoint == "" || endpoint == zego.DefaultEndpoint {
		return args
	}
	return append(slices.Clone(args), "--endpoint="+endpoint)
}
