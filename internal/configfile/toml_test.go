package configfile_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"zego-mcp/internal/configfile"

	"github.com/pelletier/go-toml/v2"
	"pgregory.net/rapid"
)

const inTOML = `[mcp_servers.zego]
command = "/opt/zego-mcp"
args = ["serve"]
env = { ZEGO_APP_ID = "1" }`

func TestTOML(t *testing.T) {
	t.Parallel()
	path := []string{"mcp_servers", "zego"}
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	other := "[mcp_servers.a]\ncommand = 'x' # why\n"
	tests := []editTest{
		{name: "empty file", before: "", after: inTOML + "\n"},
		{name: "only a byte order mark", before: "\ufeff", after: "\ufeff" + inTOML + "\n"},
		{name: "only a line end", before: "\n", after: "\n\n" + inTOML + "\n"},
		{name: "only a comment", before: "# mine\n", after: "# mine\n\n" + inTOML + "\n"},
		{name: "no final line end", before: "model = \"o\" # x", after: "model = \"o\" # x\n\n" + inTOML},
		{name: "CRLF", before: crlf("a = 1\n\n[b]\n"), after: crlf("a = 1\n\n[b]\n\n" + inTOML + "\n")},
		{
			name: "behind the other servers", before: "a = 1\n\n" + other + "# c\n\n# of p\n[p]\nx = 1\n",
			after: "a = 1\n\n" + other + "\n" + inTOML + "\n# c\n\n# of p\n[p]\nx = 1\n",
		},
		{
			name: "indented", before: "[mcp_servers]\n  [mcp_servers.a]\n    x = 1\n",
			after: "[mcp_servers]\n  [mcp_servers.a]\n    x = 1\n\n  " + strings.ReplaceAll(inTOML, "\n", "\n    ") + "\n",
		},
		{name: "header of the parent", before: "[ mcp_servers ] # s\n[p]\n", after: "[ mcp_servers ] # s\n\n" + inTOML + "\n[p]\n"},
		{name: "dotted keys of the parent", before: "mcp_servers.a.command = 'x'\nb = 1\n", after: "mcp_servers.a.command = 'x'\nb = 1\n\n" + inTOML + "\n"},
		{
			name: "replaced in place", oneWay: true,
			before: "[mcp_servers.zego] # ours\n# x\ncommand = 'old' # y\n\n# env\n[mcp_servers.zego.env]\nA = '1'\n\n# of p\n[p]\n\n[mcp_servers.zego.tools.x]\na = 1\n\n[q]\n",
			after:  "[mcp_servers.zego] # ours\n" + strings.TrimPrefix(inTOML, "[mcp_servers.zego]\n") + "\n\n# of p\n[p]\n\n[q]\n",
		},
		{
			name: "replaced where only a table below it stands", oneWay: true,
			before: "[mcp_servers.zego.env]\nA = '1'\n", after: inTOML + "\n",
		},
		{
			name: "an inline table of its own", oneWay: true, before: "[mcp_servers]\nzego = {command = \"old\"} # x\na = {}\n",
			after: "[mcp_servers]\nzego = { command = \"/opt/zego-mcp\", args = [\"serve\"], env = { ZEGO_APP_ID = \"1\" } }\na = {}\n",
		},
		{
			name: "dotted keys of its own", oneWay: true, before: "mcp_servers.zego.command = \"old\"\nmcp_servers.zego.args = []\nb = 1\n",
			after: "mcp_servers.zego = { command = \"/opt/zego-mcp\", args = [\"serve\"], env = { ZEGO_APP_ID = \"1\" } }\nb = 1\n",
		},
		{
			name: "texts and numbers", before: "x = 1", path: []string{"mcp_servers", "a.b c"},
			value: `{"s":"C:\\x\t\"\u007f\u0001é😀","n":[1,-2.5,1e3,true,[]],"o":{"k k":{},"l":[{"a":1}]}}`,
			after: "x = 1\n\n[mcp_servers.\"a.b c\"]\ns = \"C:\\\\x\\t\\\"\\u007f\\u0001é😀\"\nn = [1, -2.5, 1e3, true, []]\no = { \"k k\" = {}, l = [{ a = 1 }] }",
		},
	}
	for i := range tests {
		if tests[i].path == nil {
			tests[i].path = path
		}
	}
	testEdits(t, configfile.TOML, tests)
}

