package schema

import (
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// suggestion returns a question that names the known argument which was perhaps meant by an
// unknown one, or "".
func (n *node) suggestion(unknown string) string {
	if near := Nearest(unknown, n.names); near != "" {
		return "; did you mean " + quote(near) + "?"
	}
	return ""
}

// knownNames returns all known names, as the end of the line about an unknown argument.
func (n *node) knownNames() string {
	if len(n.names) == 0 {
		return " (known: none)"
	}
	return " (known: " + strings.Join(n.names, ", ") + ")"
}

var removeSeparators = strings.NewReplacer("_", "", "-", "")

// Nearest returns the name that takes the fewest edits to get from misspelt, or "" if
// no name is near. An edit inserts, deletes or replaces a letter. A name is near if it
// takes at most 2 edits, and fewer than half as many as it has letters. Upper and lower
// case, "_" and "-" make no difference.
func Nearest(misspelt string, names []string) string {
	normalize := func(s string) string { return removeSeparators.Replace(strings.ToLower(s)) }
	from := normalize(misspelt)
	const maxEdits = 2
	nearest, minEdits := "", maxEdits+1
	for _, name := range names {
		to := normalize(name)
		length := utf8.RuneCountInString(to)
		if utf8.RuneCountInString(from) > length+maxEdits {
			continue // It can't be near, and might take long to compare.
		}
		if edits := levenshtein.ComputeDistance(from, to); edits < minEdits && 2*edits < length {
			nearest, minEdits = name, edits
		}
	}
	return nearest
}
