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

// usage is what the process holds.
type usage struct {
	goroutines  int
	connections int
	heap        uint64 // Bytes, after garbage collection.
}

// meter measures usage.
type meter struct {
	connections atomic.Int64    // Accepted and still open.
	pool        *http.Transport // Whose idle connections are not counted.
	calm        time.Duration   // Longer than what ends by itself takes to do so.
}

// heapVariety is by how many bytes heaps differ for no reason.
const heapVariety = 2 << 20

// quiet returns the usage when it has been the same for m.calm, or after five times that.
func (m *meter) quiet(ctx context.Context) usage {
	m.pool.CloseIdleConnections()
	last, since, start := m.usage(), time.Now(), time.Now()
	for ctx.Err() == nil && time.Since(since) < m.calm && time.Since(start) < 5*m.calm {
		time.Sleep(50 * time.Millisecond)
		if now := m.usage(); now != last {
			last, since = now, time.Now()
		}
	}
	last.heap = heap()
	return last
}

// released returns the usage once it is back to what it was before. What is still held
// after five times m.calm, and no less than minWait, counts as left behind.
func (m *meter) released(ctx context.Context, before usage) usage {
	const minWait = 10 * time.Second
	m.pool.CloseIdleConnections()
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		now := m.usage()
		now.heap = heap()
		if grown(before, now) == nil || time.Since(start) > max(5*m.calm, minWait) || ctx.Err() != nil {
			return now
		}
	}
}

func (m *meter) usage() usage {
	return usage{goroutines: runtime.NumGoroutine(), connections: int(m.connections.Load())}
}

// heap returns the bytes in use after garbage collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // The first one only empties the pools.
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return memory.HeapAlloc
}

// grown says what was left behind.
func grown(before, after usage) error {
	switch {
	case after.goroutines > before.goroutines:
		return fmt.Errorf("%d goroutines became %d", before.goroutines, after.goroutines)
	case after.connections > before.connections:
		return fmt.Errorf("%d open connections became %d", before.connections, after.connections)
	case after.heap > before.heap+heapVariety:
		return fmt.Errorf("a heap of %d KiB became %d KiB", before.heap>>10, after.heap>>10)
	}
	return nil
}

func printUsage(out io.Writer, before, after usage) {
	row(out, "goroutines, before and after", before.goroutines, after.goroutines)
	row(out, "open connections", before.connections, after.connections)
	row(out, "heap (KiB)", before.heap>>10, after.heap>>10)
}

// row prints a line of the table.
func row(out io.Writer, name string, values ...any) {
	_, _ = fmt.Fprintf(out, "%-30s", name)
	for _, value := range values {
		_, _ = fmt.Fprintf(out, " %10v", value)
	}
	_, _ = fmt.Fprintln(out)
}

type countedListener struct {
	net.Listener
	open *atomic.Int64
}

// Accept counts the connection until it is closed.
func (l *countedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
}

type countedConn struct {
	net.Conn
	closed func()
}

// Close closes the connection.
func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}
