package configfile

import "bytes"

// container is an object or a list of a text, in brackets.
type container struct {
	text        []byte
	open, close int    // Offsets of the brackets.
	items       []span // From the key of a member, or an item, to the end of its value.
}

type span struct{ start, end int }

// style is how the text around a new member is written.
type style struct {
	newline string // Line ends.
	unit    string // One level of indentation.
	blank   string // What stands behind a comma on the same line: "" or " ".
	flat    bool   // Whether the whole text stands on one line.
}

// insert adds a member behind the others. write returns it for a place on a line of its own
// with an indentation, or within a line (flat).
func (c container) insert(s style, write func(indent string, flat bool) string) []edit {
	if len(c.items) == 0 {
		return c.insertFirst(s, write)
	}
	last := c.items[len(c.items)-1]
	comma := c.commaBehind(len(c.items) - 1)
	trailing := comma >= 0
	if !beginsLine(c.text, last.start) {
		blank := c.blankBefore(last.start, s.blank)
		if trailing {
			return []edit{{comma + 1, comma + 1, blank + write("", true) + ","}}
		}
		return []edit{{last.end, last.end, "," + blank + write("", true)}}
	}
	indent := indentAt(c.text, last.start)
	line := s.newline + indent + write(indent, false)
	if trailing {
		at := c.lineEnd(comma + 1)
		return []edit{{at, at, line + ","}}
	}
	at := c.lineEnd(last.end)
	return []edit{{last.end, last.end, ","}, {at, at, line}}
}

// insertFirst adds the first member. What was in the brackets stays before it, so that
// removing the member brings it back.
func (c container) insertFirst(s style, write func(indent string, flat bool) string) []edit {
	if s.flat {
		return []edit{{c.close, c.close, write("", true)}}
	}
	at, indent, last := c.close, indentAt(c.text, c.open), ""
	if beginsLine(c.text, c.close) && c.hasLineBreak(c.open) {
		indent = indentAt(c.text, c.close)
		at -= len(indent)
	} else {
		last = indent
	}
	return []edit{{at, at, s.newline + indent + s.unit + write(indent+s.unit, false) + s.newline + last}}
}

// hasLineBreak reports whether a line ends between an offset and the closing bracket.
func (c container) hasLineBreak(from int) bool {
	return bytes.IndexByte(c.text[from:c.close], '\n') >= 0
}

// remove takes a member out, with its line and with its comma.
func (c container) remove(i int) []edit {
	item := c.items[i]
	if len(c.items) == 1 {
		return c.removeOnly()
	}
	comma := c.commaBehind(i)
	if comma < 0 {
		return c.removeLast()
	}
	cut := []edit{{start: item.start, end: item.end}}
	if skipBlanks(c.text, item.end) == comma {
		cut[0].end = comma + 1
	} else {
		cut = append(cut, edit{start: comma, end: comma + 1})
	}
	first, last := &cut[0], &cut[len(cut)-1]
	next := skipBlanks(c.text, last.end)
	switch {
	case !beginsLine(c.text, item.start) && i == len(c.items)-1:
		first.start = skipBlanksBack(c.text, item.start)
	case beginsLine(c.text, item.start) && len(cut) == 1 && (atLineEnd(c.text, next) || next == c.close):
		first.start = beforeLineEnd(c.text, skipBlanksBack(c.text, item.start))
		if next != c.close {
			last.end = next
		}
	case !atLineEnd(c.text, next):
		last.end = next
	}
	return cut
}

