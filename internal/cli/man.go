package cli

import (
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type manCommand struct{}

// Run prints the manual page, which it makes from the same descriptions as the help.
func (manCommand) Run(e *env, parsed *kong.Context) error {
	page := &manPage{}
	page.writeHead(parsed.Model)
	page.section("COMMANDS")
	for _, command := range parsed.Model.Children {
		if !command.Hidden {
			page.writeCommand(command)
		}
	}
	page.section("OPTIONS")
	page.paragraph("Every command has these options. An option beats its variable; a variable that is empty, or that still holds a placeholder in ${…} or <…>, counts as not set.")
	page.writeFlags(parsed.Model.Flags)
	page.section("ENVIRONMENT")
	for _, v := range variables(parsed.Model) {
		page.item(`\fB`+roff(v.name)+`\fR`, v.meaning)
	}
	page.section("FILES")
	for _, file := range manFiles {
		page.item(`\fI`+roff(file.name)+`\fR`, file.meaning)
	}
	page.section("EXIT STATUS")
	for _, status := range manExitStatus {
		page.item(`\fB`+status.name+`\fR`, status.meaning)
	}
	page.section("SEE ALSO")
	page.paragraph("ZEGO's documentation of the Digital Human API: https://www.zegocloud.com/docs/aigc-digital-human-server")
	_, err := io.WriteString(e.stdout, page.String())
	return err
}

// manEntry is a name with its meaning in a list of the manual page.
type manEntry struct{ name, meaning string }

// otherVariables are the variables that no flag names.
var otherVariables = []manEntry{
	{secretVariable, "ServerSecret of the ZEGOCLOUD project. It has no option, because other users can see the command lines of a machine."},
	{secretFileVariable, "File that holds the ServerSecret."},
	{callbackVariable, "Callback secret of the project: serve --transport http then takes ZEGO's callbacks."},
	{"OTEL_EXPORTER_OTLP_ENDPOINT", "Receiver of OpenTelemetry traces (OTLP over HTTP) that serve sends; other OTEL_* variables apply, too. Default: no traces."},
	{"NO_COLOR", "If it is set, logs have no color."},
	{"HTTPS_PROXY, NO_PROXY", "Proxy for calls to ZEGO, and the hosts that are called without it."},
}

var manFiles = []manEntry{
	{"$XDG_CONFIG_HOME/zego-mcp, ~/.config/zego-mcp", "What login keeps: the AppID in login.json, and the ServerSecret in server-secret if it is not in the system's keyring. On macOS ~/Library/Application Support/zego-mcp, on Windows %AppData%\\zego-mcp."},
	{"$XDG_STATE_HOME/zego-mcp, ~/.local/state/zego-mcp", "The id of this installation, and which of its processes run: so a new process can stop the streams of one that crashed. On Windows %LocalAppData%\\zego-mcp."},
}

var manExitStatus = []manEntry{
	{"0", "Success."},
	{"1", "The command failed, or the tool answered with an error."},
	{"2", "The command line or a setting is wrong."},
}

// variables returns the environment variables, those of flags first.
func variables(app *kong.Application) []manEntry {
	flags := slices.Clone(app.Flags)
	for _, command := range app.Leaves(true) {
		flags = append(flags, command.Flags...)
	}
	var found []manEntry
	for _, flag := range flags {
		if name := flag.Tag.Get("variable"); name != "" {
			found = append(found, manEntry{name, "Value of --" + flag.Name + "."})
		}
	}
	return append(found, otherVariables...)
}

// manPage is a manual page in roff, with the macros of man(7).
type manPage struct{ strings.Builder }

func (p *manPage) writeHead(app *kong.Application) {
	_, _ = fmt.Fprintf(p, ".TH ZEGO\\-MCP 1 \"%s\" \"%s\"\n", buildDate(), roff("zego-mcp "+version()))
	_, _ = p.WriteString(".ad l\n.nh\n") // Hyphens would change names, and long names leave gaps in full lines.
	p.section("NAME")
	purpose, rest, _ := strings.Cut(app.Help, ". ")
	_, _ = fmt.Fprintf(p, "zego\\-mcp \\- %s\n", roff(purpose))
	p.section("SYNOPSIS")
	_, _ = p.WriteString(".B zego\\-mcp\n[\\fICOMMAND\\fR] [\\fIOPTION\\fR]...\n")
	p.section("DESCRIPTION")
	p.paragraph("zego-mcp lets AI agents list, show, drive and stop the digital humans of a ZEGOCLOUD project. Without a command it serves MCP over standard input and output, for a client to launch. " + rest)
}

// writeCommand writes a section about a command, with its arguments and its own flags.
func (p *manPage) writeCommand(command *kong.Node) {
	_, _ = fmt.Fprintf(p, ".SS %s\n", roff(strings.TrimSuffix(command.Summary(), " [flags]")))
	p.paragraph(command.Help)
	for _, argument := range command.Positional {
		p.item(`\fI`+roff(argument.Name)+`\fR`, argument.Help)
	}
	p.writeFlags(command.Flags)
	for _, child := range command.Children {
		p.writeCommand(child)
	}
}

func (p *manPage) writeFlags(flags []*kong.Flag) {
	for _, flag := range flags {
		if flag.Hidden || flag.Name == "help" {
			continue
		}
		tag := `\fB` + roff("--"+flag.Name) + `\fR`
		if !flag.IsBool() {
			tag += `=\fI` + roff(describeValue(flag)) + `\fR`
		}
		p.item(tag, helpWithVariable(flag.Value))
	}
}

// describeValue says what value a flag takes: one of its values, or a word for it.
func describeValue(flag *kong.Flag) string {
	if flag.Enum != "" {
		return strings.ReplaceAll(flag.Enum, ",", "|")
	}
	return strings.ReplaceAll(flag.FormatPlaceHolder(), `"`, "")
}

func (p *manPage) section(title string) { _, _ = fmt.Fprintf(p, ".SH %s\n", title) }

func (p *manPage) paragraph(text string) { _, _ = fmt.Fprintf(p, "%s\n", roff(text)) }

// item writes an entry of a list. tag is roff already.
func (p *manPage) item(tag, text string) {
	_, _ = fmt.Fprintf(p, ".TP\n%s\n", tag)
	p.paragraph(text)
}

// roff escapes text, so that a formatter prints it as it is. Characters that are not ASCII
// are written by their code: older formatters do not read UTF-8.
func roff(text string) string {
	var out strings.Builder
	for i, r := range text {
		switch {
		case r == '\\':
			out.WriteString(`\e`)
		case r == '-':
			out.WriteString(`\-`)
		case i == 0 && (r == '.' || r == '\''):
			out.WriteString(`\&` + string(r))
		case r == '\'':
			out.WriteString(`\(aq`)
		case r == '&' || r == '?': // A long URL may be broken after it.
			out.WriteString(string(r) + `\:`)
		case r > '~':
			_, _ = fmt.Fprintf(&out, `\[u%04X]`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// buildDate returns the day of the commit that the program was built from, as in 2026-01-31,
// or "" if it is not known.
func buildDate() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" && len(s.Value) >= len("2026-01-31") {
			return s.Value[:len("2026-01-31")]
		}
	}
	return ""
}
