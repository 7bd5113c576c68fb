// Package cli is the command line of zego-mcp: it reads flags and environment,
// and wires the other packages together.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"zego-mcp/internal/clients"
	"zego-mcp/tools"
	"zego-mcp/zego"

	"github.com/alecthomas/kong"
)

// serverLine is the part of commandLine that starts a server.
type serverLine struct {
	settings

	Serve serveCommand `cmd:"" default:"withargs" help:"Serve MCP over stdio or HTTP. This is the default command, which desktop clients launch."`
}

// commandLine describes every command and flag to kong, which makes the help from it.
type commandLine struct {
	serverLine

	Call       callCommand       `cmd:"" help:"Call one tool from the shell."`
	Tools      toolsCommand      `cmd:"" help:"List the tools."`
	Watch      watchCommand      `cmd:"" help:"Watch a stream in the browser, on a page of this machine."`
	Token      tokenCommand      `cmd:"" help:"Make, list and revoke the bearer tokens of clients that call over HTTP."`
	Simulate   simulateCommand   `cmd:"" help:"Run the ZEGO simulator as a server of its own."`
	Install    installCommand    `cmd:"" help:"Add the server to a client, such as Claude Desktop; without CLIENT, list the clients that are found."`
	Uninstall  uninstallCommand  `cmd:"" help:"Take the server out of a client again."`
	Login      loginCommand      `cmd:"" help:"Keep AppID and ServerSecret for the other commands. It asks for them, or reads two lines from a pipe."`
	Logout     logoutCommand     `cmd:"" help:"Delete what login keeps."`
	Doctor     doctorCommand     `cmd:"" help:"Check configuration, network, clock, secret and permission, and say what to do."`
	Man        manCommand        `cmd:"" help:"Print the manual page; to read it: zego-mcp man | man -l -"`
	Completion completionCommand `cmd:"" help:"Print a script that lets a shell complete commands, flags, tools, their arguments, and ids."`
	Complete   completeCommand   `cmd:"" name:"__complete" hidden:""`
	Version    versionCommand    `cmd:"" help:"Show the version and the MCP protocol versions spoken."`
	Help       helpCommand       `cmd:"" help:"Show the help of a command, or of a tool: help call TOOL."`

	ShowVersion bool `name:"version" help:"Show the version, like the command version."`
}

