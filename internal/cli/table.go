package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// writeTable shows the result of a tool to a person: lists of objects as tables of at
// most width columns (0: any number), then the other fields, one in a line. Tables leave
// out URLs, which would fill the line.
func writeTable(w io.Writer, result []byte, width int) error {
	dec := json.NewDecoder(bytes.NewReader(result))
	dec.UseNumber()
	value, err := decodeOrdered(dec)
	if err != nil {
		return fmt.Errorf("the result is not JSON: %w", err)
	}
	root, ok := value.(object)
	if !ok {
		return errors.New("the result is not a JSON object")
	}
	var out strings.Builder
	var names, values []string
	for _, m := range root {
		list, isList := m.value.([]any)
		if rows, ok := asObjects(list); ok {
			writeRows(&out, rows, width)
			continue
		}
		text := cell(m.value)
		if isList && len(list) == 0 {
			text = "none"
		}
		names, values = append(names, m.name), append(values, text)
	}
	writeFields(&out, names, values)
	_, err = io.WriteString(w, out.String())
	return err
}

// asObjects returns the items of list if it has any and all of them are objects.
func asObjects(list []any) (objects []object, ok bool) {
	for _, item := range list {
		o, ok := item.(object)
		if !ok {
			return nil, false
		}
		objects = append(objects, o)
	}
	return objects, len(objects) > 0
}

// writeRows shows objects as a table or, if that gets too wide, the fields of each below
// each other.
func writeRows(out *strings.Builder, objects []object, width int) {
	names := columnNames(objects)
	rows := make([][]string, len(objects))
	for i, o := range objects {
		rows[i] = make([]string, len(names))
		for _, m := range o {
			if column := slices.Index(names, m.name); column >= 0 {
				rows[i][column] = cell(m.value)
			}
		}
	}
	lines := append([][]string{names}, rows...)
	widths := columnWidths(lines, width)
	for i, name := range names {
		if widths[i] < runewidth.StringWidth(name) {
			for _, row := range rows {
				writeFields(out, names, row)
				out.WriteString("\n")
			}
			return
		}
	}
	for _, texts := range lines {
		var line strings.Builder
		for i, text := range texts {
			line.WriteString(runewidth.FillRight(runewidth.Truncate(text, widths[i], "…"), widths[i]) + "  ")
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	out.WriteString("\n")
}

// columnNames returns the names of all fields that the objects have, in the order in
// which they first appear, without those of URLs.
func columnNames(objects []object) []string {
	var names []string
	for _, o := range objects {
		for _, m := range o {
			if !slices.Contains(names, m.name) && !strings.HasSuffix(m.name, "Url") {
				names = append(names, m.name)
			}
		}
	}
	return names
}

// columnWidths returns the width of each column, such that the lines fit into width if
// that is possible (0: any width fits). The widest column is cut first, but a column of
// ids never: half an id is of no use. The first line holds the names.
func columnWidths(lines [][]string, width int) []int {
	const gap, minWidth = 2, 6
	widths := make([]int, len(lines[0]))
	total := -gap
	for i := range widths {
		for _, texts := range lines {
			widths[i] = max(widths[i], runewidth.StringWidth(texts[i]))
		}
		total += widths[i] + gap
	}
	for ; width > 0 && total > width; total-- {
		widest := -1
		for i, name := range lines[0] {
			if !strings.HasSuffix(name, "Id") && widths[i] > minWidth && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// writeFields writes a line for each name and its value.
func writeFields(out *strings.Builder, names, values []string) {
	nameWidth := 0
	for _, name := range names {
		nameWidth = max(nameWidth, runewidth.StringWidth(name))
	}
	for i, name := range names {
		fmt.Fprintf(out, "%s  %s\n", runewidth.FillRight(name, nameWidth), values[i])
	}
}

// cell writes a value as text of one line. Of an object it takes the first text, which
// is its name or id.
func cell(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case bool:
		if value {
			return "yes"
		}
		return "no"
	case string:
		return oneLine(value)
	case []any:
		texts := make([]string, len(value))
		for i, item := range value {
			texts[i] = cell(item)
		}
		return strings.Join(texts, ", ")
	case object:
		for _, m := range value {
			if text, ok := m.value.(string); ok {
				return oneLine(text)
			}
		}
		return ""
	}
	return fmt.Sprint(value)
}
