package configfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"
)

// yamlDocument is a file in YAML.
type yamlDocument struct {
	text  []byte
	lines []int      // Where the lines begin, and the end of the text.
	top   *yaml.Node // nil if there are only comments.
	tree  *node
}

func parseYAML(text []byte) (*yamlDocument, error) {
	lines, err := yamlLines(text)
	if err != nil {
		return nil, err
	}
	d := &yamlDocument{text: text, lines: lines}
	var file, more yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&file); errors.Is(err, io.EOF) || err == nil && len(file.Content) == 0 {
		return d, nil
	} else if err != nil {
		return nil, yamlSyntaxError(err)
	}
	if err := decoder.Decode(&more); err == nil {
		return nil, &SyntaxError{YAML, more.Line, more.Column, "the file holds more than one document. What to do: change it by hand"}
	} else if !errors.Is(err, io.EOF) {
		return nil, yamlSyntaxError(err)
	}
	if top := file.Content[0]; top.Kind == yaml.ScalarNode && top.Value == "" && top.ShortTag() == "!!null" {
		return d, nil
	}
	d.top = file.Content[0]
	b := yamlBuilder{seen: map[*yaml.Node]*node{}}
	d.tree = b.build(d.top)
	return d, b.err
}

func yamlSyntaxError(err error) error {
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		message := e.Message
		if strings.HasPrefix(message, "unknown anchor ") { // Its name may be a secret that begins with *.
			message = "a value that begins with * refers to no anchor"
		}
		return &SyntaxError{YAML, max(e.Mark.Line, 1), e.Mark.Column, message}
	}
	return err
}

// oddLineEnd finds a line end that some YAML parsers take for one and others do not.
var oddLineEnd = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("\r(?:[^\n]|$)|[\u0085\u2028\u2029]") })

// yamlLines returns where the lines of a text begin, and where the text ends.
func yamlLines(text []byte) ([]int, error) {
	if odd := oddLineEnd().FindIndex(text); odd != nil {
		line, column := position(text, odd[0])
		return nil, &SyntaxError{YAML, line, column, "the line ends in an unusual way. What to do: end it as the other lines end"}
	}
	starts := []int{0}
	for at, b := range text {
		if b == '\n' {
			starts = append(starts, at+1)
		}
	}
	return append(starts, len(text)), nil
}

// yamlBuilder makes a tree of the parser's nodes.
type yamlBuilder struct {
	seen map[*yaml.Node]*node // Values with an anchor; nil while their members are read.
	err  error
}

func (b *yamlBuilder) build(from *yaml.Node) *node {
	if from.Kind == yaml.AliasNode {
		from = from.Alias
	}
	if from.Anchor != "" {
		if n, ok := b.seen[from]; ok {
			if n == nil {
				b.err = &SyntaxError{YAML, from.Line, from.Column, "the value refers to itself"}
				return &node{}
			}
			n.shared = true
			return n
		}
		b.seen[from] = nil
	}
	n := &node{}
	switch from.Kind {
	case yaml.MappingNode:
		n.kind = object
		for i := 0; i+1 < len(from.Content); i += 2 {
			n.children = append(n.children, child{b.key(from.Content[i]), b.build(from.Content[i+1])})
		}
	case yaml.SequenceNode:
		n.kind = list
		for _, item := range from.Content {
			n.children = append(n.children, child{value: b.build(item)})
		}
	default:
		*n = yamlScalar(from)
	}
	if from.Anchor != "" {
		b.seen[from] = n
	}
	return n
}

// key returns a key as a text. One that is no scalar fits no step of a path.
func (b *yamlBuilder) key(from *yaml.Node) string {
	if from.Kind == yaml.AliasNode {
		from = from.Alias
	}
	if from.Kind == yaml.ScalarNode {
		return from.Value
	}
	key, err := b.build(from).json()
	if b.err == nil {
		b.err = err
	}
	return "? " + string(key)
}

func yamlScalar(from *yaml.Node) node {
	switch from.ShortTag() {
	case "!!null":
		return node{}
	case "!!str":
		return node{kind: text, text: from.Value}
	case "!!bool":
		return node{kind: boolean, text: strings.ToLower(from.Value)}
	case "!!int":
		var i int64
		if !json.Valid([]byte(from.Value)) && from.Decode(&i) == nil {
			return node{kind: number, text: strconv.FormatInt(i, 10)}
		}
		fallthrough
	case "!!float":
		if json.Valid([]byte(from.Value)) {
			return node{kind: number, text: from.Value}
		}
	}
	return node{kind: other, text: from.Value}
}

