package tools_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// previewed is the answer of preview_digital_humans.
type previewed struct {
	Faces []struct {
		Number                          int
		DigitalHumanID, Name, NoPicture string
	}
	NextOffset *int
	Matches    int
	Advice     string
}

// callWithPicture calls a tool whose result has a picture, and returns its text and its picture.
// It fails the test if there is structured content.
func callWithPicture(t *testing.T, s *server.MCPServer, tool, arguments string) (text string, picture []byte) {
	t.Helper()
	result := callTool(t.Context(), t, s, tool, arguments)
	if result.IsError || len(result.Content) != 2 || result.StructuredContent != nil {
		t.Fatalf("%s %s: got %+v", tool, arguments, result)
	}
	content := result.Content[1].(mcp.ImageContent)
	picture, err := base64.StdEncoding.DecodeString(content.Data)
	if err != nil || content.MIMEType != "image/jpeg" {
		t.Fatalf("got a picture of type %s: %v", content.MIMEType, err)
	}
	return result.Content[0].(mcp.TextContent).Text, picture
}

func preview(t *testing.T, s *server.MCPServer, arguments string) (out previewed) {
	t.Helper()
	text, picture := callWithPicture(t, s, "preview_digital_humans", arguments)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	if _, err := jpeg.DecodeConfig(bytes.NewReader(picture)); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPreview(t *testing.T) {
	t.Parallel()
	humans := zegosim.DefaultHumans()
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{})
	for _, tt := range []struct {
		arguments string
		faces     int
		first     string
		next      int
		matches   int
	}{
		{``, 20, humans[0].ID, 20, 64},
		{`{"Offset":60}`, 4, humans[60].ID, 0, 64},
		{`{"Query":"claire"}`, 1, humans[51].ID, 0, 1},
		{`{"FetchMode":3,"Limit":2,"Offset":1}`, 2, humans[7].ID, 3, 16},
		{fmt.Sprintf(`{"DigitalHumanIds":[%q,%q]}`, humans[5].ID, humans[2].ID), 2, humans[5].ID, 0, 2},
	} {
		got := preview(t, s, tt.arguments)
		next := 0
		if got.NextOffset != nil {
			next = *got.NextOffset
		}
		if len(got.Faces) != tt.faces || next != tt.next || got.Matches != tt.matches || got.Faces[0].DigitalHumanID != tt.first {
			t.Errorf("%s: got %+v", tt.arguments, got)
		}
		for i, face := range got.Faces {
			if face.Number != i+1 || face.Name == "" || face.NoPicture != "" {
				t.Errorf("%s: got %+v", tt.arguments, face)
			}
		}
	}
	nobody := textOf(t, callTool(t.Context(), t, s, "preview_digital_humans", `{"Query":"claira"}`))
	if !strings.Contains(nobody, `Did you mean \"News Anchor Claire\"?`) || !strings.Contains(nobody, "look at the faces") {
		t.Errorf("got %s", nobody)
	}
	past := textOf(t, callTool(t.Context(), t, s, "preview_digital_humans", `{"Offset":1000}`))
	if !strings.HasPrefix(past, `{"Faces":[],`) {
		t.Errorf("got %s", past)
	}
}

func TestPreviewRefused(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{})
	for arguments, want := range map[string]string{
		`{"Limit":21}`:                                                 "Limit must be an integer from 1 to 20",
		`{"DigitalHumanIds":[]}`:                                       "DigitalHumanIds must have 1 to 20 ids, got 0",
		`{"DigitalHumanIds":["a"],"Query":"b"}`:                        "not both",
		`{"DigitalHumanIds":"a"}`:                                      "DigitalHumanIds must be a list",
		`{"DigitalHumanIds":["Sophia"]}`:                               "must be an id",
		`{"DigitalHumanIds":["00000000-0000-4000-8000-000000000000"]}`: "What to do: Call list_digital_humans",
		`{"DigitalHumanIds":["` + strings.Repeat(nobody+`","`, 19) + nobody + `"]}`: "What to do: Call list_digital_humans",
		`{"DigitalHumanIds":["` + strings.Repeat(`a","`, 20) + `a"]}`:               "got 21",
	} {
		if got := callTool(t.Context(), t, s, "preview_digital_humans", arguments); !got.IsError || !strings.Contains(textOf(t, got), want) {
			t.Errorf("%s: got %s, want %q", arguments, textOf(t, got), want)
		}
	}
}

