// Package cli is the command line of zego-mcp: it reads flags and environment,
// and wires the other packages together.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"zego-mcp/tools"
	"zego-mcp/zego"

	"github.com/alecthomas/kong"
)

// commandLine is every command and flag; the help is made from it.
type commandLine struct {
	settings

	Serve    serveCommand    `cmd:"" default:"withargs" help:"Serve MCP, over stdio unless told otherwise. The default command: what desktop clients launch."`
	Call     callCommand     `cmd:"" help:"Call one tool from the shell."`
	Tools    toolsCommand    `cmd:"" help:"List the tools."`
	Simulate simulateCommand `cmd:"" help:"Run the ZEGO simulator as a server of its own."`
	Doctor   doctorCommand   `cmd:"" help:"Check configuration, network, clock, secret and permission, and say what to do."`
	Version  versionCommand  `cmd:"" help:"Show the version and the MCP protocol versions spoken."`
}

// process is what a command sees of the world.
type process struct {
	ctx            context.Context
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	settings       *settings
}

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// usageError says that the command line is wrong.
type usageError struct{ error }

// silentError ends the process with exitError; all was said before.
type silentError struct{ error }

// Main runs the command line of this process and returns its exit code. SIGINT,
// SIGTERM and SIGHUP end a command in order; a second one ends the process at once.
func Main() int {
	// A client that is gone must not keep streams from being stopped.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
}

// Run runs one command until it ends or ctx is done, and returns the exit code.
func Run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	var line commandLine
	helped := false
	parser, err := kong.New(&line,
		kong.Name("zego-mcp"),
		kong.Description("MCP server for ZEGOCLOUD's Digital Human API. The server secret comes from $ZEGO_SERVER_SECRET or $ZEGO_SERVER_SECRET_FILE only."),
		kong.Vars{
			"endpoint":         zego.DefaultEndpoint,
			"toolsets":         describeToolsets(),
			"default_toolsets": tools.DefaultToolsets(),
		},
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }),
		kong.Resolvers(fromEnvironment(getenv)),
		kong.ValueFormatter(withVariable),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic(err) // The struct tags above are wrong.
	}
	parsed, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		return failed(stderr, usageError{withSource(err, parser, args, getenv)})
	}
	p := &process{ctx: ctx, getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr, settings: &line.settings}
	return failed(stderr, parsed.Run(p))
}

// failed says why a command failed, in one place and one form.
func failed(stderr io.Writer, err error) int {
	var usage usageError
	var silent silentError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &silent):
		return exitError
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(stderr, "zego-mcp: %v\nFor help: zego-mcp --help\n", err)
		return exitUsage
	}
	_, _ = fmt.Fprintf(stderr, "zego-mcp: %s\n", strings.TrimPrefix(err.Error(), "zego: "))
	return exitError
}
