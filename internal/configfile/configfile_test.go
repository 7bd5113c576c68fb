package configfile_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"zego-mcp/internal/configfile"

	"github.com/google/go-cmp/cmp"
)

const entry = `{"command":"/opt/zego-mcp","args":["serve"],"env":{"ZEGO_APP_ID":"1"}}`

// editTest is a file before and after Set.
type editTest struct {
	name, before, after string
	path                []string // Default: mcpServers, zego.
	value               string   // Default: entry.
	oneWay              bool     // Delete does not bring back what was before Set.
}

func testEdits(t *testing.T, format configfile.Format, tests []editTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.path == nil {
				tt.path = []string{"mcpServers", "zego"}
			}
			if tt.value == "" {
				tt.value = entry
			}
			got, err := configfile.Set(format, []byte(tt.before), json.RawMessage(tt.value), tt.path...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.after, string(got)); diff != "" {
				t.Fatalf("Set (-want +got):\n%s", diff)
			}
			again, err := configfile.Set(format, got, json.RawMessage(tt.value), tt.path...)
			if err != nil || string(again) != tt.after {
				t.Errorf("Set twice: got %s, %v", again, err)
			}
			value, found, err := configfile.Get(format, got, tt.path...)
			if err != nil || !found || string(value) != tt.value {
				t.Errorf("Get: got %s, %v, %v, want %s", value, found, err, tt.value)
			}
			back, err := configfile.Delete(format, got, tt.path...)
			if err != nil {
				t.Fatal(err)
			}
			if _, found, err := configfile.Get(format, back, tt.path...); found || err != nil {
				t.Errorf("Get after Delete: got %v, %v", found, err)
			}
			if string(back) != tt.before && !tt.oneWay {
				t.Errorf("Delete (-want +got):\n%s", cmp.Diff(tt.before, string(back)))
			}
		})
	}
}

type refusedTest struct {
	name, data, want string
	path             []string // Default: mcpServers, zego.
}

func testRefused(t *testing.T, format configfile.Format, tests []refusedTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.path == nil {
				tt.path = []string{"mcpServers", "zego"}
			}
			got, err := configfile.Set(format, []byte(tt.data), json.RawMessage(entry), tt.path...)
			if err == nil || got != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %s, %v, want error %q", got, err, tt.want)
			}
		})
	}
}

func TestAllFormats(t *testing.T) {
	t.Parallel()
	for _, format := range []configfile.Format{configfile.JSON, configfile.TOML, configfile.YAML} {
		t.Run(format.String(), func(t *testing.T) {
			t.Parallel()
			for name, data := range map[string]string{
				"UTF-16 LE":         "\xff\xfe{\x00}\x00",
				"UTF-16 BE":         "\xfe\xff\x00{\x00}",
				"UTF-16 unmarked":   "{\x00}\x00",
				"not UTF-8":         "\xe9",
				"an open bracket":   "\n  [",
				"nested too deeply": strings.Repeat("[", 2_000_000),
			} {
				_, err := configfile.Set(format, []byte(data), json.RawMessage(entry), "a", "b")
				if _, ok := errors.AsType[*configfile.SyntaxError](err); !ok {
					t.Errorf("%s: got %v, want a SyntaxError", name, err)
				}
			}
			for _, value := range []string{"", "{", "nope", strings.Repeat("[", 2000) + strings.Repeat("]", 2000)} {
				if got, err := configfile.Set(format, nil, json.RawMessage(value), "a"); err == nil {
					t.Errorf("value %.10s: got %s, want an error", value, got)
				}
			}
			if got, err := configfile.Set(format, nil, json.RawMessage("{}")); err == nil {
				t.Errorf("no path: got %s, want an error", got)
			}
			if got, err := configfile.Delete(format, nil); err == nil {
				t.Errorf("no path: got %s, want an error", got)
			}
			if got, err := configfile.Delete(format, []byte("\n"), "a"); err != nil || string(got) != "\n" {
				t.Errorf("Delete of nothing: got %q, %v", got, err)
			}
		})
	}
	if _, _, err := configfile.Get(configfile.Format(9), nil, "a"); err == nil {
		t.Error("an unknown format: got no error")
	}
}

