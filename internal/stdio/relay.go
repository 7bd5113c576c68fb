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

// relay passes messages between the client and mcp-go's server, one per line, and tells
// its tracker of each. It is the writer that mcp-go's server writes to.
type relay struct {
	log     *slog.Logger
	tracker *tracker

	writeMu sync.Mutex // guards out
	out     io.Writer  // to the client
}

// readLines sends each line of in to lines, except empty ones, and closes lines when in
// ends. The last line may lack its line end. A line larger than MaxMessage is not sent:
// the client gets an error for it.
func (r *relay) readLines(in *bufio.Reader, lines chan<- []byte, stop <-chan struct{}) {
	defer close(lines)
	for {
		line, err := readLine(in)
		switch {
		case errors.Is(err, errLineTooLong):
			r.refuseLine()
		case len(bytes.TrimSpace(line)) > 0:
			select {
			case lines <- line:
			case <-stop:
				return
			}
		}
		if err != nil && !errors.Is(err, errLineTooLong) {
			if !errors.Is(err, io.EOF) {
				r.log.Warn("reading stopped", "err", err)
			}
			return
		}
	}
}

// refuseLine tells the client that a line was too long. The error has no id, since the
// line was not parsed.
func (r *relay) refuseLine() {
	r.log.Warn("message refused: too large", "limit_bytes", MaxMessage)
	refusal := mcp.NewJSONRPCError(mcp.NewRequestId(nil), mcp.INVALID_REQUEST,
		fmt.Sprintf("message is larger than %d MiB", MaxMessage>>20), nil)
	if text, err := json.Marshal(refusal); err == nil {
		_, _ = r.Write(append(text, '\n'))
	}
}

var errLineTooLong = errors.New("line too long")

// readLine returns the next line of in, with its line end. A line of more than
// MaxMessage bytes is read to its end but not kept, and gives errLineTooLong.
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
		case errors.Is(err, bufio.ErrBufferFull): // The line goes on.
		case tooLong && err == nil:
			return nil, errLineTooLong
		default:
			return line, err
		}
	}
}

// forward passes the client's lines on to mcp-go's server until there are no more lines,
// ctx is done or the server does not take them. mcp-go answers requests in any order,
// but what a client sends after initialize relies on that being answered first; so
// forward waits for it.
func (r *relay) forward(ctx context.Context, lines <-chan []byte, toServer io.Writer) {
	for {
		select {
		case <-ctx.Done():
			return
		case line, ok := <-lines:
			if !ok {
				return
			}
			id, method := r.tracker.trackFromClient(line)
			if _, err := toServer.Write(append(bytes.TrimRight(line, "\r\n"), '\n')); err != nil {
				return
			}
			if method == string(mcp.MethodInitialize) && id != "" {
				r.tracker.waitForAnswer(ctx, id)
			}
		}
	}
}

// drain waits until all requests of the client are answered. It reports false if ctx is
// done before that, or the server takes no more input.
//
// A call may wait for the client's answer to a request of the server, such as an
// elicitation. As the client's input is read no more, drain answers these requests with
// an error, so that the call can end.
func (r *relay) drain(ctx context.Context, toServer io.Writer) bool {
	for {
		for _, id := range r.tracker.takeServerRequests() {
			if _, err := fmt.Fprintf(toServer, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"the client is gone"}}`+"\n", id); err != nil {
				return false
			}
		}
		allAnswered, ok := r.tracker.waitForAllAnswers(ctx)
		if !ok {
			return false
		}
		if allAnswered {
			return true
		}
	}
}

// Write passes one message of mcp-go's server on to the client. mcp-go writes a message
// with one call of Write, but several messages at the same time.
func (r *relay) Write(message []byte) (int, error) {
	r.writeMu.Lock()
	n, err := r.out.Write(message)
	r.writeMu.Unlock()
	r.tracker.trackFromServer(message)
	return n, err
}
