package cli

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// grammar has what commands may have.
type grammar struct {
	Level  string      `enum:"low,high" default:"low"`
	Outer  outer       `cmd:"" default:"withargs"`
	Inner  inner       `cmd:""`
	Nested nestedGroup `cmd:""`
}

type outer struct {
	Words []string `enum:"a,b" default:"a"`
	Count int      `default:"1"`
}

func (o *outer) Validate(*kong.Context) error {
	if o.Count < 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

type inner struct {
	From string `required:""`
	To   string `required:""`
	Name string `arg:""`
	Rest string `arg:"" enum:"x,y"`
}

type nestedGroup struct {
	One struct{} `cmd:""`
	Two struct{} `cmd:""`
}

// TestParseAsKong checks that parse accepts and refuses what kong's own Parse does.
func TestParseAsKong(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"", "--level=high", "--level=middle", "--count=2", "--count=-1", "--count=x", "--words=a,b", "--words=b,c", "outer --bogus",
		"inner", "inner --from=1", "inner --from=1 --to=2", "inner --from=1 --to=2 n", "inner --from=1 --to=2 n x",
		"inner --from=1 --to=2 n z", "inner --from=1 --to=2 n x more", "nested", "nested one", "nested three", "--help", "inner --help", "inner --bogus --help",
	} {
		var got, want grammar
		var gotHelp, wantHelp strings.Builder
		exited := false
		gotParsed, gotErr := parse(kong.Must(&got, kong.Writers(&gotHelp, io.Discard)), strings.Fields(args))
		wantParsed, wantErr := kong.Must(&want, kong.Writers(&wantHelp, io.Discard), kong.Exit(func(int) { exited = true })).Parse(strings.Fields(args))
		if gotHelp.String() != wantHelp.String() {
			t.Errorf("%q: got the help\n%s\nwant\n%s", args, gotHelp.String(), wantHelp.String())
		}
		switch {
		case exited:
			if gotParsed != nil || gotErr != nil {
				t.Errorf("%q: got %v, %v after the help", args, gotParsed, gotErr)
			}
		case (gotErr == nil) != (wantErr == nil) || gotErr != nil && gotErr.Error() != wantErr.Error():
			t.Errorf("%q: got error %v, want %v", args, gotErr, wantErr)
		case gotErr == nil && (!reflect.DeepEqual(got, want) || gotParsed.Command() != wantParsed.Command()):
			t.Errorf("%q: got %+v, want %+v", args, got, want)
		}
	}
}

// TestGrammar checks that the command line uses no feature of kong that parse leaves out.
func TestGrammar(t *testing.T) {
	t.Parallel()
	var walk func(reflect.Type)
	walk = func(command reflect.Type) {
		for _, hook := range []string{"BeforeReset", "BeforeResolve", "BeforeApply", "AfterApply", "AfterRun"} {
			if _, ok := reflect.PointerTo(command).MethodByName(hook); ok {
				t.Errorf("%v: nothing calls its method %s", command, hook)
			}
		}
		if _, ok := reflect.TypeAssert[interface{ Validate() error }](reflect.New(command)); ok {
			t.Errorf("%v: nothing calls its method Validate: let it take a *kong.Context", command)
		}
		for field := range command.Fields() {
			for _, group := range []string{"xor", "and", "lastwins"} {
				if _, ok := field.Tag.Lookup(group); ok {
					t.Errorf("%v.%s: parse does not know the tag %s", command, field.Name, group)
				}
			}
			if _, ok := field.Tag.Lookup("cmd"); ok || field.Anonymous {
				walk(field.Type)
			}
		}
	}
	walk(reflect.TypeFor[commandLine]())
}

// TestParseServer checks that parseServer reads a command line that starts a server as the
// parser of all commands does, and leaves every other command line to that.
func TestParseServer(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"ZEGO_QPS": "7", "ZEGO_MAX_SESSIONS": "9"}
	getenv := func(name string) string { return variables[name] }
	for _, args := range []string{
		"", "serve", "--simulate", "--simulate serve", "serve --transport=http --listen :0", "--log-level call", "--qps 3 --qps 4",
		"--version", "--help", "serve --help", "--simulate --help", "serve -h", "help serve", "--simulate tools", "tools", "call serve", "serve call",
		"serve serve", "bogus", "--bogus", "serve --bogus", "--qps=-1", "--qps x", "--qps", "--log-format=xml", "serve --listen :0", "serve --max-sessions=0",
	} {
		words := strings.Fields(args)
		var want commandLine
		parsed, err := parse(kong.Must(&want, append(parserOptions(getenv), kong.Writers(io.Discard, io.Discard))...), words)
		starts := err == nil && parsed != nil && parsed.Selected().Name == "serve" && !want.ShowVersion
		switch got, command := parseServer(words, getenv); {
		case (got != nil) != starts:
			t.Errorf("%q: got %v, want it read: %t", args, got, starts)
		case starts && !reflect.DeepEqual(*got, want.serverLine):
			t.Errorf("%q: got %+v, want %+v", args, *got, want.serverLine)
		case starts && command.FullPath() != commandOf(parsed.Model.Node, words).FullPath():
			t.Errorf("%q: got the command %q", args, command.FullPath())
		}
	}
}
