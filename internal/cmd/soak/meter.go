package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// usage is what this process holds.
type usage struct {
	goroutines  int
	connections int    // Accepted and still open.
	heap        uint64 // Bytes in use after garbage collection.
}

// meter measures the usage of this process.
type meter struct {
	connections atomic.Int64    // Connections of its listeners that are open.
	pool        *http.Transport // Its idle connections are closed before measuring.
	releaseTime time.Duration   // Longer than any timer of the server that frees something.
}

// maxHeapGrowth is how many bytes the heap may grow by chance.
const maxHeapGrowth = 2 << 20

// settleTime is how long the counts must not change before they are the usage of a server
// whose clients have closed their sessions.
const settleTime = 500 * time.Millisecond

// settledUsage waits until the counts have not changed for settleTime, but no longer than
// five times that, and returns the usage then.
func (m *meter) settledUsage(ctx context.Context) usage {
	m.pool.CloseIdleConnections()
	last, since, start := m.counts(), time.Now(), time.Now()
	for ctx.Err() == nil && time.Since(since) < settleTime && time.Since(start) < 5*settleTime {
		time.Sleep(50 * time.Millisecond)
		if now := m.counts(); now != last {
			last, since = now, time.Now()
		}
	}
	last.heap = heapInUse()
	return last
}

// releasedUsage waits until the usage is no more than before, but no longer than five
// times m.releaseTime or 10 seconds, whichever is more, and returns the usage then.
func (m *meter) releasedUsage(ctx context.Context, before usage) usage {
	maxWait := max(5*m.releaseTime, 10*time.Second)
	m.pool.CloseIdleConnections()
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		now := m.counts()
		now.heap = heapInUse()
		if checkGrowth(before, now) == nil || time.Since(start) > maxWait || ctx.Err() != nil {
			return now
		}
	}
}

// counts returns the usage without the heap.
func (m *meter) counts() usage {
	return usage{goroutines: runtime.NumGoroutine(), connections: int(m.connections.Load())}
}

// heapInUse collects garbage and returns the bytes that are still in use.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // The first collection only moves what is in a sync.Pool.
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return memory.HeapAlloc
}

// checkGrowth returns an error if after is more than before, apart from maxHeapGrowth.
func checkGrowth(before, after usage) error {
	switch {
	case after.goroutines > before.goroutines:
		return fmt.Errorf("%d goroutines became %d", before.goroutines, after.goroutines)
	case after.connections > before.connections:
		return fmt.Errorf("%d open connections became %d", before.connections, after.connections)
	case after.heap > before.heap+maxHeapGrowth:
		return fmt.Errorf("a heap of %d KiB became %d KiB", before.heap>>10, after.heap>>10)
	}
	return nil
}

func printUsage(out io.Writer, before, after usage) {
	row(out, "goroutines, before and after", before.goroutines, after.goroutines)
	row(out, "open connections", before.connections, after.connections)
	row(out, "heap (KiB)", before.heap>>10, after.heap>>10)
}

// row prints a name and its values as a line of the table.
func row(out io.Writer, name string, values ...any) {
	_, _ = fmt.Fprintf(out, "%-30s", name)
	for _, value := range values {
		_, _ = fmt.Fprintf(out, " %10v", value)
	}
	_, _ = fmt.Fprintln(out)
}

// countedListener counts the open connections that it accepted.
type countedListener struct {
	net.Listener
	open *atomic.Int64
}

// Accept accepts a connection and counts it until it is closed.
func (l *countedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{Conn: conn, onClose: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
}

// countedConn is a connection that tells when it is closed.
type countedConn struct {
	net.Conn
	onClose func()
}

// Close closes the connection.
func (c *countedConn) Close() error {
	c.onClose()
	return c.Conn.Close()
}
