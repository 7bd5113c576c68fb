package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// appSession is the session of a client that says what it supports when it connects.
type appSession struct {
	capabilities mcp.ClientCapabilities
}

func (appSession) SessionID() string                                   { return "apps" }
func (appSession) NotificationChannel() chan<- mcp.JSONRPCNotification { return nil }
func (appSession) Initialize()                                         {}
func (appSession) Initialized() bool                                   { return true }
func (appSession) GetClientInfo() mcp.Implementation                   { return mcp.Implementation{} }
func (appSession) SetClientInfo(mcp.Implementation)                    {}
func (s appSession) GetClientCapabilities() mcp.ClientCapabilities     { return s.capabilities }
func (appSession) SetClientCapabilities(mcp.ClientCapabilities)        {}

// clientWith returns the context of a client with these extensions.
func clientWith(t *testing.T, s *server.MCPServer, extensions string) context.Context {
	t.Helper()
	var capabilities mcp.ClientCapabilities
	if err := json.Unmarshal([]byte(`{"extensions":`+extensions+`}`), &capabilities); err != nil {
		t.Fatal(err)
	}
	return s.WithContext(t.Context(), appSession{capabilities})
}

// answerTo returns the answer to a request as JSON.
func answerTo(ctx context.Context, t *testing.T, s *server.MCPServer, method, params string) []byte {
	t.Helper()
	text, err := json.Marshal(s.HandleMessage(ctx, json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const showsApps = `{"io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]}}`

// TestAppsAreHidden checks that a client which does not show apps gets the same lists as if there
// were none, whatever else it announces.
func TestAppsAreHidden(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{}, tools.Config{})
	for _, method := range []string{"tools/list", "resources/list", "resources/templates/list"} {
		plain := answerTo(t.Context(), t, s, method, `{}`)
		for _, extensions := range []string{`{}`, `{"io.modelcontextprotocol/ui":{}}`, `{"io.modelcontextprotocol/ui":null}`, `{"io.modelcontextprotocol/ui":{"mimeTypes":["text/html"]}}`, `{"io.modelcontextprotocol/ui":{"mimeTypes":"text/html;profile=mcp-app"}}`, `{"other":{"mimeTypes":["text/html;profile=mcp-app"]}}`} {
			if got := answerTo(clientWith(t, s, extensions), t, s, method, `{}`); !bytes.Equal(got, plain) {
				t.Errorf("%s with %s: got %s, want %s", method, extensions, got, plain)
			}
		}
		if bytes.Contains(plain, []byte("ui://")) || bytes.Contains(plain, []byte("_meta")) || bytes.Contains(plain, []byte("thumbnail")) {
			t.Errorf("%s: got %s", method, plain)
		}
	}
	for _, tool := range []string{"get_thumbnails", "get_gesture_preview"} {
		got := answerTo(t.Context(), t, s, "tools/call", `{"name":"`+tool+`","arguments":{}}`)
		if !bytes.Contains(got, []byte("-32602")) || bytes.Contains(got, []byte("Missing")) {
			t.Errorf("%s: got %s", tool, got)
		}
	}
	if got := answerTo(t.Context(), t, s, "resources/read", `{"uri":"ui://zego/gallery.html"}`); !bytes.Contains(got, []byte(`"error"`)) {
		t.Errorf("got %.300s", got)
	}
}

// TestApps checks what a client sees that shows apps, also one of MCP 2026-07-28, which says so in
// each request.
func TestApps(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{})
	const modern = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"extensions":` + showsApps + `}}`
	for extensions, want := range map[string]bool{`{}`: false, showsApps: true} {
		hello := answerTo(t.Context(), t, s, "initialize", `{"protocolVersion":"2025-11-25","clientInfo":{"name":"x","version":"1"},"capabilities":{"extensions":`+extensions+`}}`)
		discovered := answerTo(t.Context(), t, s, "server/discover", `{`+strings.Replace(modern, showsApps, extensions, 1)+`}`)
		for _, got := range [][]byte{hello, discovered} {
			if bytes.Contains(got, []byte(`"extensions":{"io.modelcontextprotocol/ui":{}}`)) != want {
				t.Errorf("with %s: got %s", extensions, got)
			}
		}
	}
	for name, client := range map[string]struct {
		ctx  context.Context
		meta string
	}{
		"with initialize": {clientWith(t, s, showsApps), ""},
		"2026-07-28":      {s.WithContext(t.Context(), appSession{}), modern},
	} {
		list := answerTo(client.ctx, t, s, "tools/list", "{"+client.meta+"}")
		for _, want := range []string{`"resourceUri":"ui://zego/gallery.html"`, `"ui/resourceUri":"ui://zego/gallery.html"`, `"name":"get_thumbnails"`, `"visibility":["app"]`} {
			if !bytes.Contains(list, []byte(want)) {
				t.Errorf("%s: tools/list has no %s: %.2000s", name, want, list)
			}
		}
		comma := ""
		if client.meta != "" {
			comma = "," + client.meta
		}
		page := answerTo(client.ctx, t, s, "resources/read", `{"uri":"ui://zego/gallery.html"`+comma+`}`)
		for _, want := range []string{`"mimeType":"text/html;profile=mcp-app"`, `"prefersBorder":true`, `ui/initialize`} {
			if !bytes.Contains(page, []byte(want)) {
				t.Errorf("%s: the page has no %s: %.500s", name, want, page)
			}
		}
		if resources := answerTo(client.ctx, t, s, "resources/list", "{"+client.meta+"}"); !bytes.Contains(resources, []byte(`"uri":"ui://zego/gallery.html"`)) {
			t.Errorf("%s: got %s", name, resources)
		}
	}
	off := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: []tools.Toolset{tools.Streaming}})})
	if got := answerTo(clientWith(t, off, showsApps), t, off, "resources/list", `{}`); bytes.Contains(got, []byte("ui://")) {
		t.Errorf("without the toolset: got %s", got)
	}
}

// TestThumbnails gets pictures for the page. Those that a list has named need no further request to
// ZEGO.
func TestThumbnails(t *testing.T) {
	t.Parallel()
	humans := zegosim.DefaultHumans()
	var infos atomic.Int32
	srv := httptest.NewServer(&zegosim.Server{QPS: -1, Observe: func(call zegosim.Call) {
		if call.Action == "GetDigitalHumanInfo" {
			infos.Add(1)
		}
	}})
	t.Cleanup(srv.Close)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: srv.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client}), Pictures: picturesOf(srv.URL)})
	ctx := clientWith(t, s, showsApps)
	const picture = `"Picture":"data:image/jpeg;base64,/9j/` // Every JPEG begins so.
	for _, tt := range []struct {
		tool, arguments, want string
		infos                 int32
	}{
		{"get_thumbnails", fmt.Sprintf(`{"DigitalHumanIds":[%q]}`, humans[30].ID), picture, 1},
		{"get_thumbnails", `{"DigitalHumanIds":["nobody"]}`, `"NoPicture":"ZEGO refused GetDigitalHumanInfo`, 2},
		{"get_thumbnails", `{"DigitalHumanIds":[]}`, `"Thumbnails":[]`, 2},
		{"list_digital_humans", `{"Limit":1}`, humans[0].ID, 2},
		{"get_thumbnails", fmt.Sprintf(`{"DigitalHumanIds":[%q]}`, humans[0].ID), picture, 2},
		{"find_digital_humans", `{"Query":"emma"}`, humans[4].ID, 2},
		{"get_thumbnails", fmt.Sprintf(`{"DigitalHumanIds":[%q]}`, humans[4].ID), picture, 2},
	} {
		got := structuredOf(t, callTool(ctx, t, s, tt.tool, tt.arguments))
		if !strings.Contains(got, tt.want) || infos.Load() != tt.infos {
			t.Errorf("%s %s: got %.300s after %d requests", tt.tool, tt.arguments, got, infos.Load())
		}
	}
	if text := textOf(t, callTool(ctx, t, s, "get_thumbnails", fmt.Sprintf(`{"DigitalHumanIds":[%q,"nobody",%q]}`, humans[0].ID, humans[4].ID))); text != "2 of 3 pictures" {
		t.Errorf("got %s", text)
	}
	most := `"x"` + strings.Repeat(`,"x"`, 19)
	if got := callTool(ctx, t, s, "get_thumbnails", `{"DigitalHumanIds":[`+most+`]}`); got.IsError {
		t.Errorf("20 ids: got %s", textOf(t, got))
	}
	many := most + `,"x"`
	if got := callTool(ctx, t, s, "get_thumbnails", `{"DigitalHumanIds":[`+many+`]}`); !got.IsError || !strings.Contains(textOf(t, got), "at most 20 ids, got 21") {
		t.Errorf("got %s", textOf(t, got))
	}
}

