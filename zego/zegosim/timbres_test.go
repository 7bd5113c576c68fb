package zegosim_test

import (
	"bytes"
	"fmt"
	"image/png"
	"net/http"
	"strings"
	"testing"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
)

func TestTimbreParameters(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{})
	for _, tt := range []struct {
		body     string
		want     zego.Code
		mentions string
	}{
		{``, 0, ""},
		{`{"DigitalHumanId":""}`, 0, ""},
		{`{"DigitalHumanId":"` + publicID + `","Offset":1000000,"Limit":1}`, 0, ""},
		{`{"DigitalHumanId":"nobody"}`, zego.CodeDigitalHumanNotFound, `"nobody"`},
		{`{"DigitalHumanId":"nobody","Limit":0}`, invalid, "Limit"},
		{`{"DigitalHumanId":7}`, invalid, "DigitalHumanId must be a string"},
		{`{"Offset":-1}`, invalid, "Offset"},
		{`{"Offset":1000001}`, invalid, "Offset"},
		{`{"Limit":0}`, invalid, "Limit must be between 1 and 20, got 0"},
		{`{"Limit":21}`, invalid, "Limit"},
	} {
		if got := ts.call(timbres, tt.body); got.Code != tt.want || !strings.Contains(got.Message, tt.mentions) {
			t.Errorf("%s: got %d %q, want %d with %q", tt.body, got.Code, got.Message, tt.want, tt.mentions)
		}
	}
}

// TestTimbrePaging reads the public timbres and those of each digital human, in pages
// of 7.
func TestTimbrePaging(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{})
	seen := make(map[string]bool)
	count := func(humanID string) int {
		n := 0
		for {
			page := ts.mustCall(timbres, fmt.Sprintf(`{"DigitalHumanId":%q,"Offset":%d,"Limit":7}`, humanID, n))
			if page.Timbres == nil || len(page.Timbres) != min(7, page.Total-n) {
				t.Fatalf("%q, offset %d: got %d timbres (nil: %t) of %d", humanID, n, len(page.Timbres), page.Timbres == nil, page.Total)
			}
			for _, timbre := range page.Timbres {
				if seen[timbre.TimbreID] || timbre.Name == "" {
					t.Errorf("%+v is listed twice, or has no name", timbre)
				}
				seen[timbre.TimbreID] = true
			}
			if len(page.Timbres) == 0 {
				return n
			}
			n += len(page.Timbres)
		}
	}
	if got := count(""); got != 36 {
		t.Errorf("got %d public ones, want 36", got)
	}
	sizes := make(map[int]int)
	for _, human := range zegosim.DefaultHumans() {
		n := count(human.ID)
		if human.IsPublic && n > 0 {
			t.Errorf("%s is public and has private timbres", human.Name)
		}
		if !human.IsPublic {
			sizes[n]++
		}
	}
	if diff := cmp.Diff(map[int]int{0: 10, 2: 3, 3: 2, 23: 1}, sizes); diff != "" {
		t.Errorf("private digital humans by their number of timbres (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(zegosim.DefaultTimbres(), zegosim.DefaultTimbres()); diff != "" {
		t.Errorf("DefaultTimbres changes:\n%s", diff)
	}
}

func TestTimbrePictures(t *testing.T) {
	t.Parallel()
	ts := newTestServer(t, &zegosim.Server{})
	picture := ts.mustCall(timbres, `{"Limit":1}`).Timbres[0].AvatarURL
	resp, raw, err := send(t, http.MethodGet, picture, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(raw)); err != nil || resp.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%s: %v, %s", picture, err, resp.Header.Get("Content-Type"))
	}
}
