package tools_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// checkGolden compares got with a file in testdata. With -update it writes got to the file.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// TestTranscripts replays conversations. A line that begins with > is a message to the
// server, and the line with < below it is the answer. Other lines are comments.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.transcript")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s, url := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{})
			var got strings.Builder
			for line := range strings.Lines(string(text)) {
				message, ok := strings.CutPrefix(line, "> ")
				if strings.HasPrefix(line, "< ") {
					continue
				}
				got.WriteString(line)
				if !ok {
					continue
				}
				var answer bytes.Buffer
				enc := json.NewEncoder(&answer)
				enc.SetEscapeHTML(false)
				if err := enc.Encode(s.HandleMessage(t.Context(), json.RawMessage(message))); err != nil {
					t.Fatal(err)
				}
				got.WriteString("< " + strings.ReplaceAll(answer.String(), url, "http://simulator"))
			}
			checkGolden(t, filepath.Base(path), []byte(got.String()))
		})
	}
}
