package tools

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
	"zego-mcp/schema"
	"zego-mcp/tools/match"
	"zego-mcp/zego"

	"github.com/google/uuid"
)

// idLookupTimeout bounds the search for the id that was perhaps meant.
const idLookupTimeout = 3 * time.Second

// checkHumanID returns an error if a DigitalHumanId is a name or a part of an id. The error
// tells the id that was meant. checkHumanID returns nil if the id exists. It also returns nil if
// nothing shows which id was meant: then ZEGO refuses the call itself.
func checkHumanID(ctx context.Context, d deps, id string) error {
	return checkID(ctx, "DigitalHumanId", id, humanPages(d.client, zego.FetchAll), func(human zego.DigitalHuman) match.Entry {
		return match.Entry{Name: human.Name, ID: human.ID}
	})
}

// checkTimbreID is like checkHumanID, but for a TimbreId. It knows the public timbres, and the
// private ones of the given digital humans.
func checkTimbreID(ctx context.Context, d deps, id string, humanIDs ...string) error {
	return checkID(ctx, "TimbreId", id, timbrePages(d.client, append(humanIDs, publicTimbres)), timbreEntry)
}

// checkID does the work of checkHumanID and checkTimbreID. It looks through the pages of a
// list, most of which come from the cache. It accepts a UUID in its usual form without looking,
// because most ids are one.
func checkID[T any](ctx context.Context, argument, value string, pages func(context.Context) iter.Seq2[searchPage[T], error], entry func(T) match.Entry) error {
	// Validate accepts longer and shorter forms too.
	if len(value) == len(uuid.Nil.String()) && uuid.Validate(value) == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, idLookupTimeout)
	defer cancel()
	guess := newIDGuess(value)
	for page, err := range pages(ctx) {
		if err != nil {
			return nil //nolint:nilerr // The lookup is a help: without it, ZEGO says what is wrong with the id.
		}
		for _, item := range page.items {
			e := entry(item)
			if e.ID == value {
				return nil
			}
			guess.add(e)
		}
	}
	if meant := guess.meant(); meant != "" {
		return &schema.ArgumentError{Problems: []string{fmt.Sprintf("%s must be an id, got %s: %s", argument, quoteForeign(value), meant)}}
	}
	return nil
}

// idGuess collects the entries that were perhaps meant by a text in place of an id.
type idGuess struct {
	text  string
	query match.Query

	exact  []match.Entry // Their name is the text, or their id has it as a part.
	likely []match.Entry // Their name matches the text as a query.
	others []match.Entry // The rest, whose names may still be near the text.
}

// minIDPart is how many characters of an id are enough to recognize it.
const minIDPart = 4

func newIDGuess(text string) *idGuess {
	return &idGuess{text: strings.ToLower(strings.TrimSpace(text)), query: match.NewQuery(text)}
}

func (g *idGuess) add(e match.Entry) {
	isPart := len(g.text) >= minIDPart && strings.Contains(strings.ToLower(e.ID), g.text)
	_, matches := g.query.Score(match.Entry{Name: e.Name})
	switch {
	case g.query.Empty():
	case isPart || g.query.Names(e.Name):
		g.exact = append(g.exact, e)
	case matches && len(g.text) > 1:
		g.likely = append(g.likely, e)
	default:
		g.others = append(g.others, e)
	}
}

// meant returns which id to pass, or "" if nothing shows what was meant.
func (g *idGuess) meant() string {
	switch {
	case len(g.exact) == 1:
		return "pass " + idOf(g.exact[0])
	case len(g.exact) > 1:
		return "pass one of " + idsOf(g.exact)
	case len(g.likely) > 0:
		return "perhaps " + idsOf(g.likely)
	}
	var names []string
	byName := map[string]match.Entry{}
	for _, e := range g.others {
		names = append(names, e.Name)
		byName[e.Name] = e
	}
	var near []match.Entry
	for _, name := range g.query.Nearest(names, maxSuggestions) {
		near = append(near, byName[name])
	}
	if len(near) == 0 {
		return ""
	}
	return "perhaps " + idsOf(near)
}

// idsOf returns the ids and names of the first maxSuggestions entries in a line, and how many
// more there are.
func idsOf(entries []match.Entry) string {
	var ids []string
	for _, e := range entries[:min(len(entries), maxSuggestions)] {
		ids = append(ids, idOf(e))
	}
	text := strings.Join(ids, ", ")
	if more := len(entries) - len(ids); more > 0 {
		text += fmt.Sprintf(", or one of %d more", more)
	}
	return text
}

// idOf returns the id and the name of an entry.
func idOf(e match.Entry) string { return fmt.Sprintf("%s (%s)", e.ID, quoteForeign(e.Name)) }
