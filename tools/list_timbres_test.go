package tools_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

// TestTimbrePages walks over both lists with every page size, and compares with the
// lists themselves.
func TestTimbrePages(t *testing.T) {
	t.Parallel()
	owners := map[string]int{"": 0}
	for _, timbre := range zegosim.DefaultTimbres() {
		owners[timbre.DigitalHumanID]++
	}
	owners[waver] = 0 // One without private voices.
	s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	voices := func(owner string) (ids []string) {
		for _, timbre := range zegosim.DefaultTimbres() {
			if timbre.DigitalHumanID == owner {
				ids = append(ids, fmt.Sprint(timbre.ID, " ", owner == ""))
			}
		}
		return ids
	}
	for owner := range owners {
		for scope, want := range map[string][]string{
			"": append(voices(owner), voices("")...), "both": append(voices(owner), voices("")...), "public": voices(""), "private": voices(owner),
		} {
			if owner == "" {
				if scope == "both" || scope == "private" {
					continue
				}
				want = voices("")
			}
			for _, limit := range []int{1, 7, 19, 20} {
				got, offset := []string(nil), 0
				for range 100 {
					arguments := map[string]any{"Offset": offset, "Limit": limit}
					if owner != "" {
						arguments["DigitalHumanId"] = owner
					}
					if scope != "" {
						arguments["Scope"] = scope
					}
					text, _ := json.Marshal(arguments)
					page := s.do(t, "list_timbres", string(text))
					for _, timbre := range page["Timbres"].([]any) {
						got = append(got, fmt.Sprint(timbre.(map[string]any)["TimbreId"], " ", timbre.(map[string]any)["IsPublic"]))
					}
					if page["Total"] != float64(len(want)) {
						t.Fatalf("%s: Total %v, want %d", text, page["Total"], len(want))
					}
					next, more := page["NextOffset"].(float64)
					if !more {
						break
					}
					offset = int(next)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%q %q by %d: %s", owner, scope, limit, diff)
				}
			}
		}
	}
	past := s.do(t, "list_timbres", `{"Offset":1000000}`)
	if len(past["Timbres"].([]any)) != 0 || past["Total"] != 36.0 {
		t.Errorf("got %v", past)
	}
}
