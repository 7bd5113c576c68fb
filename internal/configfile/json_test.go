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

// inJSON is the entry with an indentation before each line but the first.
func inJSON(indent string) string {
	return strings.ReplaceAll(`"zego": {
  "command": "/opt/zego-mcp",
  "args": [
    "serve"
  ],
  "env": {
    "ZEGO_APP_ID": "1"
  }
}`, "\n", "\n"+indent)
}

func TestJSON(t *testing.T) {
	t.Parallel()
	whole := "{\n  \"mcpServers\": {\n    " + inJSON("    ") + "\n  }\n}\n"
	flat := `"zego": {"command": "/opt/zego-mcp", "args": ["serve"], "env": {"ZEGO_APP_ID": "1"}}`
	dense := `"zego":{"command":"/opt/zego-mcp","args":["serve"],"env":{"ZEGO_APP_ID":"1"}}`
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	tabs := func(s string) string { return strings.ReplaceAll(s, "  ", "\t") }
	testEdits(t, configfile.JSON, []editTest{
		{name: "empty file", before: "", after: whole, oneWay: true},
		{name: "only a byte order mark", before: "\ufeff", after: "\ufeff" + whole, oneWay: true},
		{name: "only a comment", before: "// mine", after: "// mine\n" + whole, oneWay: true},
		{name: "only a comment and a line end", before: "/* a */\r\n", after: "/* a */\r\n" + crlf(whole), oneWay: true},
		{name: "empty object", before: "{}\n", after: whole, oneWay: true},
		{name: "null", before: "null\n", after: whole, oneWay: true},
		{name: "parent is null", before: "{\n  \"mcpServers\": null\n}\n", after: whole, oneWay: true},
		{name: "parent is empty", before: "{\n  \"mcpServers\": {}\n}\n", after: whole},
		{
			name:   "parent is empty, on two lines",
			before: "{\n  \"mcpServers\": {\n  }\n}\n",
			after:  "{\n  \"mcpServers\": {\n\n    " + inJSON("    ") + "\n  }\n}\n",
		},
		{
			name:   "parent holds a comment",
			before: "{\n  \"mcpServers\": { // none\n  }\n}\n",
			after:  "{\n  \"mcpServers\": { // none\n\n    " + inJSON("    ") + "\n  }\n}\n",
		},
		{
			name:   "another server",
			before: "{\n  \"mcpServers\": {\n    \"a\": {\"x\": 1.0}\n  },\n  \"z\": 1\n}",
			after:  "{\n  \"mcpServers\": {\n    \"a\": {\"x\": 1.0},\n    " + inJSON("    ") + "\n  },\n  \"z\": 1\n}",
		},
		{
			name:   "tabs, CRLF, byte order mark, comments, trailing commas",
			before: crlf(tabs("\ufeff{\n  // one\n  \"mcpServers\": {\n    \"a\": {}, // two\n    // three\n  },\n}\n")),
			after:  crlf(tabs("\ufeff{\n  // one\n  \"mcpServers\": {\n    \"a\": {}, // two\n    " + inJSON("    ") + ",\n    // three\n  },\n}\n")),
		},
		{
			name:   "a comment behind the last member",
			before: "{\n  \"mcpServers\": {\n    \"a\": {} /* two\n  lines */ // x\n    // three\n  }\n}\n",
			after:  "{\n  \"mcpServers\": {\n    \"a\": {}, /* two\n  lines */ // x\n    " + inJSON("    ") + "\n    // three\n  }\n}\n",
		},
		{
			name:   "lists on one line",
			before: "{\n  \"mcpServers\": {\n    \"a\": {\n      \"args\": [\"b\", \"c\"]\n    }\n  }\n}\n",
			after: "{\n  \"mcpServers\": {\n    \"a\": {\n      \"args\": [\"b\", \"c\"]\n    },\n    " +
				strings.Replace(inJSON("    "), "[\n        \"serve\"\n      ]", "[\"serve\"]", 1) + "\n  }\n}\n",
		},
		{
			name: "a comment at the end, without a line end", before: `{"mcpServers": {"a": 1}} // mine`,
			after: `{"mcpServers": {"a": 1, ` + flat + `}} // mine`,
		},
		{
			name: "brackets with a comment only", before: "{\"x\": 1, \"mcpServers\": { // none\n}}",
			after: "{\"x\": 1, \"mcpServers\": { // none\n\n  " + inJSON("  ") + "\n}}",
		},
		{name: "one line", before: `{"mcpServers": {"a": 1}}`, after: `{"mcpServers": {"a": 1, ` + flat + `}}`},
		{name: "one line, empty parent", before: `{"mcpServers": { }}`, after: `{"mcpServers": { ` + flat + `}}`},
		{name: "one dense line", before: `{"mcpServers":{"a":1}}`, after: `{"mcpServers":{"a":1,` + dense + `}}`},
		{name: "one line, trailing comma", before: `{"mcpServers": {"a": 1, }}`, after: `{"mcpServers": {"a": 1, ` + flat + `, }}`},
		{
			name: "closing bracket on the same line", before: "{\"mcpServers\": {\n  \"a\": 1 }}",
			after: "{\"mcpServers\": {\n  \"a\": 1,\n  " + inJSON("  ") + " }}",
		},
		{
			name: "replaced in place", before: "{\n  \"mcpServers\": {\n    \"zego\": {\"command\": \"old\"}, // ours\n    \"b\": 1\n  }\n}\n",
			after: "{\n  \"mcpServers\": {\n    " + inJSON("    ") + ", // ours\n    \"b\": 1\n  }\n}\n", oneWay: true,
		},
		{
			name: "the same value written otherwise", before: "{\"mcpServers\": {\n \"zego\" : " + entry + "}}",
			after: "{\"mcpServers\": {\n \"zego\" : " + entry + "}}", oneWay: true,
		},
		{
			name: "dotted key", path: []string{"amp.mcpServers", "zego"}, value: `{"a":"<&>"}`,
			before: "{\n    \"amp.mcpServers\": {},\n    \"amp\": {\"mcpServers\": 1}\n}",
			after:  "{\n    \"amp.mcpServers\": {\n        \"zego\": {\n            \"a\": \"<&>\"\n        }\n    },\n    \"amp\": {\"mcpServers\": 1}\n}",
		},
		{
			name: "escaped key", path: []string{"mcp\u0053ervers", "ze/g~o"}, value: `1`,
			before: "{\n \"mcp\\u0053ervers\": {}\n}", after: "{\n \"mcp\\u0053ervers\": {\n  \"ze/g~o\": 1\n }\n}",
		},
		{
			name: "item of a list", path: []string{"inputs", "[id=zego]"}, value: `{"id":"zego","password":true}`,
			before: "{\n  \"inputs\": [\n    {\"id\": \"a\"}\n  ]\n}\n",
			after:  "{\n  \"inputs\": [\n    {\"id\": \"a\"},\n    {\n      \"id\": \"zego\",\n      \"password\": true\n    }\n  ]\n}\n",
		},
		{
			name: "member of an item", path: []string{"inputs", "[id=a]", "x"}, value: `2`,
			before: "{\"inputs\": [{\"id\": \"a\"}]}", after: "{\"inputs\": [{\"id\": \"a\", \"x\": 2}]}",
		},
		{
			name: "list that is not there", path: []string{"inputs", "[id=a]", "x"}, value: `2`, oneWay: true,
			before: "{}", after: "{\n  \"inputs\": [\n    {\n      \"id\": \"a\",\n      \"x\": 2\n    }\n  ]\n}",
		},
	})
}

