package schema_test

import (
	"strings"
	"testing"
	"zego-mcp/schema"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, misspelt string
		names          []string
		want           string
	}{
		{"one edit", "Ofset", []string{"Limit", "Offset"}, "Offset"},
		{"two edits of five letters", "Lmi", []string{"Limit"}, "Limit"},
		{"two edits are half of four letters", "Ro", []string{"Room"}, ""},
		{"two letters too many", "Limitss", []string{"Limit"}, "Limit"},
		{"three edits", "Offset", []string{"Offsetter"}, ""},
		{"of equally near names the first", "Rate", []string{"Gate", "Late"}, "Gate"},
		{"a nearer name comes later", "Timbre", []string{"Timber", "Timbres"}, "Timbres"},
		{"case and separators", "room_id", []string{"RoomId"}, "RoomId"},
		{"too long", strings.Repeat("x", 1<<20), []string{"Limit"}, ""},
		{"no names", "Limit", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := schema.Nearest(tt.misspelt, tt.names); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestShownLength checks that errors show refused values of up to 60 characters whole.
func TestShownLength(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]string{60: strings.Repeat("知", 60) + `"`, 61: strings.Repeat("知", 60) + `…"`} {
		_, err := schema.Input[struct {
			Limit int `json:"Limit"`
		}]().Decode(map[string]any{"Limit": strings.Repeat("知", length)})
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%d characters: got %v, want the end %s", length, err, want)
		}
	}
}
