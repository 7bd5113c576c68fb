// Package stdio serves MCP over standard input and output, and loses no request:
// each one read is answered before the end of input or a signal ends the server.
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
	r := &relay{out: out, log: log, tracker: newTracker()}
	lines := make(chan []byte)
	stopReading := make(chan struct{})
	defer close(stopReading)
	go r.read(bufio.NewReaderSize(in, 64<<10), lines, stopReading)

	serverInput, toServer := io.Pipe()
	graceOver := make(chan struct{})
	var feeding sync.WaitGroup
	feeding.Go(func() {
		defer func() { _ = toServer.Close() }()
		r.feed(ctx, lines, toServer)
		// mcp-go cancels what is in flight when its input ends.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if !r.finish(ending, toServer) {
			log.Warn("ended with requests unanswered", "grace", grace)
			close(graceOver)
		}
	})

	err := listen(context.WithoutCancel(ctx), s, serverInput, r, log, graceOver)
	_ = serverInput.Close()
	feeding.Wait()
	return err
}

// listen runs mcp-go's stdio server until in ends, or a little longer than until
// graceOver is closed.
func listen(ctx context.Context, s *server.MCPServer, in io.Reader, out io.Writer, log *slog.Logger, graceOver <-chan struct{}) error {
	stdio := server.NewStdioServer(s)
	stdio.SetErrorLogger(slog.NewLogLogger(log.Handler(), slog.LevelWarn))
	server.WithWorkerPoolSize(workers)(stdio)
	server.WithQueueSize(queue)(stdio)
	listened := make(chan error, 1)
	go func() { listened <- stdio.Listen(ctx, in, out) }()
	select {
	case err := <-listened:
		return err
	case <-graceOver:
	}
	// mcp-go may hang for good in writing to a client that does not read.
	select {
	case err := <-listened:
		return err
	case <-time.After(lastWords):
		return nil
	}
}
