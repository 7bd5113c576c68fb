package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2/unstable"
)

// tomlDocument is a file in TOML.
type tomlDocument struct {
	text        []byte
	tree        *node
	expressions []tomlExpression
}

// tomlExpression is a table header or a key with its value. Both have their lines for
// themselves.
type tomlExpression struct {
	header     bool
	table      []string // The header, or the one before the key.
	path       []string // From the top of the file.
	start, end int      // From the first byte that is no blank to the line end, with the comment.
}

func parseTOML(text []byte) (*tomlDocument, error) {
	if at := tooDeepTOML(text); at >= 0 {
		line, column := position(text, at)
		return nil, &SyntaxError{TOML, line, column, fmt.Sprintf("lists and tables are nested more than %d levels deep", maxDepth)}
	}
	b := tomlBuilder{document: &tomlDocument{text: text}, tables: map[*node]*tomlTable{}}
	b.document.tree = b.newTable(fromHeader)
	b.table = b.document.tree
	b.parser.Reset(text)
	for b.err == nil && b.parser.NextExpression() {
		b.add(b.parser.Expression())
	}
	if e, ok := errors.AsType[*unstable.ParserError](b.parser.Error()); ok {
		b.fail(int(b.parser.Range(e.Highlight).Offset), "%s", e.Message)
	}
	return b.document, b.err
}

// tooDeepTOML returns the offset of a bracket, or of a key with dots, that is nested too
// deeply, or -1.
func tooDeepTOML(text []byte) int {
	depth, dots := 0, 0
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case '.':
			dots++
		case '\n', '=':
			dots = 0
		case '#':
			at = max(skipComment(text, at)-1, at)
		case '"', '\'':
			at = skipTOMLString(text, at) - 1
		}
		if depth > maxDepth || dots > maxDepth {
			return at
		}
	}
	return -1
}

// skipTOMLString returns the end of the string that begins at an offset.
func skipTOMLString(text []byte, at int) int {
	quote := text[at : at+1]
	if long := bytes.Repeat(quote, 3); bytes.HasPrefix(text[at:], long) {
		quote = long
	}
	for at += len(quote); at < len(text); at++ {
		switch {
		case bytes.HasPrefix(text[at:], quote):
			return at + len(quote)
		case text[at] == '\\' && quote[0] == '"':
			at++
		case text[at] == '\n' && len(quote) == 1: // A mistake, which the parser reports.
			return at
		}
	}
	return len(text)
}

// tomlBuilder builds the tree of a file from its expressions, and checks that none of them
// defines what another has defined.
type tomlBuilder struct {
	parser   unstable.Parser
	document *tomlDocument
	tables   map[*node]*tomlTable
	header   []string // The last header.
	table    *node    // What it stands for.
	err      error    // The first mistake.
}

// tomlTable is what a builder knows of a table or of an array of tables.
type tomlTable struct {
	origin   tomlOrigin
	children map[string]*node
}

// tomlOrigin says what made a table. Only some of them can get more members elsewhere.
type tomlOrigin int

const (
	fromBelow      tomlOrigin = iota // The header of a table in it.
	fromHeader                       // Its header.
	fromKey                          // A key with dots.
	fromArrayTable                   // A header in double brackets.
)

func (b *tomlBuilder) newTable(origin tomlOrigin) *node {
	n := &node{kind: object, implicit: origin == fromBelow || origin == fromKey}
	b.tables[n] = &tomlTable{origin, map[string]*node{}}
	return n
}

// fail keeps the first mistake.
func (b *tomlBuilder) fail(offset int, format string, args ...any) {
	if b.err == nil {
		line, column := position(b.document.text, offset)
		b.err = &SyntaxError{TOML, line, column, fmt.Sprintf(format, args...)}
	}
}

func (b *tomlBuilder) add(e *unstable.Node) {
	text := b.document.text
	keys := tomlKeysOf(e)
	first, last := keys[0].Raw.Offset, keys[len(keys)-1].Raw
	x := tomlExpression{header: e.Kind != unstable.KeyValue, start: int(first), end: int(last.Offset + last.Length)}
	for _, key := range keys {
		x.path = append(x.path, string(key.Data))
	}
	if x.header {
		b.header, b.table = x.path, b.open(keys, e.Kind == unstable.ArrayTable)
		x.start = skipBlanks(text, bytes.LastIndexByte(text[:x.start], '\n')+1)
		x.end += bytes.IndexByte(text[x.end:], ']') + 1
		if e.Kind == unstable.ArrayTable {
			x.end++
		}
	} else {
		b.put(b.table, e)
		x.path = slices.Concat(b.header, x.path)
		x.end = int(e.Raw.Offset + e.Raw.Length)
	}
	x.table = b.header
	x.end = skipBlanks(text, skipComment(text, skipBlanks(text, x.end)))
	b.document.expressions = append(b.document.expressions, x)
}

func tomlKeysOf(e *unstable.Node) []*unstable.Node {
	var keys []*unstable.Node
	for it := e.Key(); it.Next(); {
		keys = append(keys, it.Node())
	}
	return keys
}

