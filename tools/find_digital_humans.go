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
	effect:      reads,
	run: func(ctx context.Context, use resources, in findDigitalHumansInput) (findDigitalHumansOutput, error) {
		mode, limit := zego.FetchAll, 10
		if in.FetchMode != nil {
			mode = zego.FetchMode(*in.FetchMode)
		}
		if in.Limit != nil {
			limit = *in.Limit
		}
		searching, cancel := leavingTimeToAnswer(ctx)
		defer cancel()
		found := search{words: strings.Fields(fold(in.Query)), hasAction: in.HasAction}
		err := found.walk(searching, use, mode)
		if changed := new(zego.ListChangedError); errors.As(err, &changed) {
			err = found.walk(searching, use, mode)
		}
		out := findDigitalHumansOutput{
			DigitalHumans: []digitalHuman{},
			Matches:       len(found.hits), Searched: found.searched, Total: found.total, Complete: err == nil,
			AvatarURLsExpireAt: avatarExpiry(found.at),
		}
		if err != nil {
			var advice error
			if out.Advice, advice = goOn(err, found, mode); advice != nil || ctx.Err() != nil {
				return findDigitalHumansOutput{}, err
			}
		}
		slices.SortStableFunc(found.hits, func(a, b hit) int { return cmp.Compare(b.score, a.score) })
		for _, h := range found.hits[:min(limit, len(found.hits))] {
			out.DigitalHumans = append(out.DigitalHumans, digitalHumanOf(h.human))
		}
		return out, nil
	},
}

// leavingTimeToAnswer ends before ctx does, so that what was found can be told.
func leavingTimeToAnswer(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(time.Second, time.Until(deadline)/10)))
}

// goOn says why a search ended early and how to go on. It returns err if nothing
// was searched, or if going on would be of no use.
func goOn(err error, found search, mode zego.FetchMode) (string, error) {
	queue, changed := new(zego.QueueError), new(zego.ListChangedError)
	switch {
	case errors.As(err, &changed):
		return "The list changed while it was searched, twice. Call again.", nil
	case found.searched == 0 || !errors.As(err, &queue) && !errors.Is(err, context.DeadlineExceeded):
		return "", err
	}
	advice := fmt.Sprintf("Time ran out after %d of %d. For the rest, page through list_digital_humans with FetchMode=%d, from Offset=%d on",
		found.searched, found.total, mode, found.searched)
	if mode == zego.FetchAll {
		advice += "; or search fewer, with FetchMode 2 or 3"
	}
	return advice + ".", nil
}

// search is what a walk over all pages found.
type search struct {
	words     []string // Folded.
	hasAction *bool

	hits            []hit
	searched, total int
	at              time.Time // Of the first answer: its AvatarUrls expire first.
}

type hit struct {
	human zego.DigitalHuman
	score int
}

// walk searches all pages, from the beginning.
func (s *search) walk(ctx context.Context, use resources, mode zego.FetchMode) error {
	s.hits, s.searched, s.at = nil, 0, time.Time{}
	for page, err := range use.DigitalHumanPages(ctx, mode) {
		if err != nil {
			return err
		}
		if s.at.IsZero() || page.At.Before(s.at) {
			s.at = page.At
		}
		for _, human := range page.DigitalHumans {
			if score, ok := s.score(human); ok {
				s.hits = append(s.hits, hit{human, score})
			}
		}
		s.searched += len(page.DigitalHumans)
		s.total = page.Total
		use.progress(s.searched, s.total, fmt.Sprintf("%d of %d searched, %d found", s.searched, s.total, len(s.hits)))
	}
	return nil
}

// score says how well a digital human matches: every word must be somewhere, and
// the name counts most.
func (s *search) score(human zego.DigitalHuman) (score int, ok bool) {
	if s.hasAction != nil && *s.hasAction != (len(human.Gestures) > 0) {
		return 0, false
	}
	name, id := fold(human.Name), fold(human.ID)
	for _, word := range s.words {
		best := 0
		switch at := strings.Index(name, word); {
		case name == word:
			best = 100
		case at == 0:
			best = 60
		case at > 0 && !unicode.IsLetter(before(name, at)):
			best = 50 // Begins a word.
		case at > 0:
			best = 40
		}
		switch {
		case id == word:
			best = 100
		case strings.Contains(id, word):
			best = max(best, 10)
		}
		for _, a := range human.Gestures {
			switch action := fold(a.Name); {
			case action == word:
				best = max(best, 30)
			case strings.Contains(action, word):
				best = max(best, 20)
			}
		}
		if best == 0 {
			return 0, false
		}
		score += best
	}
	if name == strings.Join(s.words, " ") {
		score += 100
	}
	return score, true
}

// before is the character that ends before the byte at.
func before(text string, at int) rune {
	runes := []rune(text[:at])
	return runes[len(runes)-1]
}

// fold makes texts equal that differ only in case or width: "Ｓｏｐｈｉａ" is "sophia".
func fold(text string) string { return cases.Fold().String(norm.NFKC.String(text)) }
