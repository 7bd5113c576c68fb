package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/cli"
	"zego-mcp/internal/leaktest"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// asDocumented is the environment variable that makes the test binary run as the program that
// a block of the documentation calls. It holds the URL of a simulator.
const asDocumented = "TEST_AS_DOCUMENTED"

// prelude begins each shell script: what is not on the PATH is another program, which is not
// run. If its arguments call zego-mcp, these are checked.
const prelude = `set -eu -o pipefail
command_not_found_handle() { "$TEST_FOREIGN" "$@"; }
`

// TestDocumentedCommands runs the shell blocks of each page, from top to bottom, in a home
// that holds nothing. zego-mcp talks to a simulator; a server is started and stopped. Where a
// block has an ellipsis in place of an id, it gets one. "$ " begins the commands of a console
// block, whose output must be the documented one.
func TestDocumentedCommands(t *testing.T) {
	inParallel(t)
	if _, err := exec.LookPath("bash"); err != nil || runtime.GOOS == "windows" {
		t.Skip("there is no bash")
	}
	for _, p := range readPages(t) {
		if isChinese(p.name) { // TestLanguages finds its blocks equal to those in English.
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			inParallel(t)
			documented := newDocumentedShell(t)
			var script strings.Builder
			for _, block := range fence.FindAllStringSubmatchIndex(p.text, -1) {
				language, text := p.text[block[2]:block[3]], p.text[block[4]:block[5]]
				switch language {
				case "sh":
					line := 1 + strings.Count(p.text[:block[0]], "\n")
					_, _ = fmt.Fprintf(&script, "echo '== the block in line %d' >&2\n%s\n", line, text)
				case "console":
					documented.checkConsole(t, p, text)
				}
			}
			if output, err := documented.run(script.String()); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
}

// documentedShell runs commands as a user does who has installed zego-mcp.
type documentedShell struct {
	dir string // Where the commands run.
	env []string
}

// newDocumentedShell starts a simulator and makes an empty home.
func newDocumentedShell(t *testing.T) documentedShell {
	t.Helper()
	sim := httptest.NewServer(leaktest.Handler(&zegosim.Server{QPS: -1, StartDelay: time.Millisecond}))
	t.Cleanup(sim.Close)
	root := t.TempDir()
	bin, home, work := filepath.Join(root, "bin"), filepath.Join(root, "home"), filepath.Join(root, "work")
	for _, dir := range []string{bin, home, work} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	installed := filepath.Join(bin, "zego-mcp") // Programs of go test, as of go run, are not for configurations.
	if err := os.Link(program, installed); err != nil {
		t.Fatal(err)
	}
	links := map[string]string{"go": installed, "foreign": installed}
	for _, name := range []string{"sh", "cat", "ls", "mkdir", "rm", "cp", "mv", "chmod", "head", "tail", "grep", "sed", "tee", "sleep", "env", "mktemp"} {
		if path, err := exec.LookPath(name); err == nil {
			links[name] = path
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return documentedShell{work, []string{
		"PATH=" + bin, "HOME=" + home, "PWD=" + work, "TMPDIR=" + root, "LANG=C.UTF-8",
		"TEST_FOREIGN=" + filepath.Join(bin, "foreign"), asDocumented + "=" + sim.URL,
		raceOptions + "=" + os.Getenv(raceOptions),
	}}
}

// run runs a script of bash and returns what it printed.
func (s documentedShell) run(script string) (output string, err error) {
	var all bytes.Buffer
	err = s.command(script, &all, &all).Run()
	return all.String(), err
}

func (s documentedShell) command(script string, stdout, stderr io.Writer) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	bash, _ := exec.LookPath("bash")
	cmd := exec.CommandContext(ctx, bash, "--noprofile", "--norc", "-c", prelude+script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.dir, s.env, stdout, stderr
	cmd.WaitDelay = time.Second
	context.AfterFunc(ctx, cancel)
	return cmd
}

// checkConsole runs the commands of a console block and compares what they print on standard
// output. With -update it writes that into the page.
func (s documentedShell) checkConsole(t *testing.T, p page, text string) {
	t.Helper()
	var got strings.Builder
	for line := range strings.Lines(text) {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		got.WriteString(line)
		var stderr bytes.Buffer
		if err := s.command(command, &got, &stderr).Run(); err != nil {
			t.Errorf("%s%v\n%s", line, err, stderr.String())
		}
	}
	switch {
	case got.String() == text:
	case *update:
		file := filepath.Join(top, p.name)
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, bytes.Replace(page, []byte(text), []byte(got.String()), 1), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: a command prints something else; -update writes it (-documented +printed):\n%s", p.name, cmp.Diff(text, got.String()))
	}
}

// runDocumented is what the test binary does in place of the programs of a block, and returns
// the exit code.
func runDocumented() int {
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	switch {
	case name == "foreign":
		return checkForeign(args)
	case name == "go" && len(args) > 1 && args[0] == "run" && args[1] == ".":
		args = args[2:]
	case name == "go" && len(args) > 2 && args[0] == "build" && args[1] == "-o":
		program, err := os.Executable()
		if err == nil {
			err = os.Symlink(program, args[2])
		}
		if err != nil && !os.IsExist(err) {
			_, _ = fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	case name == "go": // Such as go test and go doc, which take too long here.
		return 0
	}
	return runZegoMCP(args)
}

// checkForeign checks the call of another program: if one of its arguments is the path or the
// image of zego-mcp, those after it must be a command line of zego-mcp.
func checkForeign(args []string) int {
	_, _ = io.Copy(io.Discard, os.Stdin) // Of a pipe.
	if err := checkClientCommand(args); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "%q: %v\n", args, err)
		return 1
	}
	return 0
}

// checkClientCommand returns an error if args have the path of zego-mcp, and after it something
// that is no command line of it.
func checkClientCommand(args []string) error {
	i := slices.IndexFunc(args, func(arg string) bool {
		return regexp.MustCompile(`^(\S+/|[A-Za-z]:\\.*\\)zego-mcp(\.exe|:\S+)?$`).MatchString(arg)
	})
	if i < 0 {
		return nil
	}
	return parseCommandLine(args[i+1:])
}

// parseCommandLine returns an error if zego-mcp refuses args.
func parseCommandLine(args []string) error {
	_, err := cli.NewParser().Parse(args)
	return err
}

// endings are the texts that say that a server serves.
var endings = map[string]string{
	"serve": "serving MCP", "simulate": "export ZEGO_ENDPOINT", "watch": "Watch the stream at",
}

// runZegoMCP runs zego-mcp with a simulator in place of ZEGO, and ends a server when it serves.
func runZegoMCP(args []string) int {
	parsed, err := cli.NewParser().Parse(args)
	command := "serve"
	if err == nil && parsed.Selected() != nil {
		command = parsed.Selected().Name
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stop := &stopper{text: endings[command], stop: cancel}
	stdout, stderr := io.MultiWriter(os.Stdout, stop), io.MultiWriter(os.Stderr, stop)
	var stdin io.Reader = os.Stdin
	if command == "login" {
		stdin = strings.NewReader(fmt.Sprintf("%d\n%s\n", zegosim.DefaultAppID, zegosim.DefaultSecret))
	}
	return cli.Run(ctx, adapt(command, args), documentedVariable, stdin, stdout, stderr)
}

// documentedVariable returns a variable of the environment; those that name ZEGO's project name
// the simulator's.
func documentedVariable(name string) string {
	switch name {
	case "ZEGO_ENDPOINT":
		return os.Getenv(asDocumented)
	case "ZEGO_APP_ID":
		return fmt.Sprint(zegosim.DefaultAppID)
	case "ZEGO_SERVER_SECRET":
		return zegosim.DefaultSecret
	case "ZEGO_SERVER_SECRET_FILE":
		return ""
	}
	return os.Getenv(name)
}

// stopper calls stop when text has been written.
type stopper struct {
	text string
	stop func()
	seen strings.Builder
}

// Write implements io.Writer.
func (s *stopper) Write(p []byte) (int, error) {
	s.seen.Write(p)
	if s.text != "" && strings.Contains(s.seen.String(), s.text) {
		s.stop()
	}
	return len(p), nil
}

// adapt returns the arguments with addresses of this machine in place of documented ones, and
// with ids in place of an ellipsis.
func adapt(command string, args []string) []string {
	args = slices.Clone(args)
	for i, arg := range args {
		name, value, hasValue := strings.Cut(arg, "=")
		if !hasValue && i > 0 {
			name, value = args[i-1], arg
		}
		var actual string
		switch name {
		case "--listen", "--admin-listen":
			actual = "127.0.0.1:0"
		case "--redis-url":
			actual = "redis://127.0.0.1:1"
		case "--callback-url":
			actual = "http://127.0.0.1:1"
		case "AudioUrl":
			actual = os.Getenv(asDocumented) + "/audio.mp3"
		default:
			if actual = value; value == "…" {
				actual = idFor(name)
			}
		}
		switch {
		case hasValue:
			args[i] = name + "=" + actual
		case strings.HasPrefix(name, "--") && actual != "" && !strings.HasPrefix(arg, "--"):
			args[i] = actual
		case arg == "…":
			args[i] = idFor("TaskId") // The argument of watch.
		}
	}
	switch command {
	case "serve":
		// The last --listen counts: the default port may be taken by the example of another page.
		if slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--transport") }) {
			args = append(args, "--listen=127.0.0.1:0")
		}
	case "watch":
		args = append(args, "--no-open")
	case "install", "uninstall":
		args = append(args, "--yes")
	}
	return args
}

// idFor returns an id of the simulator for the name of an argument.
func idFor(name string) string {
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: os.Getenv(asDocumented)})
	if err != nil {
		panic(err)
	}
	switch name {
	case "DigitalHumanId", "--digital-human":
		for _, human := range zegosim.DefaultHumans() {
			if slices.ContainsFunc(human.Gestures, func(g zego.Gesture) bool { return g.Name == "wave_hand" }) {
				return human.ID
			}
		}
	case "TimbreId":
		if page, err := client.ListTimbres(context.Background(), zego.ListTimbresRequest{}); err == nil {
			return page.Timbres[0].ID
		}
	case "TaskId":
		if list, err := client.ListStreamTasks(context.Background()); err == nil && len(list.Tasks) > 0 {
			return list.Tasks[len(list.Tasks)-1].ID
		}
	}
	return "…"
}

// TestDocumentedConfiguration parses the blocks that cannot be run: JSON, where the entry of a
// client must name zego-mcp and flags and variables that exist, and PowerShell.
func TestDocumentedConfiguration(t *testing.T) {
	t.Parallel()
	known := knownNames(t)
	for _, p := range readPages(t) {
		for _, block := range fence.FindAllStringSubmatch(p.text, -1) {
			var err error
			switch language, text := block[1], block[2]; language {
			case "json":
				var value any
				if err = json.Unmarshal([]byte(text), &value); err == nil {
					err = checkEntries(value, known)
				}
			case "powershell":
				err = checkPowerShell(text)
			case "sh", "console", "go", "text", "nginx", "html", "yaml", "toml", "diff", "dockerfile":
			default:
				err = fmt.Errorf("no test knows blocks of the language %q", language)
			}
			if err != nil {
				t.Errorf("%s: %v in\n%s", p.name, err, block[2])
			}
		}
	}
}

// checkEntries checks every object within a value that is the entry of a client: it has a
// command, which is a path or a list that begins with one.
func checkEntries(value any, known names) error {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			if err := checkEntries(item, known); err != nil {
				return err
			}
		}
	case map[string]any:
		if command, ok := value["command"].(string); ok {
			return checkEntry(append([]string{command}, stringsOf(value["args"])...), value["env"], known)
		}
		for _, member := range value {
			if err := checkEntries(member, known); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkEntry checks the command line and the variables of the entry of a client.
func checkEntry(command []string, env any, known names) error {
	if !regexp.MustCompile(`[/\\]zego-mcp(\.exe)?$`).MatchString(command[0]) {
		return fmt.Errorf("the command %q is no absolute path of zego-mcp", command[0])
	}
	variables, _ := env.(map[string]any)
	for name := range variables {
		if !known.variables[name] {
			return fmt.Errorf("there is no variable %s", name)
		}
	}
	return parseCommandLine(command[1:])
}

// stringsOf returns the texts in a list of JSON.
func stringsOf(value any) []string {
	list, _ := value.([]any)
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = fmt.Sprint(item)
	}
	return texts
}

// checkPowerShell checks the lines of a PowerShell block that run zego-mcp.
func checkPowerShell(text string) error {
	for line := range strings.Lines(text) {
		var words []string
		line, _, _ = strings.Cut(line, " | ") // What follows is another program's.
		for _, match := range regexp.MustCompile(`"([^"]*)"|'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
			words = append(words, match[1]+match[2]+match[3])
		}
		if len(words) > 0 && strings.HasSuffix(words[0], "zego-mcp.exe") {
			if err := parseCommandLine(words[1:]); err != nil {
				return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
			}
		}
	}
	return nil
}
