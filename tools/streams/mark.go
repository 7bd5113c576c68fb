package streams

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// streamIDPrefix begins the StreamIds that a ledger makes up, so that other processes
// recognize them.
const streamIDPrefix = "zego-mcp-"

// Mark is what the StreamIds that a ledger makes up say of the process: after the prefix
// "zego-mcp-" the installation, the process and a random part, with "-" between them.
// Without an installation they have a random part only.
type Mark struct {
	Installation string // Letters and digits, the same for all processes on this machine; may be empty.
	Process      string // Letters and digits, different for each process; or CallProcess or KeepProcess.

	// IsDead reports whether the process of this installation with a name has ended. Nil:
	// none is known to have ended.
	IsDead func(process string) bool
}

// Values of Mark.Process for processes that leave their tasks running on purpose.
const (
	CallProcess = "call" // zego-mcp call.
	KeepProcess = "keep" // A server with --keep-tasks.
)

// newStreamID returns a StreamId that no other task has.
func (m Mark) newStreamID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // It never fails.
	id := hex.EncodeToString(random[:])
	if m.Installation != "" {
		id = m.Installation + "-" + m.Process + "-" + id
	}
	return streamIDPrefix + id
}

// process returns which process of this installation made a StreamId, or "".
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

// origin says who made a StreamId that is not one of the ledger's own tasks.
func (m Mark) origin(streamID string) Origin {
	switch {
	case m.process(streamID) == CallProcess:
		return Call
	case strings.HasPrefix(streamID, streamIDPrefix):
		return Orphan
	}
	return Other
}

// isDead reports whether a process of this installation that has ended made a StreamId.
func (m Mark) isDead(streamID string) bool {
	process := m.process(streamID)
	return process != "" && process != CallProcess && process != KeepProcess && m.IsDead != nil && m.IsDead(process)
}
