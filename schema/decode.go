package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of what an [ArgumentError] says.
const (
	mostProblems = 20
	mostShown    = 60 // characters of a refused value
)

// ArgumentError says what is wrong with arguments.
type ArgumentError struct {
	Problems []string // One line each: field, allowed range and value.
}

// Error returns all problems, one per line.
func (e *ArgumentError) Error() string { return strings.Join(e.Problems, "\n") }

// Decode returns the arguments of a call as a T. It takes them as JSON
// ([]byte or json.RawMessage) or as what encoding/json makes of it; nil and null
// count as {}. What T holds for an absent argument is its zero value: defaults in
// a schema are only told.
//
// Every error is an *[ArgumentError].
func (s *Schema[T]) Decode(arguments any) (T, error) {
	var out T
	value, err := parse(arguments)
	if err != nil {
		return out, &ArgumentError{[]string{"arguments must be a JSON object: " + err.Error()}}
	}
	if value == nil {
		value = map[string]any{}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return out, &ArgumentError{[]string{"arguments must be a JSON object, got " + show(value)}}
	}
	var d decoder
	clean := d.object(s.root, "", object)
	if len(d.problems) > 0 {
		if more := len(d.problems) - mostProblems; more > 0 {
			d.problems = append(d.problems[:mostProblems], fmt.Sprintf("and %d more problems", more))
		}
		return out, &ArgumentError{d.problems}
	}
	text, err := json.Marshal(clean)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		// Checked values fit T, unless a Go type is narrower than its schema says.
		return *new(T), &ArgumentError{[]string{"arguments do not fit: " + err.Error()}}
	}
	return out, nil
}

