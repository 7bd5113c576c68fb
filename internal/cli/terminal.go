package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// isTerminal reports whether stream, one of the program's three, is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// terminalWidth returns the columns of w if w is a terminal; otherwise ok is false.
// It assumes 80 columns for a terminal that does not tell its size.
func terminalWidth(w io.Writer) (columns int, ok bool) {
	file, isFile := w.(*os.File)
	if !isFile || !isTerminal(w) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	return columns, true
}
