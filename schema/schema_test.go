package schema_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"zego-mcp/schema"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// everything has a field of each type that an argument can have.
type everything struct {
	Limit  *int     `json:"Limit,omitempty" jsonschema:"minimum=1,maximum=20,default=20" jsonschema_description:"Entries, at most 20"`
	Rate   int64    `json:"Rate,omitempty" jsonschema:"minimum=-500"`
	Volume float64  `json:"Volume,omitempty" jsonschema:"maximum=1"`
	Text   string   `json:"Text" jsonschema:"minLength=1,maxLength=5"`
	Name   string   `json:"Name,omitempty" jsonschema:"minLength=1"`
	RoomID string   `json:"RoomId,omitempty" jsonschema:"pattern=^[0-9A-Za-z_-]+$,maxLength=8"`
	Scope  string   `json:"Scope,omitempty" jsonschema:"enum=public,enum=private"`
	Sure   bool     `json:"Sure,omitempty"`
	IDs    []string `json:"Ids,omitempty"`
	shared
	Place place `json:"Place,omitzero"`
}

type shared struct {
	Offset int `json:"Offset,omitempty" jsonschema:"minimum=0,maximum=1000000"`
}

type place struct {
	X float64 `json:"X"`
	Y float64 `json:"Y"`
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, got := range map[string]json.RawMessage{
		"input.json":    schema.Input[everything]().JSON(),
		"output.json":   schema.Output[everything](),
		"no-input.json": schema.Input[struct{}]().JSON(),
	} {
		if err := schema.Check(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var indented strings.Builder
		enc := json.NewEncoder(&indented)
		enc.SetIndent("", "  ")
		if err := enc.Encode(got); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(indented.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), indented.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	input := schema.Input[everything]()
	decode := func(arguments any) everything {
		t.Helper()
		got, err := input.Decode(arguments)
		if err != nil {
			t.Errorf("%v: %v", arguments, err)
		}
		return got
	}
	for _, written := range []string{`2`, `2.0`, `2e0`, `"2"`, `"2.0"`, `" 2 "`, `20e-1`, `0.2e1`, `200e-2`} {
		got := decode(json.RawMessage(`{"Text":"x","Limit":` + written + `}`))
		if got.Limit == nil || *got.Limit != 2 {
			t.Errorf("%s: got %v, want 2", written, got.Limit)
		}
	}
	for written, want := range map[string]int64{
		`9223372036854775807`: math.MaxInt64, `1e18`: 1e18, `"12.34e17"`: 1234e15, `1234567890123456789.0`: 1234567890123456789,
	} {
		if got := decode(json.RawMessage(`{"Text":"x","Rate":` + written + `}`)); got.Rate != want {
			t.Errorf("%s: got %d, want %d", written, got.Rate, want)
		}
	}
	for _, written := range []string{`0`, `-0`, `0e99999999999999999999`, `"0"`, `0.000`} {
		if got := decode(json.RawMessage(`{"Text":"x","Offset":` + written + `}`)); got.Offset != 0 {
			t.Errorf("%s: got %d, want 0", written, got.Offset)
		}
	}
	want := everything{
		Limit: new(20), Rate: -500, Volume: 0.25, Text: "知😀é&<", Name: "a\u2028b", RoomID: "a_B-9", Scope: "private",
		Sure: true, IDs: []string{"a", ""}, shared: shared{1000000}, Place: place{1, -2.5},
	}
	got := decode([]byte(`{"Limit":20,"Rate":-500,"Volume":"0.25","Text":"知😀é&<","Name":"a\u2028b","RoomId":"a_B-9","Scope":"private",` +
		`"Sure":"true","Ids":["a",""],"Offset":1e6,"Place":{"X":1,"Y":-2.5}}`))
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(everything{})); diff != "" {
		t.Errorf("everything (-want +got):\n%s", diff)
	}
	// mcp-go hands over a map when it has no raw JSON.
	if got := decode(map[string]any{"Text": "x", "Limit": float64(3), "Offset": 1000000.0}); *got.Limit != 3 || got.Offset != 1000000 {
		t.Errorf("from a map: got %v, %d", *got.Limit, got.Offset)
	}

	type optional struct {
		Limit *int `json:"Limit,omitempty" jsonschema:"minimum=1,maximum=20"`
	}
	for _, empty := range []any{nil, map[string]any(nil), map[string]any{}, json.RawMessage(nil), json.RawMessage(` `), json.RawMessage(`null`), []byte(`{}`)} {
		if got, err := schema.Input[optional]().Decode(empty); err != nil || got.Limit != nil {
			t.Errorf("%#v: got %v, %v; want the defaults", empty, got, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	const known = "(known: Limit, Rate, Volume, Text, Name, RoomId, Scope, Sure, Ids, Offset, Place)"
	tests := []struct{ name, arguments, want string }{
		{"too many", `{"Limit":50}`, "Limit must be an integer from 1 to 20, got 50"},
		{"explicit zero", `{"Limit":0}`, "Limit must be an integer from 1 to 20, got 0"},
		{"fraction", `{"Limit":2.5}`, "Limit must be an integer from 1 to 20, got 2.5"},
		{"fraction too small for float64", `{"Limit":2.00000000000000000001}`, "Limit must be an integer from 1 to 20, got 2.00000000000000000001"},
		{"fraction in a string", `{"Limit":"2.5"}`, `Limit must be an integer from 1 to 20, got "2.5"`},
		{"boolean", `{"Limit":true}`, "Limit must be an integer from 1 to 20, got true"},
		{"empty string", `{"Limit":""}`, `Limit must be an integer from 1 to 20, got ""`},
		{"list", `{"Limit":[]}`, "Limit must be an integer from 1 to 20, got []"},
		{"full list", `{"Limit":[2]}`, "Limit must be an integer from 1 to 20, got a list"},
		{"null", `{"Limit":null}`, "Limit must be an integer from 1 to 20, got null"},
		{"object", `{"Limit":{}}`, "Limit must be an integer from 1 to 20, got {}"},
		{"word", `{"Limit":"two"}`, `Limit must be an integer from 1 to 20, got "two"`},
		{"hexadecimal", `{"Limit":"0x2"}`, `Limit must be an integer from 1 to 20, got "0x2"`},
		{"infinite", `{"Limit":"Inf"}`, `Limit must be an integer from 1 to 20, got "Inf"`},
		{"huge exponent", `{"Limit":1e999999999999999999999}`, "Limit must be an integer from 1 to 20, got 1e999999999999999999999"},
		{"tiny exponent", `{"Limit":1e-999999999999999999999}`, "Limit must be an integer from 1 to 20, got 1e-999999999999999999999"},
		{"smallest exponent of int64", `{"Limit":1.5e-9223372036854775808}`, "Limit must be an integer from 1 to 20, got 1.5e-9223372036854775808"},
		{"largest exponent of int64", `{"Limit":1.5e9223372036854775807}`, "Limit must be an integer from 1 to 20, got 1.5e9223372036854775807"},
		{"beyond int64", `{"Rate":9223372036854775808}`, "Rate must be an integer of at least -500, got 9223372036854775808"},
		{"beyond int64 with an exponent", `{"Rate":1e19}`, "Rate must be an integer of at least -500, got 1e19"},
		{"integer too small", `{"Rate":-501}`, "Rate must be an integer of at least -500, got -501"},
		{"number too large", `{"Volume":1.5}`, "Volume must be a number of at most 1, got 1.5"},
		{"number infinite", `{"Volume":1e999}`, "Volume must be a number of at most 1, got 1e999"},
		{"number is a word", `{"Volume":"loud"}`, `Volume must be a number of at most 1, got "loud"`},
		{"text is a number", `{"Text":5}`, "Text must be a string, got 5"},
		{"text is null", `{"Text":null}`, "Text must be a string, got null"},
		{"text empty", `{"Text":""}`, "Text must have 1 to 5 characters, got 0"},
		{"text too long", `{"Text":"知知知知😀😀"}`, "Text must have 1 to 5 characters, got 6"},
		{"name empty", `{"Name":""}`, "Name must not be empty"},
		{"pattern", `{"RoomId":"a b"}`, `RoomId must match ^[0-9A-Za-z_-]+$, got "a b"`},
		{"too long", `{"RoomId":"123456789"}`, "RoomId must have at most 8 characters, got 9"},
		{"not in the enum", `{"Scope":"all"}`, `Scope must be one of "public", "private", got "all"`},
		{"boolean is a word", `{"Sure":"yes"}`, `Sure must be true or false, got "yes"`},
		{"boolean is a number", `{"Sure":1}`, "Sure must be true or false, got 1"},
		{"not a list", `{"Ids":"a"}`, `Ids must be a list, got "a"`},
		{"item of a list", `{"Ids":["a",1]}`, "Ids[1] must be a string, got 1"},
		{"property of an object", `{"Place":{"X":"a","Z":1}}`, "Place.X must be a number, got \"a\"\nPlace.Y is required\nunknown argument \"Place.Z\" (known: X, Y)"},
		{"list for an object", `{"Place":[1]}`, "Place must be a JSON object, got a list"},
		{"wrong case", `{"limit":5}`, `unknown argument "limit"; did you mean "Limit"? ` + known},
		{"misspelt", `{"Ofset":5}`, `unknown argument "Ofset"; did you mean "Offset"? ` + known},
		{"snake case", `{"room_id":"a"}`, `unknown argument "room_id"; did you mean "RoomId"? ` + known},
		{"unknown", `{"Colour":"red"}`, `unknown argument "Colour" ` + known},
		{"unknown empty name", `{"":1}`, `unknown argument "" ` + known},
		{"control characters in a name", `{"a\n\u0007b":1}`, `unknown argument "a\n\u0007b" ` + known},
		{"several problems", `{"Limit":50,"Rate":"x","colour":1,"Text":5}`, "Limit must be an integer from 1 to 20, got 50\n" +
			"Rate must be an integer of at least -500, got \"x\"\nText must be a string, got 5\nunknown argument \"colour\" " + known},
		{"a list of arguments", `[1]`, "arguments must be a JSON object, got a list"},
		{"a string", `"{}"`, `arguments must be a JSON object, got "{}"`},
		{"a number", `5`, "arguments must be a JSON object, got 5"},
		{"false", `false`, "arguments must be a JSON object, got false"},
		{"two values", `{} {}`, "arguments must be a JSON object: more than one JSON value"},
		{"not JSON", `{"Limit":`, "arguments must be a JSON object: unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			arguments := tt.arguments
			if strings.HasPrefix(arguments, `{"`) && !strings.Contains(arguments, `"Text"`) && strings.HasSuffix(arguments, "}") {
				arguments = `{"Text":"x",` + arguments[1:]
			}
			_, err := schema.Input[everything]().Decode(json.RawMessage(arguments))
			if err == nil {
				t.Fatalf("%s: no error, want %q", arguments, tt.want)
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", arguments, diff)
			}
		})
	}

	t.Run("required", func(t *testing.T) {
		t.Parallel()
		if _, err := schema.Input[everything]().Decode(nil); err == nil || err.Error() != "Text is required" {
			t.Errorf("got %v, want Text is required", err)
		}
	})
	t.Run("no arguments known", func(t *testing.T) {
		t.Parallel()
		_, err := schema.Input[struct{}]().Decode(map[string]any{"Limit": 1})
		if err == nil || err.Error() != `unknown argument "Limit" (known: none)` {
			t.Errorf("got %v", err)
		}
	})
	t.Run("Go type narrower than its schema", func(t *testing.T) {
		t.Parallel()
		type narrow struct {
			N int8 `json:"N"`
		}
		if got, err := schema.Input[narrow]().Decode(map[string]any{"N": 1000}); err == nil {
			t.Errorf("got %v, want an error", got)
		}
	})
	t.Run("twenty problems are all listed", func(t *testing.T) {
		t.Parallel()
		arguments := map[string]any{} // Text is missing: that is the first problem.
		for i := range 19 {
			arguments[fmt.Sprintf("unknown%d", i)] = i
		}
		_, err := schema.Input[everything]().Decode(arguments)
		if err == nil || strings.Count(err.Error(), "\n") != 19 || strings.Contains(err.Error(), "more problem") {
			t.Errorf("got %v, want 20 lines", err)
		}
	})
	t.Run("long error is cut", func(t *testing.T) {
		t.Parallel()
		arguments := map[string]any{"Text": strings.Repeat("x", 1<<20), "Limit": strings.Repeat("9", 1<<20)}
		for i := range 1000 {
			arguments[strings.Repeat("k", i+20)] = i
		}
		_, err := schema.Input[everything]().Decode(arguments)
		if err == nil || len(err.Error()) > 8000 || !strings.HasSuffix(err.Error(), "and 982 more problems") {
			t.Errorf("got %.9000v", err)
		}
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, schema, want string }{
		{"not JSON", `{`, "unexpected EOF"},
		{"root is a list", `{"type":"array","items":{"type":"string"}}`, "root must be an object"},
		{"root is true", `true`, "root must be an object"},
		{"no properties", `{"type":"object"}`, "no properties"},
		{"reference", `{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}}}`, "root.a has no type"},
		{"definitions", `{"type":"object","properties":{},"$defs":{}}`, "$defs"},
		{"$schema", `{"type":"object","properties":{},"$schema":"x"}`, "$schema"},
		{"untyped", `{"type":"object","properties":{"a":true}}`, "root.a has no type"},
		{"null type", `{"type":"object","properties":{"a":{"type":["string","null"]}}}`, "or several"},
		{"type null", `{"type":"object","properties":{"a":{"type":"null"}}}`, `"null"`},
		{"anyOf", `{"type":"object","properties":{"a":{"type":"string","anyOf":[]}}}`, "anyOf"},
		{"integer enum", `{"type":"object","properties":{"a":{"type":"integer","enum":[1,2]}}}`, "enum"},
		{"mixed enum", `{"type":"object","properties":{"a":{"type":"string","enum":["a",2]}}}`, "enum has 2"},
		{"format", `{"type":"object","properties":{"a":{"type":"string","format":"uri"}}}`, "format"},
		{"exclusive", `{"type":"object","properties":{"a":{"type":"number","exclusiveMinimum":0}}}`, "exclusiveMinimum"},
		{"list without items", `{"type":"object","properties":{"a":{"type":"array"}}}`, "root.a[] has no type"},
		{"bad pattern", `{"type":"object","properties":{"a":{"type":"string","pattern":"("}}}`, "error parsing regexp"},
		{"requires an unknown property", `{"type":"object","properties":{},"required":["a"]}`, "requires a"},
		{"map of any names", `{"type":"object","properties":{},"additionalProperties":{"type":"string"}}`, "additionalProperties is not false"},
		{"nested", `{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{"b":{"type":"string","const":"x"}}}}}}`, "root.a[].b uses const"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := schema.Check(json.RawMessage(tt.schema))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestUnsupportedTypesPanic makes schemas of types that Check refuses.
func TestUnsupportedTypesPanic(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(){
		"any":       func() { schema.Input[struct{ A any }]() },
		"map":       func() { schema.Input[struct{ A map[string]string }]() },
		"raw JSON":  func() { schema.Output[struct{ A json.RawMessage }]() },
		"no object": func() { schema.Input[[]string]() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			build()
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`null`, `{}`, `{"Text":"x","Limit":"2e0"}`, `{"Text":"知😀","Volume":1e-400,"Offset":-0}`, `{"text":[{}]}`,
		`{"Text":"x","Place":{"X":1,"Y":"2"},"Ids":[],"Sure":"false"}`, `{"Text":"\ud800","RoomId":"a\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	input := schema.Input[everything]()
	f.Fuzz(func(t *testing.T, arguments []byte) {
		got, err := input.Decode(arguments)
		if err != nil {
			if err.Error() == "" || len(err.Error()) > 20000 {
				t.Errorf("error has %d bytes", len(err.Error()))
			}
			return
		}
		if got.Limit != nil && (*got.Limit < 1 || *got.Limit > 20) || got.Rate < -500 || got.Volume > 1 ||
			got.Offset < 0 || got.Offset > 1000000 || got.Text == "" || len([]rune(got.Text)) > 5 {
			t.Errorf("%s: accepted %+v", arguments, got)
		}
		// The accepted value, encoded, must be accepted again and give the same value.
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		again, err := input.Decode(text)
		if err != nil {
			t.Fatalf("%s: first accepted, then as %s: %v", arguments, text, err)
		}
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(everything{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", arguments, diff)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	input := schema.Input[everything]()
	for name, arguments := range map[string]json.RawMessage{
		"accepted": json.RawMessage(`{"Text":"hello","Limit":20,"Offset":"40"}`),
		"refused":  json.RawMessage(`{"Text":"hello","Limit":50,"offset":40}`),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = input.Decode(arguments)
			}
		})
	}
}