func (d *yamlDocument) root() *node { return d.tree }

// yamlPlace is a value on the way along a path.
type yamlPlace struct {
	value *yaml.Node
	tree  *node
	index int // Which child of the place before it this is.
}

// locate follows a path as far as it exists. The first place is the root.
func (d *yamlDocument) locate(path []string) (places []yamlPlace, rest []string, err error) {
	here := yamlPlace{value: d.top, tree: d.tree}
	for i, s := range path {
		if here.value.Kind == yaml.AliasNode {
			return nil, nil, fmt.Errorf("%s is an alias of another value. What to do: write it out, or add the entry by hand", pathName(path[:i]))
		}
		places = append(places, here)
		found, err := here.tree.find(parseStep(s))
		if found < 0 || err != nil {
			return places, path[i:], err
		}
		at := found
		if here.tree.kind == object {
			at = 2*found + 1
		}
		here = yamlPlace{here.value.Content[at], here.tree.children[found].value, found}
	}
	return append(places, here), nil, nil
}

var errYAMLPlace = errors.New("the entry stands in the file in a way that zego-mcp does not change. What to do: change it by hand")

func (d *yamlDocument) set(value *node, path []string) ([]edit, error) {
	w := d.writer()
	if d.top == nil {
		whole, err := (&node{}).with(path, value)
		if err != nil {
			return nil, err
		}
		before := ""
		if len(d.text) > 0 && d.text[len(d.text)-1] != '\n' {
			before = w.newline
		}
		return []edit{{len(d.text), len(d.text), before + strings.Join(w.lines(whole, 0), w.newline) + w.newline}}, nil
	}
	places, rest, err := d.locate(path)
	if err != nil {
		return nil, err
	}
	last := places[len(places)-1]
	kind := last.tree.kind
	if kind == null && len(rest) > 0 {
		kind = object
		if parseStep(rest[0]).item {
			kind = list
		}
	}
	if len(rest) == 0 {
		return d.replace(w, places, value)
	}
	added, err := (&node{kind: kind}).with(rest, value)
	if err != nil {
		return nil, err
	}
	switch {
	case last.tree.kind == null, d.isPlainEmpty(last.value):
		return d.fill(w, places, added)
	case last.value.Style&yaml.FlowStyle != 0:
		c, err := d.flow(last)
		return c.insert(style{newline: w.newline, unit: strings.Repeat(" ", w.unit), blank: " ", flat: len(c.items) == 0}, w.flow(added)), err
	}
	indent := yamlIndent(last.value)
	if indent < 0 {
		return nil, errYAMLPlace
	}
	end := d.lineEnd(d.lastLine(append(places, yamlPlace{index: len(last.tree.children) - 1})))
	return []edit{{end, end, w.newline + strings.Join(w.lines(added, indent), w.newline)}}, nil
}

// isPlainEmpty reports whether a value is {} or [], with exactly one blank between it and
// the colon before it. fill and remove change such a value to lines and back.
func (d *yamlDocument) isPlainEmpty(v *yaml.Node) bool {
	at := d.offset(v)
	if at < 2 || len(v.Content) > 0 || string(d.text[at-2:at]) != ": " {
		return false
	}
	return bytes.HasPrefix(d.text[at:], []byte("{}")) || bytes.HasPrefix(d.text[at:], []byte("[]"))
}

// fill puts the first member into an empty value, below its key.
func (d *yamlDocument) fill(w *yamlWriter, places []yamlPlace, added *node) ([]edit, error) {
	if len(places) < 2 {
		return nil, errYAMLPlace
	}
	parent, last := places[len(places)-2], places[len(places)-1]
	if parent.value.Kind != yaml.MappingNode || parent.value.Style&yaml.FlowStyle != 0 || last.value.Anchor != "" || last.value.Style&yaml.TaggedStyle != 0 {
		return nil, errYAMLPlace
	}
	key := parent.value.Content[2*last.index]
	indent := key.Column - 1 + w.unit
	if added.kind == list {
		indent = key.Column - 1 + w.listIndent
	}
	var edits []edit
	if last.value.Value != "" || len(last.tree.children) == 0 && last.tree.kind != null {
		at := d.offset(last.value)
		edits = append(edits, edit{start: skipBlanksBack(d.text, at), end: at + max(len(last.value.Value), 2)})
		if last.value.Value != "" {
			edits[0].end = at + len(last.value.Value)
		}
	}
	end := d.lineEnd(key.Line - 1)
	return append(edits, edit{end, end, w.newline + strings.Join(w.lines(added, indent), w.newline)}), nil
}

