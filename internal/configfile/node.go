package configfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

type kind int

const (
	null kind = iota
	boolean
	number
	text
	other // A scalar that JSON does not have, such as a date.
	object
	list
)

// article returns the kind in words.
func (k kind) article() string {
	return [...]string{"null", "true or false", "a number", "a text", "a value of its own kind", "an object", "a list"}[k]
}

// node is a value of a file, whatever its format.
type node struct {
	kind     kind
	text     string  // Of a scalar. A text stands here without quotes.
	children []child // Of an object or a list.
	implicit bool    // A TOML table that exists only because of what is in it.
	shared   bool    // A YAML value that stands in more than one place.
}

// child is a member of an object or an item of a list. An item has no key.
type child struct {
	key   string
	value *node
}

// step is one step of a path: a key, or an item of a list by one of its members.
type step struct {
	key         string
	item        bool
	value       string // Of the member key of an item.
	description string
}

func parseStep(text string) step {
	key, value, isItem := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), "=")
	if isItem && strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		return step{key: key, item: true, value: value, description: text}
	}
	return step{key: text, description: text}
}

// find returns the index of the child that a step leads to, or -1.
func (n *node) find(s step) (int, error) {
	needed := object
	if s.item {
		needed = list
	}
	if n == nil || n.kind == null {
		return -1, nil
	}
	if n.kind != needed {
		return -1, fmt.Errorf("it is %s, but %s can only be in %s. What to do: correct it by hand", n.kind.article(), s.description, needed.article())
	}
	found := -1
	for i, c := range n.children {
		if s.item && !c.value.has(s.key, s.value) || !s.item && c.key != s.key {
			continue
		}
		if found >= 0 {
			return -1, fmt.Errorf("%s is there twice. What to do: delete one of the two by hand", s.description)
		}
		found = i
	}
	return found, nil
}

// has reports whether n is an object with a member key that is the text value.
func (n *node) has(key, value string) bool {
	return n.kind == object && slices.ContainsFunc(n.children, func(c child) bool {
		return c.key == key && c.value.kind == text && c.value.text == value
	})
}

// walk follows a path as far as it exists. rest is what remains of the path.
func (n *node) walk(path []string) (last *node, rest []string, err error) {
	for i, s := range path {
		found, err := n.find(parseStep(s))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", pathName(path[:i]), err)
		}
		if found < 0 {
			return n, path[i:], nil
		}
		n = n.children[found].value
	}
	return n, nil, nil
}

// with returns n with a value at path. It makes missing parents. n does not change.
func (n *node) with(path []string, value *node) (*node, error) {
	if len(path) == 0 {
		return value, nil
	}
	s := parseStep(path[0])
	i, err := n.find(s)
	if err != nil {
		return nil, err
	}
	changed := &node{kind: object}
	if s.item {
		changed.kind = list
	}
	if n != nil {
		changed.children = slices.Clone(n.children)
	}
	if i >= 0 {
		changed.children[i].value, err = changed.children[i].value.with(path[1:], value)
		return changed, err
	}
	added := &node{}
	if s.item {
		added = &node{kind: object, children: []child{{s.key, &node{kind: text, text: s.value}}}}
	}
	if added, err = added.with(path[1:], value); err != nil {
		return nil, err
	}
	if s.item && !added.has(s.key, s.value) {
		return nil, fmt.Errorf("the new item of the list has no member %s that is %q", s.key, s.value)
	}
	if s.item {
		s.key = ""
	}
	changed.children = append(changed.children, child{s.key, added})
	return changed, nil
}

// without returns n without the value at path, which must exist. n does not change.
func (n *node) without(path []string) *node {
	i, _ := n.find(parseStep(path[0]))
	changed := *n
	changed.children = slices.Clone(n.children)
	if len(path) > 1 {
		below := changed.children[i].value.without(path[1:])
		changed.children[i].value = below
		if !below.implicit || len(below.children) > 0 {
			return &changed
		}
	}
	changed.children = slices.Delete(changed.children, i, i+1)
	return &changed
}

