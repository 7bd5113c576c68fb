package cli_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"zego-mcp/zego/zegosim"
)

// shells are the shells whose scripts are tried. init is what the shell does first; files are
// by name, with ready as the prompt.
var shells = map[string]struct {
	args []string
	file string
	init string
	env  string
}{
	"bash": {[]string{"--noprofile", "--rcfile", "rc", "-i"}, "rc", "PS1='ready> '\nsource <(zego-mcp completion bash)\n", ""},
	"zsh":  {[]string{"-i"}, ".zshrc", "PS1='ready> '\nautoload -U compinit\ncompinit -D -u\nsource <(zego-mcp completion zsh)\n", "ZDOTDIR=."},
	"fish": {[]string{"--no-config", "-i", "-C", "source rc"}, "rc", "function fish_prompt\n echo -n 'ready> '\nend\nzego-mcp completion fish | source\n", ""},
}

// TestShells types command lines in real shells, with tabs, and looks at the words that the
// program then gets.
func TestShells(t *testing.T) {
	t.Parallel()
	human := zegosim.DefaultHumans()[0]
	for name := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(name); err != nil {
				t.Skipf("SKIPPED: %s is not installed, so its completion is not tried", name)
			}
			shell := startShell(t, name)
			byName := human.Name
			if name == "fish" { // It drops values that do not fit what was typed.
				byName = human.ID[:8]
			}
			withName := "call --simulate get_digital_human DigitalHumanId=" + byName + "\t"
			for typed, want := range map[string]string{
				withName:                               "[call][--simulate][get_digital_human][DigitalHumanId=" + human.ID + "]",
				"cal\tlist_timb\tSco\tpri\t":           "[call][list_timbres][Scope=private]",
				"call --log-l\twa\tlist_timb\t":        "[call][--log-level][warn][list_timbres]",
				"--log-level=wa\t":                     "[--log-level=warn]",
				"completion po\t":                      "[completion][powershell]",
				"call list_timbres --save rep\t":       "[call][list_timbres][--save][report one.jpg]",
				"call drive_by_text 'Text=a b' Timb\t": "[call][drive_by_text][Text=a b][TimbreId=]",
			} {
				if _, err := io.WriteString(shell, "zego-mcp "+typed+"\r"); err != nil {
					t.Fatal(err)
				}
				if got := readUntil(t, shell, "]\r\n"); !strings.Contains(got, "got "+want) {
					t.Errorf("%q: got %q, want %s", typed, got, want)
				}
				readUntil(t, shell, "ready> ")
			}
		})
	}
}

// startShell starts an interactive shell at a terminal, and returns the other end of that. In
// the shell zego-mcp completes, and otherwise only prints the words that it gets.
func startShell(t *testing.T, name string) *os.File {
	t.Helper()
	dir, shell := t.TempDir(), shells[name]
	program := fmt.Sprintf("#!/bin/sh\ncase $1,$# in\n__complete,*|completion,2) test \"$2\" = powershell || %s=1 exec %q \"$@\";;\nesac\nprintf 'got '; printf '[%%s]' \"$@\"; echo\n", asProgram, os.Args[0])
	for file, text := range map[string]string{"zego-mcp": program, shell.file: shell.init, "report one.jpg": ""} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tty, control := openTerminal(t)
	cmd := exec.CommandContext(t.Context(), name, shell.args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, tty, tty, tty
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "TERM=xterm", "ZEGO_APP_ID=", "ZEGO_SERVER_SECRET=", "ZEGO_TOOLSETS=", shell.env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = tty.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = control.Close()
	})
	readUntil(t, control, "ready> ")
	return control
}
