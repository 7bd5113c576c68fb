package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// fromEnvironment reads the flags that the command line does not set. Kong's own
// environment support takes an empty variable for a value.
func fromEnvironment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value := getenv(flag.Tag.Get("variable"))
		if isUnset(value) {
			return nil, nil
		}
		return value, nil
	})
}

// helpWithVariable returns a flag's help with its environment variable at the end.
func helpWithVariable(value *kong.Value) string {
	if variable := value.Tag.Get("variable"); variable != "" {
		return value.Help + " ($" + variable + ")"
	}
	return value.Help
}

// isUnset reports whether value is empty or a placeholder that a client left in
// its configuration.
func isUnset(value string) bool {
	value = strings.TrimSpace(value)
	return value == "" || strings.HasPrefix(value, "${") && strings.HasSuffix(value, "}") ||
		strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">")
}

// nameVariable puts the name of the environment variable before an error that a value
// from the environment caused. Kong's errors begin with the name of the flag.
func nameVariable(err error, parser *kong.Kong, args []string, getenv func(string) string) error {
	for _, flag := range parser.Model.Flags {
		name, variable := "--"+flag.Name, flag.Tag.Get("variable")
		if !strings.HasPrefix(err.Error(), name+":") || isUnset(getenv(variable)) {
			continue
		}
		onCommandLine := slices.ContainsFunc(args, func(arg string) bool { return arg == name || strings.HasPrefix(arg, name+"=") })
		if !onCommandLine {
			return fmt.Errorf("%s: %w", variable, err)
		}
	}
	return err
}
