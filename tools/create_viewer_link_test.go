package tools_test

import (
	"net/url"
	"strings"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"
)

// TestViewerLink makes links for a stream that was just created.
func TestViewerLink(t *testing.T) {
	t.Parallel()
	template, err := tools.ParseViewerURLTemplate("https://live.example.com/{RoomId}?app={AppId}&s={StreamId}&u={UserId}&until={ExpiresAt}#{Token}")
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]tools.Config{"code": {}, "link": {ViewerURL: template}} {
		s := newTestServer(t, &zegosim.Server{}, cfg, streams.Options{})
		task := s.mustCall(t, "create_stream_task", createArguments(`,"TTL":1200`))
		if task["Watch"] != "create_viewer_link" {
			t.Errorf("%s: create_stream_task says %v", name, task["Watch"])
		}
		got := s.mustCall(t, "create_viewer_link", `{"TaskId":"`+task["TaskId"].(string)+`"}`)
		if got["AppId"] != float64(zegosim.DefaultAppID) || got["RoomId"] != task["RoomId"] || got["StreamId"] != task["StreamId"] {
			t.Errorf("%s: got %v, of the task %v", name, got, task)
		}
		token := got["Token"].(string)
		if !strings.HasPrefix(token, "04") || !strings.HasPrefix(got["UserId"].(string), "viewer-") {
			t.Errorf("%s: got %v", name, got)
		}
		ends, err := time.Parse(time.RFC3339, task["EndsAt"].(string))
		if err != nil {
			t.Fatal(err)
		}
		expires, err := time.Parse(time.RFC3339, got["ExpiresAt"].(string))
		if err != nil || expires.After(ends.Add(2*time.Second)) || expires.Before(ends.Add(-30*time.Second)) {
			t.Errorf("%s: expires at %v, %v; the task ends at %v", name, expires, err, ends)
		}
		if strings.Contains(s.logText(), token) {
			t.Errorf("%s: the token stands in the log", name)
		}
		if name == "code" {
			if got["Link"] != nil || !strings.Contains(got["Snippet"].(string), "loginRoom(RoomId, Token") {
				t.Errorf("got %v", got)
			}
			again := s.mustCall(t, "create_viewer_link", `{"TaskId":"`+task["TaskId"].(string)+`","UserId":"ann_1"}`)
			if again["UserId"] != "ann_1" || again["Token"] == token {
				t.Errorf("got %v", again)
			}
			continue
		}
		link, err := url.Parse(got["Link"].(string))
		if err != nil || got["Snippet"] != nil {
			t.Fatalf("got %v, %v", got, err)
		}
		fragment, err := url.QueryUnescape(link.EscapedFragment())
		query := link.Query()
		if err != nil || fragment != token || link.Path != "/"+task["RoomId"].(string) || query.Get("s") != task["StreamId"] || query.Get("u") != got["UserId"] || query.Get("until") != got["ExpiresAt"] {
			t.Errorf("got %s", link)
		}
	}
}

func TestViewerLinkRefused(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	task := s.mustCall(t, "create_stream_task", createArguments(""))["TaskId"].(string)
	s.mustCall(t, "stop_stream_task", `{"TaskId":"`+task+`"}`)
	s.mustFail(t, "create_viewer_link", `{"TaskId":"`+task+`"}`, "What to do")
	s.mustFail(t, "create_viewer_link", `{"TaskId":"nothing"}`, "400000005", "list_stream_tasks")
	before := s.requestCount()
	s.mustFail(t, "create_viewer_link", `{"TaskId":"x","UserId":"a b"}`, "UserId", `"a b"`)
	s.mustFail(t, "create_viewer_link", `{}`, "TaskId")
	if got := s.requestCount(); got != before {
		t.Errorf("%d requests were sent for bad arguments", got-before)
	}
}

func TestViewerURLTemplate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                   "",
		"https://a.example/{Token}":          "",
		"https://a.example?x={Token}":        "",
		"http://localhost:3000/#{Token}":     "",
		"http://127.0.0.1/#{Token}":          "",
		"http://[::1]:1/#{Token}":            "",
		"http://a.example/#{Token}":          "must use https",
		"http://localhost.example/#{Token}":  "must use https",
		"https://a.example/{RoomId}":         "needs the placeholder {Token}",
		"https://a.example/{Token}/{Secret}": "has no placeholder {Secret}",
		"https://a.example/{token}":          "has no placeholder {token}",
		"https://{RoomId}.example/{Token}":   "without a placeholder in the host name",
		"https://a.example:{Token}":          "must be a URL",
		"{Token}":                            "must be a URL",
		"live/{Token}":                       "must be a URL",
		"javascript:alert({Token})":          "must be a URL",
		"ftp://a.example/{Token}":            "must use https",
		"https://\x7f/{Token}":               "must be a URL",
	} {
		_, err := tools.ParseViewerURLTemplate(text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}
