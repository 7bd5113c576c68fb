package tools

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"zego-mcp/schema"
	"zego-mcp/tools/match"
	"zego-mcp/zego"
)

type findDigitalHumansInput struct {
	Query     string `json:"Query,omitempty" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"Words, all to be found, in any order; absent: every one"`
	FetchMode *int   `json:"FetchMode,omitempty" jsonschema:"minimum=1,maximum=3,default=1" jsonschema_description:"1 all (default), 2 public, 3 private"`
	HasAction *bool  `json:"HasAction,omitempty" jsonschema_description:"true: only with gestures; false: only without"`
	Detail    string `json:"Detail,omitempty" jsonschema:"enum=brief,enum=full,default=brief" jsonschema_description:"full: with pictures and gesture videos (default brief)"`
	Offset    *int   `json:"Offset,omitempty" jsonschema:"minimum=0,maximum=1000000,default=0" jsonschema_description:"Matches to skip, 0 to 1000000 (default 0)"`
	Limit     *int   `json:"Limit,omitempty" jsonschema:"minimum=1,maximum=200,default=10" jsonschema_description:"1 to 200, full: 1 to 50 (default 10)"`
}

// maxFullLimit is how many digital humans find_digital_humans returns at most with their
// pictures. More would be more than some clients accept as the result of a tool.
const maxFullLimit = 50

type findDigitalHumansOutput struct {
	DigitalHumans      []listedHuman `json:"DigitalHumans" jsonschema_description:"Best match first"`
	NextOffset         *int          `json:"NextOffset,omitempty" jsonschema_description:"Offset of the next matches; absent when there are no more"`
	Matches            int           `json:"Matches" jsonschema_description:"How many match"`
	Searched           int           `json:"Searched" jsonschema_description:"How many were looked at"`
	Total              int           `json:"Total" jsonschema_description:"How many there are"`
	SearchedAll        bool          `json:"SearchedAll" jsonschema_description:"false: not all could be looked at; see Advice"`
	Advice             string        `json:"Advice,omitempty" jsonschema_description:"What to do if nothing matches or not all were searched"`
	AvatarURLsExpireAt string        `json:"AvatarUrlsExpireAt,omitempty" jsonschema_description:"RFC 3339, UTC; AvatarUrl values stop working then"`
}

var findDigitalHumans = tool[findDigitalHumansInput, findDigitalHumansOutput]{
	name:        "find_digital_humans",
	title:       "Find digital humans",
	description: "Find digital humans (talking avatars) by name, gesture or id, on all pages. A part of a word is enough; Chinese is also found by pinyin or its initials. Free, changes nothing. Go on with Offset=NextOffset.",
	toolset:     Assets,
	effect:      readOnly,
	meta:        opens(galleryURI),
	run: func(ctx context.Context, d deps, in findDigitalHumansInput) (findDigitalHumansOutput, error) {
		detail := cmp.Or(in.Detail, detailBrief)
		limit := or(in.Limit, 10)
		if detail == detailFull && limit > maxFullLimit {
			return findDigitalHumansOutput{}, &schema.ArgumentError{Problems: []string{
				fmt.Sprintf("Limit must be an integer from 1 to %d with Detail %q, got %d", maxFullLimit, detail, limit),
			}}
		}
		mode := zego.FetchMode(or(in.FetchMode, int(zego.FetchAll)))
		s := search[zego.DigitalHuman]{
			query: match.NewQuery(in.Query), entry: humanEntry,
			wants: func(human zego.DigitalHuman) bool {
				return in.HasAction == nil || *in.HasAction == (len(human.Gestures) > 0)
			},
		}
		err := s.run(ctx, d, humanPages(d.client, mode))
		humans, next := s.page(or(in.Offset, 0), limit)
		d.rememberPictures(ctx, humans, s.oldest)
		out := findDigitalHumansOutput{
			DigitalHumans: listedHumansOf(humans, detail), NextOffset: next,
			Matches: len(s.matches), Searched: s.searched, Total: s.total, SearchedAll: err == nil,
		}
		if detail == detailFull {
			out.AvatarURLsExpireAt = avatarExpiry(s.oldest)
		}
		if err != nil {
			instead := ""
			if mode == zego.FetchAll {
				instead = "; or search fewer, with FetchMode 2 or 3"
			}
			advice, ok := s.incompleteAdvice(ctx, err, fmt.Sprintf("page through list_digital_humans with FetchMode=%d", mode), instead)
			if !ok {
				return findDigitalHumansOutput{}, err
			}
			out.Advice = advice
		} else if len(s.matches) == 0 {
			out.Advice = "No match." + s.didYouMean() + " ZEGO tells only names, gestures and ids, and describes no looks (clothes, gender, mood): to choose by looks, see their faces with preview_digital_humans."
		}
		return out, nil
	},
}

// humanPages returns a function for search.run that reads the pages of digital humans.
func humanPages(client *zego.Client, mode zego.FetchMode) func(context.Context) iter.Seq2[searchPage[zego.DigitalHuman], error] {
	return func(ctx context.Context) iter.Seq2[searchPage[zego.DigitalHuman], error] {
		return func(yield func(searchPage[zego.DigitalHuman], error) bool) {
			for page, err := range client.DigitalHumanPages(ctx, mode) {
				if !yield(searchPage[zego.DigitalHuman]{page.DigitalHumans, page.Total, page.At}, err) {
					return
				}
			}
		}
	}
}

// humanEntry returns what queries are compared with.
func humanEntry(human zego.DigitalHuman) match.Entry {
	entry := match.Entry{Name: human.Name, ID: human.ID}
	for _, g := range human.Gestures {
		entry.Labels = append(entry.Labels, g.Name)
	}
	return entry
}