// replace writes a value in the place of another.
func (d *yamlDocument) replace(w *yamlWriter, places []yamlPlace, value *node) ([]edit, error) {
	parent, last := places[len(places)-2], places[len(places)-1]
	entry := &node{kind: parent.tree.kind, children: []child{{parent.tree.children[last.index].key, value}}}
	if parent.value.Style&yaml.FlowStyle != 0 {
		c, err := d.flow(parent)
		if err != nil {
			return nil, err
		}
		item := c.items[last.index]
		return []edit{{item.start, item.end, w.flow(entry)("", true)}}, nil
	}
	start, end, err := d.block(places)
	if err != nil {
		return nil, err
	}
	indent := yamlIndent(parent.value)
	return []edit{{start, end, strings.Join(w.lines(entry, indent), w.newline)}}, nil
}

func (d *yamlDocument) remove(path []string) ([]edit, error) {
	places, _, err := d.locate(path)
	if err != nil {
		return nil, err
	}
	parent, last := places[len(places)-2], places[len(places)-1]
	if parent.value.Style&yaml.FlowStyle != 0 {
		c, err := d.flow(parent)
		if err != nil {
			return nil, err
		}
		return c.remove(last.index), nil
	}
	start, end, err := d.block(places)
	if err != nil {
		return nil, err
	}
	cut := edit{start: beforeLineEnd(d.text, start), end: end}
	if start == 0 {
		cut.start, cut.end = 0, d.lines[d.lastLine(places)+1]
	}
	if len(parent.tree.children) > 1 || len(places) == 2 {
		return []edit{cut}, nil
	}
	grandparent := places[len(places)-3].value
	if grandparent.Kind != yaml.MappingNode {
		return nil, errYAMLPlace
	}
	colon := d.colon(grandparent.Content[2*parent.index])
	empty := " {}"
	if parent.tree.kind == list {
		empty = " []"
	}
	return []edit{{colon + 1, colon + 1, empty}, cut}, nil
}

// block returns the lines of an entry of a block, without the line end. It is an error if
// anything but blanks stands before the entry.
func (d *yamlDocument) block(places []yamlPlace) (start, end int, err error) {
	parent, last := places[len(places)-2], places[len(places)-1]
	line, indent := d.firstLine(parent.value, last.index), yamlIndent(parent.value)
	start = d.lines[line]
	if indent < 0 || skipBlanks(d.text, start) != start+indent {
		return 0, 0, errYAMLPlace
	}
	return start, d.lineEnd(d.lastLine(places)), nil
}

// yamlIndent returns the indentation of the children of a block, or -1 if it is not known.
func yamlIndent(v *yaml.Node) int {
	if v.Kind == yaml.MappingNode && len(v.Content) > 0 {
		return v.Content[0].Column - 1
	}
	if v.Anchor != "" || v.Style&yaml.TaggedStyle != 0 {
		return -1 // Column is where the anchor or the tag stands.
	}
	return v.Column - 1
}

// firstLine returns the index of the line on which a child of a block begins.
func (d *yamlDocument) firstLine(parent *yaml.Node, index int) int {
	if parent.Kind == yaml.MappingNode {
		return parent.Content[2*index].Line - 1
	}
	line := parent.Content[index].Line - 1
	for at := line; at >= parent.Line-1; at-- { // The dash may stand on a line before the item.
		if dash := d.lines[at] + parent.Column - 1; dash < len(d.text) && d.text[dash] == '-' {
			return at
		}
	}
	return line
}

// lastLine returns the index of the last line of the entry at the last place. Comments that
// are indented no more than the entry do not belong to it.
func (d *yamlDocument) lastLine(places []yamlPlace) int {
	parent, index := places[len(places)-2], places[len(places)-1].index
	first := d.firstLine(parent.value, index)
	end := len(d.lines) - 1
	for i := len(places) - 2; i >= 0; i-- {
		if next := places[i+1].index + 1; next < len(places[i].tree.children) {
			end = d.firstLine(places[i].value, next)
			break
		}
	}
	leaf, last := lastLeaf(parent.value, index)
	last, indent := max(first, last), yamlIndent(parent.value)
	for line := last + 1; line < end; line++ {
		start := d.lines[line]
		at := skipBlanks(d.text, start)
		rest := d.text[at:]
		if at >= d.lines[line+1] || atLineEnd(d.text, at) {
			if at-start > indent && leaf.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
				last = line // The blanks are part of the text.
			}
			continue
		}
		if at-start <= indent && rest[0] == '#' || at == start && (bytes.HasPrefix(rest, []byte("...")) || bytes.HasPrefix(rest, []byte("---"))) {
			break
		}
		last = line
	}
	return last
}

