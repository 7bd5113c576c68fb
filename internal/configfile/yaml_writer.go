package configfile

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"
)

// yamlWriter writes values as the rest of the file is written.
type yamlWriter struct {
	newline    string
	unit       int // Spaces by which an object in an object is indented.
	listIndent int // Spaces by which a list in an object is indented. It may be 0.
}

func (d *yamlDocument) writer() *yamlWriter {
	w := &yamlWriter{newline: newlineOf(d.text), listIndent: -1}
	var walk func(v *yaml.Node)
	walk = func(v *yaml.Node) {
		for i, below := range v.Content {
			if v.Kind == yaml.MappingNode && i%2 == 1 && below.Style&yaml.FlowStyle == 0 && len(below.Content) > 0 {
				deeper := yamlIndent(below) - yamlIndent(v)
				if below.Kind == yaml.MappingNode && w.unit == 0 && deeper > 0 {
					w.unit = deeper
				}
				if below.Kind == yaml.SequenceNode && w.listIndent < 0 && deeper >= 0 {
					w.listIndent = deeper
				}
			}
			walk(below)
		}
	}
	if d.top != nil {
		walk(d.top)
	}
	if w.unit == 0 {
		w.unit = 2
	}
	if w.listIndent < 0 {
		w.listIndent = w.unit
	}
	return w
}

// lines returns the members of an object, or the items of a list, one below the other.
func (w *yamlWriter) lines(n *node, indent int) []string {
	var lines []string
	blanks := strings.Repeat(" ", indent)
	for _, c := range n.children {
		scalar := len(c.value.children) == 0
		switch {
		case n.kind == list && scalar:
			lines = append(lines, blanks+"- "+yamlValue(c.value))
		case n.kind == list: // The first line of the item stands behind the dash.
			item := w.lines(c.value, indent+2)
			item[0] = blanks + "- " + item[0][indent+2:]
			lines = append(lines, item...)
		case scalar:
			lines = append(lines, blanks+yamlText(c.key)+": "+yamlValue(c.value))
		default:
			deeper := indent + w.unit
			if c.value.kind == list {
				deeper = indent + w.listIndent
			}
			lines = append(append(lines, blanks+yamlText(c.key)+":"), w.lines(c.value, deeper)...)
		}
	}
	return lines
}

// flow returns what writes the only child of n within brackets.
func (w *yamlWriter) flow(n *node) func(indent string, flat bool) string {
	return func(indent string, flat bool) string {
		out := &jsonWriter{newline: w.newline, unit: strings.Repeat(" ", w.unit), colon: ": ", comma: ", "}
		if n.kind == object {
			out.out.WriteString(yamlText(n.children[0].key) + ": ")
		}
		out.write(n.children[0].value, indent, flat)
		return out.out.String()
	}
}

// yamlValue returns a scalar, or an empty object or list.
func yamlValue(n *node) string {
	switch n.kind {
	case object:
		return "{}"
	case list:
		return "[]"
	case null:
		return "null"
	case boolean, number:
		return n.text
	}
	return yamlText(n.text)
}

// plainText fits texts that need no quotes in YAML, but for the words in yamlWords.
var plainText = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_/][A-Za-z0-9_./-]*$`) })

// yamlWords are words that some YAML parser takes for something else than a text.
var yamlWords = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null"}

// yamlText returns a text, in JSON's quotes if it needs quotes.
func yamlText(s string) string {
	if plainText().MatchString(s) && !slices.Contains(yamlWords, strings.ToLower(s)) {
		return s
	}
	return quote(s)
}
