package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
	"zego-mcp/zego"
)

// The errors of this file never repeat the value of a variable: it may be a secret that
// was put into the wrong one, and the errors go to the log and to models. They say what
// the value looks like instead.

// whatToSet ends every error about credentials.
const whatToSet = "Set ZEGO_APP_ID and ZEGO_SERVER_SECRET in the server's environment (in a desktop client: the \"env\" of its configuration) " +
	"to the AppID and ServerSecret of your project in the ZEGOCLOUD console, https://console.zegocloud.com. " +
	"To try without an account, start with --simulate (or ZEGO_SIMULATE=true): made-up answers from a built-in simulator."

// credentials returns the AppID and the ServerSecret of the project. If something is
// wrong with them, it returns every problem that it found, each as an error of its own.
func (e *env) credentials() (appID uint32, secret string, problems []error) {
	appID, err := e.appID()
	if err != nil {
		problems = append(problems, err)
	}
	secret, secretProblems := e.serverSecret()
	return appID, secret, append(problems, secretProblems...)
}

// appID reads the AppID: from --app-id, or else from ZEGO_APP_ID.
func (e *env) appID() (uint32, error) {
	if e.settings.AppID == "" {
		// The flag is also empty if the variable holds a placeholder.
		if _, err := e.variable("ZEGO_APP_ID"); err != nil {
			return 0, err
		}
		return 0, errors.New("ZEGO_APP_ID is not set")
	}
	value := strings.TrimSpace(e.settings.AppID)
	id, err := strconv.ParseUint(value, 10, 32)
	if err != nil || id == 0 {
		return 0, errors.New("ZEGO_APP_ID must be a number from 1 to 4294967295, got " + describeAppID(value))
	}
	return uint32(id), nil
}

// describeAppID says what a malformed AppID looks like.
func describeAppID(value string) string {
	switch {
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
const swapped = "; are ZEGO_APP_ID and " + secretVariable + " swapped?"

// secretLength is the number of characters of every ServerSecret.
const secretLength = 32

// The ServerSecret has no flag: other users of a machine can see its command lines.
const (
	secretVariable     = "ZEGO_SERVER_SECRET"      //nolint:gosec // A name, no secret.
	secretFileVariable = "ZEGO_SERVER_SECRET_FILE" //nolint:gosec // A name, no secret.
)

// serverSecret reads the ServerSecret from ZEGO_SERVER_SECRET or, if that is not set,
// from the file that ZEGO_SERVER_SECRET_FILE names.
func (e *env) serverSecret() (secret string, problems []error) {
	secret, err := e.variable(secretVariable)
	if err != nil {
		problems = append(problems, err)
	}
	file, err := e.variable(secretFileVariable)
	if err != nil {
		problems = append(problems, err)
	}
	if secret == "" && file != "" {
		if secret, err = readSecretFile(file); err != nil {
			return secret, []error{err}
		}
		return secret, nil
	}
	if secret != "" {
		if err := checkSecret(secret, secretVariable); err != nil {
			problems = append(problems, err)
		}
	} else if len(problems) == 0 {
		problems = append(problems, errors.New(secretVariable+" is not set"))
	}
	return secret, problems
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
	return secret, checkSecret(secret, secretFileVariable)
}

// checkSecret checks the secret's length. Its error names the variable that the secret
// came from.
func checkSecret(secret, variable string) error {
	if len(secret) == secretLength {
		return nil
	}
	problem := fmt.Sprintf("%s must have %d characters, got %d", variable, secretLength, len(secret))
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
		return "", errors.New(name + " still holds a placeholder in <…>; write the value without the brackets")
	}
	return "", errors.New(name + " still holds a placeholder in ${…}; write the value in its place")
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
