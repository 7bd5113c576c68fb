package tools_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego/zegosim"
)

// watchNothing is a Config.Watch for tests that only look at the list of tools.
func watchNothing(context.Context, string) (string, error) { return "", errors.New("no page") }

func TestWatch(t *testing.T) {
	t.Parallel()
	watch := func(_ context.Context, taskID string) (string, error) {
		return "http://127.0.0.1:1/" + taskID + "/", nil
	}
	s := newTestServer(t, &zegosim.Server{}, tools.Config{Watch: watch}, streams.Options{})
	created := s.mustCall(t, "create_stream_task", createArguments(""))
	task := created["TaskId"].(string)
	if ways := created["Watch"].(string); !strings.HasPrefix(ways, "watch_stream_task") {
		t.Errorf("got %s", ways)
	}
	if got := s.mustCall(t, "watch_stream_task", `{"TaskId":"`+task+`"}`); got["Url"] != "http://127.0.0.1:1/"+task+"/" || got["EndsAt"] == nil {
		t.Errorf("got %v", got)
	}
	s.mustFail(t, "watch_stream_task", `{"TaskId":"nothing"}`, "400000005", "What to do")
	s.mustCall(t, "stop_stream_task", `{"TaskId":"`+task+`"}`)
	s.mustFail(t, "watch_stream_task", `{"TaskId":"`+task+`"}`, "What to do")

	fails := newTestServer(t, &zegosim.Server{}, tools.Config{Watch: watchNothing}, streams.Options{})
	other := fails.mustCall(t, "create_stream_task", createArguments(""))["TaskId"].(string)
	fails.mustFail(t, "watch_stream_task", `{"TaskId":"`+other+`"}`, "No page was made: no page.", "create_viewer_link")

	without := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	without.mustFail(t, "watch_stream_task", `{"TaskId":"x"}`, "by servers on loopback", "create_viewer_link")
}