func parse(arguments any) (any, error) {
	var text []byte
	switch arguments := arguments.(type) {
	case json.RawMessage:
		text = arguments
	case []byte:
		text = arguments
	default:
		return arguments, nil
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // float64 would lose digits
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

// decoder checks values against a schema and collects what is wrong.
type decoder struct{ problems []string }

func (d *decoder) wrong(path, want string, value any) any {
	d.problems = append(d.problems, fmt.Sprintf("%s must be %s, got %s", path, want, show(value)))
	return nil
}

// value returns value as encoding/json can decode it.
func (d *decoder) value(n *node, path string, value any) any {
	switch n.Type {
	case "object":
		object, ok := value.(map[string]any)
		if !ok {
			return d.wrong(path, "a JSON object", value)
		}
		return d.object(n, path+".", object)
	case "array":
		list, ok := value.([]any)
		if !ok {
			return d.wrong(path, "a list", value)
		}
		clean := make([]any, len(list))
		for i, item := range list {
			clean[i] = d.value(n.items, fmt.Sprintf("%s[%d]", path, i), item)
		}
		return clean
	case "string":
		return d.text(n, path, value)
	case "boolean":
		switch value {
		case true, "true":
			return true
		case false, "false":
			return false
		}
		return d.wrong(path, "true or false", value)
	case "integer":
		digits, ok := integer(value)
		if !ok || !n.holds(digits) {
			return d.wrong(path, "an integer"+n.bounds(), value)
		}
		return digits
	}
	number, ok := decimal(value)
	if !ok || !n.holds(number) {
		return d.wrong(path, "a number"+n.bounds(), value)
	}
	return number
}

func (d *decoder) object(n *node, prefix string, object map[string]any) map[string]any {
	clean := make(map[string]any, len(object))
	for _, name := range n.names {
		if value, ok := object[name]; ok {
			clean[name] = d.value(n.properties[name], prefix+name, value)
		} else if n.required[name] {
			d.problems = append(d.problems, prefix+name+" is required")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if n.properties[name] == nil {
			d.problems = append(d.problems, "unknown argument "+quote(prefix+name)+n.known(name))
		}
	}
	return clean
}

func (d *decoder) text(n *node, path string, value any) any {
	s, ok := value.(string)
	if !ok {
		return d.wrong(path, "a string", value)
	}
	// Characters as JSON Schema counts them: code points, neither bytes nor UTF-16.
	length := uint64(utf8.RuneCountInString(s)) //nolint:gosec // A length is never negative.
	low, high := uint64(0), uint64(math.MaxUint64)
	if n.MinLength != nil {
		low = *n.MinLength
	}
	if n.MaxLength != nil {
		high = *n.MaxLength
	}
	// A refused text is not repeated: it can be long, and is the user's.
	switch {
	case low <= length && length <= high:
	case length == 0 && n.MaxLength == nil:
		d.problems = append(d.problems, path+" must not be empty")
	case n.MaxLength == nil:
		d.problems = append(d.problems, fmt.Sprintf("%s must have at least %d characters, got %d", path, low, length))
	case low == 0:
		d.problems = append(d.problems, fmt.Sprintf("%s must have at most %d characters, got %d", path, high, length))
	default:
		d.problems = append(d.problems, fmt.Sprintf("%s must have %d to %d characters, got %d", path, low, high, length))
	}
	if len(n.Enum) > 0 && !slices.Contains(n.Enum, value) {
		allowed := make([]string, len(n.Enum))
		for i, value := range n.Enum {
			allowed[i] = show(value)
		}
		return d.wrong(path, "one of "+strings.Join(allowed, ", "), value)
	}
	if n.pattern != nil && !n.pattern.MatchString(s) {
		d.problems = append(d.problems, fmt.Sprintf("%s must match %s, got %s", path, n.Pattern, show(value)))
	}
	return s
}

// bounds says the range of a number.
func (n *node) bounds() string {
	switch {
	case n.Minimum != "" && n.Maximum != "":
		return fmt.Sprintf(" from %s to %s", n.Minimum, n.Maximum)
	case n.Minimum != "":
		return fmt.Sprintf(" of at least %s", n.Minimum)
	case n.Maximum != "":
		return fmt.Sprintf(" of at most %s", n.Maximum)
	}
	return ""
}

// holds reports whether number is in range. Ranges are small enough for float64,
// and integers beyond it are out of every range.
func (n *node) holds(number json.Number) bool {
	v, err := number.Float64()
	if err != nil {
		return false
	}
	for _, bound := range []struct {
		text json.Number
		sign float64
	}{{n.Minimum, 1}, {n.Maximum, -1}} {
		if limit, err := bound.text.Float64(); err == nil && (v-limit)*bound.sign < 0 {
			return false
		}
	}
	return true
}

// jsonNumber is how JSON writes a number: sign, digits, fraction, exponent.
var jsonNumber = regexp.MustCompile(`^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)

// spelling returns a number as it was written; models write some as strings.
func spelling(value any) (string, bool) {
	switch value := value.(type) {
	case json.Number:
		return value.String(), true
	case string:
		return strings.TrimSpace(value), true
	case float64, int, int64:
		text, err := json.Marshal(value)
		return string(text), err == nil
	}
	return "", false
}

// decimal returns value as a finite number.
func decimal(value any) (json.Number, bool) {
	text, ok := spelling(value)
	if !ok || !jsonNumber.MatchString(text) {
		return "", false
	}
	f, err := strconv.ParseFloat(text, 64)
	return json.Number(text), err == nil && !math.IsInf(f, 0)
}

// integer returns the digits of value if it is a whole number, however spelt, that
// fits an int64.
func integer(value any) (json.Number, bool) {
	text, ok := spelling(value)
	parts := jsonNumber.FindStringSubmatch(text)
	if !ok || parts == nil {
		return "", false
	}
	sign, digits, exponent := parts[1], parts[2]+parts[3], 0
	if parts[4] != "" {
		var err error
		if exponent, err = strconv.Atoi(parts[4]); err != nil {
			exponent = math.MaxInt32 // Only 0 survives either.
			if parts[4][0] == '-' {
				exponent = math.MinInt32
			}
		}
	}
	exponent -= len(parts[3])
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return "0", true
	}
	significant := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(significant)
	if exponent < 0 || len(significant)+exponent > 19 {
		return "", false
	}
	n, err := strconv.ParseInt(sign+significant+strings.Repeat("0", exponent), 10, 64)
	return json.Number(strconv.FormatInt(n, 10)), err == nil
}

// known ends the line about an unknown argument: what was perhaps meant, and what
// there is.
func (n *node) known(name string) string {
	if len(n.names) == 0 {
		return " (there are none)"
	}
	text := ""
	if near := nearest(name, n.names); near != "" {
		text = "; did you mean " + quote(near) + "?"
	}
	return text + " (known: " + strings.Join(n.names, ", ") + ")"
}

var unjoined = strings.NewReplacer("_", "", "-", "")

// nearest returns the name that differs least from a misspelt one, or "" if none
// is like it. Case, "_" and "-" do not count.
func nearest(misspelt string, names []string) string {
	fold := func(s string) []rune { return []rune(unjoined.Replace(strings.ToLower(s))) }
	from := fold(misspelt)
	best, least := "", 3
	for _, name := range names {
		to := fold(name)
		if len(from) > 2*len(to) {
			continue
		}
		if d := distance(from, to); d < least && 2*d < len(to) {
			best, least = name, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements that turn a into b.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// show writes a refused value into a line.
func show(value any) string {
	switch value := value.(type) {
	case map[string]any:
		if len(value) > 0 {
			return "a JSON object"
		}
	case []any:
		if len(value) > 0 {
			return "a list"
		}
	case string:
		return quote(value)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("a %T", value)
	}
	return shorten(string(text))
}

func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(shorten(s)); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= mostShown {
		return s
	}
	return string([]rune(s)[:mostShown]) + "…"
}
