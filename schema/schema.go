// Package schema makes JSON Schemas of Go types and decodes arguments against them.
//
// The schemas use only the part of JSON Schema that every MCP client accepts; see [Check].
// Decoding accepts the different ways in which models write a value ("2" and 2.0 are the
// integer 2). It refuses everything else that does not match, and lists all problems at
// once.
package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"

	"github.com/invopop/jsonschema"
)

// Schema is the input schema of a tool whose arguments are a T. Make it with [Input]; it is
// safe for concurrent use.
type Schema[T any] struct {
	text json.RawMessage
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
}

// Input returns the schema of arguments of type T, which is a struct with a field for each
// argument. An argument is required unless the field's json tag has omitempty or omitzero.
// The jsonschema tag holds keywords such as minimum and default, and the
// jsonschema_description tag holds the description. Arguments without a field are refused.
//
// Input panics if the schema does not keep to the rules of [Check], as that is a mistake
// in the program.
func Input[T any]() *Schema[T] {
	reflected, text := reflectSchema[T](true)
	return &Schema[T]{text: text, root: newNode(reflected)}
}

// Output returns the schema of results of type T, which is a struct. It allows additional
// properties, so that a client that has kept an old schema accepts results with new fields.
//
// Output panics if the schema does not keep to the rules of [Check], as that is a mistake
// in the program.
func Output[T any]() json.RawMessage {
	_, text := reflectSchema[T](false)
	return text
}

// JSON returns the schema as JSON. The caller must not change it.
func (s *Schema[T]) JSON() json.RawMessage { return s.text }

// reflectSchema returns the schema of T, as a value and as JSON. A strict schema allows no
// additional properties.
func reflectSchema[T any](strict bool) (*jsonschema.Schema, json.RawMessage) {
	reflector := jsonschema.Reflector{
		Anonymous:                 true, // No $id.
		DoNotReference:            true,
		ExpandedStruct:            true,
		AllowAdditionalProperties: !strict,
	}
	reflected := reflector.ReflectFromType(reflect.TypeFor[T]())
	reflected.Version = ""
	text, err := json.Marshal(reflected)
	if err == nil {
		err = Check(text)
	}
	if err != nil {
		panic(fmt.Sprintf("schema: %v: %v", reflect.TypeFor[T](), err))
	}
	return reflected, text
}

// newNode prepares s, which [Check] has accepted.
func newNode(s *jsonschema.Schema) *node {
	n := &node{Schema: s}
	switch s.Type {
	case "object":
		n.properties, n.required = map[string]*node{}, map[string]bool{}
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			n.names = append(n.names, p.Key)
			n.properties[p.Key] = newNode(p.Value)
		}
		for _, name := range s.Required {
			n.required[name] = true
		}
	case "array":
		n.items = newNode(s.Items)
	case "string":
		if s.Pattern != "" {
			n.pattern = regexp.MustCompile(s.Pattern)
		}
	}
	return n
}
