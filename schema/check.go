package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// keywords is everything a schema may say, and about which types ("" for all).
// One keyword beyond it makes some client refuse the tool, or all tools at once.
var keywords = map[string]string{
	"type": "", "description": "", "default": "",
	"properties": "object", "required": "object", "additionalProperties": "object",
	"items":   "array",
	"minimum": "number", "maximum": "number",
	"enum": "string", "minLength": "string", "maxLength": "string", "pattern": "string",
}

// Check reports what in a tool's schema some MCP client refuses: a root that is no
// object, a property without a type or with several, a list without items, an enum
// of numbers, and every keyword but type, description, default, properties,
// required, additionalProperties (false), items, minimum, maximum, enum, minLength,
// maxLength and pattern.
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

func check(schema any, path string) error {
	s, ok := schema.(map[string]any)
	if !ok {
		return fmt.Errorf("%s has no type", path)
	}
	kind, ok := s["type"].(string)
	if !ok {
		return fmt.Errorf("%s has no type, or several", path)
	}
	family := kind
	switch kind {
	case "integer":
		family = "number"
	case "object", "array", "string", "number", "boolean":
	default:
		return fmt.Errorf("%s has type %q", path, kind)
	}
	for _, keyword := range slices.Sorted(maps.Keys(s)) {
		if of, ok := keywords[keyword]; !ok || of != "" && of != family {
			return fmt.Errorf("%s says %s, which not every client takes for type %s", path, keyword, kind)
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
			return fmt.Errorf("%s: enum has %v, which is no string", path, value)
		}
	}
	pattern, _ := s["pattern"].(string)
	if _, err := regexp.Compile(pattern); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
