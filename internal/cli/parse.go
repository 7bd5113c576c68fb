package cli

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// parse does what parser.Parse does, for the features of kong that the command line uses: no
// hooks, no providers, no groups of flags. If args ask for help, parse prints it and returns
// nil.
//
// Kong's own Parse, Validate and Run look methods up by a name that the linker does not know.
// One such call makes the linker keep every exported method of every type in the program, which
// made it 11 MB larger.
func parse(parser *kong.Kong, args []string) (*kong.Context, error) {
	parsed, err := kong.Trace(parser, args)
	if err != nil {
		return nil, err
	}
	if parsed.Error != nil {
		return nil, parsed.Error
	}
	if slices.ContainsFunc(parsed.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag == parser.Model.HelpFlag }) {
		return nil, parsed.PrintUsage(false)
	}
	if err := parsed.Reset(); err != nil {
		return nil, err
	}
	if err := parsed.Resolve(); err != nil {
		return nil, err
	}
	if _, err := parsed.Apply(); err != nil {
		return nil, err
	}
	return parsed, validate(parsed)
}

// validate refuses values that the tags or the Validate methods of the commands do not allow,
// and a command line on which something is missing.
func validate(parsed *kong.Context) error {
	for _, path := range parsed.Path {
		node := path.Node()
		if node == nil {
			continue
		}
		for _, value := range node.Values() {
			if err := checkEnum(value); err != nil {
				return err
			}
		}
	}
	for _, path := range parsed.Path {
		node := path.Node()
		if node == nil {
			continue
		}
		command, ok := reflect.TypeAssert[interface{ Validate(*kong.Context) error }](node.Target.Addr())
		if !ok {
			continue
		}
		if err := command.Validate(parsed); err != nil && path.Command != nil {
			return fmt.Errorf("%s: %w", node.Path(), err)
		} else if err != nil {
			return err
		}
	}
	return checkMissing(parsed.Selected())
}

// checkEnum refuses a value that is not in the list of the tag enum.
func checkEnum(value *kong.Value) error {
	if value.Enum == "" || value.Required && !value.HasDefault && !value.Set {
		return nil
	}
	given := []reflect.Value{value.Target}
	if value.Target.Kind() == reflect.Slice {
		given = given[:0]
		for _, element := range value.Target.Seq2() {
			given = append(given, element)
		}
	}
	allowed := value.EnumSlice()
	for _, element := range given {
		if text := fmt.Sprint(element); !slices.Contains(allowed, text) {
			return fmt.Errorf("%s must be one of %s but got %q", value.ShortSummary(), quoted(allowed, ","), text)
		}
	}
	return nil
}

// checkMissing returns an error if flags or arguments of the command are missing, or if it has
// commands of its own and none of them was chosen.
func checkMissing(command *kong.Node) error {
	var flags, arguments []string
	for _, flag := range command.Flags {
		if flag.Required && !flag.Set {
			flags = append(flags, flag.Summary())
		}
	}
	if len(flags) > 0 {
		return errors.New("missing flags: " + strings.Join(flags, ", "))
	}
	for _, argument := range command.Positional {
		if argument.Required && !argument.Set {
			arguments = append(arguments, argument.Summary())
		}
	}
	if len(arguments) > 0 {
		return errors.New("expected " + strconv.Quote(strings.Join(arguments, " ")))
	}
	var commands []string
	for _, child := range command.Children {
		commands = append(commands, child.Name)
	}
	if len(commands) > 0 {
		return errors.New("expected one of " + quoted(commands, ", "))
	}
	return nil
}

// quoted returns texts in quotation marks, with a separator between them.
func quoted(texts []string, separator string) string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = strconv.Quote(text)
	}
	return strings.Join(all, separator)
}

// runSelected runs the command that parsed chooses. Every command but help has one of two forms
// of Run: one that gets the whole command line, to describe it, and one that does not.
func runSelected(parsed *kong.Context, e *env) error {
	switch command := parsed.Selected().Target.Addr().Interface().(type) {
	case interface{ Run(e *env) error }:
		return command.Run(e)
	case interface {
		Run(e *env, parsed *kong.Context) error
	}:
		return command.Run(e, parsed)
	default:
		return fmt.Errorf("the command %s cannot be run", parsed.Selected().Name)
	}
}