func TestTOMLRefused(t *testing.T) {
	t.Parallel()
	path := []string{"mcp_servers", "zego"}
	tests := []refusedTest{
		{name: "syntax", data: "a = 1\nb = [\n", want: "line 2, column "},
		{name: "a key twice", data: "a = 1\na = 2\n", want: "line 2, column 1: this is not valid TOML: a is already defined"},
		{name: "an inline table of servers", data: "mcp_servers = {a = {}}\n", want: "mcp_servers is an inline table"},
		{name: "an inline table of servers, with ours", data: "mcp_servers = {zego = {}}\n", want: "mcp_servers is an inline table"},
		{name: "another type", data: "mcp_servers = 1\n", want: "mcp_servers: it is a number, but zego can only be in an object"},
		{name: "a list of tables", data: "[[mcp_servers]]\n", want: "mcp_servers: it is a list"},
		{name: "an item", data: "", path: []string{"a", "[command=/opt/zego-mcp]"}, want: "cannot be changed in a TOML file"},
		{name: "dotted keys in brackets", data: strings.Repeat("a.", 2000) + "a = 1", want: "nested more than"},
	}
	for i := range tests {
		if tests[i].path == nil {
			tests[i].path = path
		}
	}
	testRefused(t, configfile.TOML, tests)
	for _, value := range []string{`1`, `{"a":null}`, `{"a":[null]}`, `{"a":99999999999999999999}`} {
		if got, err := configfile.Set(configfile.TOML, nil, json.RawMessage(value), path...); err == nil {
			t.Errorf("value %s: got %s, want an error", value, got)
		}
	}
}

func TestTOMLDelete(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ before, after string }{
		"first":          {"[mcp_servers.zego]\na = 1\n\n[b]\n", "\n[b]\n"},
		"only":           {"[mcp_servers.zego]\na = 1", ""},
		"no blank line":  {"[a]\n[mcp_servers.zego]\na = 1\n[b]\n", "[a]\n[b]\n"},
		"comment before": {"[a]\n\n# x\n[mcp_servers.zego]\n# y\na = 1\n\n# z\n[b]\n", "[a]\n\n# x\n\n# z\n[b]\n"},
		"a key":          {"[mcp_servers]\nzego = {}\nb = 1\n", "[mcp_servers]\nb = 1\n"},
		"dotted keys":    {"mcp_servers.zego.a = 1\nx = 1\nmcp_servers.zego.b = 2\n", "x = 1\n"},
	} {
		got, err := configfile.Delete(configfile.TOML, []byte(tt.before), "mcp_servers", "zego")
		if err != nil || string(got) != tt.after {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tt.after)
		}
	}
	if got, err := configfile.Delete(configfile.TOML, []byte("mcp_servers = {zego = {}}"), "mcp_servers", "zego"); err == nil {
		t.Errorf("from an inline table: got %q, want an error", got)
	}
}

// FuzzTOML compares what is taken for TOML with go-toml.
func FuzzTOML(f *testing.F) {
	for _, text := range []string{
		"a = 1\na = 2", "[a]\n[a]", "[a.b]\n[a]\nb.c = 1", "[a.b]\n[a]\nb = 1", "a.b = 1\n[a]", "a.b = 1\n[a.c]\nx = 1", "[a]\nb.c = 1\n[a.b.d]",
		"[[a]]\n[a]", "[a]\n[[a]]", "a = [{}]\n[[a]]", "[[a]]\n[[a.b]]\n[a.b.c]\n[[a]]\n[a.b]", "a = {b = 1}\n[a.c]", "a = {b = 1, b = 2}",
		"a = {b.c = 1, b.d = 2}", "a = {b = {}, b.d = 2}", "a.b = 1\na.c = 2\na = 3", "a = 1\na.b = 2", "[a.b.c]\nz = 9\n[a]\nb.c.t = 1", "[a]\n[a.b]\n[c]\n[a.d]",
		"a = [1, \"x\", {}]\n", "a = \"\\q\"", "a = '''\n'''''", "a=1\r\n\r", "é = 1", "\"é\" = 1", "a = 12:00:00", "a = 0xg", "a = 1 b = 2", "[ a . \"]\" ] # ]",
		"a.b = 1\n[[a.b]]", "[a]\nx.y = 1\n[b]\n[a.x.z]", "[[a]]\nx = 1\n[[a]]\nx = 1", "a = 1_0\nb = 1__0", "[[ a ] ]", "= 1", "[]", "a = 99999999999999999999",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data string) {
		var values map[string]any
		_, _, err := configfile.Get(configfile.TOML, []byte(data))
		if want := toml.Unmarshal([]byte(data), &values); (err == nil) != (want == nil) {
			t.Errorf("%q: got %v, go-toml says %v", data, err, want)
		}
	})
}

