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

// page is one page of a list.
type page interface {
	total() int
	ids() []string
}

// allPages yields all pages of MaxLimit entries in order. It fetches them side by
// side, and all fetching has ended when it returns.
func allPages[P page](ctx context.Context, fetch func(ctx context.Context, offset int) (P, error)) iter.Seq2[P, error] {
	type landing struct {
		page P
		err  error
	}
	return func(yield func(P, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var fetching sync.WaitGroup
		defer fetching.Wait()
		defer cancel()
		begin := func(offset int) chan landing {
			landed := make(chan landing, 1)
			fetching.Go(func() {
				p, err := fetch(ctx, offset)
				landed <- landing{p, err}
			})
			return landed
		}
		fail := func(err error) { yield(*new(P), err) }

		total, next := -1, MaxLimit
		seen := map[string]bool{}
		for ahead := []chan landing{begin(0)}; len(ahead) > 0; ahead = ahead[1:] {
			got := <-ahead[0]
			switch {
			case got.err != nil:
				fail(got.err)
				return
			case total < 0:
				total = got.page.total()
			case got.page.total() != total:
				fail(&ListChangedError{Was: total, Is: got.page.total()})
				return
			}
			for ; len(ahead) <= pagesAhead && next < total; next += MaxLimit {
				ahead = append(ahead, begin(next))
			}
			for _, id := range got.page.ids() {
				if seen[id] {
					fail(&ListChangedError{Twice: id})
					return
				}
				seen[id] = true
			}
			if !yield(got.page, nil) {
				return
			}
			if len(got.page.ids()) == 0 && len(seen) < total {
				break // Nothing comes any more.
			}
		}
		if len(seen) != total {
			fail(&ListChangedError{Was: total, Is: len(seen)})
		}
	}
}
