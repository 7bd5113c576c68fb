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
//   - It runs 5 calls at a time unless told otherwise: 100 calls of 50 ms took more than
//     a second. Serve lets it run 100.
//
// Read in its source:
//
//   - It keeps a line of any length in memory. Serve refuses a line larger than
//     [MaxMessage].
//   - It writes requests of its own, such as elicitations, without the lock that guards
//     its answers. That is safe for an [os.File], but not for every writer.
//   - It does not return while a client does not read. Serve gives up on it.
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
	"sync"
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
// Requests that are still unanswered after that are cancelled, which is logged.
//
// Serve returns nil in each of these cases, and an error only if mcp-go's server fails.
//
// Goroutines can outlive Serve, because reading and writing cannot be interrupted: the
// one that reads ends when in ends, and those that write to a client which does not
// read end when out is closed.
func Serve(ctx context.Context, s *server.MCPServer, in io.Reader, out io.Writer, log *slog.Logger, grace time.Duration) error {
	r := &relay{out: out, log: log, tracker: newTracker()}
	lines := make(chan []byte)
	stopReading := make(chan struct{})
	defer close(stopReading)
	go r.readLines(bufio.NewReaderSize(in, 64<<10), lines, stopReading)

	// What we write to toServer, mcp-go reads from serverInput.
	serverInput, toServer := io.Pipe()
	graceOver := make(chan struct{})
	var forwarding sync.WaitGroup
	forwarding.Go(func() {
		// mcp-go cancels all running calls when its input ends, so this comes last.
		defer func() { _ = toServer.Close() }()
		r.forward(ctx, lines, toServer)
		drainCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if !r.drain(drainCtx, toServer) {
			log.Warn("ended with requests unanswered", "grace", grace)
			close(graceOver)
		}
	})

	err := listen(context.WithoutCancel(ctx), s, serverInput, r, log, graceOver)
	_ = serverInput.Close()
	forwarding.Wait()
	return err
}

// listen runs mcp-go's stdio server until in ends. It returns cancelTimeout after
// graceOver is closed at the latest, even if the server still runs: mcp-go may hang in
// writing to a client that does not read.
func listen(ctx context.Context, s *server.MCPServer, in io.Reader, out io.Writer, log *slog.Logger, graceOver <-chan struct{}) error {
	stdio := server.NewStdioServer(s)
	stdio.SetErrorLogger(slog.NewLogLogger(log.Handler(), slog.LevelWarn))
	server.WithWorkerPoolSize(workerPoolSize)(stdio)
	server.WithQueueSize(queueSize)(stdio)
	result := make(chan error, 1)
	go func() { result <- stdio.Listen(ctx, in, out) }()
	select {
	case err := <-result:
		return err
	case <-graceOver:
	}
	select {
	case err := <-result:
		return err
	case <-time.After(cancelTimeout):
		return nil
	}
}
