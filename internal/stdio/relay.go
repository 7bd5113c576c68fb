package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
)

// relay stands between mcp-go and the client, and tells its tracker what passes.
type relay struct {
	log     *slog.Logger
	tracker *tracker

	writing sync.Mutex // guards out
	out     io.Writer
}

// read hands over the lines of in, the last one with or without a line end, and
// closes lines at the end.
func (r *relay) read(in *bufio.Reader, lines chan<- []byte, stop <-chan struct{}) {
	defer close(lines)
	for {
		line, err := readLine(in)
		switch {
		case errors.Is(err, errTooLong):
			r.log.Warn("message refused: too large", "limit_bytes", MaxMessage)
			refusal := mcp.NewJSONRPCError(mcp.NewRequestId(nil), mcp.INVALID_REQUEST,
				fmt.Sprintf("message is larger than %d MiB", MaxMessage>>20), nil)
			if text, err := json.Marshal(refusal); err == nil {
				_, _ = r.Write(append(text, '\n'))
			}
		case len(bytes.TrimSpace(line)) > 0:
			select {
			case lines <- line:
			case <-stop:
				return
			}
		}
		if err != nil && !errors.Is(err, errTooLong) {
			if !errors.Is(err, io.EOF) {
				r.log.Warn("reading stopped", "err", err)
			}
			return
		}
	}
}

var errTooLong = errors.New("line too long")

// readLine returns one line of at most MaxMessage bytes. Of a longer one it
// keeps nothing and returns errTooLong.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > MaxMessage {
			tooLong, line = true, nil
		}
		if !tooLong {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case tooLong && err == nil:
			return nil, errTooLong
		default:
			return line, err
		}
	}
}

// feed passes the lines on to mcp-go until they end or ctx is done.
func (r *relay) feed(ctx context.Context, lines <-chan []byte, to io.Writer) {
	for {
		select {
		case <-ctx.Done():
			return
		case line, more := <-lines:
			if !more {
				return
			}
			id, method := r.tracker.note(line)
			if _, err := to.Write(append(bytes.TrimRight(line, "\r\n"), '\n')); err != nil {
				return
			}
			// mcp-go answers side by side; what follows initialize relies on it.
			if method == string(mcp.MethodInitialize) && id != "" {
				r.tracker.waitAnswered(ctx, id)
			}
		}
	}
}

// finish waits until ctx is done for the requests already read, and reports whether
// all were answered. What the server asks meanwhile, or asked before, nobody answers
// any more: it is refused for the client, so that the call which asked goes on.
func (r *relay) finish(ctx context.Context, to io.Writer) bool {
	for {
		for _, id := range r.tracker.takeAsked() {
			if _, err := fmt.Fprintf(to, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"the client is gone"}}`+"\n", id); err != nil {
				return false
			}
		}
		switch all, inTime := r.tracker.waitAllAnswered(ctx); {
		case !inTime:
			return false
		case all:
			return true
		}
	}
}

// Write passes one message on to the client. mcp-go writes each message with
// one call, but not all of them under one lock.
func (r *relay) Write(p []byte) (int, error) {
	r.writing.Lock()
	n, err := r.out.Write(p)
	r.writing.Unlock()
	r.tracker.written(p)
	return n, err
}
