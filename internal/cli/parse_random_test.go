package cli

import (
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// randomLines makes command lines of which many start a server.
type randomLines struct {
	*rand.Rand

	flags, others []string // Names of the flags of serve, and words that are none of these.
	variables     []string
}

func newRandomLines(seed uint64) *randomLines {
	r := &randomLines{Rand: rand.New(rand.NewPCG(seed, 0))}
	parser := kong.Must(&serverLine{}, append(parserOptions(func(string) string { return "" }), kong.NoDefaultHelp())...)
	for _, flag := range flagsOf(parser.Model.Node) {
		r.flags = append(r.flags, "--"+flag.Name)
		if variable := flag.Tag.Get("variable"); variable != "" {
			r.variables = append(r.variables, variable)
		}
	}
	r.others = []string{
		"serve", "call", "tools", "help", "version", "__complete", "--", "-", "--help", "-h", "--version", "--no-simulate", "--simulat", "-s", "-x=1",
		"", " ", "=", "--=", "--simulate=", "--simulate=maybe", "--json", "--output=json", "--SIMULATE", "---", "\x00", "--é",
	}
	return r
}

func pick[T any](r *randomLines, from ...T) T { return from[r.IntN(len(from))] }

func (r *randomLines) value() string {
	return pick(r, "1", "0", "-1", "9999999999", "10s", "stdio", "http", "sse", "info", "debug", "json", "text", "all", "assets,streaming",
		"127.0.0.1:0", ":0", "https://example.com", "http://127.0.0.1:1", "", "serve", "call", "--help", "a,b", "true", "false", "<placeholder>", "${X}", "10.0.0.0/8")
}

func (r *randomLines) line() (args []string) {
	if r.IntN(3) > 0 {
		args = append(args, "serve")
	}
	if r.IntN(3) > 0 { // Most of the further flags are allowed then.
		args = append(args, "--transport", "http")
	}
	for range r.IntN(4) {
		switch r.IntN(8) {
		case 0:
			args = append(args, pick(r, r.others...))
		case 1, 2:
			args = append(args, pick(r, r.flags...), r.value())
		case 3:
			args = append(args, pick(r, "--simulate", "--keep-tasks", "--insecure-no-auth"))
		default:
			args = append(args, pick(r, r.flags...)+"="+r.value())
		}
	}
	return args
}

func (r *randomLines) environment() map[string]string {
	values := map[string]string{}
	for range r.IntN(3) {
		values[pick(r, r.variables...)] = r.value()
	}
	return values
}

// TestParseRandomServers gives parseServer and the parser of all commands random command lines and
// environments. If the first one takes a command line, the second one reads the same of it, and
// the other way round.
func TestParseRandomServers(t *testing.T) {
	t.Parallel()
	r := newRandomLines(1)
	started := 0
	for range 500 {
		args, values := r.line(), r.environment()
		getenv := func(name string) string { return values[name] }
		describe := fmt.Sprintf("%q with %q", args, values)
		var want commandLine
		parsed, err := parse(kong.Must(&want, append(parserOptions(getenv), kong.Writers(io.Discard, io.Discard))...), args)
		starts := err == nil && parsed != nil && parsed.Selected().Name == "serve" && !want.ShowVersion
		got, _ := parseServer(args, getenv)
		if (got != nil) != starts {
			t.Errorf("%s: got %v, want it read: %t", describe, got, starts)
		}
		if got == nil || !starts {
			continue
		}
		started++
		if !reflect.DeepEqual(*got, want.serverLine) {
			t.Errorf("%s: got %+v, want %+v", describe, *got, want.serverLine)
		}
	}
	if started < 50 {
		t.Errorf("only %d of the command lines start a server, such as %s", started, strings.Join(r.line(), " "))
	}
}