// lastLeaf returns the last scalar in a child, and the index of the line on which it begins.
// Of a null that is not written, that is the line of its key.
func lastLeaf(parent *yaml.Node, index int) (leaf *yaml.Node, line int) {
	for {
		if parent.Kind == yaml.MappingNode {
			line = parent.Content[2*index].Line - 1
			index = 2*index + 1
		}
		leaf = parent.Content[index]
		if leaf.Kind != yaml.ScalarNode || leaf.Value != "" || leaf.Style != 0 {
			line = max(line, leaf.Line-1)
		}
		if len(leaf.Content) == 0 {
			return leaf, line
		}
		parent, index = leaf, len(leaf.Content)-1
		if leaf.Kind == yaml.MappingNode {
			index = len(leaf.Content)/2 - 1
		}
	}
}

// lineEnd returns where a line ends, without its line end.
func (d *yamlDocument) lineEnd(line int) int {
	return beforeLineEnd(d.text, d.lines[line+1])
}

// offset returns where a value begins. The parser counts characters.
func (d *yamlDocument) offset(v *yaml.Node) int {
	at := d.lines[min(v.Line-1, len(d.lines)-1)]
	for range v.Column - 1 {
		if at < len(d.text) {
			at++
		}
		for at < len(d.text) && d.text[at]&0xc0 == 0x80 {
			at++
		}
	}
	return at
}

// colon returns where the colon behind a key stands.
func (d *yamlDocument) colon(key *yaml.Node) int {
	at := d.offset(key)
	if quoted := at < len(d.text) && (d.text[at] == '"' || d.text[at] == '\''); quoted {
		at = skipYAMLQuotes(d.text, at)
	}
	for ; at < len(d.text) && !atLineEnd(d.text, at); at++ {
		if d.text[at] == ':' && (atLineEnd(d.text, at+1) || d.text[at+1] == ' ' || d.text[at+1] == '\t') {
			return at
		}
	}
	return at
}

// skipYAMLQuotes returns the end of the quoted text that begins at an offset.
func skipYAMLQuotes(text []byte, at int) int {
	quote := text[at]
	for at++; at < len(text); at++ {
		switch {
		case text[at] == '\\' && quote == '"':
			at++
		case text[at] == quote && quote == '\'' && at+1 < len(text) && text[at+1] == quote:
			at++
		case text[at] == quote:
			return at + 1
		}
	}
	return len(text)
}

// flow returns an object or a list in brackets with the places of its children.
func (d *yamlDocument) flow(place yamlPlace) (container, error) {
	c := container{text: d.text, open: d.offset(place.value)}
	if c.open >= len(d.text) || d.text[c.open] != '{' && d.text[c.open] != '[' {
		return c, errYAMLPlace
	}
	depth, fresh, item := 0, true, span{}
	for at := c.open; at < len(d.text) && c.close == 0; {
		next := at + 1
		switch b := d.text[at]; {
		case b == ' ' || b == '\t' || b == '\r' || b == '\n':
			at = next
			continue
		case b == '#' && strings.IndexByte(" \t\n", d.text[at-1]) >= 0:
			at = skipComment(d.text, at)
			continue
		case depth == 1 && (b == ',' || b == '}' || b == ']'):
			if item.end > 0 {
				c.items = append(c.items, item)
			}
			if item, fresh = (span{}), true; b != ',' {
				c.close = at
			}
			at = next
			continue
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			depth--
		case fresh && (b == '"' || b == '\''):
			next = skipYAMLQuotes(d.text, at)
		}
		if fresh = strings.IndexByte("{[,:", d.text[at]) >= 0; at > c.open {
			if item.end == 0 {
				item.start = at
			}
			item.end = next
		}
		at = next
	}
	if c.close == 0 || len(c.items) != len(place.tree.children) {
		return c, errYAMLPlace
	}
	return c, nil
}