func TestGetTOML(t *testing.T) {
	t.Parallel()
	data := []byte("a = 0x1F\nb = +1_0.5\nc = inf\nd = 1979-05-27\ne.f = '''x\n'''\n[[g]]\nh = 1\n[g.i]\n[[g]]\nj = {k.l = true}\n")
	want := `{"a":31,"b":10.5,"c":"inf","d":"1979-05-27","e":{"f":"x\n"},"g":[{"h":1,"i":{}},{"j":{"k":{"l":true}}}]}`
	if got, found, err := configfile.Get(configfile.TOML, data); string(got) != want || !found || err != nil {
		t.Errorf("got %s, %v, %v, want %s", got, found, err, want)
	}
}

// drawTOML draws a file as a person could have written it.
func drawTOML(t *rapid.T) string {
	var b strings.Builder
	newline := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "newline")
	filler := func() {
		for range rapid.IntRange(0, 2).Draw(t, "fillers") {
			b.WriteString(rapid.SampledFrom([]string{"", "  ", "# c", "\t# [x]"}).Draw(t, "filler") + newline)
		}
	}
	keys := func() {
		for i := range rapid.IntRange(0, 3).Draw(t, "keys") {
			value := rapid.SampledFrom([]string{
				"1", `"a # b"`, "'''" + newline + "[x]" + newline + "'''", "[1, # c" + newline + " 2]", "{ a = 1, b.c = '}' }", "1979-05-27 07:32:00Z",
			}).Draw(t, "value")
			indent := rapid.SampledFrom([]string{"", "  "}).Draw(t, "indent")
			fmt.Fprintf(&b, "%sk%d = %s%s%s", indent, i, value, rapid.SampledFrom([]string{"", " # c", "  "}).Draw(t, "behind"), newline)
			filler()
		}
	}
	filler()
	keys()
	headers := rapid.Permutation([]string{"[a]", "[mcp_servers.b]", "[ mcp_servers . 'c' ]", "[mcp_servers.b.env]", "[[l]]", "[mcp_servers]", "[zegos]"}).Draw(t, "headers")
	for _, header := range headers[:rapid.IntRange(0, len(headers)).Draw(t, "tables")] {
		b.WriteString(rapid.SampledFrom([]string{"", "  "}).Draw(t, "indent") + header + rapid.SampledFrom([]string{"", " # ]"}).Draw(t, "behind") + newline)
		filler()
		keys()
	}
	text := b.String()
	if rapid.Bool().Draw(t, "cut") {
		text = strings.TrimSuffix(text, newline)
	}
	return rapid.SampledFrom([]string{"", "\ufeff"}).Draw(t, "bom") + text
}

func TestTOMLProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := drawTOML(t)
		got, err := configfile.Set(configfile.TOML, []byte(before), json.RawMessage(entry), "mcp_servers", "zego")
		if err != nil {
			t.Fatalf("Set %q: %v", before, err)
		}
		checkProperties(t, configfile.TOML, before, "mcp_servers", "zego")
		checkProperties(t, configfile.TOML, before, "zego")
		back, err := configfile.Delete(configfile.TOML, got, "mcp_servers", "zego")
		if err != nil || string(back) != before { // Even if the parent was missing.
			t.Fatalf("Delete from %q: got %q, %v, want %q", got, back, err, before)
		}
	})
}

func TestLargeTOML(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	n := large(60_000)
	for i := range n {
		fmt.Fprintf(&b, "[projects.\"/home/p%d\"]\ntrust_level = \"trusted\" # yes\nhistory = [\"%s\"]\n\n", i, strings.Repeat("x", 20))
	}
	start := time.Now()
	got, err := configfile.Set(configfile.TOML, []byte(b.String()), json.RawMessage(entry), "mcp_servers", "zego")
	if err != nil || len(got) < 83*n {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	t.Logf("%d bytes took %v", len(got), time.Since(start))
}
