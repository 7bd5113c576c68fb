package tools

import "strconv"

// maxForeign is how many characters of a text from elsewhere an error or a question shows.
const maxForeign = 128

// quoteForeign returns a text that another program or another person chose, such as a name,
// a RoomId or a FailReason, as it stands in a sentence for a person or a model: in quotation
// marks, and without line breaks, control characters and invisible characters, so that the
// text cannot pass for a part of the sentence. It cuts the text after maxForeign characters.
func quoteForeign(text string) string {
	count := 0
	for i := range text {
		if count == maxForeign {
			text = text[:i] + "…"
			break
		}
		count++
	}
	return strconv.Quote(text)
}
