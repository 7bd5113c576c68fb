package match

// The spellings of the letters of which a syllable of Hangul is made. Unicode has the syllables
// in the order of their letters: a syllable is 0xAC00 + (initial*21+vowel)*28 + final, where
// each letter is its index here.
var (
	hangulInitials = [19][]string{
		{"g", "k"},
		{"kk"},
		{"n"},
		{"d", "t"},
		{"tt"},
		{"r", "l"},
		{"m"},
		{"b", "p"},
		{"pp"},
		{"s"},
		{"ss"},
		{""},
		{"j", "ch"},
		{"jj"},
		{"ch"},
		{"k"},
		{"t"},
		{"p"},
		{"h"},
	}
	hangulVowels = [21]string{
		"a", "ae", "ya", "yae", "eo", "e", "yeo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we", "wi", "yu", "eu", "ui", "i",
	}
	hangulFinals = [28]string{
		"", "k", "k", "k", "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m", "p", "p", "t", "t", "ng", "t", "t", "k", "t", "p", "t",
	}
)

func isHangul(r rune) bool { return r >= 0xAC00 && r <= 0xD7A3 }

// romanizeHangul returns the Revised Romanization of a syllable as it sounds alone. After it
// come other usual spellings of the first letter, such as the k of Kim for 김.
func romanizeHangul(syllable rune) []string {
	index := int(syllable - 0xAC00)
	initial, vowel, final := index/(21*28), index/28%21, index%28
	var sounds []string
	for _, first := range hangulInitials[initial] {
		sounds = append(sounds, first+hangulVowels[vowel]+hangulFinals[final])
	}
	return sounds
}
