package zego

import (
	"context"
	"fmt"
	"iter"
	"sync"
)

// maxPagesAhead is how many pages are fetched at the same time. That many use the whole
// rate limit if an answer takes up to a second. More would make other callers wait longer.
const maxPagesAhead = DefaultQPS

// ListChangedError says that a list changed while its pages were read, so that entries
// may be missing or outdated. Reading the list again helps.
type ListChangedError struct {
	// Was and Is are the Total of the first page and of a later one, or the Total and how
	// many entries came. Both are 0 with a DuplicateID.
	Was, Is     int
	DuplicateID string // The id of an entry that came twice; otherwise empty.
}

// Error returns one line that says how the list changed.
func (e *ListChangedError) Error() string {
	if e.DuplicateID != "" {
		return "zego: the list changed while it was read: " + e.DuplicateID + " came twice"
	}
	return fmt.Sprintf("zego: the list changed while it was read: %d entries became %d", e.Was, e.Is)
}

// page is one page of a list.
type page interface {
	total() int    // Entries on all pages.
	ids() []string // Of the entries on this page.
}

// allPages returns an iterator over the pages of a list, in order. Each has MaxLimit
// entries, and fetch gets the one that begins at offset. Pages are fetched side by side;
// when the iteration ends, no fetch is running any more.
func allPages[P page](ctx context.Context, fetch func(ctx context.Context, offset int) (P, error)) iter.Seq2[P, error] {
	type result struct {
		page P
		err  error
	}
	return func(yield func(P, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var fetches sync.WaitGroup
		defer fetches.Wait()
		defer cancel()
		start := func(offset int) <-chan result {
			done := make(chan result, 1) // Has room, so that a fetch that nobody waits for ends.
			fetches.Go(func() {
				p, err := fetch(ctx, offset)
				done <- result{p, err}
			})
			return done
		}
		fail := func(err error) { yield(*new(P), err) }

		total := -1               // Unknown until the first page has come.
		next := MaxLimit          // The offset of the page to fetch next.
		seen := map[string]bool{} // Ids of the entries so far.
		for pending := []<-chan result{start(0)}; len(pending) > 0; pending = pending[1:] {
			got := <-pending[0]
			switch {
			case got.err != nil:
				fail(got.err)
				return
			case total == -1:
				total = got.page.total()
			case got.page.total() != total:
				fail(&ListChangedError{Was: total, Is: got.page.total()})
				return
			}
			for ; len(pending) <= maxPagesAhead && next < total; next += MaxLimit {
				pending = append(pending, start(next))
			}
			ids := got.page.ids()
			for _, id := range ids {
				if seen[id] {
					fail(&ListChangedError{DuplicateID: id})
					return
				}
				seen[id] = true
			}
			if !yield(got.page, nil) {
				return
			}
			if len(ids) == 0 {
				break // The list has become shorter; the pages after an empty one are empty.
			}
		}
		if len(seen) != total {
			fail(&ListChangedError{Was: total, Is: len(seen)})
		}
	}
}
