// Package stdio serves MCP over standard input and output, and answers every request
// that it has read before it ends.
//
// It takes the place of mcp-go's own stdio server, and hands each message to
// [server.MCPServer.HandleMessage] as that does. Measured with mcp-go v1.2.1, its stdio
// server
//
//   - cancels the running calls when its input ends: of two calls of 50 ms that were piped
//     in, both were answered with "context canceled";
//   - drops a last line that has no line end, answers an empty line with a parse error, and
//     takes a byte order mark for a part of the first message;
//   - may answer initialize after a call that was sent right behind it: 426 times in 500;
//   - answers a request whose id is 2^53+1 with the id 2^53, and does not answer one whose
//     id is null;
//   - parses each message five times before HandleMessage does so, and starts all its
//     workers, up to 100, before the first call;
//   - keeps a line of any length in memory, and writes an elicitation without the lock that
//     guards its answers;
//   - does not return while a client does not read, and reads no input then once its queue
//     is full.
package stdio

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/mark3labs/mcp-go/server"
)

// MaxMessage is the size of the largest message that is read, in bytes. A larger one is
// answered with an error.
const MaxMessage = 4 << 20

const (
	maxCalls = 100 // Tool calls that run at a time. More wait their turn.

	// cancelTimeout is how long cancelled calls may take to end after the grace period.
	cancelTimeout = time.Second
)

// Serve reads messages from in and writes the answers of s to out. It stops reading when
// in ends or ctx is done, and then waits up to grace for the requests that it has read.
// Requests that are still unanswered after that are cancelled, which is logged, and may
// take another second to end.
//
// Serve returns nil in each of these cases, and an error only if s serves another client
// over stdio already.
//
// Goroutines can outlive Serve, because reading and writing cannot be interrupted: the
// one that reads ends when in ends, and those that write to a client which does not
// read end when out is closed.
func Serve(ctx context.Context, s *server.MCPServer, in io.Reader, out io.Writer, log *slog.Logger, grace time.Duration) error {
	requestsCtx, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	c := &connection{
		server: s, log: log, out: out, lines: newLineQueue(), inFlight: map[any]*request{},
		calls: make(chan struct{}, maxCalls),
	}
	defer c.lines.close()
	c.session = newSession(c.write)
	if err := s.RegisterSession(requestsCtx, c.session); err != nil {
		return err
	}
	defer s.UnregisterSession(requestsCtx, c.session.SessionID())
	c.ctx = s.WithContext(requestsCtx, c.session)
	var endInput context.CancelFunc
	c.inputEnded, endInput = context.WithCancel(c.ctx)

	go c.sendNotifications()
	allRead := make(chan struct{})
	go func() {
		defer close(allRead)
		c.readLines(bufio.NewReaderSize(in, 16<<10))
	}()
	allAnswered := make(chan struct{})
	go func() {
		defer close(allAnswered)
		c.handleLines(endInput)
	}()

	select {
	case <-allRead:
	case <-ctx.Done():
	}
	c.lines.close()
	select {
	case <-allAnswered:
		return nil
	case <-time.After(grace):
	}
	log.Warn("ended with requests unanswered", "grace", grace)
	cancelRequests()
	select {
	case <-allAnswered:
	case <-time.After(cancelTimeout):
	}
	return nil
}
