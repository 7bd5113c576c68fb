package match

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the same text for texts that differ only in case, in accents or in the width
// of their letters: "Ｚｏë" becomes "zoe". It removes characters that nobody sees, such as
// marks of the writing direction.
func Fold(text string) string {
	if isPlain(text) {
		return strings.ToLower(text)
	}
	folded := norm.NFD.String(cases.Fold().String(norm.NFKC.String(text)))
	folded = strings.Map(func(r rune) rune {
		if isAccent(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, folded)
	return withoutStrokes.Replace(norm.NFC.String(folded))
}

// isPlain reports whether text is ASCII, which can be folded quickly. Most names are.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// isAccent reports whether r is a mark that people leave out when they type a name: an
// accent of a European letter, or a vowel sign of Hebrew or Arabic. The marks of other
// scripts are not among them, because they make another letter: か and が are two letters.
func isAccent(r rune) bool {
	return r >= 0x0300 && r <= 0x036F || r >= 0x0591 && r <= 0x05C7 && unicode.Is(unicode.Mn, r) ||
		r >= 0x064B && r <= 0x065F || r == 0x0670
}

// withoutStrokes replaces letters that Unicode does not take apart into a letter and an
// accent.
var withoutStrokes = strings.NewReplacer("ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "æ", "ae", "œ", "oe", "ı", "i")
