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

// byteOrderMark is what some programs on Windows write before the first line.
const byteOrderMark = "\ufeff"

// readLines puts each line of in into lines, except empty ones, until in ends or lines is
// closed. The last line may lack its line end. Of a line larger than MaxMessage it only
// says that there was one.
func (r *relay) readLines(in *bufio.Reader, lines *lineQueue) {
	for first := true; ; first = false {
		text, tooLong, err := readLine(in)
		if first {
			text = bytes.TrimPrefix(text, []byte(byteOrderMark))
		}
		if tooLong || len(bytes.TrimSpace(text)) > 0 {
			if !lines.put(inputLine{text, tooLong}) {
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

// forward passes the client's lines on to mcp-go's server until there are no more lines,
// ctx is done or the server does not take them. mcp-go answers requests in any order,
// but what a client sends after initialize relies on that being answered first; so
// forward waits for it.
func (r *relay) forward(ctx context.Context, lines *lineQueue, toServer io.Writer) {
	for {
		line, ok := lines.take()
		if !ok || ctx.Err() != nil {
			return
		}
		if line.tooLong {
			r.refuse(fmt.Sprintf("message is larger than %d MiB", MaxMessage>>20))
			continue
		}
		text := bytes.TrimRight(line.text, "\r\n")
		var m message
		if json.Unmarshal(text, &m) != nil {
			m = message{} // mcp-go's server answers it with an error.
		}
		if m.ID != nil && !m.isAnswer() && !isValidID(m.ID) {
			r.refuse("the id of a request must be a string or an integer")
			continue
		}
		if m.wrapIDs() {
			if wrapped, err := json.Marshal(m); err == nil {
				text = wrapped
			}
		}
		r.tracker.trackFromClient(&m)
		if _, err := toServer.Write(append(text, '\n')); err != nil {
			return
		}
		if m.isRequest() && m.Method == string(mcp.MethodInitialize) {
			r.tracker.waitForAnswer(ctx, m.ID)
		}
	}
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

// drain waits until all requests of the client are answered. It gives up if ctx is done
// before that, or the server takes no more input.
//
// A call may wait for the client's answer to a request of the server, such as an
// elicitation. As the client's input is read no more, drain answers these requests with
// an error, so that the call can end.
func (r *relay) drain(ctx context.Context, toServer io.Writer) {
	for {
		for _, id := range r.tracker.takeServerRequests() {
			if _, err := fmt.Fprintf(toServer, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"the client is gone"}}`+"\n", id); err != nil {
				return
			}
		}
		if allAnswered, ok := r.tracker.waitForAllAnswers(ctx); allAnswered || !ok {
			return
		}
	}
}

// Write passes one message of mcp-go's server on to the client. mcp-go writes a message
// with one call of Write, but several messages at the same time.
func (r *relay) Write(message []byte) (int, error) {
	id, isAnswer := parseID(message)
	toClient := message
	if own, wrapped := unwrapID(id); wrapped {
		toClient = bytes.Replace(message, id, own, 1) // The id comes before the result.
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