func TestJSONRefused(t *testing.T) {
	t.Parallel()
	testRefused(t, configfile.JSON, []refusedTest{
		{name: "syntax", data: "{\n  \"a\": 1\n  \"b\": 2\n}", want: "line 3, column 3: this is not valid JSON"},
		{name: "two documents", data: "{}\n{}", want: "line 2, column 1: "},
		{name: "the file is a list", data: "[]", want: "the whole file: it is a list"},
		{name: "the parent is a text", data: `{"mcpServers": "x"}`, want: "mcpServers: it is a text, but zego can only be in an object"},
		{name: "a server named twice", data: `{"mcpServers": {"zego": 1, "zego": 2}}`, want: "zego is there twice. What to do"},
		{name: "an item of an object", data: `{"mcpServers": {}}`, path: []string{"mcpServers", "[name=zego]"}, want: "can only be in a list"},
		{name: "an item with another name", data: `{}`, path: []string{"mcpServers", "[name=zego]"}, want: "no member name"},
	})
}

// TestJSONDelete deletes entries that Set did not write.
func TestJSONDelete(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ before, after string }{
		"first":                   {"{\n  \"zego\": 1,\n  \"b\": 2\n}", "{\n  \"b\": 2\n}"},
		"first on one line":       {`{"zego": 1, "b": 2}`, `{"b": 2}`},
		"middle":                  {`{"a": 1, "zego": {}, "b": 2}`, `{"a": 1, "b": 2}`},
		"last":                    {"{\n  \"a\": 1,\n  \"zego\": 2\n}", "{\n  \"a\": 1\n}"},
		"last, comment before":    {"{\n  \"a\": 1,\n  // x\n  \"zego\": 2\n}", "{\n  \"a\": 1\n  // x\n}"},
		"comment behind":          {"{\n  \"a\": 1,\n  \"zego\": 2 // x\n}", "{\n  \"a\": 1\n  // x\n}"},
		"comma, comment behind":   {"{\n  \"zego\": 2, // x\n  \"b\": 1\n}", "{\n  // x\n  \"b\": 1\n}"},
		"comment before comma":    {"{\n  \"zego\": 2 /* x */,\n  \"b\": 1\n}", "{\n   /* x */\n  \"b\": 1\n}"},
		"comma at the beginning":  {"{\n  \"a\": 1\n  , \"zego\": 2\n}", "{\n  \"a\": 1\n  \n}"},
		"only":                    {"{\n  \"zego\": 2\n}", "{}"},
		"only, comment before":    {"{\n  // x\n  \"zego\": 2\n}", "{\n  // x\n}"},
		"only, comment behind":    {"{\n  \"zego\": 2\n  // x\n}", "{\n  // x\n}"},
		"only, trailing comma":    {"{\n  \"zego\": 2,\n}", "{}"},
		"only, comma far away":    {"{\n  \"zego\": 2 // x\n  ,\n}", "{\n   // x\n  \n}"},
		"only, bracket behind":    {"{\n  \"zego\": 2 }", "{ }"},
		"not there":               {"{\"a\": 1}", "{\"a\": 1}"},
		"two on a line, in lines": {"{\n  \"zego\": 1, \"b\": 2\n}", "{\n  \"b\": 2\n}"},
	} {
		got, err := configfile.Delete(configfile.JSON, []byte(tt.before), "zego")
		if err != nil || string(got) != tt.after {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tt.after)
		}
	}
}

