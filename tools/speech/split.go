package speech

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/clipperhouse/uax29/v2/sentences"
)

const (
	// MaxTextOfOneDrive is the largest number of characters that ZEGO takes in one drive.
	MaxTextOfOneDrive = 1800
	// partTime is about how long a part of a long text takes to speak. Whoever gives up in the
	// middle of a long text has to hear the parts that ZEGO has got already.
	partTime = 20 * time.Second
)

// Split cuts a text into parts that are spoken one after the other, each in a drive of its
// own. A text of up to MaxTextOfOneDrive characters stays whole. A longer one is cut at the
// ends of sentences into parts of about 20 seconds; a sentence of more than
// MaxTextOfOneDrive characters is cut at a blank, or else between two characters. The parts
// together are the text, but for blanks that did not fit. No part is blank unless the text
// is.
func Split(text string, speechRate int) []string {
	if utf8.RuneCountInString(text) <= MaxTextOfOneDrive {
		return []string{text}
	}
	var parts []string
	part := ""
	for _, sentence := range sentencesOf(text) {
		switch {
		case fitsOnePart(part+sentence, speechRate):
			part += sentence
		case isBlank(sentence): // ZEGO may refuse a drive of blanks alone.
		case isBlank(part):
			part = sentence
		default:
			parts = append(parts, part)
			part = sentence
		}
	}
	return append(parts, part)
}

// fitsOnePart reports whether text is short enough for one part of a long text.
func fitsOnePart(text string, speechRate int) bool {
	return utf8.RuneCountInString(text) <= MaxTextOfOneDrive && EstimateText(text, speechRate).Likely <= partTime
}

func isBlank(text string) bool { return strings.TrimSpace(text) == "" }

// sentencesOf cuts text at the ends of its sentences, by Unicode's rules. It cuts a sentence
// of more than MaxTextOfOneDrive characters further. The pieces together are the text.
func sentencesOf(text string) []string {
	var all []string
	begin := 0
	for s := sentences.FromString(text); s.Next(); {
		// By Unicode's rules a quotation mark that opens the next sentence belongs to this one.
		end := begin + len(strings.TrimRightFunc(text[begin:s.End()], opens))
		if end > begin {
			all = append(all, cutSentence(text[begin:end])...)
			begin = end
		}
	}
	if begin < len(text) {
		all = append(all, cutSentence(text[begin:])...)
	}
	return all
}

// opens reports whether r is a bracket or a quotation mark that opens.
func opens(r rune) bool { return unicode.In(r, unicode.Ps, unicode.Pi) }

// cutSentence cuts a sentence of more than MaxTextOfOneDrive characters into pieces of about
// partTime: behind a comma or blank in the second half of a piece if there is one, as Thai has
// no other ends of sentences.
func cutSentence(sentence string) []string {
	if utf8.RuneCountInString(sentence) <= MaxTextOfOneDrive {
		return []string{sentence}
	}
	var pieces []string
	for sentence != "" {
		end := pieceEnd(sentence)
		pieces, sentence = append(pieces, sentence[:end]), sentence[end:]
	}
	return pieces
}

// pieceEnd returns where the first piece of a sentence ends.
func pieceEnd(sentence string) int {
	var took time.Duration
	end, count, clauseEnd := 0, 0, 0
	for g := graphemes.FromString(sentence); g.Next(); end = g.End() {
		took += EstimateText(g.Value(), 0).Likely
		count += utf8.RuneCountInString(g.Value())
		if took > partTime || count > MaxTextOfOneDrive {
			switch {
			case clauseEnd > 0:
				return clauseEnd
			case end > 0:
				return end
			}
			// One character with very many marks on it.
			return len(string([]rune(sentence)[:min(MaxTextOfOneDrive, utf8.RuneCountInString(sentence))]))
		}
		if took > partTime/2 && strings.ContainsFunc(g.Value(), endsClause) {
			clauseEnd = g.End()
		}
	}
	return len(sentence)
}

// endsClause reports whether a text may be cut behind r.
func endsClause(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) }
