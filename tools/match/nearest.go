package match

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// Nearest is for a query that finds nothing. It returns the names that were perhaps meant: of
// the names that are near the query, the nearest ones, at most limit of them. limit must be at
// least 1. If no name is near, Nearest returns none. A name is near in one of three cases:
//   - A word of the name begins with a word of the query.
//   - A word of the name begins with the sound of a word of the query: 蘇晴 sounds like 苏晴,
//     and さくら like Sakura.
//   - The query, or a word of it, can be turned into the name, or a word of it, by at most 2
//     edits, which must be fewer than half of the letters there. An edit inserts, deletes or
//     replaces a letter.
//
// Words of the query that have less than 3 letters in Latin script do not count.
func (q Query) Nearest(names []string, limit int) []string {
	nearest, minDistance := []string{}, 0
	for _, text := range names {
		distance, near := q.distance(text)
		switch {
		case !near || slices.Contains(nearest, text):
		case len(nearest) == 0 || distance < minDistance:
			nearest, minDistance = []string{text}, distance
		case distance == minDistance && len(nearest) < limit:
			nearest = append(nearest, text)
		}
	}
	return nearest
}

// distance returns how far a name is from the query: the edits between the two, or if that is
// less the sum of the edits of each word of the query. It reports false if the name is not
// near.
func (q Query) distance(text string) (edits int, near bool) {
	n := newName(text)
	spellings := append(strings.FieldsFunc(n.text, isSeparator), n.text, n.sound())
	// fewestEdits also sets near if typed is near the name.
	fewestEdits := func(typed string) int {
		edits := tooFar
		for _, spelling := range spellings {
			edits = min(edits, editsBetween(typed, spelling))
		}
		near = near || edits < tooFar
		return edits
	}
	whole := fewestEdits(q.whole)
	for _, w := range q.words {
		switch sound := newName(w.text).sound(); {
		case isShort(w.text):
		case sound != w.text && !isShort(sound) && n.score(word{text: sound, sound: sound}) >= minWordStart:
			near = true
		case n.score(w) >= minWordStart:
			near = true
		default:
			edits += fewestEdits(w.text)
		}
	}
	if whole < tooFar {
		edits = min(edits, whole)
	}
	return edits, near
}

// tooFar is the number of edits from which on a name is not near. A word of the query that is
// near no word of the name counts as so many.
const tooFar = 3

// isShort reports whether a word is too short to say which name was meant. One character of
// Chinese, Japanese or Korean, which has three bytes, is enough.
func isShort(word string) bool { return len(word) < 3 }

// editsBetween returns how many edits lie between what was typed and a spelling, or
// tooFar if they are not near.
func editsBetween(typed, spelling string) int {
	length, typedLength := utf8.RuneCountInString(spelling), utf8.RuneCountInString(typed)
	if typedLength <= length-tooFar || typedLength >= length+tooFar {
		return tooFar
	}
	if edits := levenshtein.ComputeDistance(typed, spelling); 2*edits < length && edits < tooFar {
		return edits
	}
	return tooFar
}