func TestGetJSON(t *testing.T) {
	t.Parallel()
	data := []byte("{\"a\": {\"b\": [1.50, \"\\u00e9\", null, true, /* x */ {\"c\": {}},]}, \"n\": null}")
	for path, want := range map[string]string{
		"a":   `{"b":[1.50,"é",null,true,{"c":{}}]}`,
		"a b": `[1.50,"é",null,true,{"c":{}}]`,
		"n":   "null",
		"n x": "",
		"z":   "",
	} {
		got, found, err := configfile.Get(configfile.JSON, data, strings.Fields(path)...)
		if string(got) != want || found != (want != "") || err != nil {
			t.Errorf("%s: got %s, %v, %v, want %s", path, got, found, err, want)
		}
	}
	if _, _, err := configfile.Get(configfile.JSON, data, "a", "b", "c"); err == nil {
		t.Error("member of a list: got no error")
	}
}

// drawJSON draws an object as a person could have written it.
func drawJSON(t *rapid.T) (text string, hasParent bool) {
	newline := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "newline")
	comment := rapid.SampledFrom([]string{"// c" + newline, "/* c */", "/* c" + newline + " */", "//" + newline})
	space := rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			b.WriteString(rapid.OneOf(rapid.SampledFrom([]string{" ", "\t", newline, newline + "  "}), comment).Draw(t, "space"))
		}
		return b.String()
	})
	var value func(depth int) string
	children := func(depth int, opening, closing string, keys []string) string {
		var b strings.Builder
		b.WriteString(opening)
		for i, key := range keys {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(space.Draw(t, "before"))
			if opening == "{" {
				b.WriteString(fmt.Sprintf("%q", key) + space.Draw(t, "key") + ":" + space.Draw(t, "colon"))
			}
			if key == "mcpServers" {
				hasParent = true
			}
			b.WriteString(value(depth-1) + space.Draw(t, "behind"))
		}
		if len(keys) > 0 && rapid.Bool().Draw(t, "trailing") {
			b.WriteString(",")
		}
		return b.String() + space.Draw(t, "end") + closing
	}
	value = func(depth int) string {
		kinds := []string{"1", "-1.50e3", `"a // \" b"`, "true", "null", "[", "{"}
		if depth == 0 {
			kinds = kinds[:5]
		}
		switch k := rapid.SampledFrom(kinds).Draw(t, "kind"); k {
		case "[":
			return children(depth, "[", "]", make([]string, rapid.IntRange(0, 3).Draw(t, "items")))
		case "{":
			return children(depth, "{", "}", []string{"a", "b", "c"}[:rapid.IntRange(0, 3).Draw(t, "members")])
		default:
			return k
		}
	}
	bom := rapid.SampledFrom([]string{"", "\ufeff"}).Draw(t, "bom")
	keys := []string{"a", "b", "mcpServers", "c"}[:rapid.IntRange(0, 4).Draw(t, "members")]
	return bom + space.Draw(t, "top") + children(3, "{", "}", keys) + space.Draw(t, "bottom"), hasParent
}

func TestJSONProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, _ := drawJSON(t)
		checkProperties(t, configfile.JSON, before, "mcpServers", "zego")
		if parent := checkProperties(t, configfile.JSON, before, "zego"); !parent {
			t.Fatal("the root is an object")
		}
	})
}

// checkProperties checks what holds for all files, and reports whether path had a parent.
func checkProperties(t *rapid.T, format configfile.Format, before string, path ...string) bool {
	parent, hasParent, err := configfile.Get(format, []byte(before), path[:len(path)-1]...)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	hasParent = hasParent && strings.HasPrefix(string(parent), "{")
	got, err := configfile.Set(format, []byte(before), json.RawMessage(entry), path...)
	if err != nil {
		if hasParent || strings.Contains(err.Error(), "changed where it stands") {
			t.Fatalf("Set %q: %v", before, err)
		}
		return hasParent
	}
	if again, err := configfile.Set(format, got, json.RawMessage(entry), path...); err != nil || string(again) != string(got) {
		t.Fatalf("Set twice: got %q, %v, want %q", again, err, got)
	}
	if value, _, err := configfile.Get(format, got, path...); err != nil || string(value) != entry {
		t.Fatalf("Get: got %s, %v", value, err)
	}
	if _, err := configfile.Set(format, got, json.RawMessage(`{"url":"x"}`), path...); err != nil {
		t.Fatalf("Set another value in %q: %v", got, err)
	}
	back, err := configfile.Delete(format, got, path...)
	if err != nil || hasParent && string(back) != before {
		t.Fatalf("Delete from %q: got %q, %v, want %q", got, back, err, before)
	}
	return hasParent
}

// large returns how many entries a large file has. With the race detector, which takes more than
// ten times as long for one, it is a tenth of n.
func large(n int) int {
	if withRace {
		return n / 10
	}
	return n
}

// TestLargeJSON edits a file as large as Claude Code's can become.
func TestLargeJSON(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("{\n  \"projects\": {\n")
	n := large(25_000)
	for i := range n {
		fmt.Fprintf(&b, "    \"/home/p%d\": {\"history\": [{\"display\": \"%s\", \"n\": %d}], \"ok\": true},\n", i, strings.Repeat("x\\n", 50), i)
	}
	b.WriteString("    \"last\": 1\n  },\n  \"mcpServers\": {}\n}\n")
	start := time.Now()
	got, err := configfile.Set(configfile.JSON, []byte(b.String()), json.RawMessage(entry), "mcpServers", "zego")
	if err != nil || len(got) < 200*n {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	t.Logf("%d bytes took %v", len(got), time.Since(start))
}

// TestLargeJSONLine edits a file that has everything on one line. If each of its lists made the
// edit read the whole line, it would take minutes.
func TestLargeJSONLine(t *testing.T) {
	t.Parallel()
	data := `{"a":[` + strings.Repeat("[1],", large(250_000)) + `1],"mcpServers":{"x":1}}`
	start := time.Now()
	got, err := configfile.Set(configfile.JSON, []byte(data), json.RawMessage(entry), "mcpServers", "zego")
	if err != nil || len(got) < len(data) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	t.Logf("%d bytes took %v", len(got), time.Since(start))
}