// TestPreviewOfStrangeHumans has names and pictures that are hard to show, and no digital human,
// one, or thousands.
func TestPreviewOfStrangeHumans(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	t.Cleanup(other.Close)
	strange := []zego.DigitalHuman{
		{ID: "markup", Name: `<img src=x onerror="alert('1')">`},
		{ID: "rtl", Name: "محمد \u202etxt"},
		{ID: "long", Name: strings.Repeat("long ", 40)},
		{ID: "zero-width", Name: "\u200b\u200d"},
		{ID: "not https", Name: "A", AvatarURL: "http://example.com/a.png"},
		{ID: "private", Name: "B", AvatarURL: "https://169.254.169.254/a.png"},
		{ID: "another port", Name: "C", AvatarURL: other.URL + "/a.png"},
		{ID: "none", Name: "D", AvatarURL: "x"},
	}
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Humans: strange}, tools.Config{})
	got := preview(t, s, ``)
	for i, face := range got.Faces {
		if face.Name != strange[i].Name || (face.NoPicture != "") != (strange[i].AvatarURL != "") {
			t.Errorf("got %+v", face)
		}
	}
	one, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Humans: strange[:1]}, tools.Config{})
	if got := preview(t, one, ``); len(got.Faces) != 1 {
		t.Errorf("got %+v", got)
	}
	none, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Humans: []zego.DigitalHuman{}}, tools.Config{})
	if got := textOf(t, callTool(t.Context(), t, none, "preview_digital_humans", ``)); !strings.HasPrefix(got, `{"Faces":[],"Matches":0`) {
		t.Errorf("got %s", got)
	}
	many := make([]zego.DigitalHuman, 10000)
	for i := range many {
		many[i] = zego.DigitalHuman{ID: fmt.Sprint("id-", i), Name: fmt.Sprint("Number ", i)}
	}
	thousands, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Humans: many}, tools.Config{})
	if got := preview(t, thousands, `{"Query":"Number 9999"}`); got.Matches != 1 || got.Faces[0].DigitalHumanID != "id-9999" {
		t.Errorf("got %+v", got)
	}
}

// TestExpiredPicture has an AvatarUrl that has expired when the picture is fetched. ZEGO is asked
// again, once.
func TestExpiredPicture(t *testing.T) {
	t.Parallel()
	for name, healthy := range map[string]bool{"renewed": true, "gone for good": false} {
		id := zegosim.DefaultHumans()[0].ID
		sim := &zegosim.Server{QPS: -1}
		var infos atomic.Int32
		sim.Fault = func(action string, _ int) *zegosim.Fault {
			if action == "GetDigitalHumanInfo" && infos.Add(1) > 1 && healthy {
				return nil
			}
			return &zegosim.Fault{ClockOffset: -48 * time.Hour} // The URL has expired a day ago.
		}
		srv := httptest.NewServer(sim)
		t.Cleanup(srv.Close)
		client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{
			Endpoint: srv.URL, QPS: -1, Now: func() time.Time { return time.Now().Add(-48 * time.Hour) },
		})
		if err != nil {
			t.Fatal(err)
		}
		s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client}), Pictures: picturesOf(srv.URL)})
		got := preview(t, s, fmt.Sprintf(`{"DigitalHumanIds":[%q]}`, id))
		if (got.Faces[0].NoPicture == "") != healthy {
			t.Errorf("%s: got %+v", name, got)
		}
		// When the simulator's clock becomes right, the client signs once more.
		if healthy && infos.Load() != 3 {
			t.Errorf("%s: asked %d times, want 3", name, infos.Load())
		}
		if !healthy && (infos.Load() != 2 || !strings.Contains(got.Faces[0].NoPicture, "status 403")) {
			t.Errorf("%s: asked %d times; got %+v", name, infos.Load(), got)
		}
	}
}

func TestPictureOfOne(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{})
	id := zegosim.DefaultHumans()[0].ID
	text, picture := callWithPicture(t, s, "get_digital_human", fmt.Sprintf(`{"DigitalHumanId":%q,"Picture":true}`, id))
	config, err := jpeg.DecodeConfig(bytes.NewReader(picture))
	if err != nil || config.Width != 512 || !strings.Contains(text, `"AvatarUrl"`) {
		t.Errorf("got %s and %+v, %v", text, config, err)
	}
	without := callTool(t.Context(), t, s, "get_digital_human", fmt.Sprintf(`{"DigitalHumanId":%q}`, id))
	if len(without.Content) != 1 || without.StructuredContent == nil {
		t.Errorf("got %+v", without)
	}
	dead, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Humans: []zego.DigitalHuman{{ID: id, Name: "A", AvatarURL: "http://example.com/"}}}, tools.Config{})
	if got := textOf(t, callTool(t.Context(), t, dead, "get_digital_human", fmt.Sprintf(`{"DigitalHumanId":%q,"Picture":true}`, id))); !strings.Contains(got, `"PictureProblem":"its URL is no https URL"`) {
		t.Errorf("got %s", got)
	}
}

// TestSlowPicture has a server that never sends its pictures. The call answers before its time is
// over, and names those that are missing.
func TestSlowPicture(t *testing.T) {
	t.Parallel()
	slow, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slow.Close() })
	sim := &zegosim.Server{QPS: -1, Humans: []zego.DigitalHuman{{ID: "slow", Name: "Slow", AvatarURL: "http://" + slow.Addr().String() + "/a.png"}}}
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	s := tools.NewServer(tools.Config{
		Project: tools.OneProject(tools.Project{Client: client}), Timeout: time.Second, Pictures: picturesOf("http://" + slow.Addr().String()),
	})
	if got := preview(t, s, ``); got.Faces[0].NoPicture != "its server took too long" {
		t.Errorf("got %+v", got)
	}
}
