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

// withVariable names a flag's variable in the help.
func withVariable(value *kong.Value) string {
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

// withSource names the variable that a refused value came from.
func withSource(err error, parser *kong.Kong, args []string, getenv func(string) string) error {
	for _, flag := range parser.Model.Flags {
		name := "--" + flag.Name
		given := slices.ContainsFunc(args, func(arg string) bool { return arg == name || strings.HasPrefix(arg, name+"=") })
		if variable := flag.Tag.Get("variable"); !given && !isUnset(getenv(variable)) && strings.HasPrefix(err.Error(), name+":") {
			return fmt.Errorf("%s: %w", variable, err)
		}
	}
	return err
}
