package configfile_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/configfile"

	"pgregory.net/rapid"
)

// inYAML is the entry in an object at the top of the file.
const inYAML = `  zego:
    command: /opt/zego-mcp
    args:
      - serve
    env:
      ZEGO_APP_ID: "1"`

func TestYAML(t *testing.T) {
	t.Parallel()
	path := []string{"extensions", "zego"}
	item := []string{"mcpServers", "[name=zego]"}
	const itemValue = `{"name":"zego","args":["a"],"env":{}}`
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	whole := "extensions:\n" + inYAML + "\n"
	flow := `zego: {"command": "/opt/zego-mcp", "args": ["serve"], "env": {"ZEGO_APP_ID": "1"}}`
	tests := []editTest{
		{name: "empty file", before: "", after: whole, oneWay: true},
		{name: "only a byte order mark", before: "\ufeff", after: "\ufeff" + whole, oneWay: true},
		{name: "only a comment", before: "# mine", after: "# mine\n" + whole, oneWay: true},
		{name: "only a header", before: "---\n", after: "---\n" + whole, oneWay: true},
		{name: "no parent", before: "a: 1\n...\n", after: "a: 1\n" + whole + "...\n", oneWay: true},
		{name: "no final line end", before: "a: 1 # x", after: "a: 1 # x\n" + strings.TrimSuffix(whole, "\n"), oneWay: true},
		{name: "parent is null", before: "extensions: # none\nb: 1\n", after: "extensions: # none\n" + inYAML + "\nb: 1\n", oneWay: true},
		{name: "parent is written as null", before: "extensions: null # none\n", after: "extensions: # none\n" + inYAML + "\n", oneWay: true},
		{name: "parent is ~", before: "extensions: ~", after: strings.TrimSuffix(whole, "\n"), oneWay: true},
		{name: "parent is empty", before: "extensions: {}\nb: 1\n", after: whole + "b: 1\n"},
		{name: "parent is empty, with a comment", before: "\"extensions\": {} # none\n", after: "\"extensions\": # none\n" + inYAML + "\n"},
		{name: "parent is empty, with blanks", before: "extensions:  { }\n", after: "extensions:  { " + flow + "}\n"},
		{
			name: "behind the others", before: "# top\n\nextensions:\n  a: {x: 1} # a\n  # below a\n\n# of b\nb: [1]\n",
			after: "# top\n\nextensions:\n  a: {x: 1} # a\n" + inYAML + "\n  # below a\n\n# of b\nb: [1]\n",
		},
		{
			name: "CRLF, four spaces, lists not indented", before: crlf("\ufeffextensions:\n    a:\n        args:\n        - é # x\n"),
			after: crlf("\ufeffextensions:\n    a:\n        args:\n        - é # x\n    zego:\n        command: /opt/zego-mcp\n        args:\n        - serve\n        env:\n            ZEGO_APP_ID: \"1\"\n"),
		},
		{
			name: "behind a text of several lines", before: "extensions:\n  a: |\n    # no comment\n\n    x\n  b: \"y\n    z\"\n  c: >-\n    d\n  # c\n",
			after: "extensions:\n  a: |\n    # no comment\n\n    x\n  b: \"y\n    z\"\n  c: >-\n    d\n" + inYAML + "\n  # c\n",
		},
		{name: "in brackets", before: "extensions: {a: 'it''s, }', \"b\": [x, {y: z}]} # c\n", after: "extensions: {a: 'it''s, }', \"b\": [x, {y: z}], " + flow + "} # c\n"},
		{name: "JSON", before: "{\"extensions\": {\"a\": 1,},}", after: "{\"extensions\": {\"a\": 1, " + flow + ",},}"},
		{
			name: "in brackets on several lines", before: "extensions: {\n    a: 1 # x\n  }\n", value: `{"a":[1]}`,
			after: "extensions: {\n    a: 1, # x\n    zego: {\n      \"a\": [\n        1\n      ]\n    }\n  }\n",
		},
		{
			name: "replaced in place", before: "extensions:\n  \"zego\": # ours\n    cmd: x\n    # in it\n    y: |\n      # text\n  # below\n  b: 1\n",
			after: "extensions:\n" + inYAML + "\n  # below\n  b: 1\n", oneWay: true,
		},
		{name: "replaced in brackets", before: "extensions: {zego: {a: b}, c: d}\n", after: "extensions: {" + flow + ", c: d}\n", oneWay: true},
		{
			name: "item of a list", before: "mcpServers:\n  - name: a\n    args: [x]\n\n# of b\nb: 1\n", path: item, value: itemValue,
			after: "mcpServers:\n  - name: a\n    args: [x]\n  - name: zego\n    args:\n      - a\n    env: {}\n\n# of b\nb: 1\n",
		},
		{
			name: "item of a list that is not indented", before: "mcpServers:\n- # c\n  name: a\n-\n  name: b", path: item, value: itemValue,
			after: "mcpServers:\n- # c\n  name: a\n-\n  name: b\n- name: zego\n  args:\n  - a\n  env: {}",
		},
		{name: "empty list", before: "mcpServers: []\nb: 1\n", path: item, value: itemValue, after: "mcpServers:\n  - name: zego\n    args:\n      - a\n    env: {}\nb: 1\n"},
		{name: "list in brackets", before: "mcpServers: [{name: a}]\n", path: item, value: itemValue, after: "mcpServers: [{name: a}, {\"name\": \"zego\", \"args\": [\"a\"], \"env\": {}}]\n"},
		{name: "list that is not there", before: "a: 1\n", path: item, value: itemValue, after: "a: 1\nmcpServers:\n  - name: zego\n    args:\n      - a\n    env: {}\n", oneWay: true},
		{
			name: "item replaced", before: "mcpServers:\n  - name: zego\n    x: 1\n  - name: b\n", path: item, value: itemValue,
			after: "mcpServers:\n  - name: zego\n    args:\n      - a\n    env: {}\n  - name: b\n", oneWay: true,
		},
		{
			name: "member of an item", before: "mcpServers:\n  - name: a\n    env:\n      B: c\n  - name: d\n", path: []string{"mcpServers", "[name=a]", "env", "X"}, value: `"${{ secrets.X }}"`,
			after: "mcpServers:\n  - name: a\n    env:\n      B: c\n      X: \"${{ secrets.X }}\"\n  - name: d\n",
		},
		{
			name: "texts and numbers", before: "extensions: {}", path: []string{"extensions", "a: #b"},
			value: `{"s":["yes","No","1","1.5","~","","a b","C:\\x\u007f\t","é😀","2024-01-01","http://x","-","x:y","#"],"n":[1,-2.5,1e3,true,null,[],[[1],{"a":{"b":[]}}]]}`,
			after: "extensions:\n  \"a: #b\":\n    s:\n      - \"yes\"\n      - \"No\"\n      - \"1\"\n      - \"1.5\"\n      - \"~\"\n      - \"\"\n      - \"a b\"\n      - \"C:\\\\x\\u007f\\t\"\n      - \"é😀\"\n" +
				"      - \"2024-01-01\"\n      - \"http://x\"\n      - \"-\"\n      - \"x:y\"\n      - \"#\"\n    \"n\":\n      - 1\n      - -2.5\n      - 1e3\n      - true\n      - null\n      - []\n      - - - 1\n        - a:\n            b: []",
		},
		{name: "an anchor elsewhere", before: "x: &a {k: 1}\ny: *a\nextensions: {}\n", after: "x: &a {k: 1}\ny: *a\n" + whole},
	}
	for i := range tests {
		if tests[i].path == nil {
			tests[i].path = path
		}
	}
	testEdits(t, configfile.YAML, tests)
}

