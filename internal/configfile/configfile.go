// Package configfile changes one entry of a client's configuration file, in JSON, TOML or
// YAML, and keeps every other byte of the file.
package configfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Format is the notation of a configuration file.
type Format int

// The formats.
const (
	JSON Format = iota // JSON, with or without comments and trailing commas.
	TOML               // TOML 1.0.
	YAML               // YAML with one document in the file.
)

// String returns the name of the format.
func (f Format) String() string {
	switch f {
	case JSON:
		return "JSON"
	case TOML:
		return "TOML"
	case YAML:
		return "YAML"
	}
	return fmt.Sprintf("Format(%d)", int(f))
}

// SyntaxError says why data is not in its format, and where. Line and Column count from 1;
// Column counts bytes or characters, as the parser of the format does, and is 0 if only the
// line is known.
type SyntaxError struct {
	Format       Format
	Line, Column int
	Message      string
}

// Error returns one line that names the place.
func (e *SyntaxError) Error() string {
	place := fmt.Sprintf("line %d", e.Line)
	if e.Column > 0 {
		place += fmt.Sprintf(", column %d", e.Column)
	}
	return fmt.Sprintf("%s: this is not valid %s: %s", place, e.Format, e.Message)
}

// Get returns the value at path as JSON. found is false if there is none.
//
// A step of the path is the key of an object, or [name=zego] for the item of a list whose
// member name is zego. A key may have dots in it. It is an error if data cannot be parsed,
// if a step leads into a value of another type, or if the value is larger than 16 MB.
func Get(format Format, data []byte, path ...string) (value json.RawMessage, found bool, err error) {
	d, err := parse(format, data)
	if err != nil {
		return nil, false, err
	}
	n, rest, err := d.root().walk(path)
	if err != nil || len(rest) > 0 || n == nil {
		return nil, false, err
	}
	value, err = n.json()
	return value, err == nil, err
}

// Set returns data with value at path, see Get. A value that is there already is replaced in
// place; another is added behind the other members of its parent. Missing parents are made;
// null counts as missing. Set changes nothing if path has the same value already, with its
// keys in the same order. On an error the result is nil.
func Set(format Format, data []byte, value json.RawMessage, path ...string) ([]byte, error) {
	if len(path) == 0 {
		return nil, errors.New("the path is empty")
	}
	d, err := parse(format, data)
	if err != nil {
		return nil, err
	}
	entry, err := parseValue(value)
	if err != nil {
		return nil, err
	}
	if _, _, err := d.root().walk(path); err != nil {
		return nil, err
	}
	want, err := d.root().with(path, entry)
	if err != nil {
		return nil, err
	}
	if same(want, d.root()) {
		return data, nil
	}
	edits, err := d.set(entry, path)
	if err != nil {
		return nil, err
	}
	return checked(format, data, edits, want)
}

// Delete returns data without the value at path, see Get. Its parents stay, even if they
// become empty; only a TOML table that no header names goes with its last entry. Delete
// changes nothing if there is no value at path. On an error the result is nil.
//
// If Set added a value to a parent that was there before, Delete brings back the same bytes.
func Delete(format Format, data []byte, path ...string) ([]byte, error) {
	if len(path) == 0 {
		return nil, errors.New("the path is empty")
	}
	d, err := parse(format, data)
	if err != nil {
		return nil, err
	}
	if _, rest, err := d.root().walk(path); err != nil || len(rest) > 0 {
		return data, err
	}
	edits, err := d.remove(path)
	if err != nil {
		return nil, err
	}
	return checked(format, data, edits, d.root().without(path))
}

// document is a parsed file. Its edits refer to the text behind a byte order mark.
type document interface {
	root() *node
	set(value *node, path []string) ([]edit, error)
	remove(path []string) ([]edit, error)
}

const byteOrderMark = "\xef\xbb\xbf"

// maxDepth is how deeply objects and lists may be nested.
const maxDepth = 1000

// parse reads a file. A file of nothing but comments is an empty object.
func parse(format Format, data []byte) (document, error) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) ||
		len(data) > 1 && (data[0] == 0 || data[1] == 0) {
		return nil, &SyntaxError{format, 1, 1, "the file is in UTF-16. What to do: save it as UTF-8 in your editor"}
	}
	text := bytes.TrimPrefix(data, []byte(byteOrderMark))
	if !utf8.Valid(text) {
		line, column := position(text, firstInvalid(text))
		return nil, &SyntaxError{format, line, column, "the file is not in UTF-8. What to do: save it as UTF-8 in your editor"}
	}
	switch format {
	case JSON:
		return parseJSON(text)
	case TOML:
		return parseTOML(text)
	case YAML:
		return parseYAML(text)
	}
	return nil, fmt.Errorf("unknown format %v", format)
}

// firstInvalid returns the offset of the first byte that is not UTF-8.
func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return len(text)
}

// position returns the line and column of an offset, both from 1. The column counts bytes.
func position(text []byte, offset int) (line, column int) {
	before := text[:offset]
	return bytes.Count(before, []byte("\n")) + 1, offset - bytes.LastIndexByte(before, '\n')
}

// edit replaces the bytes from start to end by text.
type edit struct {
	start, end int
	text       string
}

// checked carries out the edits, which are in the order of their offsets, and makes sure
// that the file then holds what it should.
func checked(format Format, data []byte, edits []edit, want *node) ([]byte, error) {
	bom := len(data) - len(bytes.TrimPrefix(data, []byte(byteOrderMark)))
	out := bytes.Clone(data[:bom])
	at := bom
	for _, e := range edits {
		out = append(append(out, data[at:bom+e.start]...), e.text...)
		at = bom + e.end
	}
	out = append(out, data[at:]...)
	got, err := parse(format, out)
	if err == nil && !same(got.root(), want) {
		err = errors.New("other settings of the file would change with it")
	}
	if err != nil {
		return nil, fmt.Errorf("this entry cannot be changed where it stands: %w. What to do: change it by hand", err)
	}
	return out, nil
}

// newlineOf returns the line ends that a text uses.
func newlineOf(text []byte) string {
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// skipBlanks returns the offset of the first byte from at on that is no space or tab.
func skipBlanks(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\t') {
		at++
	}
	return at
}

// skipBlanksBack returns the offset behind the last byte before at that is no space or tab.
func skipBlanksBack(text []byte, at int) int {
	for at > 0 && (text[at-1] == ' ' || text[at-1] == '\t') {
		at--
	}
	return at
}

// atLineEnd reports whether a line ends at an offset.
func atLineEnd(text []byte, at int) bool {
	return at == len(text) || text[at] == '\n' || text[at] == '\r' && at+1 < len(text) && text[at+1] == '\n'
}

// beforeLineEnd returns the offset of the line end whose last byte is before at.
func beforeLineEnd(text []byte, at int) int {
	if at > 0 && text[at-1] == '\n' {
		at--
	}
	if at > 0 && text[at-1] == '\r' {
		at--
	}
	return at
}

// indentAt returns the blanks at the beginning of the line that holds an offset.
func indentAt(text []byte, at int) string {
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	return string(text[start:min(at, skipBlanks(text, start))])
}

// beginsLine reports whether only blanks stand before an offset on its line.
func beginsLine(text []byte, at int) bool {
	start := skipBlanksBack(text, at)
	return start > 0 && text[start-1] == '\n'
}

// pathName is the path as an error shows it.
func pathName(path []string) string {
	if len(path) == 0 {
		return "the whole file"
	}
	return strings.Join(path, " → ")
}
