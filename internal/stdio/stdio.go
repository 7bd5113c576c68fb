// Package stdio serves MCP over standard input and output, and loses no request:
// each one read is answered before the end of input or a signal ends the server.
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
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// MaxMessage bounds one message, in bytes; a larger line is answered with an error.
const MaxMessage = 4 << 20

const (
	workers = 100   // mcp-go's most; its default runs 5 calls at a time.
	queue   = 10000 // mcp-go's most; past it, a call holds up the reading.

	lastWords = time.Second // For what is cancelled when the grace is over.
)

// Serve answers the messages of in on out until in ends or ctx is done, then
// waits up to grace for the requests already read. It returns nil after both.
//
// Reading cannot be interrupted: one goroutine outlives Serve until in ends; and so
// do those that write to a client which does not read.
func Serve(ctx context.Context, s *server.MCPServer, in io.Reader, out io.Writer, log *slog.Logger, grace time.Duration) error {
	c := &conn{out: out, log: log, pending: map[string]int{}, asked: map[string]json.RawMessage{}, progress: make(chan struct{})}
	lines := make(chan []byte)
	stopReading := make(chan struct{})
	defer close(stopReading)
	go c.read(bufio.NewReaderSize(in, 64<<10), lines, stopReading)

	toServer, fromClient := io.Pipe()
	givenUp := make(chan struct{})
	var feeding sync.WaitGroup
	feeding.Go(func() {
		defer func() { _ = fromClient.Close() }()
		c.feed(ctx, lines, fromClient)
		// mcp-go cancels what is in flight when its input ends.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if !c.finish(ending, fromClient) {
			log.Warn("ended with requests unanswered", "grace", grace)
			close(givenUp)
		}
	})

	stdio := server.NewStdioServer(s)
	stdio.SetErrorLogger(slog.NewLogLogger(log.Handler(), slog.LevelWarn))
	server.WithWorkerPoolSize(workers)(stdio)
	server.WithQueueSize(queue)(stdio)
	listened := make(chan error, 1)
	go func() { listened <- stdio.Listen(context.WithoutCancel(ctx), toServer, c) }()
	var err error
	select {
	case err = <-listened:
	case <-givenUp:
		// mcp-go may hang for good in writing to a client that does not read.
		select {
		case err = <-listened:
		case <-time.After(lastWords):
		}
	}
	_ = toServer.Close()
	feeding.Wait()
	return err
}

// conn stands between mcp-go and the client: it knows which requests were read
// and not yet answered.
type conn struct {
	log *slog.Logger

	writing sync.Mutex // guards out; not mu, as a client may not read
	out     io.Writer

	mu       sync.Mutex                 // guards what follows
	pending  map[string]int             // By id: clients may reuse one.
	asked    map[string]json.RawMessage // Ids of the requests that the server sent, such as forms.
	progress chan struct{}              // Closed and renewed at each answer and each such request.
}

// read hands over the lines of in, the last one with or without a line end, and
// closes lines at the end.
func (c *conn) read(in *bufio.Reader, lines chan<- []byte, stop <-chan struct{}) {
	defer close(lines)
	for {
		line, err := readLine(in)
		switch {
		case errors.Is(err, errTooLong):
			c.log.Warn("message refused: too large", "limit_bytes", MaxMessage)
			refusal := mcp.NewJSONRPCError(mcp.NewRequestId(nil), mcp.INVALID_REQUEST,
				fmt.Sprintf("message is larger than %d MiB", MaxMessage>>20), nil)
			if text, err := json.Marshal(refusal); err == nil {
				_, _ = c.Write(append(text, '\n'))
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
				c.log.Warn("reading stopped", "err", err)
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
func (c *conn) feed(ctx context.Context, lines <-chan []byte, to io.Writer) {
	for {
		select {
		case <-ctx.Done():
			return
		case line, more := <-lines:
			if !more {
				return
			}
			id, method := c.note(line)
			if _, err := to.Write(append(bytes.TrimRight(line, "\r\n"), '\n')); err != nil {
				return
			}
			// mcp-go answers side by side; what follows initialize relies on it.
			if method == string(mcp.MethodInitialize) && id != "" {
				c.wait(ctx, func() bool { return c.pending[id] == 0 })
			}
		}
	}
}

// finish waits until ctx is done for the requests already read, and reports whether
// all were answered. What the server asks meanwhile, or asked before, nobody answers
// any more: it is refused for the client, so that the call which asked goes on.
func (c *conn) finish(ctx context.Context, to io.Writer) bool {
	for {
		c.mu.Lock()
		asked := slices.Collect(maps.Values(c.asked))
		clear(c.asked)
		c.mu.Unlock()
		for _, id := range asked {
			if _, err := fmt.Fprintf(to, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32000,"message":"the client is gone"}}`+"\n", id); err != nil {
				return false
			}
		}
		if !c.wait(ctx, func() bool { return len(c.pending) == 0 || len(c.asked) > 0 }) {
			return false
		}
		c.mu.Lock()
		done := len(c.pending) == 0
		c.mu.Unlock()
		if done {
			return true
		}
	}
}

// message is what tells requests, answers and cancellations apart.
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// note remembers a request and forgets a cancelled one, which may stay without
// an answer.
func (c *conn) note(line []byte) (id, method string) {
	var m message
	if json.Unmarshal(line, &m) != nil || m.Version != mcp.JSONRPC_VERSION {
		return "", ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Method == "" {
		delete(c.asked, key(m.ID))
		return "", ""
	}
	if m.Method == string(mcp.MethodNotificationCancelled) {
		var params struct {
			RequestID json.RawMessage `json:"requestId"`
		}
		if json.Unmarshal(m.Params, &params) == nil {
			delete(c.pending, key(params.RequestID))
		}
		return "", m.Method
	}
	id = key(m.ID)
	if id != "" {
		c.pending[id]++
	}
	return id, m.Method
}

// key makes equal ids equal, however they are spelt; "" is no valid id.
func key(id json.RawMessage) string {
	var v any
	if json.Unmarshal(id, &v) != nil {
		return ""
	}
	switch v := v.(type) {
	case string:
		return "s" + v
	case float64:
		return fmt.Sprint("n", v)
	}
	return ""
}

// Write passes one message on to the client. mcp-go writes each message with
// one call, but not all of them under one lock.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	n, err := c.out.Write(p)
	c.writing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	id, answers := identify(p)
	switch known := key(id); {
	case known == "":
		return n, err
	case !answers:
		c.asked[known] = id
	default:
		if c.pending[known]--; c.pending[known] <= 0 {
			delete(c.pending, known)
		}
	}
	close(c.progress)
	c.progress = make(chan struct{})
	return n, err
}

// identify returns the id of an answer or of a request of the server's, and which of
// both it is; of a notification, nil. It stops where that is clear, which is before
// mcp-go writes the result: a page of results is not parsed again.
func identify(p []byte) (id json.RawMessage, answers bool) {
	dec := json.NewDecoder(bytes.NewReader(p))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, false
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, false
		}
		if name == "result" || name == "error" {
			return id, true
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, false
		}
		if name == "id" {
			id = value
		}
	}
	return id, false
}

// wait reports whether ready, which is asked under the lock after each answer,
// came true before ctx was done.
func (c *conn) wait(ctx context.Context, ready func() bool) bool {
	for {
		c.mu.Lock()
		ok, progress := ready(), c.progress
		c.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return false
		}
	}
}
