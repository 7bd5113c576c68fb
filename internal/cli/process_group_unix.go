//go:build unix

package cli

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a program that is to be started into a process group of its own. When the context
// of cmd is done, the whole group is killed: a program may have started others. killRest kills
// what is left of the group; it must be called when the program has ended.
func ownGroup(cmd *exec.Cmd) (killRest func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	return func() { _ = kill() }
}
