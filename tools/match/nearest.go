package match

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the names that a query which finds nothing was perhaps meant for: those
// that are nearest to it, at most limit of them. A name is near if a word of it begins with
// a word of the query, or if the query or a word of it is at most 2 edits from the name or a
// word of it, and fewer than half as many as it has letters. An edit inserts, deletes or
// replaces a letter. Words of less than 3 letters in Latin script do not count.
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

// distance returns how far a name is from the query: the edits between the two, or those of
// each word of the query if that is less. It reports false if the name is not near.
func (q Query) distance(text string) (edits int, near bool) {
	n := newName(text)
	spellings := append(strings.FieldsFunc(n.text, isSeparator), n.text, n.sound())
	nearestTo := func(typed string) int {
		edits := tooFar
		for _, spelling := range spellings {
			edits = min(edits, editsBetween(typed, spelling))
		}
		near = near || edits < tooFar
		return edits
	}
	whole := nearestTo(q.whole)
	for _, w := range q.words {
		switch {
		case isShort(w.text):
		case n.score(w) >= wordBeginning:
			near = true
		default:
			edits += nearestTo(w.text)
		}
	}
	if whole < tooFar {
		edits = min(edits, whole)
	}
	return edits, near
}

const tooFar = 3 // Edits of a name that is not near, and of a word that is in no near name.

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