// helpCommand is carried out by Run.
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"A command, such as serve."`
}

// env is what a command gets from the process that it runs in.
type env struct {
	ctx            context.Context // Done when the command is to end.
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	settings       *settings
	observer       zego.Observer // Is told of all calls to ZEGO; the zero value is told of none.
}

// Exit codes.
const (
	exitOK    = 0
	exitError = 1 // The command failed.
	exitUsage = 2 // The command line or a setting is wrong.
)

// usageError is an error in the command line: the exit code is exitUsage.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// reportedError is an error that the command has told the user about already: the exit
// code is exitError, and nothing more is printed.
type reportedError struct{ error }

// Main runs the command line of this process and returns its exit code. SIGINT,
// SIGTERM and SIGHUP end a command in order; a second one ends the process at once.
func Main() int {
	// When a client is gone, writing to it must not end the process before it has stopped
	// its streams.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr)
}

// Run runs one command until it ends or ctx is done, and returns the exit code. args do
// not hold the program's name.
func Run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	helpOut := stdout // Kong takes the width of its help from the terminal itself.
	stdout, stderr = forTerminal(stdout), forTerminal(stderr)
	e := &env{ctx: ctx, getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	if line, command := parseServer(args, getenv); line != nil {
		e.settings = &line.settings
		return reportError(stderr, command, line.Serve.Run(e))
	}
	var line commandLine
	var helpErr error
	parser := kong.Must(&line, append(parserOptions(getenv),
		kong.Writers(helpOut, stderr),
		kong.Help(helpPrinter(ctx, stdout, &helpErr)),
	)...)
	command := commandOf(parser.Model.Node, args)
	parsed, err := parse(parser, args)
	switch {
	case parsed == nil && err == nil: // The help was shown.
		return reportError(stderr, command, helpErr)
	case err != nil:
		return reportError(stderr, command, usageError{nameVariable(withoutValue(nameCommands(err, command)), parser, args, getenv)})
	}
	e.settings = &line.settings
	switch {
	case line.ShowVersion:
		return reportError(stderr, command, line.Version.Run(e))
	case parsed.Selected().Name == "help":
		return Run(ctx, append(line.Help.Command, "--help"), getenv, stdin, helpOut, stderr)
	}
	return reportError(stderr, command, runSelected(parsed, e))
}

// parseServer reads a command line that starts a server, and returns the command that it names.
// It returns nil if the command line is another one, is wrong, or asks for help: only a parser
// of the whole commandLine tells that. Describing all commands to kong would be a sixth of what
// the start of a server costs.
func parseServer(args []string, getenv func(string) string) (*serverLine, *kong.Node) {
	if len(args) > 0 && args[0] != "serve" && !strings.HasPrefix(args[0], "-") {
		return nil, nil
	}
	line := &serverLine{}
	parser := kong.Must(line, append(parserOptions(getenv), kong.NoDefaultHelp(), kong.PostBuild(removeHelp))...)
	if _, err := parse(parser, args); err != nil {
		return nil, nil
	}
	return line, commandOf(parser.Model.Node, args)
}

// removeHelp removes the texts for the help, in which kong would look for variables.
func removeHelp(parser *kong.Kong) error {
	for _, flag := range flagsOf(parser.Model.Node) {
		flag.Help = ""
	}
	return nil
}

// parserOptions returns how the command line is read.
func parserOptions(getenv func(string) string) []kong.Option {
	return []kong.Option{
		kong.Name("zego-mcp"),
		kong.Description("MCP server for ZEGOCLOUD's Digital Human API. The server secret comes from $ZEGO_SERVER_SECRET, $ZEGO_SERVER_SECRET_FILE or zego-mcp login only."),
		kong.PostBuild(func(k *kong.Kong) error {
			expandVariables(k.Model.Node)
			return nil
		}),
		kong.Resolvers(fromEnvironment(getenv)),
		kong.ValueFormatter(helpWithVariable),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	}
}

// expandVariables puts values in the place of the variables in the tags of a command and of the
// commands below it. Kong's own Vars would be expanded anew for each flag.
func expandVariables(command *kong.Node) {
	values := sync.OnceValue(func() *strings.Replacer {
		return strings.NewReplacer(
			"${endpoint}", zego.DefaultEndpoint,
			"${toolsets}", describeToolsets(),
			"${default_toolsets}", tools.DefaultToolsets(),
			"${clients}", strings.Join(clients.Names(), ", "),
		)
	})
	_ = kong.Visit(command, func(node kong.Visitable, next kong.Next) error {
		if value, ok := node.(*kong.Value); ok {
			for _, text := range []*string{&value.Help, &value.Default} {
				if strings.Contains(*text, "${") {
					*text = values().Replace(*text)
				}
			}
		}
		return next(nil)
	})
}

// describeToolsets says what each toolset holds, for the help.
func describeToolsets() string {
	var texts []string
	for _, set := range tools.Toolsets {
		texts = append(texts, fmt.Sprintf("%s: %s", set.Name, set.Description))
	}
	return strings.Join(texts, "; ")
}

// commandOf returns the command that args name, or the program if they name none. The command
// line may be wrong.
func commandOf(program *kong.Node, args []string) *kong.Node {
	command := program
	for _, arg := range args {
		i := slices.IndexFunc(command.Children, func(n *kong.Node) bool { return n.Name == arg && !n.Hidden })
		if i >= 0 {
			command = command.Children[i]
		}
	}
	return command
}

// nameCommands adds to an error about an unknown command which commands there are.
func nameCommands(err error, command *kong.Node) error {
	if command.Type != kong.ApplicationNode || !strings.HasPrefix(err.Error(), "unexpected argument ") || strings.Contains(err.Error(), "did you mean") {
		return err
	}
	var names []string
	for _, child := range command.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return fmt.Errorf("%w (commands: %s)", err, strings.Join(names, ", "))
}

// isReaderGone reports whether err came of writing to a pipe whose reader wants no more, such
// as head.
func isReaderGone(err error) bool {
	_, isFile := errors.AsType[*fs.PathError](err)
	return isFile && errors.Is(err, syscall.EPIPE)
}

// reportError prints why a command failed, if it failed, and returns the exit code.
func reportError(stderr io.Writer, command *kong.Node, err error) (exitCode int) {
	var reported reportedError
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &reported), isReaderGone(err):
		return exitError
	case errors.As(err, &usage):
		_, _ = fmt.Fprintf(stderr, "zego-mcp: %s\nFor help: %s --help\n", withoutSecrets(err.Error()), command.FullPath())
		return exitUsage
	}
	_, _ = fmt.Fprintf(stderr, "zego-mcp: %s\n", strings.TrimPrefix(err.Error(), "zego: "))
	return exitError
}
