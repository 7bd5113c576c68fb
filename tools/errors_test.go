package tools_test

import (
	"fmt"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// TestErrorTexts keeps what a model reads about each kind of failure in a golden file.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, fault := range []struct {
		name string
		zegosim.Fault
	}{
		{"busy for good", zegosim.Fault{Code: zego.CodeSystemBusy, Message: "system busy"}},
		{"clock", zegosim.Fault{Code: zego.CodeSignatureExpired, Message: "signature expired"}},
		{"wrong secret", zegosim.Fault{Code: zego.CodeSignatureWrong, Message: "signature wrong"}},
		{"not enabled", zegosim.Fault{Code: zego.CodeServiceNotEnabled}},
		{"unknown code", zegosim.Fault{Code: 400000018, Message: "resource resolution error"}},
		{"gateway", zegosim.Fault{Code: zego.CodeGatewayNoAppConfig, Message: "no app"}},
		{"HTML", zegosim.Fault{Status: 403, Body: "<html>Blocked by the firewall</html>"}},
		{"HTTP 500", zegosim.Fault{Status: 500, Empty: true}},
		{"redirect", zegosim.Fault{Redirect: "http://login.example/"}},
		{"dropped", zegosim.Fault{Drop: true}},
		{"Data absent", zegosim.Fault{Body: `{"Code":0,"Message":"success","RequestId":"r-1"}`}},
	} {
		s, _ := newAssetsServer(t, &zegosim.Server{QPS: -1, Fault: func(string, int) *zegosim.Fault { return &fault.Fault }}, tools.Config{})
		result := callTool(t.Context(), t, s, "list_digital_humans", `{}`)
		if !result.IsError || result.StructuredContent != nil {
			t.Errorf("%s: got %+v", fault.name, result)
		}
		_, _ = fmt.Fprintf(&all, "# %s\n%s\n\n", fault.name, textOf(t, result))
	}
	checkGolden(t, "faults.txt", []byte(all.String()))
}

// TestUnknownAndEnded calls tools with ids that do not exist, and with the TaskId of a task
// that has ended.
func TestUnknownAndEnded(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{t.TempDir()}}, streams.Options{})
	ended, running := s.createTask(t, ``), s.createTask(t, ``)
	s.mustCall(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, ended))
	var private string
	for _, timbre := range zegosim.DefaultTimbres() {
		if timbre.DigitalHumanID != "" && timbre.DigitalHumanID != humanWithGesture {
			private = timbre.ID
		}
	}
	for _, tt := range []struct{ tool, more string }{
		{"drive_by_text", fmt.Sprintf(`,"Text":"x","TimbreId":%q`, publicTimbre)},
		{"drive_by_audio", `,"AudioUrl":"https://example.com/a.mp3"`},
		{"drive_by_rtc_stream", `,"RoomId":"r","StreamId":"s"`},
		{"do_action", `,"Action":"wave_hand"`},
		{"interrupt_drive", ``},
	} {
		s.mustFail(t, tt.tool, `{"TaskId":"nobody"`+tt.more+`}`, "400000005", "list_stream_tasks", "RequestId: ")
		s.mustFail(t, tt.tool, fmt.Sprintf(`{"TaskId":%q%s}`, ended, tt.more), "400000007", "create_stream_task")
	}
	s.mustFail(t, "get_stream_task", `{"TaskId":"nobody"}`, "400000005")
	refusing := newTestServer(t, &zegosim.Server{Fault: func(string, int) *zegosim.Fault {
		return &zegosim.Fault{Code: zego.CodeNoPermission}
	}}, tools.Config{}, streams.Options{})
	refusing.mustFail(t, "list_stream_tasks", ``, "400010001", "What to do: Ask ZEGOCLOUD support", "RequestId: ")
	s.mustFail(t, "list_timbres", `{"DigitalHumanId":"nobody"}`, "400000003")
	text := fmt.Sprintf(`{"TaskId":%q,"Text":"x","TimbreId":%%q}`, running)
	s.mustFail(t, "drive_by_text", fmt.Sprintf(text, "nobody"), "400000004", "Call list_timbres and pass")
	s.mustFail(t, "drive_by_text", fmt.Sprintf(text, private), "400000009", "list_timbres with the DigitalHumanId")
}
