package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
	"zego-mcp/tools/match"
	"zego-mcp/zego"
)

// search looks through every page of a list for the entries that match a query.
type search[T any] struct {
	query match.Query
	entry func(T) match.Entry
	wants func(T) bool // Reports whether an item is searched at all. Nil: all are.

	// run sets the fields below.

	matches         []matched[T] // The best one first.
	names           []string     // Of the entries that wants accepts, and their labels.
	searched, total int          // How many entries were looked at, and how many there are.
	oldest          time.Time    // When the oldest page was answered: its AvatarUrls expire first.
}

// matched is an entry that was found.
type matched[T any] struct {
	item  T
	score int // Higher is better.
}

// searchPage is one page of the list that is searched.
type searchPage[T any] struct {
	items []T
	total int       // Entries on all pages.
	at    time.Time // When ZEGO answered.
}

// run searches the pages. If the list changes meanwhile, it searches once more. If it returns
// an error, matches has what was found until then.
func (s *search[T]) run(ctx context.Context, d deps, pages func(context.Context) iter.Seq2[searchPage[T], error]) error {
	ctx, cancel := leavingTimeToAnswer(ctx)
	defer cancel()
	err := s.searchAllPages(d, pages(ctx))
	if _, changed := errors.AsType[*zego.ListChangedError](err); changed {
		err = s.searchAllPages(d, pages(ctx))
	}
	slices.SortStableFunc(s.matches, func(a, b matched[T]) int { return cmp.Compare(b.score, a.score) })
	return err
}

// searchAllPages searches every page once. It first discards what an earlier search found.
func (s *search[T]) searchAllPages(d deps, pages iter.Seq2[searchPage[T], error]) error {
	s.matches, s.names, s.searched, s.oldest = nil, nil, 0, time.Time{}
	for page, err := range pages {
		if err != nil {
			return err
		}
		if s.oldest.IsZero() || page.at.Before(s.oldest) {
			s.oldest = page.at
		}
		for _, item := range page.items {
			if s.wants != nil && !s.wants(item) {
				continue
			}
			entry := s.entry(item)
			s.names = append(append(s.names, entry.Name), entry.Labels...)
			if score, ok := s.query.Score(entry); ok {
				s.matches = append(s.matches, matched[T]{item, score})
			}
		}
		s.searched += len(page.items)
		s.total = page.total
		if s.total > 0 {
			d.progress(s.searched, s.total, fmt.Sprintf("%d of %d searched, %d found", s.searched, s.total, len(s.matches)))
		}
	}
	return nil
}

// page returns the matches from offset on, at most limit, and the offset of those that
// follow, or nil if none do.
func (s *search[T]) page(offset, limit int) (items []T, next *int) {
	from := min(offset, len(s.matches))
	to := min(from+limit, len(s.matches))
	for _, m := range s.matches[from:to] {
		items = append(items, m.item)
	}
	if to < len(s.matches) {
		next = new(to)
	}
	return items, next
}

// maxSuggestions is how many names are offered when nothing matches or when several do.
const maxSuggestions = 5

// didYouMean returns the question whether one of the names that are near the query was meant,
// or "" if none is near.
func (s *search[T]) didYouMean() string {
	near := s.query.Nearest(s.names, maxSuggestions)
	if len(near) == 0 {
		return ""
	}
	for i, name := range near {
		near[i] = quoteForeign(name)
	}
	return " Did you mean " + strings.Join(near, ", ") + "?"
}

// incompleteAdvice says why a search ended early and how to go on. paging completes "For the
// rest, …" with how to page through the list. instead is the end of that sentence, such as
// " or do something else", or "".
//
// incompleteAdvice reports false if the call must fail with err. That is so if time ran out
// before anything was searched, or if err is about neither time nor a list that changed.
func (s *search[T]) incompleteAdvice(ctx context.Context, err error, paging, instead string) (advice string, ok bool) {
	if ctx.Err() != nil {
		return "", false
	}
	if _, changed := errors.AsType[*zego.ListChangedError](err); changed {
		return "The list changed while it was searched, twice. Call again.", true
	}
	_, queueTooLong := errors.AsType[*zego.QueueError](err)
	timeRanOut := queueTooLong || errors.Is(err, context.DeadlineExceeded)
	if s.searched == 0 || !timeRanOut {
		return "", false
	}
	return fmt.Sprintf("Time ran out after %d of %d. For the rest, %s, from Offset=%d on%s.", s.searched, s.total, paging, s.searched, instead), true
}

// leavingTimeToAnswer returns a context that ends a second before ctx does, or a tenth of
// the remaining time if that is shorter. What was found by then can still be answered.
func leavingTimeToAnswer(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Second, time.Until(deadline)/10)))
}

// Values of Detail, which says how much of each entry a list has.
const (
	detailBrief = "brief" // What a choice by name needs.
	detailFull  = "full"  // All that ZEGO tells.
)

// or returns the value of an argument, or the default if the argument is absent.
func or[T any](argument *T, defaultValue T) T {
	if argument == nil {
		return defaultValue
	}
	return *argument
}
