package cli

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// credentials returns AppId and server secret, or what is wrong with them, one
// problem per error.
func (p *process) credentials() (appID uint32, secret string, problems []error) {
	variable := func(name string) string {
		value := strings.TrimSpace(p.getenv(name))
		if value != "" && isUnset(value) {
			problems = append(problems, fmt.Errorf("%s still holds the placeholder %s", name, value))
			return ""
		}
		return value
	}
	if p.settings.AppID == "" {
		if variable("ZEGO_APP_ID"); len(problems) == 0 {
			problems = append(problems, errors.New("ZEGO_APP_ID is not set"))
		}
	} else if n, err := strconv.ParseUint(strings.TrimSpace(p.settings.AppID), 10, 32); err != nil || n == 0 {
		problems = append(problems, fmt.Errorf("ZEGO_APP_ID must be a number from 1 to 4294967295, got %q", p.settings.AppID))
	} else {
		appID = uint32(n)
	}

	before := len(problems)
	secret, source := variable("ZEGO_SERVER_SECRET"), "ZEGO_SERVER_SECRET" //nolint:gosec // A name, no secret.
	if file := variable("ZEGO_SERVER_SECRET_FILE"); secret == "" && file != "" {
		problems, source = problems[:before], "ZEGO_SERVER_SECRET_FILE"
		text, err := os.ReadFile(file) //nolint:gosec // The operator names the file.
		if err != nil {
			return appID, "", append(problems, fmt.Errorf("ZEGO_SERVER_SECRET_FILE: %w", err))
		}
		secret = strings.TrimSpace(string(text))
	}
	switch {
	case secret == "" && len(problems) == before:
		problems = append(problems, fmt.Errorf("%s is %s", source, map[bool]string{true: "not set", false: "empty"}[source == "ZEGO_SERVER_SECRET"]))
	case secret != "" && len(secret) != 32:
		problems = append(problems, fmt.Errorf("%s must have 32 characters, got %d", source, len(secret)))
	}
	return appID, secret, problems
}

// whatToSet ends every complaint about credentials.
const whatToSet = "Set ZEGO_APP_ID and ZEGO_SERVER_SECRET in the server's environment (in a desktop client: the \"env\" of its configuration) " +
	"to the AppID and ServerSecret of your project in the ZEGOCLOUD console, https://console.zegocloud.com. " +
	"To try without an account, start with --simulate (or ZEGO_SIMULATE=true): made-up answers from a built-in simulator."

func join(problems []error) string {
	texts := make([]string, len(problems))
	for i, problem := range problems {
		texts[i] = problem.Error()
	}
	return strings.Join(texts, "; ")
}