// same reports whether two values are the same, with their keys in the same order. Nothing
// at all is the same as an empty object.
func same(a, b *node) bool {
	return compare(orEmpty(a), orEmpty(b), map[[2]*node]bool{})
}

func orEmpty(n *node) *node {
	if n == nil {
		return &node{kind: object}
	}
	return n
}

// compare is same. Shared values are compared once.
func compare(a, b *node, seen map[[2]*node]bool) bool {
	if a == b {
		return true
	}
	if a.kind != b.kind || a.text != b.text || len(a.children) != len(b.children) {
		return false
	}
	if a.shared && b.shared {
		if seen[[2]*node{a, b}] {
			return true
		}
		seen[[2]*node{a, b}] = true
	}
	for i, c := range a.children {
		if c.key != b.children[i].key || !compare(c.value, b.children[i].value, seen) {
			return false
		}
	}
	return true
}

// maxValueSize is about how many bytes of JSON Get returns at most.
const maxValueSize = 16 << 20

// json returns n as JSON.
func (n *node) json() (json.RawMessage, error) {
	if n.size(map[*node]int{}) > maxValueSize {
		return nil, fmt.Errorf("the value is larger than %d MB", maxValueSize>>20)
	}
	w := jsonWriter{colon: ":", comma: ","}
	w.write(n, "", true)
	return json.RawMessage(w.out.String()), nil
}

// size returns about how long n is as JSON, or more than maxValueSize if it is longer.
// Shared values are counted wherever they stand, but looked at once.
func (n *node) size(known map[*node]int) int {
	if size, ok := known[n]; ok {
		return size
	}
	size := len(n.text) + 2
	for _, c := range n.children {
		size = min(size+len(c.key)+c.value.size(known), maxValueSize+1)
	}
	if n.shared {
		known[n] = size
	}
	return size
}

// jsonWriter writes values in a style.
type jsonWriter struct {
	out           strings.Builder
	newline, unit string // Line ends and one level of indentation.
	colon, comma  string // With what follows them on the same line.
	flatLists     bool   // Whether a list of scalars stands on one line.
}

// write writes a value. If it is not flat, its members stand on lines of their own, and
// indent is the indentation of the line where it begins.
func (w *jsonWriter) write(n *node, indent string, flat bool) {
	switch n.kind {
	case object:
		w.writeChildren('{', '}', n, indent, flat)
	case list:
		flat = flat || w.flatLists && !slices.ContainsFunc(n.children, func(c child) bool { return len(c.value.children) > 0 })
		w.writeChildren('[', ']', n, indent, flat)
	case null:
		w.out.WriteString("null")
	case boolean, number:
		w.out.WriteString(n.text)
	default:
		w.out.WriteString(quote(n.text))
	}
}

func (w *jsonWriter) writeChildren(opening, closing byte, n *node, indent string, flat bool) {
	w.out.WriteByte(opening)
	for i, c := range n.children {
		switch {
		case !flat:
			w.out.WriteString(w.newline + indent + w.unit)
		case i > 0:
			w.out.WriteString(w.comma[1:])
		}
		if n.kind == object {
			w.out.WriteString(quote(c.key) + w.colon)
		}
		w.write(c.value, indent+w.unit, flat)
		if i < len(n.children)-1 {
			w.out.WriteByte(',')
		}
	}
	if !flat && len(n.children) > 0 {
		w.out.WriteString(w.newline + indent)
	}
	w.out.WriteByte(closing)
}

// quote returns a text in JSON's quotes, which TOML and YAML have as well. Control characters
// that JSON allows are escaped, because those two do not allow all of them.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // A string can always be encoded.
	var out strings.Builder
	for _, r := range strings.TrimSuffix(b.String(), "\n") {
		if r >= 0x7f && r < 0xa0 || r == '\ufeff' {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
