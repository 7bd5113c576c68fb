package redisshare_test

import (
	"fmt"
	"testing"
	"zego-mcp/internal/redisshare/redistest"
)

// TestSpeechNotes checks that notes about a task come back in their order, that only the
// latest are kept, and that a Redis which does not answer is an error.
func TestSpeechNotes(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	first, _ := open(t, "redis://"+redis.Address)
	second, _ := open(t, "redis://"+redis.Address)
	for i := range 510 {
		if err := first.Speech().Append(t.Context(), "task", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	notes, err := second.Speech().Notes(t.Context(), "task")
	if err != nil || len(notes) != 500 || string(notes[0]) != "10" || string(notes[499]) != "509" {
		t.Errorf("got %d notes, %v", len(notes), err)
	}
	if notes, err := second.Speech().Notes(t.Context(), "another"); err != nil || len(notes) != 0 {
		t.Errorf("got %s, %v", notes, err)
	}
	gone, _ := open(t, "redis://127.0.0.1:1")
	for range 2 { // The second time Redis is not even asked.
		if _, err := gone.Speech().Notes(t.Context(), "task"); err == nil {
			t.Error("got notes of a Redis that is gone")
		}
		if err := gone.Speech().Append(t.Context(), "task", nil); err == nil {
			t.Error("appended to a Redis that is gone")
		}
	}
}
