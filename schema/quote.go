package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

const maxShown = 60 // Characters of a refused value that an error shows.

// show returns a refused value as an error shows it: a short JSON text, and only the kind
// of a list or object that is not empty.
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
	return truncate(string(text))
}

// quote returns s as a JSON string. It cuts s off after maxShown characters.
func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(truncate(s)); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// truncate returns s, or its first maxShown characters and "…" if it has more.
func truncate(s string) string {
	if utf8.RuneCountInString(s) <= maxShown {
		return s
	}
	return string([]rune(s)[:maxShown]) + "…"
}