// structuredOf returns the structured content of a result as JSON, or the text of a refusal. A
// file in it must not be in the text as well, because clients cut results of a megabyte.
func structuredOf(t *testing.T, result *mcp.CallToolResult) string {
	t.Helper()
	text := textOf(t, result)
	if result.IsError {
		return text
	}
	if strings.Contains(text, "base64") {
		t.Errorf("the text has the file: %.100s", text)
	}
	structured, err := json.Marshal(result.StructuredContent)
	if err != nil {
		t.Fatal(err)
	}
	return string(structured)
}

// TestGesturePreviewFile checks that the bytes of a preview say what it is, not its server.
func TestGesturePreviewFile(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"/mp4":  "\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41",
		"/html": "<!DOCTYPE html><script>alert(1)</script>",
		"/huge": strings.Repeat("x", 700<<10),
	}
	sim := &zegosim.Server{QPS: -1}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if file, ok := files[r.URL.Path]; ok {
			w.Header().Set("Content-Type", map[bool]string{true: "video/mp4", false: "application/octet-stream"}[r.URL.Path == "/html"])
			_, _ = w.Write([]byte(file))
			return
		}
		sim.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	var gestures []zego.Gesture
	for path := range files {
		gestures = append(gestures, zego.Gesture{Name: strings.TrimPrefix(path, "/"), PreviewURL: srv.URL + path})
	}
	sim.Humans = []zego.DigitalHuman{{ID: "one", Name: "One", Gestures: gestures}}
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: srv.URL, QPS: -1})
	if err != nil {
		t.Fatal(err)
	}
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client}), Pictures: picturesOf(srv.URL)})
	for action, want := range map[string]struct{ structured, text string }{
		"mp4":  {`"Preview":"data:video/mp4;base64,`, "The preview, as data"},
		"html": {`"NoPreview":"it is no video"`, "No preview: it is no video"},
		"huge": {`"NoPreview":"it is larger than 600 kB"`, "No preview: it is larger than 600 kB"},
	} {
		result := callTool(clientWith(t, s, showsApps), t, s, "get_gesture_preview", fmt.Sprintf(`{"DigitalHumanId":"one","Action":%q}`, action))
		got := structuredOf(t, result)
		if !strings.Contains(got, want.structured) || !strings.Contains(got, `"PreviewUrl":"`+srv.URL+"/"+action) || textOf(t, result) != want.text {
			t.Errorf("%s: got %.200s and %s, want %q", action, got, textOf(t, result), want)
		}
	}
}

