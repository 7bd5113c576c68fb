package configfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/tailscale/hujson"
)

// jsonDocument is a file in JSON.
type jsonDocument struct {
	text  []byte
	value *hujson.Value // nil if there are only comments.
	tree  *node
}

func parseJSON(text []byte) (*jsonDocument, error) {
	d := &jsonDocument{text: text}
	if onlyComments(text) {
		return d, nil
	}
	if at := tooDeep(text); at >= 0 {
		line, column := position(text, at)
		return nil, &SyntaxError{JSON, line, column, fmt.Sprintf("objects and lists are nested more than %d levels deep", maxDepth)}
	}
	v, err := hujson.Parse(text)
	if err != nil {
		// A comment may end with the file, but the parser wants a line end behind it.
		var endErr error
		if v, endErr = hujson.Parse(append(bytes.Clone(text), '\n')); endErr != nil {
			return nil, jsonSyntaxError(err)
		}
	}
	d.value, d.tree = &v, jsonTree(&v)
	return d, nil
}

var hujsonError = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s)^hujson: line (\d+), column (\d+): (.*)$`) })

func jsonSyntaxError(err error) error {
	m := hujsonError().FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	line, _ := strconv.Atoi(m[1])
	column, _ := strconv.Atoi(m[2])
	message := m[3]
	if strings.HasPrefix(message, "invalid literal: ") { // What follows may be a secret.
		message = "invalid literal"
	}
	return &SyntaxError{JSON, line, column, message}
}

// onlyComments reports whether a text is empty but for comments.
func onlyComments(text []byte) bool {
	for at := 0; at < len(text); {
		if end := skipComment(text, at); end > at && text[at] == '/' {
			if text[at+1] == '*' && !bytes.Contains(text[at+2:end], []byte("*/")) {
				return false // The comment has no end.
			}
			at = end
			continue
		}
		if !strings.ContainsRune(" \t\r\n", rune(text[at])) {
			return false
		}
		at++
	}
	return true
}

// tooDeep returns the offset of a bracket that is nested too deeply, or -1.
func tooDeep(text []byte) int {
	depth := 0
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return at
			}
		case '}', ']':
			depth--
		case '"':
			for at++; at < len(text) && text[at] != '"'; at++ {
				if text[at] == '\\' {
					at++
				}
			}
		case '/':
			at = max(skipComment(text, at)-1, at)
		}
	}
	return -1
}

// parseValue reads the value of an entry.
func parseValue(value json.RawMessage) (*node, error) {
	if !json.Valid(value) {
		return nil, fmt.Errorf("the new value is not valid JSON")
	}
	if tooDeep(value) >= 0 {
		return nil, fmt.Errorf("the new value is nested more than %d levels deep", maxDepth)
	}
	v, err := hujson.Parse(value)
	if err != nil {
		return nil, err
	}
	return jsonTree(&v), nil
}

func jsonTree(v *hujson.Value) *node {
	switch value := v.Value.(type) {
	case *hujson.Object:
		n := &node{kind: object, children: make([]child, len(value.Members))}
		for i := range value.Members {
			m := &value.Members[i]
			n.children[i] = child{m.Name.Value.(hujson.Literal).String(), jsonTree(&m.Value)}
		}
		return n
	case *hujson.Array:
		n := &node{kind: list, children: make([]child, len(value.Elements))}
		for i := range value.Elements {
			n.children[i].value = jsonTree(&value.Elements[i])
		}
		return n
	case hujson.Literal:
		switch value.Kind() {
		case 'n':
			return &node{}
		case 't', 'f':
			return &node{kind: boolean, text: string(value)}
		case '"':
			return &node{kind: text, text: value.String()}
		}
		return &node{kind: number, text: string(value)}
	}
	return &node{}
}

func (d *jsonDocument) root() *node { return d.tree }

// locate follows a path as far as it exists.
func (d *jsonDocument) locate(path []string) (v *hujson.Value, n *node, rest []string) {
	v, n = d.value, d.tree
	for i, s := range path {
		found, err := n.find(parseStep(s))
		if found < 0 || err != nil {
			return v, n, path[i:]
		}
		n = n.children[found].value
		switch value := v.Value.(type) {
		case *hujson.Object:
			v = &value.Members[found].Value
		case *hujson.Array:
			v = &value.Elements[found]
		}
	}
	return v, n, nil
}

func (d *jsonDocument) set(value *node, path []string) ([]edit, error) {
	s, w := d.style()
	if d.value == nil {
		whole, err := (&node{}).with(path, value)
		if err != nil {
			return nil, err
		}
		before := ""
		if end := beforeLineEnd(d.text, len(d.text)); len(bytes.TrimSpace(d.text)) > 0 && end == len(d.text) {
			before = s.newline
		}
		w.write(whole, "", false)
		return []edit{{len(d.text), len(d.text), before + w.out.String() + s.newline}}, nil
	}
	v, n, rest := d.locate(path)
	if len(rest) == 0 || n.kind == null {
		replacement, err := (&node{}).with(rest, value)
		if err != nil {
			return nil, err
		}
		start := d.startOfMember(v)
		w.write(replacement, indentAt(d.text, start), !beginsLine(d.text, start) && start > 0)
		return []edit{{v.StartOffset, v.EndOffset, w.out.String()}}, nil
	}
	parent, err := (&node{kind: n.kind}).with(rest, value)
	if err != nil {
		return nil, err
	}
	added := parent.children[0]
	return d.container(v).insert(s, func(indent string, flat bool) string {
		if !flat {
			w.colon = ": "
		}
		if n.kind == object {
			w.out.WriteString(quote(added.key) + w.colon)
		}
		w.write(added.value, indent, flat)
		return w.out.String()
	}), nil
}

// startOfMember returns where the member or item whose value is v begins.
func (d *jsonDocument) startOfMember(v *hujson.Value) int {
	start := v.StartOffset
	d.walk(func(c container, values []*hujson.Value) {
		for i := range values {
			if values[i] == v {
				start = c.items[i].start
			}
		}
	})
	return start
}

func (d *jsonDocument) remove(path []string) ([]edit, error) {
	last := len(path) - 1
	v, n, _ := d.locate(path[:last])
	i, err := n.find(parseStep(path[last]))
	if err != nil {
		return nil, err
	}
	return d.container(v).remove(i), nil
}

// container returns an object or a list with the places of its children.
func (d *jsonDocument) container(v *hujson.Value) container {
	c := container{text: d.text, open: v.StartOffset, close: v.EndOffset - 1}
	switch value := v.Value.(type) {
	case *hujson.Object:
		for i := range value.Members {
			m := &value.Members[i]
			c.items = append(c.items, span{m.Name.StartOffset, m.Value.EndOffset})
		}
	case *hujson.Array:
		for i := range value.Elements {
			c.items = append(c.items, span{value.Elements[i].StartOffset, value.Elements[i].EndOffset})
		}
	}
	return c
}

// walk visits all objects and lists of the file, the outer ones first.
func (d *jsonDocument) walk(visit func(c container, values []*hujson.Value)) {
	var down func(v *hujson.Value)
	down = func(v *hujson.Value) {
		var values []*hujson.Value
		switch value := v.Value.(type) {
		case *hujson.Object:
			for i := range value.Members {
				values = append(values, &value.Members[i].Value)
			}
		case *hujson.Array:
			for i := range value.Elements {
				values = append(values, &value.Elements[i])
			}
		default:
			return
		}
		visit(d.container(v), values)
		for _, below := range values {
			down(below)
		}
	}
	if d.value != nil {
		down(d.value)
	}
}

// style returns how the file is written.
func (d *jsonDocument) style() (style, *jsonWriter) {
	s := style{newline: newlineOf(d.text), unit: "", blank: " "}
	flatLists, longLists, first := 0, 0, true
	d.walk(func(c container, _ []*hujson.Value) {
		if len(c.items) == 0 {
			return
		}
		start := c.items[0].start
		if first {
			s.flat = !c.hasLineBreak(c.open)
			colon := bytes.IndexByte(c.text[start:], ':')
			if s.flat && colon >= 0 && d.text[c.open] == '{' && skipBlanks(d.text, start+colon+1) == start+colon+1 {
				s.blank = ""
			}
			first = false
		}
		if s.unit == "" && beginsLine(d.text, start) {
			if unit, deeper := strings.CutPrefix(indentAt(d.text, start), indentAt(d.text, c.open)); deeper {
				s.unit = unit
			}
		}
		if d.text[c.open] == '[' && !c.hasLineBreak(c.open) {
			flatLists++
		} else if d.text[c.open] == '[' {
			longLists++
		}
	})
	if s.unit == "" {
		s.unit = "  "
	}
	return s, &jsonWriter{
		newline: s.newline, unit: s.unit, colon: ":" + s.blank, comma: "," + s.blank,
		flatLists: flatLists > longLists,
	}
}
