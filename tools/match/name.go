package match

import (
	"slices"
	"strings"
	"unicode"
)

// name is a name that is compared with the words of a query.
type name struct {
	text  string // As [Fold] returns it.
	parts []part // Nil until a word is not found in text.
}

// part is the smallest part of a name that has a sound: a letter, a Chinese character, a
// Korean syllable, or the kana of one syllable. A separator is a part too.
type part struct {
	spellings []string // The usual sound in Latin letters, other sounds, and the part as it is written.
	initials  []string // Of a Chinese character: the first letters of its sounds.
	// Between words or syllables of the name. Queries may leave it out.
	separator bool
}

func newName(text string) *name { return &name{text: Fold(text)} }

// minWordStart is the smallest score of a word with which a word of the name begins.
const minWordStart = 45

// score rates how well a word matches the name, from 1 to 100; 0 if the word is not in it. A
// better place counts first: the whole name, its beginning, the beginning of a word, any other
// place. In the same place, what is written counts 5 or 10 more than what only sounds alike.
// Initials count least.
func (n *name) score(w word) int {
	if written := scoreText(n.text, w.text, 100, 60, 50, 40); written > 0 {
		return written
	}
	if w.sound == "" {
		return 0
	}
	if n.parts == nil {
		n.parts = partsOf(n.text)
	}
	if at, whole, ok := n.find(w.sound, func(p part) []string { return p.spellings }); ok {
		switch {
		case whole:
			return 90
		case at == 0:
			return 55
		case n.parts[at-1].separator:
			return minWordStart
		}
		return 35
	}
	if _, _, ok := n.find(w.sound, func(p part) []string { return p.initials }); ok && len(w.sound) > 1 {
		return 15
	}
	return 0
}

// find returns the first part of the name at which a sound begins, and whether the sound is
// the whole name. The sound may end within a part. spellings returns the spellings of a part
// that count.
func (n *name) find(sound string, spellings func(part) []string) (at int, whole, ok bool) {
	for at := range n.parts {
		if n.parts[at].separator {
			continue
		}
		// offsets are how many bytes of the sound the parts from at to i may have taken. There
		// are several because a part has several spellings.
		offsets := []int{0}
		for i := at; i < len(n.parts) && len(offsets) > 0; i++ {
			if n.parts[i].separator {
				continue
			}
			var next []int
			for _, offset := range offsets {
				rest := sound[offset:]
				for _, spelling := range spellings(n.parts[i]) {
					switch {
					case strings.HasPrefix(spelling, rest):
						ok = true
						whole = whole || at == 0 && i == len(n.parts)-1 && spelling == rest
					case strings.HasPrefix(rest, spelling) && !slices.Contains(next, offset+len(spelling)):
						next = append(next, offset+len(spelling))
					}
				}
			}
			offsets = next
		}
		if ok {
			return at, whole, true
		}
	}
	return 0, false, false
}

// sound returns the most usual sound of the name in Latin letters.
func (n *name) sound() string {
	var sound strings.Builder
	for _, p := range partsOf(n.text) {
		if !p.separator {
			sound.WriteString(p.spellings[0])
		}
	}
	return sound.String()
}

// maxSounded is how many characters of a name are compared by their sound, counted from its
// beginning. It bounds the time that a long name takes.
const maxSounded = 200

// partsOf returns the parts of the first maxSounded characters of a folded name.
func partsOf(text string) []part {
	runes := []rune(text)
	runes = runes[:min(maxSounded, len(runes))]
	parts := make([]part, 0, len(runes))
	for i := 0; i < len(runes); {
		r, length := runes[i], 1
		p := part{separator: isSeparator(r)}
		switch {
		case unicode.Is(unicode.Han, r):
			p.spellings = pinyinOf(r)
			p.initials = initialsOf(p.spellings)
		case isHangul(r):
			p.spellings = romanizeHangul(r)
		case isKana(r):
			p.spellings, length = romanizeKana(runes[i:])
		}
		p.spellings = append(p.spellings, string(runes[i:i+length]))
		parts = append(parts, p)
		i += length
	}
	return parts
}
