package schema

import (
	"strings"
	"unicode/utf8"

	"github.com/agnivade/levenshtein"
)

// known ends the line about an unknown argument: what was perhaps meant, and what
// there is.
func (n *node) known(name string) string {
	if len(n.names) == 0 {
		return " (there are none)"
	}
	text := ""
	if near := nearest(name, n.names); near != "" {
		text = "; did you mean " + quote(near) + "?"
	}
	return text + " (known: " + strings.Join(n.names, ", ") + ")"
}

var unjoined = strings.NewReplacer("_", "", "-", "")

// nearest returns the name that differs least from a misspelt one, or "" if none
// is like it. Case, "_" and "-" do not count.
func nearest(misspelt string, names []string) string {
	fold := func(s string) string { return unjoined.Replace(strings.ToLower(s)) }
	from := fold(misspelt)
	best, least := "", 3
	for _, name := range names {
		to := fold(name)
		length := utf8.RuneCountInString(to)
		if utf8.RuneCountInString(from) > 2*length {
			continue
		}
		if d := levenshtein.ComputeDistance(from, to); d < least && 2*d < length {
			best, least = name, d
		}
	}
	return best
}
