package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// keywords has the keywords that a schema may use, and the type that each belongs to: ""
// is every type, and number includes integer. If a schema uses any other keyword, some MCP
// client refuses the tool, or all tools of the server.
var keywords = map[string]string{
	"type": "", "description": "", "default": "",
	"properties": "object", "required": "object", "additionalProperties": "object",
	"items":   "array",
	"minimum": "number", "maximum": "number",
	"enum": "string", "minLength": "string", "maxLength": "string", "pattern": "string",
}

// Check returns an error if some MCP client refuses schema, which is the input or output
// schema of a tool. It returns nil if schema keeps to these rules:
//
//   - The root is an object.
//   - Each property has one type: object, array, string, number, integer or boolean.
//   - An array has items.
//   - An object has properties, and may have required and additionalProperties, which
//     must be false.
//   - A number or integer may have minimum and maximum.
//   - A string may have enum, minLength, maxLength and pattern.
//   - Everything may have description and default, and no keyword that is not named here.
func Check(schema json.RawMessage) error {
	dec := json.NewDecoder(bytes.NewReader(schema))
	var root any
	if err := dec.Decode(&root); err != nil {
		return err
	}
	if object, ok := root.(map[string]any); !ok || object["type"] != "object" {
		return fmt.Errorf("the root must be an object")
	}
	return check(root, "root")
}

// check applies the rules of [Check] to one schema and those inside it. Errors name its
// path, such as root.a[].b.
func check(schema any, path string) error {
	s, ok := schema.(map[string]any)
	if !ok {
		return fmt.Errorf("%s has no type", path)
	}
	kind, ok := s["type"].(string)
	if !ok {
		return fmt.Errorf("%s has no type, or several", path)
	}
	keywordType := kind
	switch kind {
	case "integer":
		keywordType = "number"
	case "object", "array", "string", "number", "boolean":
	default:
		return fmt.Errorf("%s has type %q", path, kind)
	}
	for _, keyword := range slices.Sorted(maps.Keys(s)) {
		if only, ok := keywords[keyword]; !ok || only != "" && only != keywordType {
			return fmt.Errorf("%s uses %s, which not every client accepts for type %s", path, keyword, kind)
		}
	}
	switch kind {
	case "object":
		return checkObject(s, path)
	case "array":
		return check(s["items"], path+"[]")
	case "string":
		return checkString(s, path)
	}
	return nil
}

func checkObject(s map[string]any, path string) error {
	properties, ok := s["properties"].(map[string]any)
	if !ok {
		return fmt.Errorf("%s has no properties", path)
	}
	if open, ok := s["additionalProperties"]; ok && open != false {
		return fmt.Errorf("%s: additionalProperties is not false", path)
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if name, ok := name.(string); !ok || properties[name] == nil {
			return fmt.Errorf("%s requires %v, which it does not describe", path, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if err := check(properties[name], path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func checkString(s map[string]any, path string) error {
	values, _ := s["enum"].([]any)
	for _, value := range values {
		if _, ok := value.(string); !ok {
			return fmt.Errorf("%s: enum has %v, which is not a string", path, value)
		}
	}
	pattern, _ := s["pattern"].(string)
	if _, err := regexp.Compile(pattern); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