func TestYAMLRefused(t *testing.T) {
	t.Parallel()
	testRefused(t, configfile.YAML, []refusedTest{
		{name: "syntax", data: "a: 1\nb: [\n", want: "line 3, column "},
		{name: "tabs", data: "a:\n\tb: 1\n", want: "line 2, column 1: this is not valid YAML"},
		{name: "two documents", data: "a: 1\n---\nb: 1\n", want: "more than one document"},
		{name: "a second document that is broken", data: "a: 1\n---\n[\n", want: "this is not valid YAML"},
		{name: "another type", data: "mcpServers: x\n", want: "mcpServers: it is a text"},
		{name: "a list", data: "mcpServers:\n- name: zego\n", want: "mcpServers: it is a list"},
		{name: "a server named twice", data: "mcpServers:\n  zego: 1\n  zego: 2\n", want: "zego is there twice"},
		{name: "an alias", data: "a: &a {b: 1}\nmcpServers: *a\n", want: "mcpServers is an alias"},
		{name: "an anchor that is used elsewhere", data: "mcpServers: &a\n  b: 1\nc: *a\n", want: "other settings of the file would change"},
		{name: "a value that refers to itself", data: "a: &a [*a]\n", want: "refers to itself"},
		{name: "a null item", data: "-\n", path: []string{"[name=x]"}, want: "no member name"},
		{name: "a key with a question mark", data: "mcpServers:\n  ? zego\n  : 1\n", want: "What to do: change it by hand"},
		{name: "a text that would get a line end", data: "a: |\n  b", want: "other settings of the file would change"},
		{name: "null with an anchor", data: "mcpServers: &a\n", want: "What to do: change it by hand"},
		{name: "an unusual line end", data: "a: 1\nb: x\u2028y\n", want: "line 2, column 5: "},
		{name: "line ends of old Macs", data: "a: 1\rb: 2\r", want: "line 1, column 5: "},
		{name: "null in brackets", data: "{mcpServers: }\n", want: "What to do: change it by hand"},
	})
}

