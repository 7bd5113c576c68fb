package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/term"
)

// terminal is an output stream that is a terminal. Most of what a command prints comes from
// elsewhere, so Write escapes every character by which foreign text could move the cursor,
// change what was printed, or reverse the order of characters. The escapes look like \u001b:
// in a JSON text, where such characters can stand only in strings, they mean the same.
type terminal struct {
	file *os.File

	mu      sync.Mutex // guards what follows
	partial []byte     // The beginning of a character, whose end the next Write brings.
}

// forTerminal returns w, or a *terminal if w is a terminal.
func forTerminal(w io.Writer) io.Writer {
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return &terminal{file: file}
	}
	return w
}

// Write writes p, with escapes in place of the characters that are not safe.
func (t *terminal) Write(p []byte) (int, error) {
	return t.write(p, isSafe)
}

// clearLine moves the cursor to the beginning of its line and erases the line.
func (t *terminal) clearLine() {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.file, "\r\x1b[K")
}

// colored returns a writer to the terminal for the log. It lets escape sequences pass, which
// the log uses for its colors: the caller keeps them out of the texts that it logs.
func (t *terminal) colored() io.Writer { return coloredTerminal{t} }

type coloredTerminal struct{ *terminal }

// Write is Write of terminal, except for escape sequences.
func (t coloredTerminal) Write(p []byte) (int, error) {
	return t.write(p, func(r rune) bool { return r == '\x1b' || isSafe(r) })
}

func (t *terminal) write(p []byte, isSafe func(rune) bool) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := append(t.partial, p...)
	t.partial = nil
	if end := endOfRunes(text); end < len(text) {
		t.partial, text = append([]byte(nil), text[end:]...), text[:end]
	}
	if _, err := io.WriteString(t.file, escape(string(text), isSafe)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// endOfRunes returns the length of text without a character at its end of which bytes are
// missing.
func endOfRunes(text []byte) int {
	for i := max(0, len(text)-utf8.UTFMax+1); i < len(text); i++ {
		if utf8.RuneStart(text[i]) && !utf8.FullRune(text[i:]) {
			return i
		}
	}
	return len(text)
}

// oneLine escapes what is not safe in a text that must stay in its line.
func oneLine(text string) string {
	return escape(text, func(r rune) bool { return r != '\n' && r != '\t' && isSafe(r) })
}

// isSafe reports whether a terminal shows r as a character, or as the end of a line or a tab.
func isSafe(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return true
	case unicode.IsControl(r), r == '\u2028', r == '\u2029', r == '\ufeff':
		return false
	}
	return !unicode.Is(unicode.Bidi_Control, r)
}

// escape writes the characters that are not safe, and bytes that are not UTF-8, as JSON
// escapes them.
func escape(text string, isSafe func(rune) bool) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r == utf8.RuneError || !isSafe(r) }) {
		return text
	}
	var out strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			out.WriteString(`\ufffd`)
		case isSafe(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.String()
}

// isTerminal reports whether stream, one of those of env, is a terminal.
func isTerminal(stream any) bool {
	if _, ok := stream.(*terminal); ok {
		return true
	}
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// terminalWidth returns the columns of w if w is a terminal; otherwise ok is false.
// It assumes 80 columns for a terminal that does not tell its size.
func terminalWidth(w io.Writer) (columns int, ok bool) {
	t, ok := w.(*terminal)
	if !ok {
		return 0, false
	}
	columns, _, err := term.GetSize(int(t.file.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	return columns, true
}
