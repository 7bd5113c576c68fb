package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"zego-mcp/internal/credentials"
	"zego-mcp/zego"

	"golang.org/x/term"
)

type loginCommand struct {
	Keyring bool `help:"Keep the secret in the system's keyring. Default: in a file that only you can read."`
	NoCheck bool `help:"Keep AppID and secret without asking ZEGO whether they are right."`
}

// console is where a project's AppID and ServerSecret are found.
const console = "your project in the ZEGOCLOUD console, https://console.zegocloud.com"

// Run asks for AppID and ServerSecret, and keeps them if ZEGO accepts them.
func (c *loginCommand) Run(e *env) error {
	if e.settings.Simulate {
		return usageError{errors.New("login is for a ZEGOCLOUD account, and the simulator needs none; leave out --simulate (or ZEGO_SIMULATE)")}
	}
	store, err := e.loginStore()
	if err != nil {
		return err
	}
	endpoint := cmp.Or(e.settings.Endpoint, zego.DefaultEndpoint)
	if err := checkEndpoint(endpoint); err != nil {
		return err
	}
	appID, secret, err := e.askCredentials()
	if err != nil {
		return fmt.Errorf("%w. Nothing was kept", err)
	}
	if !c.NoCheck {
		if err := e.checkLogin(appID, secret, endpoint); err != nil {
			return fmt.Errorf("%w. Nothing was kept", err)
		}
	}
	login := credentials.Login{AppID: appID, Keyring: c.Keyring}
	if endpoint != zego.DefaultEndpoint {
		login.Endpoint = endpoint
	}
	if err := store.Save(e.ctx, login, secret); err != nil {
		return err
	}
	return e.reportLogin(store, login)
}

// reportLogin says what is kept where, and warns of variables that are used instead of it.
func (e *env) reportLogin(store credentials.Store, login credentials.Login) error {
	place := "in " + store.SecretFile() + ", which only you can read"
	if login.Keyring {
		place = "in the system's keyring"
	}
	_, err := fmt.Fprintf(e.stdout, "You are logged in to AppID %d. The secret is %s. The commands of zego-mcp find it by themselves; zego-mcp logout deletes it.\n", login.AppID, place)
	var set []string
	for _, name := range []string{appIDVariable, secretVariable, secretFileVariable} {
		if value, problem := e.variable(name); problem == nil && value != "" && (name != secretFileVariable || !e.isLoginFile(value)) {
			set = append(set, name)
		}
	}
	if len(set) > 0 {
		_, _ = fmt.Fprintf(e.stderr, "This shell sets %s: where that is set, it is used instead of the login.\n", strings.Join(set, " and "))
	}
	return err
}

// askCredentials reads AppID and ServerSecret from the terminal, or from the lines of a pipe.
// An AppID that a flag or a variable gives is not asked for.
func (e *env) askCredentials() (appID uint32, secret string, err error) {
	const swapped = "; are AppID and ServerSecret swapped?"
	value := strings.TrimSpace(e.settings.AppID)
	if value == "" {
		if value, err = e.askLine("AppID: "); err != nil {
			return 0, "", err
		}
	}
	if appID, err = parseAppID(value, "the AppID", swapped); err != nil {
		return 0, "", err
	}
	secret, err = e.askSecret(fmt.Sprintf("ServerSecret of AppID %d (it is not shown): ", appID))
	if err == nil && secret == value { // The pipe has both, and the AppID is given besides.
		secret, err = e.askSecret("")
	}
	switch {
	case err != nil:
		return 0, "", err
	case secret == "":
		return 0, "", errors.New("the ServerSecret is missing; take it from " + console)
	}
	return appID, secret, checkSecret(secret, "the ServerSecret", swapped)
}

// askSecret is askLine for what must not show on the terminal.
func (e *env) askSecret(question string) (string, error) {
	file, ok := e.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return e.askLine(question)
	}
	terminal := int(file.Fd())
	before, err := term.GetState(terminal)
	if err != nil {
		return "", err
	}
	_, _ = io.WriteString(e.stderr, question)
	secret, err := waitFor(e.ctx, func() (string, error) {
		secret, err := term.ReadPassword(terminal)
		return string(secret), err
	})
	_, _ = io.WriteString(e.stderr, "\n")
	if e.ctx.Err() != nil {
		_ = term.Restore(terminal, before) // ReadPassword still waits, and has hidden what is typed.
	}
	return strings.TrimSpace(secret), err
}

// askLine asks a question, if there is a terminal to ask at, and returns the line that is the
// answer, without the blanks around it.
func (e *env) askLine(question string) (string, error) {
	if isTerminal(e.stdin) {
		_, _ = io.WriteString(e.stderr, question)
	}
	line, err := waitFor(e.ctx, func() (string, error) { return readLine(e.stdin) })
	return strings.TrimSpace(strings.TrimPrefix(line, "\ufeff")), err
}

// waitFor returns what read returns, or an error when ctx is done before that.
func waitFor(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := read()
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		if errors.Is(a.err, io.EOF) {
			return a.text, nil
		}
		return a.text, a.err
	case <-ctx.Done():
		return "", errors.New("interrupted")
	}
}

// readLine reads up to the end of a line, and nothing of what follows.
func readLine(r io.Reader) (string, error) {
	const maxLength = 1000
	var line []byte
	for one := make([]byte, 1); len(line) < maxLength; {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[:n]...)
		if err != nil {
			return string(line), err
		}
	}
	return "", fmt.Errorf("a line has more than %d characters", maxLength)
}

// checkLogin makes one signed call. Its error says what ZEGO answered, and what to do.
func (e *env) checkLogin(appID uint32, secret, endpoint string) error {
	client, err := zego.New(appID, secret, zego.Options{Endpoint: endpoint})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(e.ctx, e.settings.Timeout)
	defer cancel()
	_, err = client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{Limit: new(1)})
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "zego: ")
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		return fmt.Errorf("ZEGO refuses the call: %s. What to do: %s", text, refusal.Code.Advice())
	}
	return fmt.Errorf("ZEGO cannot be asked: %s. What to do: check --endpoint, the network and any proxy, or add --no-check", text)
}

type logoutCommand struct{}

// Run deletes the login, wherever its secret is. It is no error if there is none.
func (logoutCommand) Run(e *env) error {
	store, err := e.loginStore()
	if err != nil {
		return err
	}
	deleted, err := store.Delete(e.ctx)
	for _, what := range deleted {
		_, _ = fmt.Fprintln(e.stdout, "Deleted "+what+".")
	}
	if err == nil && len(deleted) == 0 {
		_, err = fmt.Fprintln(e.stdout, "Nothing to delete: nobody has logged in.")
	}
	return err
}
