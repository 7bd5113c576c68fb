package speech

import (
	"math"
	"time"
	"unicode"
)

// Estimate is how long something probably takes to speak.
type Estimate struct {
	Likely  time.Duration // Without the time that ZEGO takes to begin.
	Longest time.Duration // A time that it should not exceed. What must not cut speech off waits so long.
}

// EstimateAudio returns the estimate of audio whose length is known.
func EstimateAudio(length time.Duration) Estimate {
	return Estimate{Likely: length, Longest: length + startDelay}
}

// UnknownAudio is the estimate of audio whose length is not known.
var UnknownAudio = Estimate{Likely: time.Minute, Longest: 5 * time.Minute}

const (
	// startDelay is how long ZEGO may take to begin to speak.
	//
	// Assumed: ZEGO documents no time.
	startDelay = 1500 * time.Millisecond
	// margin is the factor by which a text may take longer than Likely, because voices differ.
	margin = 1.3
)

// How long a voice takes for a character that it does not speak at the pace of a script.
//
// Assumed: ZEGO documents no pace.
const (
	digitTime    = 300 * time.Millisecond // "2026" is spoken as four words.
	spelledTime  = 250 * time.Millisecond // A letter of a word in capitals, such as API.
	symbolTime   = 400 * time.Millisecond // A symbol that is spoken as a word, such as %.
	emojiTime    = 800 * time.Millisecond // Some voices say what an emoji shows.
	sentenceTime = 400 * time.Millisecond // The pause after a sentence.
	clauseTime   = 200 * time.Millisecond // The pause after a comma.
)

// scriptPaces says how many characters of a script a voice speaks in a second at SpeechRate
// 0. Marks that belong to a letter, such as Thai vowels, count as characters.
//
// Assumed: ZEGO documents no pace. A calm voice has these.
var scriptPaces = []struct {
	script              *unicode.RangeTable
	charactersPerSecond float64
}{
	{unicode.Latin, 14},
	{unicode.Han, 4.2},
	{unicode.Hiragana, 5.5},
	{unicode.Katakana, 5.5},
	{unicode.Hangul, 4.5},
	{unicode.Arabic, 11},
	{unicode.Hebrew, 10},
	{unicode.Thai, 11},
	{unicode.Cyrillic, 13},
	{unicode.Greek, 13},
	{unicode.Devanagari, 11},
}

// otherPace is the pace of every other script.
const otherPace = 9

// EstimateText returns how long a text takes to speak. speechRate is ZEGO's SpeechRate: from
// -500 to 500, where 0 is normal and 500 is fastest.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-streaming/drive-by-text
func EstimateText(text string, speechRate int) Estimate {
	var normal time.Duration
	runes := []rune(text)
	before := ' '
	for i, r := range runes {
		after := ' '
		if i+1 < len(runes) {
			after = runes[i+1]
		}
		normal += timeOf(before, r, after)
		before = r
	}
	// Assumed: 500 is twice as fast, and -500 half as fast. Longest allows for a voice that is
	// slower than that: above 0 it speeds up by less, and below 0 it slows down by more.
	likelySpeed, lowestSpeed := math.Exp2(float64(speechRate)/500), math.Exp2(float64(speechRate)/1000)
	if speechRate < 0 {
		lowestSpeed = math.Exp2(float64(speechRate) / 400)
	}
	return Estimate{
		Likely:  scale(normal, 1/likelySpeed),
		Longest: scale(normal, margin/lowestSpeed) + startDelay,
	}
}

// EstimateParts returns how long the parts of a text take, one after the other. speechRate is
// as for [EstimateText].
func EstimateParts(parts []string, speechRate int) Estimate {
	var all Estimate
	for _, part := range parts {
		e := EstimateText(part, speechRate)
		all.Likely += e.Likely
		all.Longest += e.Longest
	}
	return all
}

// timeOf returns how long the character r takes, which stands between two others.
func timeOf(before, r, after rune) time.Duration {
	switch {
	case unicode.IsDigit(r) || unicode.IsPunct(r) && unicode.IsDigit(before) && unicode.IsDigit(after):
		return digitTime // The point in 3.5 is spoken too.
	case isCapital(r) && (isCapital(before) || isCapital(after)):
		return spelledTime
	case r == '.' && !unicode.IsSpace(after):
		return clauseTime
	case unicode.Is(unicode.Sentence_Terminal, r) || r == '…' || r == '\n':
		return sentenceTime
	case unicode.IsPunct(r):
		return clauseTime
	case isInvisible(r):
		return 0
	case unicode.Is(unicode.So, r):
		return emojiTime
	case unicode.IsSymbol(r):
		return symbolTime
	}
	return time.Duration(float64(time.Second) / paceOf(r))
}

func isCapital(r rune) bool { return r <= unicode.MaxASCII && unicode.IsUpper(r) }

// isInvisible reports whether r only changes how the character before it looks, such as the
// color of an emoji.
func isInvisible(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r) || r >= 0x1F3FB && r <= 0x1F3FF
}

// paceOf returns how many characters like r a voice speaks in a second.
func paceOf(r rune) float64 {
	if unicode.IsSpace(r) {
		return scriptPaces[0].charactersPerSecond
	}
	for _, pace := range scriptPaces {
		if unicode.Is(pace.script, r) {
			return pace.charactersPerSecond
		}
	}
	return otherPace
}

func scale(d time.Duration, factor float64) time.Duration {
	return time.Duration(float64(d) * factor)
}
