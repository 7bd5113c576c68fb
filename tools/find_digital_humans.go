package tools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
	"zego-mcp/zego"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

type findDigitalHumansInput struct {
	Query     string `json:"Query,omitempty" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"Words to find in name, gestures or id, all of them, in any order; absent: every one"`
	FetchMode *int   `json:"FetchMode,omitempty" jsonschema:"minimum=1,maximum=3,default=1" jsonschema_description:"Where to search: 1 all (default), 2 public only, 3 private only (the project's own)"`
	HasAction *bool  `json:"HasAction,omitempty" jsonschema_description:"true: only those with gestures; false: only those without"`
	Limit     *int   `json:"Limit,omitempty" jsonschema:"minimum=1,maximum=50,default=10" jsonschema_description:"Entries to return, 1 to 50 (default 10)"`
}

type findDigitalHumansOutput struct {
	DigitalHumans      []digitalHuman `json:"DigitalHumans" jsonschema_description:"Best match first"`
	Matches            int            `json:"Matches" jsonschema_description:"How many match; DigitalHumans holds the best of them"`
	Searched           int            `json:"Searched" jsonschema_description:"How many were looked at"`
	Total              int            `json:"Total" jsonschema_description:"How many there are"`
	Complete           bool           `json:"Complete" jsonschema_description:"false: not all could be looked at; see Advice"`
	Advice             string         `json:"Advice,omitempty" jsonschema_description:"Why the search is not complete, and how to go on"`
	AvatarURLsExpireAt string         `json:"AvatarUrlsExpireAt" jsonschema_description:"RFC 3339, UTC; AvatarUrl values stop working then"`
}

