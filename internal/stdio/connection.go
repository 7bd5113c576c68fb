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
	"github.com/mark3labs/mcp-go/server"
)

// connection is the connection to the client. It reads messages, one per line, lets mcp-go's
// server handle them, and writes the answers.
type connection struct {
	ctx     context.Context // Of all requests; done when Serve gives up on them.
	server  *server.MCPServer
	session *session
	log     *slog.Logger

	lines *lineQueue // From the client, not yet handled.

	requests sync.WaitGroup // Requests that are not answered yet.
	calls    chan struct{}  // Has an element for each tool call that runs.

	inputEnded context.Context // Done when all lines of the client were handled.

	mu       sync.Mutex       // guards inFlight
	inFlight map[any]*request // The requests, by what parseID returns. If two have the same id, the later one.

	writeMu sync.Mutex // guards out
	out     io.Writer  // to the client
}

// request is a request that the client may cancel.
type request struct{ cancel context.CancelFunc }

// byteOrderMark is what some programs on Windows write before the first line.
const byteOrderMark = "\ufeff"

// readLines puts each line of in into c.lines, except empty ones, until in ends or
// c.lines is closed. The last line may lack its line end. Of a line larger than MaxMessage
// it only says that there was one.
func (c *connection) readLines(in *bufio.Reader) {
	for first := true; ; first = false {
		text, tooLong, err := readLine(in)
		if first {
			text = bytes.TrimPrefix(text, []byte(byteOrderMark))
		}
		if tooLong || len(bytes.TrimSpace(text)) > 0 {
			if !c.lines.put(inputLine{text, tooLong}) {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				c.log.Warn("reading stopped", "err", err)
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

// handleLines handles the lines of the client until there are no more, or c.ctx is done. It
// returns when all requests are answered.
func (c *connection) handleLines(endInput context.CancelFunc) {
	for c.ctx.Err() == nil {
		line, ok := c.lines.take()
		if !ok {
			break
		}
		if !c.handle(line) {
			c.lines.release(line)
		}
	}
	endInput()
	c.session.end()
	c.requests.Wait()
}

// handle handles one line of the client. It reports true if it has started a goroutine, which
// releases the line when it has answered the request in it.
func (c *connection) handle(line inputLine) (started bool) {
	if line.tooLong {
		c.refuse(fmt.Sprintf("message is larger than %d MiB", MaxMessage>>20))
		return false
	}
	var m message
	if json.Unmarshal(line.text, &m) != nil {
		m = message{} // mcp-go's server answers it with an error.
	}
	id, validID := parseID(m.ID)
	switch {
	case m.isAnswer():
		c.session.deliver(m)
	case m.isCancellation():
		c.cancel(m.cancelledID())
	case m.ID != nil && !validID:
		c.refuse("the id of a request must be a string or an integer")
	case m.ID == nil, m.Method == string(mcp.MethodInitialize):
		// What a client sends after initialize relies on its being answered first.
		c.respond(c.ctx, m, line.text)
	default:
		c.start(id, m, line)
		return true
	}
	return false
}

// start starts a goroutine that answers the request m with this id, which stands in line.
func (c *connection) start(id any, m message, line inputLine) {
	parent := c.ctx
	if m.Method == string(mcp.MethodSubscriptionsListen) {
		parent = c.inputEnded // It lasts until the client cancels it or is gone.
	}
	ctx, cancel := context.WithCancel(parent)
	r := &request{cancel}
	c.mu.Lock()
	c.inFlight[id] = r
	c.mu.Unlock()
	c.requests.Go(func() {
		defer c.lines.release(line)
		defer func() {
			cancel()
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.inFlight[id] == r {
				delete(c.inFlight, id)
			}
		}()
		if m.Method == string(mcp.MethodToolsCall) {
			select {
			case c.calls <- struct{}{}:
				defer func() { <-c.calls }()
			case <-ctx.Done(): // Then it is answered at once.
			}
		}
		c.respond(ctx, m, line.text)
	})
}

// respond lets mcp-go's server handle the message m, whose text is given, and writes its
// answer, if there is one. If the server panics, the answer is an error.
func (c *connection) respond(ctx context.Context, m message, text []byte) {
	defer func() {
		if value := recover(); value != nil {
			c.log.Error("a request failed: this is a fault of zego-mcp", "method", m.Method, "panic", fmt.Sprintf("%T", value))
			c.write(newError(m.ID, mcp.INTERNAL_ERROR, "zego-mcp failed inside; its log says where"))
		}
	}()
	if response := c.server.HandleMessage(ctx, text); response != nil {
		c.write(newAnswer(m.ID, response))
	}
}

// cancel ends the request with this id, which then answers that it was cancelled.
func (c *connection) cancel(id json.RawMessage) {
	key, ok := parseID(id)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.inFlight[key]; r != nil {
		r.cancel()
	}
}

// refuse tells the client why a message was not taken. The error has no id, because the
// message has none that could be used.
func (c *connection) refuse(why string) {
	c.log.Warn("message refused", "err", why)
	c.write(newError(nil, mcp.INVALID_REQUEST, why))
}

// sendNotifications sends the client what mcp-go's server has to tell it, until c.ctx is done.
func (c *connection) sendNotifications() {
	for {
		select {
		case notification := <-c.session.notifications:
			c.write(notification)
		case <-c.ctx.Done():
			return
		}
	}
}

// write writes one message to the client, without HTML escapes. If the message cannot be
// encoded, it writes an error in its place if it is an answer, so that every request is
// answered.
func (c *connection) write(message any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(message); err != nil {
		c.log.Error("a message cannot be encoded: this is a fault of zego-mcp", "err", err)
		if a, ok := message.(answer); ok && a.Result != nil {
			c.write(newError(a.ID, mcp.INTERNAL_ERROR, "the result cannot be encoded"))
		}
		return
	}
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	if _, err := c.out.Write(text.Bytes()); err != nil {
		c.log.Debug("writing to the client failed", "err", err)
	}
}
