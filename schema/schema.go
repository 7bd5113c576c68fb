// Package schema makes JSON Schemas of Go types and decodes arguments against them.
//
// The schemas use only the part of JSON Schema that every MCP client accepts; see [Check].
// Decoding accepts the different ways in which models write a value ("2" and 2.0 are the
// integer 2). It refuses everything else that does not match, and lists all problems at
// once.
package schema

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/invopop/jsonschema"
)

// Schema is the input schema of a tool whose arguments are a T. Make it with [Input]; it is
// safe for concurrent use.
type Schema[T any] struct {
	text func() json.RawMessage
	root *node
}

// node is the schema of one value, prepared for checking values.
type node struct {
	*jsonschema.Schema

	// Of an object.
	names      []string // of the properties, in the order of the Go fields
	properties map[string]*node
	required   map[string]bool

	items   *node          // Of an array.
	pattern *regexp.Regexp // Of a string. Nil allows every string.
	format  *format        // Of a string. Nil if it has none.
	scale   string         // Of an integer, what its values mean; empty for a plain number.
}

// Input returns the schema of arguments of type T, which is a struct with a field for each
// argument. An argument is required unless the field's json tag has omitempty or omitzero.
// The jsonschema tag holds keywords such as minimum and default, and the
// jsonschema_description tag holds the description. Arguments without a field are refused.
//
// Two more tags are for refusals only and do not show in the schema:
//   - format:"name", format:"color" or format:"publicURL" makes a refusal say in words what a
//     string must be, and perhaps propose one. publicURL also refuses a URL whose host is an
//     address of this machine or of a private network.
//   - scale:"0 normal, 500 fastest; not a factor" makes a refusal say what the values of an
//     integer mean. Such an integer must not be written with a point if it is above 0 and up
//     to 3: a model that writes 2.0 means a factor.
//
// Input panics if T has a field of a type that no schema describes, such as any or a map, or if
// a format is not known, as that is a mistake in the program.
func Input[T any]() *Schema[T] {
	reflected := reflectSchema[T](true)
	if reflected.Type != "object" {
		panic(fmt.Sprintf("schema: %v is not a struct of arguments", reflect.TypeFor[T]()))
	}
	return &Schema[T]{
		// To decode, nobody needs the text. Making and checking it takes most of the time.
		text: sync.OnceValue(func() json.RawMessage { return encode[T](reflected) }),
		root: newNode(reflected, reflect.TypeFor[T]()),
	}
}

// Output returns the schema of results of type T, which is a struct. It allows additional
// properties, so that a client that has kept an old schema accepts results with new fields.
//
// Output panics if the schema does not keep to the rules of [Check], as that is a mistake
// in the program.
func Output[T any]() json.RawMessage {
	return encode[T](reflectSchema[T](false))
}

// JSON returns the schema as JSON. The caller must not change it.
//
// JSON panics if the schema does not keep to the rules of [Check], as that is a mistake in the
// program.
func (s *Schema[T]) JSON() json.RawMessage { return s.text() }

// JSONWithMaxima returns the schema as JSON, with other maxima of integers. maxima has them by
// the name of the argument; it does not reach into lists and objects. A default above its
// maximum becomes the maximum, and a maximum below the minimum becomes the minimum.
//
// Decode still keeps to the maxima of the struct tags.
func (s *Schema[T]) JSONWithMaxima(maxima map[string]int) json.RawMessage {
	reflected := reflectSchema[T](true)
	for p := reflected.Properties.Oldest(); p != nil; p = p.Next() {
		if maximum, ok := maxima[p.Key]; ok {
			setMaximum(p.Value, maximum)
		}
	}
	return encode[T](reflected)
}

// reflectSchema returns the schema of T. A strict schema allows no additional properties.
func reflectSchema[T any](strict bool) *jsonschema.Schema {
	reflector := jsonschema.Reflector{
		Anonymous:                 true, // No $id.
		DoNotReference:            true,
		ExpandedStruct:            true,
		AllowAdditionalProperties: !strict,
	}
	reflected := reflector.ReflectFromType(reflect.TypeFor[T]())
	reflected.Version = ""
	return reflected
}

// encode returns the schema of T as JSON. It panics if that does not keep to the rules of [Check].
func encode[T any](reflected *jsonschema.Schema) json.RawMessage {
	text, err := json.Marshal(reflected)
	if err == nil {
		err = Check(text)
	}
	if err != nil {
		panic(fmt.Sprintf("schema: %v: %v", reflect.TypeFor[T](), err))
	}
	return text
}

// setMaximum changes the maximum of an integer. See [Schema.JSONWithMaxima].
func setMaximum(s *jsonschema.Schema, maximum int) {
	if minimum, err := s.Minimum.Int64(); err == nil {
		maximum = max(maximum, int(minimum))
	}
	s.Maximum = json.Number(strconv.Itoa(maximum))
	if number, ok := s.Default.(json.Number); ok {
		if value, err := number.Int64(); err == nil {
			s.Default = min(int(value), maximum)
		}
	}
}

// newNode prepares s, which is the schema of t. It panics if s does not say what a t may hold.
func newNode(s *jsonschema.Schema, t reflect.Type) *node {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	n := &node{Schema: s}
	switch {
	case s.Type == "object" && t.Kind() == reflect.Struct:
		n.properties, n.required = map[string]*node{}, map[string]bool{}
		fields := fieldsByName(t)
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			field := fields[p.Key]
			child := newNode(p.Value, field.Type)
			child.format, child.scale = formatOf(field), field.Tag.Get("scale")
			n.names = append(n.names, p.Key)
			n.properties[p.Key] = child
		}
		for _, name := range s.Required {
			n.required[name] = true
		}
	case s.Type == "array":
		n.items = newNode(s.Items, t.Elem())
	case s.Type == "string":
		if s.Pattern != "" {
			n.pattern = regexp.MustCompile(s.Pattern)
		}
	case s.Type == "integer", s.Type == "number", s.Type == "boolean":
	default:
		panic(fmt.Sprintf("schema: no argument can be a %v", t))
	}
	return n
}

// fieldsByName returns the fields of a struct, and of the structs that it embeds, by their
// names in JSON.
func fieldsByName(t reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields[cmp.Or(name, field.Name)] = field
	}
	return fields
}
