package cli

import (
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// TestLogOnTerminal checks that the log has colors on a terminal, and that foreign text in
// its lines chooses none.
func TestLogOnTerminal(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	e := &env{stderr: &terminal{file: w}, getenv: func(string) string { return "" }, settings: &settings{}}
	e.logger(slog.LevelInfo).Warn("a\x1b[8mb\u202e", "key", "c\x1b[8md")
	_ = w.Close()
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"\x1b[8m", "\u202e"} {
		if strings.Contains(string(out), bad) {
			t.Errorf("got %q, which holds %q", out, bad)
		}
	}
	for _, want := range []string{"\x1b[", `a\u001b[8mb\u202e`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("got %q, want %q", out, want)
		}
	}
}

// TestSplitCharacter writes a character to a terminal in two pieces.
func TestSplitCharacter(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	terminal := &terminal{file: w}
	for _, piece := range []string{"知\xe5", "\xb0", "\x8f\xc2", "\x9b\xff", "\xe2\x80"} {
		if n, err := io.WriteString(terminal, piece); n != len(piece) || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	_ = w.Close()
	if out, err := io.ReadAll(r); string(out) != `知小\u009b\ufffd` || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
}
