package tools_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	s, _ := newAssetsServer(t, &zegosim.Server{Fault: func(string, int) *zegosim.Fault { return &zegosim.Fault{Stall: true} }}, tools.Config{Timeout: 30 * time.Millisecond})
	result := callTool(t.Context(), t, s, "list_digital_humans", ``)
	if got := textOf(t, result); !result.IsError || !strings.Contains(got, "time limit of 30ms is over") {
		t.Errorf("got %q", got)
	}
}

// TestCancel cancels the context of a call, as mcp-go does when a client cancels a request.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s, _ := newAssetsServer(t, &zegosim.Server{
		Fault:   func(string, int) *zegosim.Fault { return &zegosim.Fault{Stall: true} },
		Observe: func(zegosim.Call) { cancel() },
	}, tools.Config{})
	result := callTool(ctx, t, s, "list_digital_humans", ``)
	if got := textOf(t, result); !result.IsError || got != "GetDigitalHumanList was cancelled." {
		t.Errorf("got %q", got)
	}
	// The test would hang if the request to ZEGO went on: the simulator stalls until the
	// request is cancelled, and the cleanup of newAssetsServer waits for the simulator.
}

func TestLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1}, tools.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "took" {
				return slog.Attr{}
			}
			return a
		},
	}))})
	callTool(t.Context(), t, s, "list_digital_humans", `{"Limit":1}`)
	callTool(t.Context(), t, s, "get_digital_human", `{"DigitalHumanId":"private words"}`)
	callTool(t.Context(), t, s, "get_digital_human", `{"private words":1}`)
	want := `level=INFO msg="tool call" tool=list_digital_humans action=GetDigitalHumanList attempts=1 code=0 request_id=00000000-0000-4000-8000-000000000001
level=WARN msg="tool call failed" tool=get_digital_human action=GetDigitalHumanInfo calls=5 attempts=5 code=400000003 request_id=00000000-0000-4000-8000-000000000006 err="digital human not found (code 400000003)"
level=WARN msg="tool call failed" tool=get_digital_human err="2 invalid arguments"
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLogOfCachedCall checks that the log says how many answers came from the cache.
func TestLogOfCachedCall(t *testing.T) {
	t.Parallel()
	sim := &zegosim.Server{QPS: -1}
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	client, err := zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: srv.URL, QPS: -1, CacheTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Client: client}), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, wants := range []bool{false, true} {
		log.Reset()
		callTool(t.Context(), t, s, "list_digital_humans", `{"Limit":1}`)
		if got := log.String(); strings.Contains(got, " cached=1") != wants || strings.Contains(got, " shared=") {
			t.Errorf("got %s, want the cache named: %t", got, wants)
		}
	}
}

// TestArgumentsStayOutOfTheLog passes a word in every free string argument of every tool, and
// looks for it in the log.
func TestArgumentsStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{t.TempDir()}}, streams.Options{})
	const word = "privateword"
	calls := 0
	for _, tool := range toolDefinitions(t, allToolsets) {
		arguments := map[string]any{}
		for name, property := range tool.InputSchema.Properties {
			switch {
			case name == "AudioUrl":
				arguments[name] = "https://example.com/" + word
			case property.Type == "string" && len(property.Enum) == 0 && name != "BackgroundColor":
				arguments[name] = word
			}
		}
		text, err := json.Marshal(arguments)
		if err != nil {
			t.Fatal(err)
		}
		callTool(t.Context(), t, s.MCPServer, tool.Name, string(text))
		calls++
	}
	log := s.logText()
	if strings.Count(log, "msg=\"tool call") < calls || strings.Contains(log, word) {
		t.Errorf("the log of %d calls: %s", calls, log)
	}
}

// TestProgressIncreases checks that each progress value of a call is greater than the last,
// and none is greater than the total.
func TestProgressIncreases(t *testing.T) {
	t.Parallel()
	t.Run("create_stream_task", func(t *testing.T) {
		t.Parallel()
		s := newTestServer(t, &zegosim.Server{StartDelay: 200 * time.Millisecond}, tools.Config{}, streams.Options{})
		got := checkProgressIncreases(t, s.MCPServer, "create_stream_task", createArguments(``))
		if len(got) < 4 {
			t.Errorf("got %v, want a value for each look at the task", got)
		}
	})
	t.Run("find_digital_humans", func(t *testing.T) {
		t.Parallel()
		got := checkProgressIncreases(t, newChangingListServer(t, 1), "find_digital_humans", `{}`)
		if n := len(got); n < 4 || got[n-1] != 64 {
			t.Errorf("got %v, want values of two searches, up to 64", got)
		}
	})
	t.Run("list_timbres", func(t *testing.T) { // The digital human has no private ones: that list tells nothing.
		t.Parallel()
		s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
		got := checkProgressIncreases(t, s.MCPServer, "list_timbres", fmt.Sprintf(`{"Query":"a","DigitalHumanId":%q}`, zegosim.DefaultHumans()[0].ID))
		if len(got) == 0 || got[0] == 0 {
			t.Errorf("got %v, want no value before anything was searched", got)
		}
	})
	t.Run("drive_by_audio_file", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s := newTestServer(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{dir}}, streams.Options{})
		writeFile(t, filepath.Join(dir, "a.pcm"), make([]byte, 2*2*16000))
		got := checkProgressIncreases(t, s.MCPServer, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":%q,"Path":"a.pcm"}`, s.createTask(t, ``)))
		if n := len(got); n < 2 || got[n-1] != 2 || slices.ContainsFunc(got, func(v float64) bool { return v != math.Trunc(v) }) {
			t.Errorf("got %v, want 0 to 2, each second once", got)
		}
	})
	t.Run("drive_by_text", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newVirtualServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{}, speech.Options{})
			got := checkProgressIncreases(t, s.MCPServer, "drive_by_text", speakArguments(s.createTask(t, ``), strings.Repeat("字", 100), ``)) // 20 s.
			if len(got) < 4 || got[0] != 0 {
				t.Errorf("got %v, want a value every few seconds", got)
			}
		})
	})
}

// checkProgressIncreases calls a tool and returns the progress values of its notifications.
func checkProgressIncreases(t *testing.T, s *server.MCPServer, tool, arguments string) []float64 {
	t.Helper()
	session := &recordingSession{notifications: make(chan mcp.JSONRPCNotification, 10000)}
	answer := s.HandleMessage(s.WithContext(t.Context(), session), json.RawMessage(
		fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s,"_meta":{"progressToken":"p"}}}`, tool, arguments)))
	if result, ok := answer.(mcp.JSONRPCResponse); !ok {
		t.Errorf("got %+v", answer)
	} else if result := result.Result.(*mcp.CallToolResult); result.IsError {
		t.Error(textOf(t, result))
	}
	close(session.notifications)
	var values []float64
	for notification := range session.notifications {
		fields := notification.Params.AdditionalFields
		value := fields["progress"].(float64)
		if n := len(values); n > 0 && value <= values[n-1] || value > float64(fields["total"].(int)) {
			t.Errorf("%v of %v after %v", value, fields["total"], values)
		}
		values = append(values, value)
	}
	return values
}