func TestYAMLDelete(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ before, after string }{
		"first":        {"x:\n  zego:\n    a: 1\n  # b\n  b: 1\n", "x:\n  # b\n  b: 1\n"},
		"only":         {"x: # c\n  # d\n  zego: 1\ny: 2\n", "x: {} # c\n  # d\ny: 2\n"},
		"in brackets":  {"x: {zego: {a: [1, 2]}, b: 1}\n", "x: {b: 1}\n"},
		"one of lines": {"x: {\n  zego: 1,\n  b: 1\n}\n", "x: {\n  b: 1\n}\n"},
		"at the end":   {"x:\n  b: 1\n  zego:\n    a: 1", "x:\n  b: 1"},
	} {
		got, err := configfile.Delete(configfile.YAML, []byte(tt.before), "x", "zego")
		if err != nil || string(got) != tt.after {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tt.after)
		}
	}
	if got, err := configfile.Delete(configfile.YAML, []byte("# c\nzego: 1\n"), "zego"); err != nil || string(got) != "# c\n" {
		t.Errorf("the only one of the file: got %q, %v", got, err)
	}
	for _, data := range []string{"- zego: 1\n", "- zego: 1\n  name: b\n"} {
		if got, err := configfile.Delete(configfile.YAML, []byte(strings.Replace(data, "- ", "- q: 1\n  ", 1)), "[q=1]", "zego"); err == nil && got == nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

func TestGetYAML(t *testing.T) {
	t.Parallel()
	data := []byte("a: 0x1F\nb: .inf\nc: 2024-01-01\nd: True\ne: &e {f: 'g'}\nh: *e\n[1, x]: ~\ni: |\n  j\n")
	want := `{"a":31,"b":".inf","c":"2024-01-01","d":true,"e":{"f":"g"},"h":{"f":"g"},"? [1,\"x\"]":null,"i":"j\n"}`
	if got, found, err := configfile.Get(configfile.YAML, data); string(got) != want || !found || err != nil {
		t.Errorf("got %s, %v, %v, want %s", got, found, err, want)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'l'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s*%c]\n", c, c, strings.Repeat(fmt.Sprintf("*%c, ", c-1), 9), c-1)
	}
	if _, _, err := configfile.Get(configfile.YAML, []byte(bomb), "k"); err == nil {
		t.Error("a value with 10^11 members: got no error")
	}
	if got, err := configfile.Set(configfile.YAML, []byte(bomb), json.RawMessage(`1`), "z"); err != nil || string(got) != bomb+"z: 1\n" {
		t.Errorf("Set beside it: got %d bytes, %v", len(got), err)
	}
}

