// Package schema turns Go types into JSON Schemas that every MCP client accepts,
// and decodes arguments against them: forgiving where models differ in spelling
// ("2" and 2.0 are the integer 2), strict in all else, and with every problem told
// at once.
package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"

	"github.com/invopop/jsonschema"
)

// Schema is the input schema of a tool whose arguments are a T.
type Schema[T any] struct {
	text json.RawMessage
	root *node
}

// node is one schema of the dialect, ready for checking values.
type node struct {
	*jsonschema.Schema
	names      []string         // of the properties, in the order of the Go fields
	properties map[string]*node // objects
	required   map[string]bool  // objects
	items      *node            // arrays
	pattern    *regexp.Regexp   // strings; nil for any
}

// Input returns the schema of arguments that decode into T, a struct. A field is
// required unless its json tag says omitempty or omitzero; arguments that T does
// not have are refused. Ranges, defaults and the like stand in the jsonschema tag,
// prose in the jsonschema_description tag.
//
// It panics if T cannot be said in the dialect of [Check].
func Input[T any]() *Schema[T] {
	reflected, text := reflectSchema[T](true)
	return &Schema[T]{text: text, root: newNode(reflected)}
}

// Output returns the schema of results of type T, a struct. Results may hold more
// than it names, so that a client with an old copy accepts new fields.
//
// It panics if T cannot be said in the dialect of [Check].
func Output[T any]() json.RawMessage {
	_, text := reflectSchema[T](false)
	return text
}

// JSON returns the schema itself.
func (s *Schema[T]) JSON() json.RawMessage { return s.text }

func reflectSchema[T any](closed bool) (*jsonschema.Schema, json.RawMessage) {
	reflector := jsonschema.Reflector{
		Anonymous:                 true, // No $id.
		DoNotReference:            true,
		ExpandedStruct:            true,
		AllowAdditionalProperties: !closed,
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
