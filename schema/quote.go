package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

const mostShown = 60 // characters of a refused value

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
