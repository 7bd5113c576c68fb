package cli

import (
	"log/slog"
	"zego-mcp/internal/installation"
	"zego-mcp/tools/streams"
)

// processMark returns the mark of a server's stream tasks, and a function that must be
// called when the process ends. With register the process becomes known to others of this
// installation, so that they stop what it leaves behind if it dies. A home directory that
// cannot be written is no error: then nobody recognizes the tasks.
func (e *env) processMark(register bool, log *slog.Logger) (mark streams.Mark, end func()) {
	if !register {
		return e.readMark("", log), func() {}
	}
	if e.settings.KeepTasks {
		return e.createMark(streams.KeepProcess, log), func() {}
	}
	dir, err := installation.Directory(e.getenv)
	if err != nil {
		return e.noMark(err, log), func() {}
	}
	this, err := installation.Open(dir)
	if err != nil {
		return e.noMark(err, log), func() {}
	}
	return streams.Mark{Installation: this.ID, Process: this.Process, IsDead: this.IsDead}, func() { _ = this.Close() }
}

// createMark returns the mark of a process that leaves its stream tasks running.
func (e *env) createMark(process string, log *slog.Logger) streams.Mark {
	dir, err := installation.Directory(e.getenv)
	if err != nil {
		return e.noMark(err, log)
	}
	id, err := installation.CreateID(dir)
	if err != nil {
		return e.noMark(err, log)
	}
	return streams.Mark{Installation: id, Process: process}
}

// readMark returns a mark that recognizes this installation's tasks, and changes nothing on
// this machine.
func (e *env) readMark(process string, log *slog.Logger) streams.Mark {
	dir, err := installation.Directory(e.getenv)
	if err != nil {
		return e.noMark(err, log)
	}
	id, err := installation.ReadID(dir)
	if err != nil {
		return e.noMark(err, log)
	}
	return streams.Mark{Installation: id, Process: process}
}

func (e *env) noMark(err error, log *slog.Logger) streams.Mark {
	log.Debug("this machine keeps no state, so another process cannot recognize the stream tasks of this one", "err", err)
	return streams.Mark{}
}
