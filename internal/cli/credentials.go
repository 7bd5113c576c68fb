package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

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
	id, err := strconv.ParseUint(strings.TrimSpace(e.settings.AppID), 10, 32)
	if err != nil || id == 0 {
		return 0, fmt.Errorf("ZEGO_APP_ID must be a number from 1 to 4294967295, got %q", e.settings.AppID)
	}
	return uint32(id), nil
}

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

func readSecretFile(file string) (string, error) {
	text, err := os.ReadFile(file) //nolint:gosec // The operator names the file.
	if err != nil {
		return "", fmt.Errorf("%s: %w", secretFileVariable, err)
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", errors.New(secretFileVariable + " is empty")
	}
	return secret, checkSecret(secret, secretFileVariable)
}

// checkSecret checks the secret's length. Its error names the variable that the secret
// came from.
func checkSecret(secret, variable string) error {
	if len(secret) != 32 {
		return fmt.Errorf("%s must have 32 characters, got %d", variable, len(secret))
	}
	return nil
}

// variable returns an environment variable without the blanks around it. It is an
// error if the variable holds a placeholder.
func (e *env) variable(name string) (string, error) {
	value := strings.TrimSpace(e.getenv(name))
	if value != "" && isEmptyOrPlaceholder(value) {
		return "", fmt.Errorf("%s still holds the placeholder %s", name, value)
	}
	return value, nil
}

// joinErrors returns the texts of all problems in one line.
func joinErrors(problems []error) string {
	texts := make([]string, len(problems))
	for i, problem := range problems {
		texts[i] = problem.Error()
	}
	return strings.Join(texts, "; ")
}