var findDigitalHumans = tool[findDigitalHumansInput, findDigitalHumansOutput]{
	name:        "find_digital_humans",
	title:       "Find digital humans",
	description: "Find digital humans (talking avatars) by name, gesture or id, whatever page they are on. Free, changes nothing; searches about 200 a second. To see them all, call list_digital_humans.",
	toolset:     Assets,
	effect:      readOnly,
	run: func(ctx context.Context, d deps, in findDigitalHumansInput) (findDigitalHumansOutput, error) {
		mode, limit := zego.FetchAll, 10
		if in.FetchMode != nil {
			mode = zego.FetchMode(*in.FetchMode)
		}
		if in.Limit != nil {
			limit = *in.Limit
		}
		searchCtx, cancel := leavingTimeToAnswer(ctx)
		defer cancel()
		s := search{words: strings.Fields(normalize(in.Query)), hasGestures: in.HasAction}
		err := s.searchAllPages(searchCtx, d, mode)
		if _, changed := errors.AsType[*zego.ListChangedError](err); changed {
			err = s.searchAllPages(searchCtx, d, mode)
		}
		out := findDigitalHumansOutput{
			DigitalHumans: []digitalHuman{},
			Matches:       len(s.matches), Searched: s.searched, Total: s.total, Complete: err == nil,
			AvatarURLsExpireAt: avatarExpiry(s.oldest),
		}
		if err != nil {
			advice, ok := adviceFor(err, s, mode)
			if !ok || ctx.Err() != nil {
				return findDigitalHumansOutput{}, err
			}
			out.Advice = advice
		}
		slices.SortStableFunc(s.matches, func(a, b match) int { return cmp.Compare(b.score, a.score) })
		for _, m := range s.matches[:min(limit, len(s.matches))] {
			out.DigitalHumans = append(out.DigitalHumans, digitalHumanOf(m.human))
		}
		return out, nil
	},
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

// adviceFor says why a search ended early and how to go on. It reports false if the call
// must fail with err instead: when time ran out before anything was searched, or when err
// is about neither time nor a list that changed.
func adviceFor(err error, s search, mode zego.FetchMode) (advice string, ok bool) {
	if _, changed := errors.AsType[*zego.ListChangedError](err); changed {
		return "The list changed while it was searched, twice. Call again.", true
	}
	_, queueTooLong := errors.AsType[*zego.QueueError](err)
	timeRanOut := queueTooLong || errors.Is(err, context.DeadlineExceeded)
	if s.searched == 0 || !timeRanOut {
		return "", false
	}
	advice = fmt.Sprintf("Time ran out after %d of %d. For the rest, page through list_digital_humans with FetchMode=%d, from Offset=%d on",
		s.searched, s.total, mode, s.searched)
	if mode == zego.FetchAll {
		advice += "; or search fewer, with FetchMode 2 or 3"
	}
	return advice + ".", true
}

// search holds what to search for, and what was found.
type search struct {
	words       []string // Normalized. A digital human matches if all words are found in it.
	hasGestures *bool    // Whether a match has gestures; nil if that does not matter.

	matches         []match
	searched, total int       // How many digital humans were looked at, and how many there are.
	oldest          time.Time // When the oldest page was answered: its AvatarUrls expire first.
}

// match is a digital human that was found.
type match struct {
	human zego.DigitalHuman
	score int // Higher is better.
}

// searchAllPages searches every page of the list. It first discards what an earlier search
// found.
func (s *search) searchAllPages(ctx context.Context, d deps, mode zego.FetchMode) error {
	s.matches, s.searched, s.oldest = nil, 0, time.Time{}
	for page, err := range d.client.DigitalHumanPages(ctx, mode) {
		if err != nil {
			return err
		}
		if s.oldest.IsZero() || page.At.Before(s.oldest) {
			s.oldest = page.At
		}
		for _, human := range page.DigitalHumans {
			if score, ok := s.score(human); ok {
				s.matches = append(s.matches, match{human, score})
			}
		}
		s.searched += len(page.DigitalHumans)
		s.total = page.Total
		d.progress(s.searched, s.total, fmt.Sprintf("%d of %d searched, %d found", s.searched, s.total, len(s.matches)))
	}
	return nil
}

// score rates how well a digital human matches. It reports false if it does not match. Words
// that are found in the name count more than those in the id or in a gesture.
func (s *search) score(human zego.DigitalHuman) (score int, ok bool) {
	if s.hasGestures != nil && *s.hasGestures != (len(human.Gestures) > 0) {
		return 0, false
	}
	name := normalize(human.Name)
	for _, word := range s.words {
		best := max(scoreName(name, word), scoreID(normalize(human.ID), word))
		for _, g := range human.Gestures {
			best = max(best, scoreGesture(normalize(g.Name), word))
		}
		if best == 0 {
			return 0, false
		}
		score += best
	}
	if name == strings.Join(s.words, " ") { // The words are the whole name, in its order.
		score += 100
	}
	return score, true
}

// scoreName rates one word in a name; 0 if the word is not in it.
func scoreName(name, word string) int {
	index := strings.Index(name, word)
	switch {
	case name == word:
		return 100
	case index == 0:
		return 60
	case index > 0:
		if before, _ := utf8.DecodeLastRuneInString(name[:index]); !unicode.IsLetter(before) {
			return 50 // A word of the name begins with it.
		}
		return 40
	}
	return 0
}

// scoreID rates one word in a DigitalHumanId; 0 if the word is not in it.
func scoreID(id, word string) int {
	switch {
	case id == word:
		return 100
	case strings.Contains(id, word):
		return 10
	}
	return 0
}

// scoreGesture rates one word in the name of a gesture; 0 if the word is not in it.
func scoreGesture(gesture, word string) int {
	switch {
	case gesture == word:
		return 30
	case strings.Contains(gesture, word):
		return 20
	}
	return 0
}

// normalize returns the same text for texts that differ only in case or in the width of
// their letters: "Ｓｏｐｈｉａ" becomes "sophia".
func normalize(text string) string { return cases.Fold().String(norm.NFKC.String(text)) }
