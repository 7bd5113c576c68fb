package zegosim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

func TestMakeHumans(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(zegosim.DefaultHumans(), zegosim.MakeHumans(64)); diff != "" {
		t.Errorf("the first 64 (-default +made):\n%s", diff)
	}
	humans := zegosim.MakeHumans(10_000)
	ids, names := map[string]bool{}, map[string]bool{}
	for _, human := range humans {
		ids[human.ID], names[human.Name] = true, true
	}
	if len(ids) != len(humans) || len(names) != len(humans) {
		t.Errorf("%d digital humans have %d ids and %d names", len(humans), len(ids), len(names))
	}
	if got := humans[65].Name; got != "Sophia 2" {
		t.Errorf("got %q", got)
	}

	for _, count := range []int{0, 1} {
		ts := newTestServer(t, &zegosim.Server{Humans: zegosim.MakeHumans(count)})
		if got := string(ts.raw(list, `{}`)); !strings.Contains(got, fmt.Sprintf(`"Data":{"Total":%d,"DigitalHumans":[`, count)) {
			t.Errorf("%d digital humans: got %s", count, got)
		}
	}
}

// TestManyHumans reads all pages of 10,000 digital humans, and a picture of the last one. It
// runs alone, because it counts what is allocated.
func TestManyHumans(t *testing.T) {
	sim := &zegosim.Server{Humans: zegosim.MakeHumans(10_000)}
	ts := newTestServer(t, sim)
	ts.handler = sim
	sim.Now = nil
	walk := func(mode zego.FetchMode) (last human, count int) {
		for offset := 0; ; offset += 20 {
			var page envelope
			if err := json.Unmarshal(ts.raw(list, fmt.Sprintf(`{"FetchMode":%d,"Offset":%d}`, mode, offset)), &page); err != nil || page.Code != 0 {
				t.Fatalf("got %+v, %v", page, err)
			}
			if len(page.Data.DigitalHumans) == 0 {
				return last, count
			}
			count += len(page.Data.DigitalHumans)
			last = page.Data.DigitalHumans[len(page.Data.DigitalHumans)-1]
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	last, count := walk(zego.FetchAll)
	runtime.ReadMemStats(&after)
	if count != 10_000 || last.Name != "Olivia Hart 157" {
		t.Errorf("got %d, the last one %q", count, last.Name)
	}
	// The answers themselves are about 10 MB, encoded and decoded.
	if allocated := (after.TotalAlloc - before.TotalAlloc) >> 20; allocated > 150 {
		t.Errorf("one walk allocated %d MB", allocated)
	}
	if _, count := walk(zego.FetchPublic); count != 7500 {
		t.Errorf("got %d public ones", count)
	}
	if _, count := walk(zego.FetchPrivate); count != 2500 {
		t.Errorf("got %d private ones", count)
	}
	_, path, _ := strings.Cut(last.AvatarURL, "/avatars/")
	if resp, _, err := send(t, http.MethodGet, ts.base+"/avatars/"+path, ""); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("its picture: got %v, %v", resp, err)
	}
	if _, page, err := send(t, http.MethodGet, ts.base, ""); err != nil || !strings.Contains(string(page), "And 9800 more.") {
		t.Errorf("the page does not say how many it leaves out: %v", err)
	}
}
