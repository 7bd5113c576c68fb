package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"zego-mcp/internal/credentials"
	"zego-mcp/zego"
)

// The errors of this file never repeat the value of a variable: it may be a secret that
// was put into the wrong one, and the errors go to the log and to models. They say what
// the value looks like instead.

// whatToSet ends every error about credentials.
const whatToSet = "Run zego-mcp login in a terminal of this machine, or set ZEGO_APP_ID and ZEGO_SERVER_SECRET in the server's environment (in a desktop client: the \"env\" of its configuration), " +
	"with the AppID and ServerSecret of your project in the ZEGOCLOUD console, https://console.zegocloud.com. " +
	"To try without an account, start with --simulate (or ZEGO_SIMULATE=true): made-up answers from a built-in simulator."

// account is a ZEGOCLOUD project, as calls need it.
type account struct {
	appID    uint32
	secret   string
	endpoint string // Known even if the rest is not.

	appIDSource, secretSource string // Where they come from, for people.
}

// unsetError says that a variable is not set, or that it still holds a placeholder.
type unsetError string

// Error implements error.
func (e unsetError) Error() string { return string(e) }

// account returns the project that flags, variables or else the login name. If something is
// wrong, it returns every problem that it found, each as an error of its own.
//
// An AppID that is set is used with a secret that is set, or with the login's if that is of
// this AppID. A secret that is set is never used with the login's AppID.
func (e *env) account() (account, []error) {
	a := account{endpoint: cmp.Or(e.settings.Endpoint, zego.DefaultEndpoint)}
	var appIDProblem error
	a.appID, a.appIDSource, appIDProblem = e.appID()
	var problems []error
	a.secret, a.secretSource, problems = e.serverSecret()
	if appIDProblem != nil {
		problems = append([]error{appIDProblem}, problems...)
	}
	store, err := e.loginStore()
	if len(problems) == 0 || !allUnset(problems) || err != nil { // Without a directory there is no login.
		return a, problems
	}
	if a.secret != "" {
		if _, err := store.Login(); err == nil {
			problems = []error{fmt.Errorf("%w, and the AppID of zego-mcp login is not used with a secret from elsewhere", problems[0])}
		}
		return a, problems
	}
	login, secret, err := store.Read(e.ctx, a.appID)
	switch {
	case errors.Is(err, credentials.ErrNone):
		return a, problems
	case err == nil && a.appID != 0 && a.appID != login.AppID:
		err = fmt.Errorf("there is no secret for this AppID: zego-mcp login keeps that of AppID %d", login.AppID)
	case err == nil:
		err = checkSecret(secret, "the secret of the login", "")
	}
	if err != nil {
		return a, []error{err}
	}
	source := "login (file)"
	if login.Keyring {
		source = "login (keyring)"
	}
	if a.appID == 0 {
		a.appID, a.appIDSource = login.AppID, source
	}
	a.secret, a.secretSource = secret, source
	a.endpoint = cmp.Or(e.settings.Endpoint, login.Endpoint, zego.DefaultEndpoint)
	return a, nil
}

// allUnset reports whether all problems are variables that are not set.
func allUnset(problems []error) bool {
	return !slices.ContainsFunc(problems, func(problem error) bool {
		_, unset := errors.AsType[unsetError](problem)
		return !unset
	})
}

// loginStore returns where zego-mcp login keeps what it was given.
func (e *env) loginStore() (credentials.Store, error) {
	directory, err := credentials.Directory(e.getenv)
	return credentials.NewStore(directory), err
}

// appID returns the AppID that is set, and by what: by --app-id, or else by ZEGO_APP_ID.
func (e *env) appID() (appID uint32, source string, err error) {
	variable, err := e.variable(appIDVariable)
	if e.settings.AppID == "" {
		// The flag is also empty if the variable holds a placeholder.
		if err == nil {
			err = unsetError(appIDVariable + " is not set")
		}
		return 0, "", err
	}
	value := strings.TrimSpace(e.settings.AppID)
	source = appIDVariable
	if value != variable {
		source = "--app-id"
	}
	appID, err = parseAppID(value, appIDVariable, swapped)
	return appID, source, err
}

// parseAppID reads an AppID. Its error begins with name, and ends with swapped if the value
// looks like a secret.
func parseAppID(value, name, swapped string) (uint32, error) {
	id, err := strconv.ParseUint(value, 10, 32)
	if err != nil || id == 0 {
		return 0, errors.New(name + " must be a number from 1 to 4294967295, got " + describeAppID(value, swapped))
	}
	return uint32(id), nil
}

