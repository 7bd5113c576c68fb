package tools_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/speech"
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
		token, _ := got["Token"].(string)
		if name == "link" {
			_, encoded, _ := strings.Cut(got["Link"].(string), "#")
			token, _ = url.QueryUnescape(encoded)
		}
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
		if err != nil || got["Snippet"] != nil || got["Token"] != nil {
			t.Fatalf("got %v, %v", got, err)
		}
		fragment, err := url.QueryUnescape(link.EscapedFragment())
		query := link.Query()
		if err != nil || fragment != token || link.Path != "/"+task["RoomId"].(string) || query.Get("s") != task["StreamId"] || query.Get("u") != got["UserId"] || query.Get("until") != got["ExpiresAt"] {
			t.Errorf("got %s", link)
		}
	}
}

// TestViewerLinkLife makes links in a bubble of virtual time, for tasks of different lives.
func TestViewerLinkLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sim := &zegosim.Server{}
		s := newVirtualServer(t, sim, tools.Config{Simulated: true}, streams.Options{MaxTTL: 24 * time.Hour}, speech.Options{})
		lifeOf := func(task string) time.Duration {
			got := s.mustCall(t, "create_viewer_link", `{"TaskId":"`+task+`"}`)
			if !strings.HasPrefix(got["Use"].(string), "SIMULATED: ") {
				t.Errorf("a link of the simulator says %v", got["Use"])
			}
			expires, err := time.Parse(time.RFC3339, got["ExpiresAt"].(string))
			if err != nil {
				t.Fatal(err)
			}
			return time.Until(expires).Round(10 * time.Second)
		}
		short := s.createTask(t, `,"TTL":1200,"MaxIdleTime":1200`)
		long := s.createTask(t, `,"TTL":7200,"MaxIdleTime":7200`)
		for _, tt := range []struct {
			name, task string
			want       time.Duration
		}{
			{"a task that ends in 20 minutes", short, 20 * time.Minute},
			{"a task that ends in 2 hours", long, time.Hour},
			{"a task of another program", s.createForeignTask(t), time.Hour},
		} {
			if got := lifeOf(tt.task); got != tt.want {
				t.Errorf("%s: the token lives for %v, want %v", tt.name, got, tt.want)
			}
		}
		time.Sleep(15 * time.Minute)
		if got := lifeOf(short); got != 5*time.Minute {
			t.Errorf("15 minutes later: the token lives for %v, want 5m0s", got)
		}
		time.Sleep(6 * time.Minute)
		s.mustFail(t, "create_viewer_link", `{"TaskId":"`+short+`"}`, "create_stream_task")
	})
}

// TestViewerLinkToForeignTasks makes links for tasks whose names another program chose.
func TestViewerLinkToForeignTasks(t *testing.T) {
	t.Parallel()
	template, err := tools.ParseViewerURLTemplate("https://live.example.com/{RoomId}?s={StreamId}#{Token}")
	if err != nil {
		t.Fatal(err)
	}
	status := func(status int, room, stream string) *zegosim.Server {
		body, err := json.Marshal(map[string]any{"Code": 0, "Data": map[string]any{"Status": status, "RoomId": room, "StreamId": stream}})
		if err != nil {
			t.Fatal(err)
		}
		return &zegosim.Server{Fault: failAction("GetDigitalHumanStreamTaskStatus", zegosim.Fault{Body: string(body)})}
	}
	s := newTestServer(t, status(3, "a room/#1", `"><img src=x>&s=+`), tools.Config{ViewerURL: template}, streams.Options{})
	link := s.mustCall(t, "create_viewer_link", `{"TaskId":"x"}`)["Link"].(string)
	const want = "https://live.example.com/a%20room%2F%231?s=%22%3E%3Cimg%20src%3Dx%3E%26s%3D%2B#04"
	if !strings.HasPrefix(link, want) {
		t.Errorf("got %s, want %s", link, want)
	}
	s = newTestServer(t, status(3, strings.Repeat("r", 129), "s"), tools.Config{}, streams.Options{})
	s.mustFail(t, "create_viewer_link", `{"TaskId":"x"}`, "RoomID must have 1 to 128 bytes, got 129.", "What to do: Call create_stream_task")
	s = newTestServer(t, status(2, "r", "s"), tools.Config{}, streams.Options{})
	s.mustFail(t, "create_viewer_link", `{"TaskId":"x"}`, "its status is initialization failed", "What to do: Call create_stream_task")
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
