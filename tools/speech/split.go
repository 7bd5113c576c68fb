package speech

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
	"zego-mcp/zego"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/clipperhouse/uax29/v2/sentences"
)

// partTime is the likely time that one part of a long text takes to speak at most. It is
// short because parts that were sent are still spoken when a call is cancelled.
const partTime = 20 * time.Second

// Split cuts a text into parts that are spoken one after the other, each in a drive of its
// own. A text of up to zego.MaxText characters stays whole. A longer one is cut at the
// ends of sentences into parts of at most about 20 seconds. A sentence of more than
// zego.MaxText characters is cut at a comma or blank, or else between two characters.
//
// The parts together are the text, without some of the blanks between sentences. No part is
// blank unless the text is. speechRate is as for [EstimateText].
func Split(text string, speechRate int) []string {
	if utf8.RuneCountInString(text) <= zego.MaxText {
		return []string{text}
	}
	var parts []string
	part := ""
	for _, sentence := range sentencesOf(text) {
		switch {
		case fitsOnePart(part+sentence, speechRate):
			part += sentence
		// ZEGO may refuse a drive of blanks alone, so blanks that do not fit are left out.
		case isBlank(sentence):
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
	return utf8.RuneCountInString(text) <= zego.MaxText && EstimateText(text, speechRate).Likely <= partTime
}

func isBlank(text string) bool { return strings.TrimSpace(text) == "" }

// sentencesOf cuts text at the ends of its sentences, by Unicode's rules. It cuts a sentence
// of more than zego.MaxText characters further. The pieces together are the text.
func sentencesOf(text string) []string {
	var all []string
	begin := 0
	for s := sentences.FromString(text); s.Next(); {
		// By Unicode's rules an opening quotation mark before the next sentence belongs to this one.
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

// opens reports whether r is an opening bracket or quotation mark.
func opens(r rune) bool { return unicode.In(r, unicode.Ps, unicode.Pi) }

// cutSentence cuts a sentence of more than zego.MaxText characters into pieces of at most
// partTime. It returns a shorter one whole.
func cutSentence(sentence string) []string {
	if utf8.RuneCountInString(sentence) <= zego.MaxText {
		return []string{sentence}
	}
	var pieces []string
	for sentence != "" {
		end := pieceEnd(sentence)
		pieces, sentence = append(pieces, sentence[:end]), sentence[end:]
	}
	return pieces
}

// pieceEnd returns the index at which the first piece of a sentence ends. That is behind the
// last comma or blank in the second half of the piece, or if there is none behind a character.
// In Thai, for example, only blanks separate sentences.
func pieceEnd(sentence string) int {
	var took time.Duration
	end, count, clauseEnd := 0, 0, 0 // clauseEnd is behind the last comma or blank; 0 if there is none.
	for g := graphemes.FromString(sentence); g.Next(); end = g.End() {
		took += EstimateText(g.Value(), 0).Likely
		count += utf8.RuneCountInString(g.Value())
		if took > partTime || count > zego.MaxText {
			switch {
			case clauseEnd > 0:
				return clauseEnd
			case end > 0:
				return end
			}
			// The first character has more marks on it, such as accents, than fit one drive.
			return len(string([]rune(sentence)[:min(zego.MaxText, utf8.RuneCountInString(sentence))]))
		}
		if took > partTime/2 && strings.ContainsFunc(g.Value(), endsClause) {
			clauseEnd = g.End()
		}
	}
	return len(sentence)
}

// endsClause reports whether a text may be cut behind r.
func endsClause(r rune) bool { return unicode.IsSpace(r) || unicode.IsPunct(r) }
