package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

const mostProblems = 20 // lines of an [ArgumentError]

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
		digits, ok := parseInteger(value)
		if !ok || !n.inRange(digits) {
			return d.wrong(path, "an integer"+n.rangeText(), value)
		}
		return digits
	}
	number, ok := parseNumber(value)
	if !ok || !n.inRange(number) {
		return d.wrong(path, "a number"+n.rangeText(), value)
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
	if problem := n.lengthProblem(s); problem != "" {
		d.problems = append(d.problems, path+" "+problem)
	}
	// Unlike a text of the wrong length, these are shown: see [show] for how much of them.
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

// lengthProblem says how the length of a string is wrong, or "" if it is not. It
// does not repeat the string, which can be long, and is the user's.
func (n *node) lengthProblem(s string) string {
	// Characters as JSON Schema counts them: code points, neither bytes nor UTF-16.
	length := uint64(utf8.RuneCountInString(s)) //nolint:gosec // A length is never negative.
	low, high := uint64(0), uint64(math.MaxUint64)
	if n.MinLength != nil {
		low = *n.MinLength
	}
	if n.MaxLength != nil {
		high = *n.MaxLength
	}
	switch {
	case low <= length && length <= high:
		return ""
	case length == 0 && n.MaxLength == nil:
		return "must not be empty"
	case n.MaxLength == nil:
		return fmt.Sprintf("must have at least %d characters, got %d", low, length)
	case low == 0:
		return fmt.Sprintf("must have at most %d characters, got %d", high, length)
	}
	return fmt.Sprintf("must have %d to %d characters, got %d", low, high, length)
}