func TestGesturePreview(t *testing.T) {
	t.Parallel()
	other := zego.DigitalHuman{ID: "other", Name: "Other", Gestures: []zego.Gesture{{Name: "nod", PreviewURL: "http://example.com/nod.mp4"}, {Name: "bow", PreviewURL: "http://\x00"}}}
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Humans: append(zegosim.DefaultHumans(), other)}, tools.Config{})
	ctx := clientWith(t, s, showsApps)
	for arguments, want := range map[string]string{
		fmt.Sprintf(`{"DigitalHumanId":%q,"Action":"wave_hand"}`, humanWithGesture): `"Preview":"data:image/gif;base64,`,
		fmt.Sprintf(`{"DigitalHumanId":%q,"Action":"fly"}`, humanWithGesture):       `has no gesture "fly"`,
		`{"DigitalHumanId":"nobody","Action":"nod"}`:                                "400000003",
		`{"DigitalHumanId":"other","Action":"nod"}`:                                 `"NoPreview":"its URL is no https URL","PreviewUrl":"http://example.com/nod.mp4"`,
		`{"DigitalHumanId":"other","Action":"bow"}`:                                 `"NoPreview":"its URL is malformed"`,
	} {
		if got := structuredOf(t, callTool(ctx, t, s, "get_gesture_preview", arguments)); !strings.Contains(got, want) {
			t.Errorf("%s: got %.300s, want %q", arguments, got, want)
		}
	}
}