// drawYAML draws a file as a person could have written it.
func drawYAML(t *rapid.T) string {
	newline := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "newline")
	unit := rapid.IntRange(1, 4).Draw(t, "unit")
	listIndent := rapid.IntRange(0, 2).Draw(t, "list indent")
	var b strings.Builder
	behind := func() string { return rapid.SampledFrom([]string{"", " # c", "  "}).Draw(t, "behind") + newline }
	filler := func(indent int) {
		for range rapid.IntRange(0, 1).Draw(t, "fillers") {
			b.WriteString(rapid.SampledFrom([]string{"", "  ", strings.Repeat(" ", indent) + "# c: d", "# e"}).Draw(t, "filler") + newline)
		}
	}
	var value func(indent, depth int)
	members := func(indent, depth int, keys []string) {
		for i, key := range keys {
			if i > 0 || b.Len() == 0 || strings.HasSuffix(b.String(), "\n") {
				b.WriteString(strings.Repeat(" ", indent))
			}
			b.WriteString(key + ":")
			value(indent, depth)
			filler(indent)
		}
	}
	value = func(indent, depth int) {
		kinds := []string{" 1", " it's", " 'a: # b'", " \"x \\\" y\"", " é", " {}", " []", " {a: 'b, }', c: [d, \"e]\"]}", "", " ~", "text", "folded", "object", "list"}
		if depth == 0 {
			kinds = kinds[:9]
		}
		deeper := strings.Repeat(" ", indent+unit)
		switch k := rapid.SampledFrom(kinds).Draw(t, "kind"); k {
		case "text":
			b.WriteString(" |" + newline + deeper + "# text" + newline + newline + deeper + " - x: y" + newline)
		case "folded":
			b.WriteString(" \"a" + newline + deeper + "b: c\"" + behind())
		case "object":
			b.WriteString(behind())
			members(indent+unit, depth-1, []string{"a", "'b c'", "d"}[:rapid.IntRange(1, 3).Draw(t, "members")])
		case "list":
			b.WriteString(behind())
			for range rapid.IntRange(1, 2).Draw(t, "items") {
				b.WriteString(strings.Repeat(" ", indent+listIndent) + "- ")
				members(indent+listIndent+2, 0, []string{"name", "x"}[:rapid.IntRange(1, 2).Draw(t, "of item")])
			}
		default:
			b.WriteString(k + behind())
		}
	}
	b.WriteString(rapid.SampledFrom([]string{"", "# top" + newline, "---" + newline}).Draw(t, "top"))
	members(0, 2, []string{"a", "extensions", "c"}[:rapid.IntRange(0, 3).Draw(t, "members")])
	text := b.String()
	if rapid.Bool().Draw(t, "cut") && !strings.HasSuffix(text, "- x: y"+newline) { // It would end the text.
		text = strings.TrimSuffix(text, newline)
	}
	return rapid.SampledFrom([]string{"", "\ufeff"}).Draw(t, "bom") + text
}

func TestYAMLProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := drawYAML(t)
		checkProperties(t, configfile.YAML, before, "extensions", "zego")
		checkProperties(t, configfile.YAML, before, "zego")
	})
}

func TestLargeYAML(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	n := large(20_000)
	for i := range n {
		fmt.Fprintf(&b, "k%d:\n  command: \"%s\" # why\n  args: [a, b]\n", i, strings.Repeat("abc ", 50))
	}
	start := time.Now()
	got, err := configfile.Set(configfile.YAML, []byte(b.String()), json.RawMessage(entry), "extensions", "zego")
	if err != nil || len(got) < 240*n {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	t.Logf("%d bytes took %v", len(got), time.Since(start))
}
