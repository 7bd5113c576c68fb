package stdio

import "sync"

const (
	// maxQueued is how many bytes of lines are kept of which the requests are not answered
	// yet. Beyond that, nothing more is read, and the end of input is not noticed.
	maxQueued = 4 * MaxMessage
	// lineOverhead is how many bytes an empty line counts. It is what the goroutine of a
	// request that waits takes at least.
	lineOverhead = 1024
)

// inputLine is a line of the client, or says that there was one which is larger than
// MaxMessage.
type inputLine struct {
	text    []byte
	tooLong bool
}

// lineQueue holds the lines that were read and not yet handled, and bounds the size of those
// that were not released. It lets connection.readLines see the end of input while a line
// is handled.
type lineQueue struct {
	mu      sync.Mutex // guards what follows
	changed *sync.Cond // Signalled when lines or closed change.
	lines   []inputLine
	size    int // Bytes of the lines that were put and not released, with lineOverhead for each.
	closed  bool
}

func newLineQueue() *lineQueue {
	q := &lineQueue{}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// put adds a line. It waits while the queue is full. It reports false, and does not add
// the line, if the queue is closed.
func (q *lineQueue) put(line inputLine) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.size >= maxQueued && !q.closed {
		q.changed.Wait()
	}
	if q.closed {
		return false
	}
	q.lines = append(q.lines, line)
	q.size += len(line.text) + lineOverhead
	q.changed.Broadcast()
	return true
}

// take removes the oldest line, which must be released when it is handled. It waits while the
// queue is empty. It reports false if the queue is empty and closed.
func (q *lineQueue) take() (inputLine, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.lines) == 0 && !q.closed {
		q.changed.Wait()
	}
	if len(q.lines) == 0 {
		return inputLine{}, false
	}
	line := q.lines[0]
	q.lines[0] = inputLine{} // The array outlives the line.
	q.lines = q.lines[1:]
	return line, true
}

// release makes room for other lines, after line was handled.
func (q *lineQueue) release(line inputLine) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.size -= len(line.text) + lineOverhead
	q.changed.Broadcast()
}

// close lets no more lines in. Those that are in the queue can still be taken.
func (q *lineQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}