// removeLast removes the last of several members, which has no comma behind it.
func (c container) removeLast() []edit {
	last := len(c.items) - 1
	item, comma := c.items[last], c.commaBehind(last-1)
	if !beginsLine(c.text, item.start) {
		if skipBlanksBack(c.text, item.start) == comma+1 {
			return []edit{{start: comma, end: item.end}}
		}
		return []edit{{start: comma, end: comma + 1}, {start: item.start, end: item.end}}
	}
	start, end := beforeLineEnd(c.text, skipBlanksBack(c.text, item.start)), item.end
	switch next := skipBlanks(c.text, end); {
	case next == c.close:
	case atLineEnd(c.text, next):
		end = next
	default: // A comment follows on the same line, and stays there.
		start, end = item.start, next
	}
	if comma >= start { // The comma begins the line: it is cut with the member.
		return []edit{{start: comma, end: comma + 1}, {start: item.start, end: end}}
	}
	return []edit{{start: comma, end: comma + 1}, {start: start, end: end}}
}

// removeOnly removes the only member, so that the brackets hold what they held before
// insertFirst.
func (c container) removeOnly() []edit {
	item, end := c.items[0], c.items[0].end
	if comma := c.commaBehind(0); comma >= 0 {
		if skipBlanks(c.text, end) != comma {
			return []edit{{start: item.start, end: end}, {start: comma, end: comma + 1}}
		}
		end = comma + 1
	}
	if !beginsLine(c.text, item.start) {
		return []edit{{start: item.start, end: end}}
	}
	start := beforeLineEnd(c.text, skipBlanksBack(c.text, item.start))
	behind := c.text[end:c.close]
	inComment := c.endsInLineComment(start)
	if inComment && bytes.IndexByte(behind, '\n') < 0 { // The line end ends the comment.
		return []edit{{start: item.start, end: end}}
	}
	if len(bytes.TrimSpace(behind)) > 0 || bytes.IndexByte(behind, '\n') < 0 || inComment {
		return []edit{{start: start, end: end}}
	}
	if before := c.text[c.open+1 : start]; len(before) > 0 && before[len(before)-1] == '\n' {
		return []edit{{start: start, end: c.close - len(indentAt(c.text, c.close))}}
	}
	return []edit{{start: start, end: c.close}}
}

// endsInLineComment reports whether a comment that goes to the end of its line stands
// between the opening bracket and at, which is a line end.
func (c container) endsInLineComment(at int) bool {
	for i := c.open + 1; i < at; {
		end := skipComment(c.text, i)
		if end >= at && !bytes.HasPrefix(c.text[i:], []byte("/*")) {
			return end > i
		}
		i = max(end, i+1)
	}
	return false
}

// commaBehind returns the offset of the comma behind an item, or -1.
func (c container) commaBehind(i int) int {
	end := c.close
	if i+1 < len(c.items) {
		end = c.items[i+1].start
	}
	for at := c.items[i].end; at < end; {
		if c.text[at] == ',' {
			return at
		}
		at = max(skipComment(c.text, at), at+1)
	}
	return -1
}

// lineEnd returns where the line of an offset ends, behind the comments on it. If the
// closing bracket stands on the same line, it returns the end of the last comment before it,
// or the offset itself.
func (c container) lineEnd(at int) int {
	for i := at; i < c.close; {
		if atLineEnd(c.text, i) {
			return i
		}
		end := skipComment(c.text, i)
		if end > i {
			at = end
		}
		i = max(end, i+1)
	}
	return at
}

// blankBefore returns what stands between a comma and the member behind it, which begins at
// an offset. It is otherwise if there is no comma, or something else between them.
func (c container) blankBefore(at int, otherwise string) string {
	start := skipBlanksBack(c.text, at)
	if start > 0 && c.text[start-1] == ',' {
		return string(c.text[start:at])
	}
	return otherwise
}

// skipComment returns the end of the comment that begins at an offset, or the offset if
// none does. The line end behind a comment is not part of it.
func skipComment(text []byte, at int) int {
	rest := text[at:]
	switch {
	case bytes.HasPrefix(rest, []byte("/*")):
		if i := bytes.Index(rest[2:], []byte("*/")); i >= 0 {
			return at + 2 + i + 2
		}
		return len(text)
	case bytes.HasPrefix(rest, []byte("//")), bytes.HasPrefix(rest, []byte("#")):
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			return len(text)
		}
		return beforeLineEnd(text, at+i+1)
	}
	return at
}
