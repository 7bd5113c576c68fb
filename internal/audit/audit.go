// Package audit writes down who starts, drives and stops stream tasks.
//
// It observes the client of ZEGO's API, past which nothing can start, drive or stop a task. So
// it also sees what a server does by itself: at its end, after a crash of an earlier process, or
// for another server that has died.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
)

// Options says what an audit log holds and who is told when it fails.
type Options struct {
	// Subject returns who makes a request of a client, or "" if that is not known. Default:
	// nobody is known.
	Subject func(context.Context) string
	// Failed is called for each line that could not be written. Default: nothing is called.
	Failed func()
	// Logger gets an ERROR when lines cannot be written, once until one can. Default: none.
	Logger *slog.Logger
	// Now is this machine's clock. Default: time.Now.
	Now func() time.Time
}

// Project says what an audit log must know of a ZEGO project.
type Project struct {
	AppID uint32
	// Names returns the RoomId and the StreamId of a task, or "" if they are not known. Nil: they
	// are never known.
	Names func(taskID string) (roomID, streamID string)
}

// Log is an audit log. It is safe for concurrent use.
type Log struct {
	path string
	opts Options

	mu      sync.Mutex // guards what follows
	file    io.WriteCloser
	failing bool // The last line could not be written.
}

// entry is one line. It holds ids and names only, never what is spoken.
type entry struct {
	Time      string `json:"time"` // RFC 3339, UTC.
	By        string `json:"by"`   // "client", or "server" for what the server does by itself.
	Subject   string `json:"subject,omitempty"`
	Tool      string `json:"tool,omitempty"`   // Of by "client".
	Reason    string `json:"reason,omitempty"` // Of by "server": see streams.StopReason.
	Action    string `json:"action"`           // ZEGO's name.
	AppID     uint32 `json:"app_id"`
	TaskID    string `json:"TaskId,omitempty"`
	StreamID  string `json:"StreamId,omitempty"`
	RoomID    string `json:"RoomId,omitempty"`
	Outcome   string `json:"outcome"`
	Code      int    `json:"code,omitempty"` // ZEGO's, if it refused.
	RequestID string `json:"RequestId,omitempty"`
}

// maxText is how many bytes of a text that others chose are written.
const maxText = 256

// Open opens the audit log in the file at path, and makes it, readable by its owner alone, if it
// is not there. Lines are added at its end.
func Open(path string, opts Options) (*Log, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Subject == nil {
		opts.Subject = func(context.Context) string { return "" }
	}
	if opts.Failed == nil {
		opts.Failed = func() {}
	}
	l := &Log{path: path, opts: opts}
	var err error
	l.file, err = l.open()
	return l, err
}

func (l *Log) open() (io.WriteCloser, error) {
	return os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
}

// Reopen opens the file anew, after something else has moved the old one away. If that fails,
// the old file stays in use.
func (l *Log) Reopen() {
	file, err := l.open()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.opts.Logger.Error("the audit log cannot be opened again; the file from before stays in use", "err", err)
		return
	}
	_ = l.file.Close()
	l.file = file
	l.opts.Logger.Info("opened the audit log again")
}

// Close closes the file. Nothing can be written after that.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// Observer returns an observer that writes a line for each call of a project's client that
// starts, drives or stops a stream task. project is called for each line.
func (l *Log) Observer(project func() Project) zego.Observer {
	return zego.Observer{Call: func(ctx context.Context, call zego.CallInfo) {
		if !call.ReadOnly {
			l.write(l.entry(ctx, project(), call))
		}
	}}
}

func (l *Log) entry(ctx context.Context, project Project, call zego.CallInfo) entry {
	e := entry{
		Time: l.opts.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"), By: "client", Subject: l.opts.Subject(ctx), Tool: tools.RequestName(ctx),
		Action: call.Action, AppID: project.AppID,
		TaskID: call.TaskID, StreamID: call.StreamID, RoomID: call.RoomID,
		Outcome: outcomeOf(call), Code: int(call.Code), RequestID: call.RequestID,
	}
	if e.Tool == "" {
		e.By, e.Reason = "server", streams.StopReason(ctx)
	}
	if e.StreamID == "" && e.TaskID != "" && project.Names != nil {
		e.RoomID, e.StreamID = project.Names(e.TaskID)
	}
	return e
}

// outcomeOf says how a call ended: "ok"; "refused" by ZEGO; "not_sent"; or "unknown" if it may
// have been carried out, because its answer was lost.
func outcomeOf(call zego.CallInfo) string {
	_, lost := errors.AsType[*zego.LostAnswerError](call.Err)
	switch {
	case call.Err == nil:
		return "ok"
	case call.Attempts == 0:
		return "not_sent"
	case lost || call.Code == 0:
		return "unknown"
	}
	return "refused"
}

// write adds a line. A line that cannot be written stops nothing: the call has been made.
func (l *Log) write(e entry) {
	for _, text := range []*string{&e.Subject, &e.Tool, &e.TaskID, &e.StreamID, &e.RoomID, &e.RequestID} {
		*text = (*text)[:min(len(*text), maxText)]
	}
	line := append(quote(e), '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.file.Write(line)
	if err != nil {
		l.opts.Failed()
		if !l.failing {
			l.opts.Logger.Error("the audit log cannot be written; calls go on without it", "err", err)
		}
	}
	l.failing = err != nil
}

// quote encodes an entry in ASCII, so that no text in it can change how a terminal shows the
// line.
func quote(e entry) []byte {
	var encoded strings.Builder
	enc := json.NewEncoder(&encoded)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(e) // Strings and numbers can always be encoded.
	var line strings.Builder
	for _, r := range strings.TrimSuffix(encoded.String(), "\n") {
		switch {
		case r < utf8.RuneSelf && r != unicode.MaxASCII:
			line.WriteRune(r)
		case r <= 0xFFFF:
			fmt.Fprintf(&line, `\u%04x`, r)
		default:
			r -= 0x10000
			fmt.Fprintf(&line, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		}
	}
	return []byte(line.String())
}
