package match

import (
	_ "embed" // For pinyinTable.
	"strings"
	"sync"
)

// pinyinTable has a line for each syllable of pinyin without its tone: the syllable, the
// characters that are usually read so, and after a bar those that can be read so. It is made
// of the table of github.com/mozillazg/go-pinyin, which takes 15 times as much of the
// program, and some milliseconds at each start.
//
//go:embed pinyin.txt
var pinyinTable string

// The characters of pinyinTable lie between these two: [Fold] turns those beyond into them.
const (
	firstHan = '\u3007'
	lastHan  = '\u9FFF'
)

// pinyin returns the syllables of each character from firstHan on, the usual one first and
// with spaces between them. The table is read when a name with a Chinese character is first
// compared by its sound.
var pinyin = sync.OnceValue(readPinyin)

func readPinyin() []string {
	syllables := make([]string, lastHan-firstHan+1)
	for line := range strings.Lines(pinyinTable) {
		syllable, characters, _ := strings.Cut(strings.TrimSpace(line), " ")
		usual, other, _ := strings.Cut(characters, "|")
		for _, character := range usual {
			syllables[character-firstHan] = join(syllable, syllables[character-firstHan])
		}
		for _, character := range other {
			syllables[character-firstHan] = join(syllables[character-firstHan], syllable)
		}
	}
	return syllables
}

// join returns the syllables of a and b. It makes no new string if one of them is empty, as it
// is for most characters: strings that are part of pinyinTable take no memory.
func join(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	}
	return a + " " + b
}

// pinyinOf returns the sounds of a Chinese character without tones, the usual one first. It
// returns none if the character is not in the table.
func pinyinOf(character rune) []string {
	if character < firstHan || character > lastHan {
		return nil
	}
	var sounds []string
	for syllable := range strings.FieldsSeq(pinyin()[character-firstHan]) {
		if ascii := strings.ReplaceAll(syllable, "ü", "u"); ascii != syllable {
			sounds = append(sounds, ascii, strings.ReplaceAll(syllable, "ü", "v")) // ü is typed as u or v.
		} else {
			sounds = append(sounds, syllable)
		}
	}
	return sounds
}

// initialsOf returns the first letters of sounds. For zh, ch and sh, queries have one or
// both letters.
func initialsOf(sounds []string) []string {
	var initials []string
	for _, sound := range sounds {
		initials = append(initials, sound[:1])
		if len(sound) > 1 && sound[1] == 'h' {
			initials = append(initials, sound[:2])
		}
	}
	return initials
}
