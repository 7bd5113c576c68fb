package cli

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/alecthomas/kong"
)

// fromEnvironment takes the value of a flag that is not on the command line from the
// variable that the flag's tag names. Kong could do that too, but would take an empty
// variable for a value.
func fromEnvironment(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value := getenv(flag.Tag.Get("variable"))
		if isEmptyOrPlaceholder(value) {
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

// isEmptyOrPlaceholder reports whether value is empty, or a placeholder like
// ${ZEGO_APP_ID} or <your AppID> that was left in a client's configuration.
func isEmptyOrPlaceholder(value string) bool {
	value = strings.TrimSpace(value)
	return value == "" || strings.HasPrefix(value, "${") && strings.HasSuffix(value, "}") ||
		strings.HasPrefix(value, "<") && strings.HasSuffix(value, ">")
}

// nameVariable puts the name of the environment variable before an error that a value
// from the environment caused. Kong's errors begin with the name of the flag.
func nameVariable(err error, parser *kong.Kong, args []string, getenv func(string) string) error {
	for _, flag := range flagsOf(parser.Model.Node) {
		name, variable := "--"+flag.Name, flag.Tag.Get("variable")
		if !strings.HasPrefix(err.Error(), name+":") || isEmptyOrPlaceholder(getenv(variable)) {
			continue
		}
		onCommandLine := slices.ContainsFunc(args, func(arg string) bool { return arg == name || strings.HasPrefix(arg, name+"=") })
		if !onCommandLine {
			return fmt.Errorf("%s: %w", variable, err)
		}
	}
	return err
}

// flagsOf returns the flags of a command and of all commands below it.
func flagsOf(command *kong.Node) []*kong.Flag {
	flags := slices.Clone(command.Flags)
	for _, child := range command.Children {
		flags = append(flags, flagsOf(child)...)
	}
	return flags
}

// withoutValue returns an error of kong without the value of a flag that may hold a secret.
func withoutValue(err error) error {
	for _, flag := range []string{"--app-id", "--endpoint", "--redis-url"} {
		if strings.HasPrefix(err.Error(), flag+": ") {
			return fmt.Errorf("%s: a value must follow; one that begins with - is written %[1]s=VALUE", flag)
		}
	}
	return err
}

// secretLike matches what looks like a ServerSecret.
var secretLike = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[0-9A-Za-z]{32,}`) })

// withoutSecrets removes from an error about the command line what looks like a
// ServerSecret: a user may have put it into the wrong place.
func withoutSecrets(text string) string {
	return secretLike().ReplaceAllStringFunc(text, func(value string) string {
		return fmt.Sprintf("[%d characters that may be a secret]", len(value))
	})
}