// describeAppID says what a malformed AppID looks like.
func describeAppID(value, swapped string) string {
	switch {
	case value == "":
		return "nothing"
	case len(value) == secretLength:
		return fmt.Sprintf("%d characters that are not a number%s", secretLength, swapped)
	case isDigits(value):
		return "a number outside of that"
	}
	return fmt.Sprintf("%d characters that are not a number", utf8.RuneCountInString(value))
}

// isDigits reports whether value consists of decimal digits.
func isDigits(value string) bool { return value != "" && strings.Trim(value, "0123456789") == "" }

// swapped ends an error about a value that would fit the other of two variables.
const swapped = "; are " + appIDVariable + " and " + secretVariable + " swapped?"

// secretLength is the number of characters of every ServerSecret.
const secretLength = 32

// The ServerSecret has no flag: other users of a machine can see its command lines.
const (
	appIDVariable      = "ZEGO_APP_ID"
	secretVariable     = "ZEGO_SERVER_SECRET"      //nolint:gosec // A name, no secret.
	secretFileVariable = "ZEGO_SERVER_SECRET_FILE" //nolint:gosec // A name, no secret.
)

// serverSecret returns the ServerSecret that is set, and by what: by ZEGO_SERVER_SECRET or, if
// that is not set, by the file that ZEGO_SERVER_SECRET_FILE names. The file of the login does
// not count: it belongs to the login's AppID.
func (e *env) serverSecret() (secret, source string, problems []error) {
	secret, err := e.variable(secretVariable)
	if err != nil {
		problems = append(problems, err)
	}
	file, err := e.variable(secretFileVariable)
	if err != nil {
		problems = append(problems, err)
	}
	if secret == "" && file != "" && !e.isLoginFile(file) {
		if secret, err = readSecretFile(file); err != nil {
			return "", "", []error{err}
		}
		return secret, secretFileVariable, nil
	}
	if secret != "" {
		if err := checkSecret(secret, secretVariable, swapped); err != nil {
			problems = append(problems, err)
		}
	} else if len(problems) == 0 {
		problems = append(problems, unsetError(secretVariable+" is not set"))
	}
	return secret, secretVariable, problems
}

// isLoginFile reports whether somebody has logged in, and file is where the secret of a login
// is kept.
func (e *env) isLoginFile(file string) bool {
	store, err := e.loginStore()
	if err != nil || filepath.Clean(file) != store.SecretFile() {
		return false
	}
	_, err = store.Login()
	return !errors.Is(err, credentials.ErrNone)
}

// readSecretFile reads the ServerSecret from a file. Its errors do not name the file,
// because a user may have given the secret itself in place of its file.
func readSecretFile(file string) (string, error) {
	text, err := os.ReadFile(file) //nolint:gosec // The operator names the file.
	if err != nil {
		problem := "the file of " + secretFileVariable + " cannot be read"
		if cause, ok := errors.AsType[*fs.PathError](err); ok { // Its own text names the file.
			problem += ": " + cause.Err.Error()
		}
		if len(file) == secretLength {
			problem += "; its name has 32 characters: if it is the secret itself, set " + secretVariable + " instead"
		}
		return "", errors.New(problem)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", errors.New("the file of " + secretFileVariable + " is empty")
	}
	return secret, checkSecret(secret, secretFileVariable, swapped)
}

// checkSecret checks the secret's length. Its error begins with name, and ends with swapped if
// the secret looks like an AppID.
func checkSecret(secret, name, swapped string) error {
	if len(secret) == secretLength {
		return nil
	}
	problem := fmt.Sprintf("%s must have %d characters, got %d", name, secretLength, len(secret))
	if isDigits(secret) && len(secret) <= 10 { // As long as an AppID.
		problem += ", all digits" + swapped
	}
	return errors.New(problem)
}

// variable returns an environment variable without the blanks around it. It is an
// error if the variable holds a placeholder.
func (e *env) variable(name string) (string, error) {
	value := strings.TrimSpace(e.getenv(name))
	switch {
	case value == "" || !isEmptyOrPlaceholder(value):
		return value, nil
	case value[0] == '<':
		return "", unsetError(name + " still holds a placeholder in <…>; write the value without the brackets")
	}
	return "", unsetError(name + " still holds a placeholder in ${…}; write the value in its place")
}

// checkEndpoint returns an error if package zego refuses the endpoint. It sends nothing.
func checkEndpoint(endpoint string) error {
	// AppID and secret only have to look right.
	if _, err := zego.New(1, strings.Repeat("x", secretLength), zego.Options{Endpoint: endpoint}); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "zego: "))
	}
	return nil
}

// joinErrors returns the texts of all problems in one line.
func joinErrors(problems []error) string {
	texts := make([]string, len(problems))
	for i, problem := range problems {
		texts[i] = problem.Error()
	}
	return strings.Join(texts, "; ")
}
