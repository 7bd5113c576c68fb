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
// its tracker of each. It is the reader that mcp-go's server reads from, and the writer
// that it writes to. Some ids would come back changed from mcp-go, such as those of integers
// beyond 2^53; relay replaces them on the way in, and puts them back on the way out.
type relay struct {
	ctx     context.Context // When it is done, Read returns io.EOF.
	log     *slog.Logger
	tracker *tracker

	lines        *lineQueue      // From the client.
	unread       []byte          // What the server has not read yet of the last message.
	initializeID json.RawMessage // If the server's last message was an initialize, its id; otherwise nil.

	writeMu sync.Mutex // guards out
	out     io.Writer  // to the client
}

// byteOrderMark is what some programs on Windows write before the first line.
const byteOrderMark = "\ufeff"

// readLines puts each line of in into r.lines, except empty ones, until in ends or
// r.lines is closed. The last line may lack its line end. Of a line larger than MaxMessage
// it only says that there was one.
func (r *relay) readLines(in *bufio.Reader) {
	for first := true; ; first = false {
		text, tooLong, err := readLine(in)
		if first {
			text = bytes.TrimPrefix(text, []byte(byteOrderMark))
		}
		if tooLong || len(bytes.TrimSpace(text)) > 0 {
			if !r.lines.put(inputLine{text, tooLong}) {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				r.log.Warn("reading stopped", "err", err)
			}
			return
		}
	}
}

// readLine returns the next line of in, with its line end. A line of more than MaxMessage
// bytes is read to its end but not kept; of it readLine reports that it is too long. At the
// end of in, err is io.EOF, with or without a last line.
func readLine(in *bufio.Reader) (text []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(text)+len(part) > MaxMessage {
			tooLong, text = true, nil
		}
		if !tooLong {
			text = append(text, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, tooLong, err
		}
	}
}

// Read gives mcp-go's server the client's messages. It returns io.EOF when there are no
// more and all requests are answered, or when r.ctx is done. mcp-go cancels all running
// calls at io.EOF.
func (r *relay) Read(p []byte) (int, error) {
	if len(r.unread) == 0 {
		next, ok := r.next()
		if !ok {
			return 0, io.EOF
		}
		r.unread = next
	}
	n := copy(p, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// next returns the next line for mcp-go's server. mcp-go answers requests in any order,
// but what a client sends after initialize relies on that being answered first; so next
// waits for it.
func (r *relay) next() (line []byte, ok bool) {
	if r.initializeID != nil {
		r.tracker.waitForAnswer(r.ctx, r.initializeID)
		r.initializeID = nil
	}
	for {
		line, ok := r.lines.take()
		switch {
		case r.ctx.Err() != nil:
			return nil, false
		case !ok:
			return r.drain()
		}
		if text := r.toServer(line); text != nil {
			return text, true
		}
	}
}

// toServer returns the line that mcp-go's server gets for a line of the client, or nil if
// the client got an error for it.
func (r *relay) toServer(line inputLine) []byte {
	if line.tooLong {
		r.refuse(fmt.Sprintf("message is larger than %d MiB", MaxMessage>>20))
		return nil
	}
	text := bytes.TrimRight(line.text, "\r\n")
	var m message
	if json.Unmarshal(text, &m) != nil {
		m = message{} // mcp-go's server answers it with an error.
	}
	if m.ID != nil && !m.isAnswer() && !isValidID(m.ID) {
		r.refuse("the id of a request must be a string or an integer")
		return nil
	}
	if m.wrapIDs() {
		if wrapped, err := json.Marshal(m); err == nil {
			text = wrapped
		}
	}
	r.tracker.trackFromClient(&m)
	if m.isRequest() && m.Method == string(mcp.MethodInitialize) {
		r.initializeID = m.ID
	}
	return append(text, '\n')
}

// drain is called when the client's input has ended, again after each time that it returned
// lines. When all requests of the client are answered, or r.ctx is done, it reports false.
//
// A call may wait for the client's answer to a request of the server, such as an
// elicitation. The client cannot answer any more. So drain returns lines that answer these
// requests with an error, and the call can end.
func (r *relay) drain() (lines []byte, ok bool) {
	allAnswered, ok := r.tracker.waitForAllAnswers(r.ctx)
	if allAnswered || !ok {
		return nil, false
	}
	for _, id := range r.tracker.takeServerRequests() {
		lines = fmt.Appendf(lines, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"the client is gone"}}`+"\n", id)
	}
	return lines, true
}

// refuse tells the client why a message was not taken. The error has no id, because the
// message has none that could be used.
func (r *relay) refuse(why string) {
	r.log.Warn("message refused", "err", why)
	refusal := mcp.NewJSONRPCError(mcp.NewRequestId(nil), mcp.INVALID_REQUEST, why, nil)
	if text, err := json.Marshal(refusal); err == nil {
		_, _ = r.Write(append(text, '\n'))
	}
}

// Write passes one message of mcp-go's server on to the client. Each call of Write has one
// whole message, but mcp-go calls Write from several goroutines at the same time.
func (r *relay) Write(message []byte) (int, error) {
	id, isAnswer := parseID(message)
	toClient := message
	if own, wrapped := unwrapID(id); wrapped {
		toClient = bytes.Replace(message, id, own, 1) // The id stands before the result, so it is the first match.
	}
	r.writeMu.Lock()
	_, err := r.out.Write(toClient)
	r.writeMu.Unlock()
	r.tracker.trackFromServer(id, isAnswer)
	if err != nil {
		return 0, err
	}
	return len(message), nil
}
