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

// TestTimbrePages reads all pages of every Scope, for every digital human and with several
// page sizes, and compares them with the simulator's timbres.
func TestTimbrePages(t *testing.T) {
	t.Parallel()
	owners := map[string]bool{"": true, humanWithGesture: true} // Neither has private timbres.
	for _, timbre := range zegosim.DefaultTimbres() {
		owners[timbre.DigitalHumanID] = true
	}
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	timbresOf := func(owner string) (ids []string) {
		for _, timbre := range zegosim.DefaultTimbres() {
			if timbre.DigitalHumanID == owner {
				ids = append(ids, fmt.Sprint(timbre.ID, " ", owner == ""))
			}
		}
		return ids
	}
	for owner := range owners {
		for scope, want := range map[string][]string{
			"": append(timbresOf(owner), timbresOf("")...), "both": append(timbresOf(owner), timbresOf("")...), "public": timbresOf(""), "private": timbresOf(owner),
		} {
			if owner == "" {
				if scope == "both" || scope == "private" {
					continue
				}
				want = timbresOf("")
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
					page := s.mustCall(t, "list_timbres", string(text))
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
					t.Fatalf("owner %q, scope %q, limit %d (-want +got):\n%s", owner, scope, limit, diff)
				}
			}
		}
	}
	pastEnd := s.mustCall(t, "list_timbres", `{"Offset":1000000}`)
	if len(pastEnd["Timbres"].([]any)) != 0 || pastEnd["Total"] != 36.0 {
		t.Errorf("got %v", pastEnd)
	}
}