// TestDeleteBehindComment deletes an entry that stands alone behind a comment, which must not
// swallow the bracket.
func TestDeleteBehindComment(t *testing.T) {
	t.Parallel()
	for format, tt := range map[configfile.Format][2]string{
		configfile.JSON: {"{\"a\": { // c\n\"b\": 1}}", "{\"a\": { // c\n}}"},
		configfile.YAML: {"a: { # c\n  b: 1}\n", "a: { # c\n  }\n"},
	} {
		if got, err := configfile.Delete(format, []byte(tt[0]), "a", "b"); err != nil || string(got) != tt[1] {
			t.Errorf("%v: got %q, %v, want %q", format, got, err, tt[1])
		}
	}
}

// TestMistakesWithSecrets checks that an error about a file does not repeat what the file holds.
func TestMistakesWithSecrets(t *testing.T) {
	t.Parallel()
	for format, files := range map[configfile.Format][]string{
		configfile.JSON: {
			`{"KEY": hunter2}`, `{"KEY": "hunter2\q"}`, "{\"KEY\": \"hunter2\n\"}", `{"KEY": 'hunter2'}`, `{KEY: "hunter2"}`, `{"KEY": "hunter2}`,
			"{\"KEY\": \"hunter2\x00\"}", `/* hunter2`, `hunter2`,
		},
		configfile.TOML: {"KEY = hunter2", "KEY = \"hunter2\\q\"", "KEY = 'hunter2\n'", "KEY = 12345678901234567890123", "KEY = 0xhunter2", "KEY = truehunter2"},
		configfile.YAML: {
			"KEY: *hunter2", "KEY: \"hunter2\\q\"", "KEY: @hunter2", "KEY: %hunter2", "KEY: hunter2: x", "KEY: 'hunter2", "KEY: !hun!ter2 x", "KEY: &a *hunter2",
			"KEY: `hunter2", "KEY: [hunter2", "KEY: !<hunter2 x",
		},
	} {
		for _, file := range files {
			_, err := configfile.Set(format, []byte(file), json.RawMessage(entry), "a", "b")
			if e, ok := errors.AsType[*configfile.SyntaxError](err); !ok || e.Line == 0 {
				t.Errorf("%v %q: got %v, want a SyntaxError with a line", format, file, err)
			} else if text := err.Error(); strings.Contains(text, "hunter2") || strings.Contains(text, "123456789") || strings.Contains(text, "\n") {
				t.Errorf("%v %q: the error repeats the file: %s", format, file, text)
			}
		}
	}
}

// FuzzSet sets and deletes an entry in whatever may stand in a file.
func FuzzSet(f *testing.F) {
	for _, text := range []string{
		"", "{}", "{\n  // c\n  \"a\": {\"b\": 1,},\n}\n", "{\"a\":[{\"name\":\"b\"}]}", "[1, 2]", "null", "\ufeff{ }",
		"[a]\nx = 1\n\n[a.b] # c\ny = '''\n'''\n", "a = {b = 1}", "a.b.c = 1\n[[d]]\n", "a:\n  b:\n    - c # d\n", "a: {b: 'c, }'}\n",
		"---\na: &x [*x]\n...\n", "a: |\n  b\n\n# c\n", "- - a: b\n", "? a\n: b\r\r\nc: \"d\n e\"",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data string) {
		for _, format := range []configfile.Format{configfile.JSON, configfile.TOML, configfile.YAML} {
			for _, path := range [][]string{{"a", "b"}, {"a", "[name=b]"}} {
				value := json.RawMessage(`{"name":"b","c":["d"]}`)
				_, _ = configfile.Delete(format, []byte(data), path...)
				got, err := configfile.Set(format, []byte(data), value, path...)
				if err != nil {
					continue
				}
				if back, found, err := configfile.Get(format, got, path...); err != nil || !found || string(back) != string(value) {
					t.Errorf("%v %q: Get after Set: got %s, %v, %v from %q", format, data, back, found, err, got)
				}
				if _, err := configfile.Delete(format, got, path...); err != nil {
					t.Errorf("%v %q: Delete after Set: %v from %q", format, data, err, got)
				}
			}
		}
	})
}
