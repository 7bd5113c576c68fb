package tools_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// effects says what each tool changes. It is written by hand, and -update does not rewrite
// it, so that nobody changes the hints for agents by mistake.
var effects = map[string]string{
	"create_stream_task":     "additive",
	"create_viewer_link":     "read-only",
	"do_action":              "additive",
	"drive_by_audio":         "additive",
	"drive_by_audio_file":    "additive",
	"drive_by_rtc_stream":    "additive",
	"drive_by_text":          "additive",
	"find_digital_humans":    "read-only",
	"get_digital_human":      "read-only",
	"get_stream_task":        "read-only",
	"interrupt_drive":        "destructive",
	"list_digital_humans":    "read-only",
	"list_stream_tasks":      "read-only",
	"list_timbres":           "read-only",
	"preview_digital_humans": "read-only",
	"watch_stream_task":      "read-only",
	"stop_stream_task":       "destructive",
}

func TestEffects(t *testing.T) {
	t.Parallel()
	hints := map[string][4]bool{ // readOnly, destructive, idempotent, openWorld
		"read-only":   {true, false, true, true},
		"additive":    {false, false, false, true},
		"destructive": {false, true, true, true},
	}
	got, want := map[string][4]bool{}, map[string][4]bool{}
	for _, tool := range toolDefinitions(t, allToolsets) {
		a := tool.Annotations
		got[tool.Name] = [4]bool{*a.ReadOnlyHint, *a.DestructiveHint, *a.IdempotentHint, *a.OpenWorldHint}
	}
	for name, effect := range effects {
		want[name] = hints[effect]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hints of the tools; a new tool needs a line in effects (-want +got):\n%s", diff)
	}
}
