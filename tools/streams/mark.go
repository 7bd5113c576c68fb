package streams

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// streamIDPrefix begins all StreamIds that ledgers generate, so that other processes of
// zego-mcp recognize them.
const streamIDPrefix = "zego-mcp-"

// Mark names a process in the StreamIds that its ledger generates. Such a StreamId is
// "zego-mcp-INSTALLATION-PROCESS-RANDOM", or "zego-mcp-RANDOM" if Installation is empty.
type Mark struct {
	Installation string // Letters and digits, the same for all processes on this machine; may be empty.
	Process      string // Letters and digits, different for each process, or CallProcess or KeepProcess.

	// IsDead reports whether the process of this installation with that name has ended. If
	// IsDead is nil, no process counts as ended.
	IsDead func(process string) bool
}

// Values of Mark.Process for processes that leave their tasks running on purpose.
const (
	CallProcess = "call" // zego-mcp call.
	KeepProcess = "keep" // A server with --keep-tasks.
)

// newStreamID generates a StreamId that no other task has.
func (m Mark) newStreamID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // crypto/rand.Read never fails.
	id := hex.EncodeToString(random[:])
	if m.Installation != "" {
		id = m.Installation + "-" + m.Process + "-" + id
	}
	return streamIDPrefix + id
}

// process returns the name of the process of this installation that generated a StreamId. It
// returns "" if none did.
func (m Mark) process(streamID string) string {
	rest, ok := strings.CutPrefix(streamID, streamIDPrefix+m.Installation+"-")
	if m.Installation == "" || !ok {
		return ""
	}
	process, _, ok := strings.Cut(rest, "-")
	if !ok {
		return ""
	}
	return process
}

// origin returns who started a task with a StreamId, if no ledger of this server did.
func (m Mark) origin(streamID string) Origin {
	switch {
	case m.process(streamID) == CallProcess:
		return Call
	case strings.HasPrefix(streamID, streamIDPrefix):
		return Orphan
	}
	return Other
}

// isDead reports whether a process of this installation generated a StreamId, has ended, and
// did not leave its tasks running on purpose.
func (m Mark) isDead(streamID string) bool {
	process := m.process(streamID)
	return process != "" && process != CallProcess && process != KeepProcess && m.IsDead != nil && m.IsDead(process)
}
