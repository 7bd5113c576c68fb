package schema

import "strings"

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
	fold := func(s string) []rune { return []rune(unjoined.Replace(strings.ToLower(s))) }
	from := fold(misspelt)
	best, least := "", 3
	for _, name := range names {
		to := fold(name)
		if len(from) > 2*len(to) {
			continue
		}
		if d := distance(from, to); d < least && 2*d < len(to) {
			best, least = name, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements that turn a into b.
func distance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
