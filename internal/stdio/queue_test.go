package stdio

import (
	"testing"
	"testing/synctest"
)

// TestQueueIsBounded puts lines into a queue from which nothing is taken.
func TestQueueIsBounded(t *testing.T) {
	for _, length := range []int{0, 1000, MaxMessage} {
		synctest.Test(t, func(t *testing.T) {
			q := newLineQueue()
			text := make([]byte, length) // One for all lines, so that the test needs little memory.
			added := 0
			putUntilClosed := func() {
				for q.put(inputLine{text: text}) {
					added++
				}
			}
			go putUntilClosed()
			synctest.Wait()
			if most := maxQueued/(length+lineOverhead) + 1; added < most-1 || added > most {
				t.Errorf("%d lines of %d bytes, want %d", added, length, most)
			}
			before := added
			line, _ := q.take()
			synctest.Wait()
			if added != before {
				t.Errorf("%d lines of %d bytes after one was taken, want %d", added, length, before)
			}
			q.release(line)
			synctest.Wait()
			if added != before+1 {
				t.Errorf("%d lines of %d bytes after one was released, want %d", added, length, before+1)
			}
			q.close()
			synctest.Wait()
			for range added - 1 {
				if _, ok := q.take(); !ok {
					t.Fatal("a line was lost")
				}
			}
			if _, ok := q.take(); ok {
				t.Error("a line was made up")
			}
		})
	}
}
