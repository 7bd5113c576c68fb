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

const maxProblems = 20 // Problems that an [ArgumentError] lists.

// ArgumentError lists what is wrong with the arguments of a call.
type ArgumentError struct {
	// Problems has one line for each problem, such as "Limit must be an integer from 1 to
	// 20, got 50". After 20 problems, a last line tells how many more there are. A line
	// can repeat a part of what the caller sent, and should not be logged.
	Problems []string
}

// Error returns all problems, one per line.
func (e *ArgumentError) Error() string { return strings.Join(e.Problems, "\n") }

// Decode checks the arguments of a call against the schema and returns them as a T.
//
// Arguments are JSON, as a []byte or json.RawMessage, or the value that encoding/json
// decodes from JSON. Empty text, null and nil count as {}. Language models do not always
// write a value as its schema says. Decode accepts these forms: a number may be a string, an
// integer may be written as 2.0 or 20e-1, and true and false may be strings.
//
// A field of T whose argument is absent keeps its zero value: Decode does not fill in the
// defaults of the schema.
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
	accepted := d.decodeObject(s.root, "", object)
	if len(d.problems) > 0 {
		if more := len(d.problems) - maxProblems; more > 0 {
			d.problems = append(d.problems[:maxProblems], fmt.Sprintf("and %d more problems", more))
		}
		return out, &ArgumentError{d.problems}
	}
	text, err := json.Marshal(accepted)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		// Values that match the schema fit T, unless a field has a smaller range than its
		// schema: for example an int8 without a maximum.
		var zero T // Part of out may be set.
		return zero, &ArgumentError{[]string{"arguments do not fit: " + err.Error()}}
	}
	return out, nil
}

// parse returns arguments that are JSON text as the value that encoding/json decodes from
// it, and other arguments as they are.
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
	dec.UseNumber() // A float64 would lose digits.
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

// decoder checks values against a schema and collects the problems. Its methods return each
// value in the form that encoding/json can decode into T; what they return is used only if
// there are no problems. A path says where a value stands, such as Place.X or Ids[1].
type decoder struct{ problems []string }

// refuse notes that the value at path must be something else: want describes what, for
// example "a list". It returns nil.
func (d *decoder) refuse(path, want string, value any) any {
	d.problems = append(d.problems, fmt.Sprintf("%s must be %s, got %s", path, want, show(value)))
	return nil
}

// decodeValue checks a value of any type.
func (d *decoder) decodeValue(n *node, path string, value any) any {
	switch n.Type {
	case "object":
		object, ok := value.(map[string]any)
		if !ok {
			return d.refuse(path, "a JSON object", value)
		}
		return d.decodeObject(n, path+".", object)
	case "array":
		list, ok := value.([]any)
		if !ok {
			return d.refuse(path, "a list", value)
		}
		accepted := make([]any, len(list))
		for i, item := range list {
			accepted[i] = d.decodeValue(n.items, fmt.Sprintf("%s[%d]", path, i), item)
		}
		return accepted
	case "string":
		return d.decodeString(n, path, value)
	case "boolean":
		switch value { // Values of other types are equal to none of these.
		case true, "true":
			return true
		case false, "false":
			return false
		}
		return d.refuse(path, "true or false", value)
	case "integer":
		integer, ok := parseInteger(value)
		if !ok || !n.inRange(integer) || n.scale != "" && looksLikeFactor(value) {
			return d.refuse(path, "an integer"+n.rangeText(), value)
		}
		return integer
	}
	// What is left is the type "number".
	number, ok := parseNumber(value)
	if !ok || !n.inRange(number) {
		return d.refuse(path, "a number"+n.rangeText(), value)
	}
	return number
}

// decodeObject checks an object. Problems of its properties start with prefix, which is
// the object's path and a dot, or "" for the arguments themselves.
func (d *decoder) decodeObject(n *node, prefix string, object map[string]any) map[string]any {
	accepted := make(map[string]any, len(object))
	for _, name := range n.names {
		if value, ok := object[name]; ok {
			accepted[name] = d.decodeValue(n.properties[name], prefix+name, value)
		} else if n.required[name] {
			d.problems = append(d.problems, prefix+name+" is required")
		}
	}
	known := n.knownNames() // They stand after the first unknown name only.
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if n.properties[name] == nil {
			d.problems = append(d.problems, "unknown argument "+quote(prefix+name)+n.suggestion(name)+known)
			known = ""
		}
	}
	return accepted
}

// decodeString checks a string.
func (d *decoder) decodeString(n *node, path string, value any) any {
	s, ok := value.(string)
	if !ok {
		return d.refuse(path, "a string", value)
	}
	if problem := n.lengthProblem(s); problem != "" {
		d.problems = append(d.problems, path+" "+problem)
	}
	// A string of a wrong length can have a second problem, so the checks go on. The problems
	// below show the string, but at most maxShown characters of it.
	if len(n.Enum) > 0 && !slices.Contains(n.Enum, value) {
		allowed := make([]string, len(n.Enum))
		for i, choice := range n.Enum {
			allowed[i] = show(choice)
		}
		return d.refuse(path, "one of "+strings.Join(allowed, ", "), value)
	}
	if problem := n.patternProblem(s); problem != "" {
		d.problems = append(d.problems, path+" "+problem)
	}
	return s
}

// lengthProblem returns what is wrong with the length of a string, or "". It does not
// repeat the string, which may be a long text of the user's.
func (n *node) lengthProblem(s string) string {
	// JSON Schema counts a length in Unicode code points.
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
