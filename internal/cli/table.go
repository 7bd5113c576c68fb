package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"
)

// field is one member of a JSON object. Results are shown in their own order,
// which a Go map loses.
type field struct {
	name  string
	value any // object, []any, string, json.Number, bool or nil
}

type object []field

// writeTable shows the result of a tool to a person: the list in it as a table
// that fits width (0: any), and its other fields below. Fields of the list that
// hold URLs are left out: they would fill the line.
func writeTable(w io.Writer, result []byte, width int) error {
	dec := json.NewDecoder(bytes.NewReader(result))
	dec.UseNumber()
	value, err := decodeOrdered(dec)
	if err != nil {
		return fmt.Errorf("the result is not JSON: %w", err)
	}
	root, ok := value.(object)
	if !ok {
		return errors.New("the result is no JSON object")
	}
	var rest [][]string
	for _, f := range root {
		if rows, ok := f.value.([]any); ok && isTable(rows) {
			writeRows(w, rows, width)
			continue
		}
		text := cell(f.value)
		if rows, ok := f.value.([]any); ok && len(rows) == 0 {
			text = "none"
		}
		rest = append(rest, []string{f.name, text})
	}
	nameWidth := 0
	for _, pair := range rest {
		nameWidth = max(nameWidth, runewidth.StringWidth(pair[0]))
	}
	for _, pair := range rest {
		if _, err := fmt.Fprintf(w, "%s  %s\n", runewidth.FillRight(pair[0], nameWidth), pair[1]); err != nil {
			return err
		}
	}
	return nil
}

// isTable reports whether list is made of objects.
func isTable(list []any) bool {
	for _, item := range list {
		if _, ok := item.(object); !ok {
			return false
		}
	}
	return len(list) > 0
}

func writeRows(w io.Writer, list []any, width int) {
	var head []string
	at := map[string]int{}
	for _, item := range list {
		for _, f := range item.(object) {
			if _, seen := at[f.name]; !seen && !strings.HasSuffix(f.name, "Url") {
				at[f.name] = len(head)
				head = append(head, f.name)
			}
		}
	}
	rows := [][]string{head}
	for _, item := range list {
		row := make([]string, len(head))
		for _, f := range item.(object) {
			if i, ok := at[f.name]; ok {
				row[i] = cell(f.value)
			}
		}
		rows = append(rows, row)
	}
	widths := fit(rows, width)
	for i, name := range head {
		if widths[i] < runewidth.StringWidth(name) {
			writeRecords(w, rows)
			return
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, text := range row {
			text = runewidth.Truncate(text, widths[i], "…")
			line.WriteString(runewidth.FillRight(text, widths[i]) + "  ")
		}
		_, _ = fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
	_, _ = fmt.Fprintln(w)
}

// writeRecords shows rows, whose first one holds the names, below each other: they
// are too wide for a table.
func writeRecords(w io.Writer, rows [][]string) {
	longest := 0
	for _, name := range rows[0] {
		longest = max(longest, runewidth.StringWidth(name))
	}
	for _, row := range rows[1:] {
		for i, text := range row {
			_, _ = fmt.Fprintf(w, "%s  %s\n", runewidth.FillRight(rows[0][i], longest), text)
		}
		_, _ = fmt.Fprintln(w)
	}
}

// fit returns the width of each column. The widest give way first, but never ids:
// half an id is of no use.
func fit(rows [][]string, width int) []int {
	const gap, least = 2, 6
	widths := make([]int, len(rows[0]))
	total := -gap
	for i := range widths {
		for _, row := range rows {
			widths[i] = max(widths[i], runewidth.StringWidth(row[i]))
		}
		total += widths[i] + gap
	}
	for width > 0 && total > width {
		widest := -1
		for i, name := range rows[0] {
			if !strings.HasSuffix(name, "Id") && widths[i] > least && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// cell writes a value into one line. Of the objects in a list it shows the first
// text, which is their name or id.
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
		return printable(value)
	case []any:
		texts := make([]string, len(value))
		for i, item := range value {
			texts[i] = cell(item)
		}
		return strings.Join(texts, ", ")
	case object:
		for _, f := range value {
			if text, ok := f.value.(string); ok {
				return printable(text)
			}
		}
		return ""
	}
	return fmt.Sprint(value)
}

// printable keeps names from the network from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}

// decodeOrdered decodes one JSON value, objects in the order they are written.
func decodeOrdered(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		o := object{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := decodeOrdered(dec)
			if err != nil {
				return nil, err
			}
			o = append(o, field{fmt.Sprint(name), value})
		}
		_, err := dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			value, err := decodeOrdered(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
}