// open returns the table of a header.
func (b *tomlBuilder) open(keys []*unstable.Node, array bool) *node {
	table, last := b.document.tree, keys[len(keys)-1]
	for _, key := range keys[:len(keys)-1] {
		found := b.tables[table].children[string(key.Data)]
		if found == nil {
			found = b.newTable(fromBelow)
			b.append(table, key, found)
		}
		if table = b.latest(found); table == nil {
			b.fail(int(key.Raw.Offset), "%s is no table", key.Data)
			return b.newTable(fromHeader)
		}
	}
	found := b.tables[table].children[string(last.Data)]
	known := b.tables[found]
	switch {
	case found == nil && array:
		found = &node{kind: list}
		b.tables[found] = &tomlTable{origin: fromArrayTable}
		b.append(table, last, found)
	case found == nil:
		found = b.newTable(fromHeader)
		b.append(table, last, found)
	case known != nil && known.origin == fromBelow && !array:
		known.origin, found.implicit = fromHeader, false
	case known == nil || known.origin != fromArrayTable || !array:
		b.fail(int(last.Raw.Offset), "%s is already defined", last.Data)
	}
	if array && found.kind == list {
		found.children = append(found.children, child{value: b.newTable(fromHeader)})
		return found.children[len(found.children)-1].value
	}
	return found
}

// latest returns the table that a header leads into: of an array of tables, the last one. It
// is nil if n is a value.
func (b *tomlBuilder) latest(n *node) *node {
	switch known := b.tables[n]; {
	case known == nil:
		return nil
	case known.origin == fromArrayTable:
		return n.children[len(n.children)-1].value
	}
	return n
}

// put adds a key and its value to a table.
func (b *tomlBuilder) put(table *node, e *unstable.Node) {
	keys := tomlKeysOf(e)
	for _, key := range keys[:len(keys)-1] {
		found := b.tables[table].children[string(key.Data)]
		if found == nil {
			found = b.newTable(fromKey)
			b.append(table, key, found)
		}
		if known := b.tables[found]; known == nil || known.origin != fromKey {
			b.fail(int(key.Raw.Offset), "%s is already defined", key.Data)
			return
		}
		table = found
	}
	last := keys[len(keys)-1]
	if b.tables[table].children[string(last.Data)] != nil {
		b.fail(int(last.Raw.Offset), "%s is already defined", last.Data)
	}
	b.append(table, last, b.value(e.Value()))
}

func (b *tomlBuilder) append(table *node, key *unstable.Node, value *node) {
	b.tables[table].children[string(key.Data)] = value
	table.children = append(table.children, child{string(key.Data), value})
}

func (b *tomlBuilder) value(v *unstable.Node) *node {
	data := string(v.Data)
	switch v.Kind {
	case unstable.Array:
		n := &node{kind: list}
		for it := v.Children(); it.Next(); {
			n.children = append(n.children, child{value: b.value(it.Node())})
		}
		return n
	case unstable.InlineTable:
		n := b.newTable(fromKey)
		for it := v.Children(); it.Next(); {
			b.put(n, it.Node())
		}
		n.implicit = false
		delete(b.tables, n) // Nothing can be added to it elsewhere.
		return n
	case unstable.String:
		return &node{kind: text, text: data}
	case unstable.Bool:
		return &node{kind: boolean, text: data}
	case unstable.Integer:
		i, err := strconv.ParseInt(data, 0, 64)
		if err != nil {
			b.fail(int(v.Raw.Offset), "the number does not fit in 64 bits")
		}
		return &node{kind: number, text: strconv.FormatInt(i, 10)}
	case unstable.Float:
		if !strings.HasSuffix(data, "inf") && !strings.HasSuffix(data, "nan") {
			return &node{kind: number, text: strings.ReplaceAll(strings.TrimPrefix(data, "+"), "_", "")}
		}
	}
	return &node{kind: other, text: data}
}

func (d *tomlDocument) root() *node { return d.tree }

func (d *tomlDocument) set(value *node, path []string) ([]edit, error) {
	if err := checkTOMLPath(path); err != nil {
		return nil, err
	}
	if value.kind != object {
		return nil, fmt.Errorf("%s: only a table can be set in a TOML file, not %s", pathName(path), value.kind.article())
	}
	groups := d.groups(path)
	if _, rest, err := d.tree.walk(path); err != nil || len(rest) > 0 {
		return d.add(value, path)
	}
	if len(groups) == 0 {
		return nil, inlineError(path[:len(path)-1])
	}
	first := d.expressions[groups[0].start]
	e := edit{start: first.start, end: d.expressions[groups[0].end-1].end}
	w := d.writer(path)
	switch {
	case !first.header:
		e.text = tomlKeys(path[len(first.table):]) + " = " + w.inline(value)
	case len(first.path) == len(path): // The header stays.
		e.start = first.end
		e.text = w.body(value)
	default:
		e.text = w.table(path, value)
	}
	edits := []edit{e}
	for _, group := range groups[1:] {
		edits = append(edits, d.cut(group))
	}
	return edits, w.err
}

