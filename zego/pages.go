package zego

import (
	"context"
	"fmt"
	"iter"
	"sync"
)

// pagesAhead is how many pages are fetched side by side: enough to use the whole
// rate limit up to an answer time of a second, and no more, so that a long walk
// leaves turns to others.
const pagesAhead = DefaultQPS

// ListChangedError says that a list changed while its pages were read: entries
// may be missing or old. Reading it again helps.
type ListChangedError struct {
	Was, Is int    // Total at the beginning and later, or entries promised and found.
	Twice   string // Id of an entry that came twice; empty otherwise.
}

// Error returns one line that says how the list changed.
func (e *ListChangedError) Error() string {
	if e.Twice != "" {
		return "zego: the list changed while it was read: " + e.Twice + " came twice"
	}
	return fmt.Sprintf("zego: the list changed while it was read: %d entries became %d", e.Was, e.Is)
}

// allPages yields the entries of all pages in order, each once. It fetches pages
// side by side, and all of them have ended when it returns.
func allPages[T any](ctx context.Context, fetch func(ctx context.Context, offset int) (total int, entries []T, err error), id func(T) string) iter.Seq2[T, error] {
	type page struct {
		total   int
		entries []T
		err     error
	}
	return func(yield func(T, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var fetching sync.WaitGroup
		defer fetching.Wait()
		defer cancel()
		begin := func(offset int) chan page {
			landed := make(chan page, 1)
			fetching.Go(func() {
				total, entries, err := fetch(ctx, offset)
				landed <- page{total, entries, err}
			})
			return landed
		}
		fail := func(err error) { yield(*new(T), err) }

		total, next := -1, MaxLimit
		seen := map[string]bool{}
		for ahead := []chan page{begin(0)}; len(ahead) > 0; ahead = ahead[1:] {
			p := <-ahead[0]
			switch {
			case p.err != nil:
				fail(p.err)
				return
			case total < 0:
				total = p.total
			case p.total != total:
				fail(&ListChangedError{Was: total, Is: p.total})
				return
			}
			for ; len(ahead) <= pagesAhead && next < total; next += MaxLimit {
				ahead = append(ahead, begin(next))
			}
			for _, entry := range p.entries {
				if seen[id(entry)] {
					fail(&ListChangedError{Twice: id(entry)})
					return
				}
				seen[id(entry)] = true
				if !yield(entry, nil) {
					return
				}
			}
		}
		if len(seen) != total {
			fail(&ListChangedError{Was: total, Is: len(seen)})
		}
	}
}
