package match

import (
	"slices"
	"strings"
)

// kana has the Hepburn spelling of each hiragana.
var kana = map[rune]string{
	'あ': "a", 'い': "i", 'う': "u", 'え': "e", 'お': "o",
	'か': "ka", 'き': "ki", 'く': "ku", 'け': "ke", 'こ': "ko", 'が': "ga", 'ぎ': "gi", 'ぐ': "gu", 'げ': "ge", 'ご': "go",
	'さ': "sa", 'し': "shi", 'す': "su", 'せ': "se", 'そ': "so", 'ざ': "za", 'じ': "ji", 'ず': "zu", 'ぜ': "ze", 'ぞ': "zo",
	'た': "ta", 'ち': "chi", 'つ': "tsu", 'て': "te", 'と': "to", 'だ': "da", 'ぢ': "ji", 'づ': "zu", 'で': "de", 'ど': "do",
	'な': "na", 'に': "ni", 'ぬ': "nu", 'ね': "ne", 'の': "no",
	'は': "ha", 'ひ': "hi", 'ふ': "fu", 'へ': "he", 'ほ': "ho", 'ば': "ba", 'び': "bi", 'ぶ': "bu", 'べ': "be", 'ぼ': "bo",
	'ぱ': "pa", 'ぴ': "pi", 'ぷ': "pu", 'ぺ': "pe", 'ぽ': "po",
	'ま': "ma", 'み': "mi", 'む': "mu", 'め': "me", 'も': "mo", 'や': "ya", 'ゆ': "yu", 'よ': "yo",
	'ら': "ra", 'り': "ri", 'る': "ru", 'れ': "re", 'ろ': "ro", 'わ': "wa", 'ゐ': "i", 'ゑ': "e", 'を': "o", 'ん': "n", 'ゔ': "vu",
	'ぁ': "a", 'ぃ': "i", 'ぅ': "u", 'ぇ': "e", 'ぉ': "o", 'ゃ': "ya", 'ゅ': "yu", 'ょ': "yo", 'ゎ': "wa", 'っ': "tsu",
}

const (
	smallTsu  = 'っ' // Doubles the consonant that follows.
	longVowel = 'ー' // Makes the vowel before it long. Queries may leave it out.
)

func isKana(r rune) bool { return kana[hiragana(r)] != "" || r == longVowel }

// hiragana returns the hiragana of a katakana, and other characters as they are.
func hiragana(r rune) rune {
	if r >= 'ァ' && r <= 'ヴ' {
		return r - 'ァ' + 'ぁ'
	}
	return r
}

// romanizeKana returns the spellings of the first sound of text, the Hepburn spelling first,
// and how many characters of text the sound takes. text must begin with a kana.
func romanizeKana(text []rune) (sounds []string, length int) {
	first := hiragana(text[0])
	var second rune
	if len(text) > 1 {
		second = hiragana(text[1])
	}
	switch {
	case first == longVowel:
		return []string{""}, 1
	case first == smallTsu && kana[second] != "" && second != smallTsu:
		sounds, length = romanizeKana(text[1:])
		for i, sound := range sounds {
			if strings.HasPrefix(sound, "ch") {
				sounds[i] = "t" + sound
			} else {
				sounds[i] = sound[:1] + sound
			}
		}
		return sounds, length + 1
	case strings.ContainsRune("ぁぃぅぇぉゃゅょ", second) && beginsWithConsonant(kana[first]):
		sounds, length = []string{glide(kana[first], kana[second])}, 2
	default:
		sounds, length = []string{kana[first]}, 1
	}
	if kunrei := toKunrei.Replace(sounds[0]); kunrei != sounds[0] {
		sounds = append(sounds, kunrei)
	}
	// A long o or u is written with う or お after the vowel: ゆうき is Yuuki or Yuki.
	if length < len(text) && strings.ContainsAny(sounds[0][len(sounds[0])-1:], "ou") {
		if next := hiragana(text[length]); next == 'う' || next == 'お' && strings.HasSuffix(sounds[0], "o") {
			for _, sound := range slices.Clone(sounds) {
				sounds = append(sounds, sound+kana[next])
			}
			length++
		}
	}
	return sounds, length
}

// beginsWithConsonant reports whether a spelling has a consonant before its vowel.
func beginsWithConsonant(spelling string) bool { return strings.IndexAny(spelling, "aeiou") > 0 }

// glide returns the spelling of two kana, of which the second is a small one, from the
// spellings of both: しゃ is sha, きゃ is kya, and ファ is fa.
func glide(first, small string) string {
	consonant := strings.TrimRight(first, "aeiou")
	switch consonant {
	case "sh", "ch", "j":
		return consonant + strings.TrimPrefix(small, "y")
	}
	return consonant + small
}

// toKunrei turns Hepburn spellings into Kunrei ones.
var toKunrei = strings.NewReplacer(
	"shi", "si", "sh", "sy", "chi", "ti", "ch", "ty", "tsu", "tu", "fu", "hu", "ji", "zi", "j", "zy",
)
