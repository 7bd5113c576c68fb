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

// nobody looks like the id of a digital human, but is none.
const nobody = "00000000-0000-4000-8000-000000000000"

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

// TestFindTimbres searches the public timbres, and those of one digital human.
func TestFindTimbres(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	owner := ""
	for _, timbre := range zegosim.DefaultTimbres() {
		if timbre.Name == "苏晴 温柔" {
			owner = timbre.DigitalHumanID
		}
	}
	const noVoice = " ZEGO tells only names and ids, and describes no voice (language, gender, mood): to choose by name, call list_timbres without Query."
	for _, tt := range []struct {
		arguments string
		names     []string
		total     float64
		next      any
		advice    any
	}{
		{`{"Query":"ava"}`, []string{"Warm Female - Ava"}, 1, nil, nil},
		{`{"Query":"female japanese"}`, []string{"Japanese Female - Aoi"}, 1, nil, nil},
		{`{"Query":"LUCIA"}`, []string{"Spanish Female - Lucía"}, 1, nil, nil},
		{`{"Query":"xiaorou"}`, []string{"温柔女声 小柔"}, 1, nil, nil},
		{`{"Query":"wenrou","DigitalHumanId":"` + owner + `"}`, []string{"温柔女声 小柔", "苏晴 温柔"}, 2, nil, nil},
		{`{"Query":"wenrou","DigitalHumanId":"` + owner + `","Scope":"private"}`, []string{"苏晴 温柔"}, 1, nil, nil},
		{`{"Query":"male","Limit":2,"Offset":1}`, []string{"Energetic Male - Diego", "British Male - Rupert"}, 10, 3.0, nil},
		{`{"Query":"ava","Offset":5}`, []string{}, 1, nil, nil},
		{`{"Query":"naomy"}`, []string{}, 0, nil, `No match. Did you mean "Support Agent - Naomi"?` + noVoice},
		{`{"Query":".*"}`, []string{}, 0, nil, "No match." + noVoice},
	} {
		result := s.mustCall(t, "list_timbres", tt.arguments)
		names := []string{}
		for _, timbre := range result["Timbres"].([]any) {
			names = append(names, timbre.(map[string]any)["Name"].(string))
		}
		if diff := cmp.Diff(tt.names, names); diff != "" || result["Total"] != tt.total || result["NextOffset"] != tt.next || result["Advice"] != tt.advice {
			t.Errorf("%s: got %v (-want +got):\n%s", tt.arguments, result, diff)
		}
	}
	for _, query := range []string{"", `,"Query":"ava"`} {
		brief := s.mustCall(t, "list_timbres", `{"Limit":1`+query+`}`)
		full := s.mustCall(t, "list_timbres", `{"Limit":1,"Detail":"full"`+query+`}`)
		briefTimbre, fullTimbre := brief["Timbres"].([]any)[0].(map[string]any), full["Timbres"].([]any)[0].(map[string]any)
		if len(briefTimbre) != 3 || brief["AvatarUrlsExpireAt"] != nil || fullTimbre["AvatarUrl"] == nil || full["AvatarUrlsExpireAt"] == nil {
			t.Errorf("brief %v, full %v", brief, full)
		}
	}
	s.mustFail(t, "list_timbres", `{"Query":"ava","DigitalHumanId":"`+nobody+`"}`, "400000003")
	for arguments, want := range map[string]string{
		`{"Query":""}`:   "Query must have 1 to 200 characters, got 0",
		`{"Detail":"x"}`: `Detail must be one of "brief", "full", got "x"`,
		`{"Limit":21}`:   "Limit must be an integer from 1 to 20, got 21",
	} {
		s.mustFail(t, "list_timbres", arguments, want)
	}
}