// add adds a table that is not there.
func (d *tomlDocument) add(value *node, path []string) ([]edit, error) {
	for _, e := range d.expressions {
		if !e.header && len(e.path) < len(path) && slices.Equal(e.path, path[:len(e.path)]) {
			return nil, inlineError(e.path)
		}
	}
	w := d.writer(path)
	added := w.table(path, value)
	if w.err != nil {
		return nil, w.err
	}
	at := d.endOfTables(path[:len(path)-1])
	if at < 0 {
		at = beforeLineEnd(d.text, len(d.text))
	}
	if len(d.text) == 0 {
		return []edit{{0, 0, added + w.newline}}, nil
	}
	return []edit{{at, at, w.newline + w.newline + added}}, nil
}

func inlineError(path []string) error {
	return fmt.Errorf("%s is an inline table, which cannot be changed in part. What to do: write each entry as a table [%s.NAME] of its own",
		pathName(path), tomlKeys(path))
}

// checkTOMLPath refuses what no TOML file of a client has.
func checkTOMLPath(path []string) error {
	for _, s := range path {
		if parseStep(s).item {
			return fmt.Errorf("%s: the item of a list cannot be changed in a TOML file", s)
		}
	}
	return nil
}

// endOfTables returns where the last table of a parent, or of its parent and so on, ends. It
// is -1 if there is none.
func (d *tomlDocument) endOfTables(parent []string) int {
	for ; len(parent) > 0; parent = parent[:len(parent)-1] {
		for _, e := range slices.Backward(d.expressions) {
			if hasPrefix(e.table, parent) {
				return e.end
			}
		}
	}
	return -1
}

func (d *tomlDocument) remove(path []string) ([]edit, error) {
	if err := checkTOMLPath(path); err != nil {
		return nil, err
	}
	groups := d.groups(path)
	if len(groups) == 0 {
		return nil, inlineError(path[:len(path)-1])
	}
	var edits []edit
	for _, group := range groups {
		edits = append(edits, d.cut(group))
	}
	return edits, nil
}

// groups returns the runs of expressions at or below a path, as indexes.
func (d *tomlDocument) groups(path []string) []span {
	var groups []span
	for i, e := range d.expressions {
		if !hasPrefix(e.path, path) {
			continue
		}
		if last := len(groups) - 1; last >= 0 && groups[last].end == i {
			groups[last].end++
		} else {
			groups = append(groups, span{i, i + 1})
		}
	}
	return groups
}

// cut removes expressions with their lines, and one blank line before a header.
func (d *tomlDocument) cut(group span) edit {
	first := d.expressions[group.start]
	start, end := skipBlanksBack(d.text, first.start), d.expressions[group.end-1].end
	end = skipBlanks(d.text, end)
	if start == 0 {
		if i := bytes.IndexByte(d.text[end:], '\n'); i >= 0 {
			return edit{start: start, end: end + i + 1}
		}
		return edit{start: start, end: len(d.text)}
	}
	start = beforeLineEnd(d.text, start)
	if first.header && start > 0 && d.text[start-1] == '\n' {
		start = beforeLineEnd(d.text, start)
	}
	return edit{start: start, end: end}
}

func hasPrefix(path, prefix []string) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

// tomlWriter writes a table as its neighbours are written.
type tomlWriter struct {
	newline      string
	header, keys string // Indentation of headers and of keys.
	err          error
}

func (d *tomlDocument) writer(path []string) *tomlWriter {
	w := &tomlWriter{newline: newlineOf(d.text)}
	for i, e := range d.expressions {
		if e.header && len(e.path) == len(path) && hasPrefix(e.path, path[:len(path)-1]) {
			w.header, w.keys = indentAt(d.text, e.start), indentAt(d.text, e.start)
			if i+1 < len(d.expressions) && !d.expressions[i+1].header {
				w.keys = indentAt(d.text, d.expressions[i+1].start)
			}
		}
	}
	return w
}

// table returns a header and what follows it, without the last line end.
func (w *tomlWriter) table(path []string, value *node) string {
	return w.header + "[" + tomlKeys(path) + "]" + w.body(value)
}

// body returns what follows a header.
func (w *tomlWriter) body(value *node) string {
	var b strings.Builder
	for _, c := range value.children {
		b.WriteString(w.newline + w.keys + tomlKey(c.key) + " = " + w.inline(c.value))
	}
	return b.String()
}

func (w *tomlWriter) inline(n *node) string {
	parts := make([]string, len(n.children))
	for i, c := range n.children {
		parts[i] = w.inline(c.value)
		if n.kind == object {
			parts[i] = tomlKey(c.key) + " = " + parts[i]
		}
	}
	switch n.kind {
	case object:
		if len(parts) == 0 {
			return "{}"
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case list:
		return "[" + strings.Join(parts, ", ") + "]"
	case text:
		return quote(n.text)
	case null:
		w.err = errors.New("TOML has no null")
	}
	return n.text
}

var bareKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_-]+$`) })

func tomlKeys(path []string) string {
	keys := make([]string, len(path))
	for i, key := range path {
		keys[i] = tomlKey(key)
	}
	return strings.Join(keys, ".")
}

func tomlKey(key string) string {
	if bareKey().MatchString(key) {
		return key
	}
	return quote(key)
}
