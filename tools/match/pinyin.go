package match

import (
	_ "embed" // For pinyinTable.
	"strings"
	"sync"
)

// pinyinTable has a line for each syllable of pinyin without its tone: the syllable, the
// characters that are usually read so, and after a bar those that can be read so. A test makes
// it from the table of github.com/mozillazg/go-pinyin, which takes 15 times as much of the
// program, and some milliseconds at each start.
//
//go:embed pinyin.txt
var pinyinTable string

// The first and the last character that pinyinTable may have. [Fold] turns the compatibility
// characters beyond them into characters between them.
const (
	firstHan = '\u3007'
	lastHan  = '\u9FFF'
)

// pinyin returns a list that has the syllables of a character at the index character-firstHan:
// the usual one first, with spaces between them. It reads the table when it is first called,
// because many processes never compare a Chinese name.
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

// join returns the syllables of a and b. For most characters one of them is empty. join then
// makes no new string, because one that is a part of pinyinTable takes no memory.
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

// initialsOf returns the first letters of sounds. For zh, ch and sh it returns both one and two
// letters, because people type either.
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
