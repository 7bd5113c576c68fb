// Package stdio serves MCP over standard input and output, and answers every request
// that it has read before it ends.
//
// It is a layer around mcp-go's stdio server, [server.StdioServer]. Measured with mcp-go
// v1.2.1 alone:
//
//   - It cancels the running calls when its input ends. Of two calls of 50 ms that were
//     piped in, both were answered with "context canceled". [Serve] keeps mcp-go's input
//     open until the calls are answered.
//   - It drops a last line that has no line end, and answers an empty line with a parse
//     error. Serve takes the one and skips the other.
//   - It may answer initialize after a call that was sent right behind it: 426 times in
//     500. Serve passes nothing on before initialize is answered.
//   - It answers a request whose id is 2^53+1 with the id 2^53, because it keeps numbers as
//     float64, and does not answer one whose id is null. Serve hides such numbers from it,
//     and refuses ids that MCP does not allow.
//   - It takes a byte order mark for a part of the first message. Serve removes it.
//   - It runs 5 calls at a time unless told otherwise: 100 calls of 50 ms took more than
//     a second. Serve lets it run 100.
//
// Read in its source:
//
//   - It keeps a line of any length in memory. Serve refuses a line larger than
//     [MaxMessage].
//   - It writes requests of its own, such as elicitations, without the lock that guards
//     its answers. That is safe for an [os.File], but not for every writer.
//   - It does not return while a client does not read, and reads no input then once its
//     queue is full. Serve reads ahead, so that it sees the end of input, and gives up on
//     it after the grace period.
//
// The pool of 5 came with https://github.com/mark3labs/mcp-go/pull/529. Other requests
// than calls left the reading loop because of
// https://github.com/mark3labs/mcp-go/issues/976, which is why initialize can be late. In
// the review of https://github.com/mark3labs/mcp-go/pull/977, a fix for it, it was asked
// that running requests are cancelled at the end of input. We found no issue about the
// answers that are lost by that.
//
// When mcp-go does all of this itself, what remains of the package is one call of
// StdioServer.Listen with the two sizes below.
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
	workerPoolSize = 100   // Calls that run at a time. This is the maximum of mcp-go.
	queueSize      = 10000 // Calls that wait for a worker. This is the maximum of mcp-go.

	// cancelTimeout is how long cancelled calls may take to end after the grace period.
	cancelTimeout = time.Second
)

// Serve reads messages from in and writes the answers of s to out. It stops reading when
// in ends or ctx is done, and then waits up to grace for the requests that it has read.
// Requests that are still unanswered after that are cancelled, which is logged, and may
// take another second to end.
//
// Serve returns nil in each of these cases, and an error only if mcp-go's server fails.
//
// Goroutines can outlive Serve, because reading and writing cannot be interrupted: the
// one that reads ends when in ends, and those that write to a client which does not
// read end when out is closed.
func Serve(ctx context.Context, s *server.MCPServer, in io.Reader, out io.Writer, log *slog.Logger, grace time.Duration) error {
	relayCtx, stopRelay := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRelay()
	r := &relay{ctx: relayCtx, log: log, tracker: newTracker(), lines: newLineQueue(), out: out}
	defer r.lines.close()
	inputEnded := make(chan struct{})
	go func() {
		defer close(inputEnded)
		r.readLines(bufio.NewReaderSize(in, 16<<10))
	}()
	ended := make(chan error, 1)
	go func() { ended <- listen(context.WithoutCancel(ctx), s, r, log) }()

	select {
	case err := <-ended:
		return err
	case <-inputEnded:
	case <-ctx.Done():
	}
	r.lines.close()
	select {
	case err := <-ended:
		return err
	case <-time.After(grace):
	}
	if !r.tracker.allAnswered() || !r.lines.empty() {
		log.Warn("ended with requests unanswered", "grace", grace)
	}
	stopRelay()
	select {
	case err := <-ended:
		return err
	case <-time.After(cancelTimeout):
		return nil
	}
}

// listen runs mcp-go's stdio server until r gives it no more messages. It hangs while a
// client does not read what the server writes.
func listen(ctx context.Context, s *server.MCPServer, r *relay, log *slog.Logger) error {
	stdio := server.NewStdioServer(s)
	stdio.SetErrorLogger(slog.NewLogLogger(log.Handler(), slog.LevelWarn))
	server.WithWorkerPoolSize(workerPoolSize)(stdio)
	server.WithQueueSize(queueSize)(stdio)
	return stdio.Listen(ctx, r, r)
}
