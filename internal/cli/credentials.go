package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// whatToSet ends every complaint about credentials.
const whatToSet = "Set ZEGO_APP_ID and ZEGO_SERVER_SECRET in the server's environment (in a desktop client: the \"env\" of its configuration) " +
	"to the AppID and ServerSecret of your project in the ZEGOCLOUD console, https://console.zegocloud.com. " +
	"To try without an account, start with --simulate (or ZEGO_SIMULATE=true): made-up answers from a built-in simulator."

// credentials returns the AppID and the ServerSecret of the project. If something is
// wrong with them, it returns every problem that it found, each as an error of its own.
func (p *process) credentials() (appID uint32, secret string, problems []error) {
	appID, err := p.appID()
	if err != nil {
		problems = append(problems, err)
	}
	secret, secretProblems := p.serverSecret()
	return appID, secret, append(problems, secretProblems...)
}

// appID reads the AppID: from --app-id, or else from ZEGO_APP_ID.
func (p *process) appID() (uint32, error) {
	if p.settings.AppID == "" {
		// The flag is also empty if the variable holds a placeholder.
		if _, err := p.variable("ZEGO_APP_ID"); err != nil {
			return 0, err
		}
		return 0, errors.New("ZEGO_APP_ID is not set")
	}
	id, err := strconv.ParseUint(strings.TrimSpace(p.settings.AppID), 10, 32)
	if err != nil || id == 0 {
		return 0, fmt.Errorf("ZEGO_APP_ID must be a number from 1 to 4294967295, got %q", p.settings.AppID)
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
func (p *process) serverSecret() (secret string, problems []error) {
	secret, err := p.variable(secretVariable)
	if err != nil {
		problems = append(problems, err)
	}
	file, err := p.variable(secretFileVariable)
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
func (p *process) variable(name string) (string, error) {
	value := strings.TrimSpace(p.getenv(name))
	if value != "" && isUnset(value) {
		return "", fmt.Errorf("%s still holds the placeholder %s", name, value)
	}
	return value, nil
}

// join writes the problems into one line.
func join(problems []error) string {
	texts := make([]string, len(problems))
	for i, problem := range problems {
		texts[i] = problem.Error()
	}
	return strings.Join(texts, "; ")
}
