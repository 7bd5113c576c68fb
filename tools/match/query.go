// Package match finds names by what people and models type for them: in any case, with or
// without accents, by a part, with a small misspelling, and in Latin letters if the name is
// Chinese, Korean, or Japanese in kana.
//
// Chinese is found by pinyin, with or without tones, and by its initials. Korean is found by
// the Revised Romanization of each syllable, and kana by the Hepburn and Kunrei spellings.
// The package does not know how Japanese reads Chinese characters, because that needs a
// dictionary of many megabytes, and no usual spellings of Korean family names that differ
// from their sound, such as Lee for 이.
package match

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Entry is what a query is compared with. Only Name is also found by its sound.
type Entry struct {
	Name   string
	ID     string
	Labels []string // Other words by which the entry is found, such as gestures.
}

// Query is what somebody typed, prepared for comparing it with many entries. Make it with
// [NewQuery]. It is safe for concurrent use.
type Query struct {
	words []word
	whole string // The folded words with a space between them.
}

// word is one word of a query.
type word struct {
	text  string // As [Fold] returns it.
	sound string // As soundOf returns it.
}

// NewQuery prepares a query. An entry matches if all words of text are found in it, in any
// order.
func NewQuery(text string) Query {
	var q Query
	fields := strings.Fields(Fold(text))
	for _, field := range fields {
		q.words = append(q.words, word{text: field, sound: soundOf(field)})
	}
	q.whole = strings.Join(fields, " ")
	return q
}

// Empty reports whether the query has no words. It then matches every entry.
func (q Query) Empty() bool { return len(q.words) == 0 }

// toneNumbers matches pinyin with tones as numbers, such as su1qing2.
var toneNumbers = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([a-z]+[1-5])+$`) })

// soundOf returns a folded word without the marks between its syllables, and without its
// tone numbers if it is pinyin.
func soundOf(folded string) string {
	hasTones := toneNumbers().MatchString(folded)
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_.'’·・", r) || hasTones && unicode.IsDigit(r) {
			return -1
		}
		return r
	}, folded)
}

// isSeparator reports whether r stands between the words or syllables of a name.
func isSeparator(r rune) bool { return !unicode.In(r, unicode.L, unicode.M, unicode.N) }

// Score rates how well an entry matches; more is better. The score is the sum of 1 to 100 for
// each word of the query, and 100 more if the query is the whole name; it is 0 for an empty
// query. Score reports false if a word of the query is not found in the entry. A word in the
// name counts more than one in a label, and that more than a part of the id.
func (q Query) Score(e Entry) (score int, ok bool) {
	name := newName(e.Name)
	id := Fold(e.ID)
	for _, w := range q.words {
		best := max(name.score(w), scoreID(id, w.text))
		for _, label := range e.Labels {
			best = max(best, scoreLabel(Fold(label), w.text))
		}
		if best == 0 {
			return 0, false
		}
		score += best
	}
	if !q.Empty() && name.text == q.whole { // The words are the whole name, in its order.
		score += 100
	}
	return score, true
}

// Names reports whether the query is the whole name, apart from case, accents and spaces.
func (q Query) Names(name string) bool {
	return strings.Join(strings.Fields(Fold(name)), " ") == q.whole
}

// scoreText rates a word in a text by its place: it returns whole if the word is the text,
// start or wordStart if the text or a word of it begins with the word, inside if the word is in
// another place, and 0 if it is not in the text.
func scoreText(text, word string, whole, start, wordStart, inside int) int {
	index := strings.Index(text, word)
	switch {
	case text == word:
		return whole
	case index == 0:
		return start
	case index > 0:
		if before, _ := utf8.DecodeLastRuneInString(text[:index]); !unicode.IsLetter(before) {
			return wordStart
		}
		return inside
	}
	return 0
}

func scoreID(id, word string) int { return scoreText(id, word, 100, 10, 10, 10) }

func scoreLabel(label, word string) int { return scoreText(label, word, 30, 20, 20, 20) }
