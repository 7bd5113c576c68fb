package cli_test

import (
	"bytes"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"zego-mcp/internal/cli"
)

// manual returns what the command man prints.
func manual(t *testing.T) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), []string{"man"}, func(string) string { return "" }, nil, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	return out.String()
}

// TestManIsComplete checks that the manual page has every command and flag of the help.
func TestManIsComplete(t *testing.T) {
	t.Parallel()
	plain := strings.NewReplacer(`\-`, "-", `\fB`, "", `\fR`, "", `\fI`, "").Replace(manual(t))
	var help bytes.Buffer
	cli.Run(t.Context(), []string{"--help"}, func(string) string { return "" }, nil, &help, &help)
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(help.String(), -1)
	if len(commands) < 8 {
		t.Fatalf("the help lists %d commands: %s", len(commands), help.String())
	}
	for _, command := range commands {
		if !strings.Contains(plain, "\n.SS "+command[1]) {
			t.Errorf("the manual page has no section about %s", command[1])
		}
		help.Reset()
		cli.Run(t.Context(), []string{command[1], "--help"}, func(string) string { return "" }, nil, &help, &help)
		for _, flag := range regexp.MustCompile(`(?m)^ +(--[a-z-]+)`).FindAllStringSubmatch(help.String(), -1) {
			if flag[1] != "--help" && !strings.Contains(plain, "\n"+flag[1]) {
				t.Errorf("the manual page has no %s, of %s", flag[1], command[1])
			}
		}
	}
	for _, text := range []string{"ZEGO_SERVER_SECRET_FILE", ".SH EXIT STATUS", ".SH FILES", `\[u2026]`} {
		if !strings.Contains(plain, text) {
			t.Errorf("the manual page has no %q", text)
		}
	}
}

// TestManIsValid lets the formatters of this machine read the manual page.
func TestManIsValid(t *testing.T) {
	t.Parallel()
	page := manual(t)
	format := func(name string, args ...string) string {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("SKIPPED: %s is not installed, so it has not read the manual page", name)
			return ""
		}
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Stdin = strings.NewReader(page)
		out, err := cmd.CombinedOutput()
		if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
			t.Errorf("%s: %v", name, err)
		}
		return string(out)
	}
	for line := range strings.Lines(format("mandoc", "-T", "lint", "-W", "warning")) {
		if !strings.Contains(line, "missing date") { // A test binary does not know its commit.
			t.Error(line)
		}
	}
	for _, formatter := range [][]string{{"mandoc", "-T", "ascii"}, {"man", "--warnings=all", "-l", "-"}} {
		text := regexp.MustCompile(`.\x08`).ReplaceAllString(format(formatter[0], formatter[1:]...), "")
		if text != "" && (!strings.Contains(text, "--max-sessions=1000") || strings.Contains(text, "warning:")) {
			t.Errorf("%v prints %s", formatter, text)
		}
	}
}
