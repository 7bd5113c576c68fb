package tools_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/speech"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"
)

// slowTransport takes a time for an action: before ZEGO gets it, and after ZEGO has carried it
// out.
type slowTransport struct {
	http.RoundTripper
	action        string
	before, after time.Duration
}

// RoundTrip implements http.RoundTripper.
func (s slowTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, s.action) && r.URL.Query().Get("Action") != s.action {
		return s.RoundTripper.RoundTrip(r)
	}
	time.Sleep(s.before)
	defer time.Sleep(s.after)
	return s.RoundTripper.RoundTrip(r)
}

// newSlowServer returns a virtual server that reaches the simulator slowly.
func newSlowServer(t *testing.T, action string, before, after time.Duration) *testServer {
	t.Helper()
	sim := &zegosim.Server{NoDriveStatus: true}
	transport := slowTransport{inProcess{sim}, action, before, after}
	s := newTestServerOf(t, sim, tools.Config{}, streams.Options{MaxTTL: 24 * time.Hour}, speech.Options{},
		zego.Options{Endpoint: "http://127.0.0.1:1", HTTPClient: &http.Client{Transport: transport}})
	t.Cleanup(func() { s.speech.Close(); s.streams.Close(t.Context()) })
	return s
}

// longText takes about 600 s.
var longText = strings.Repeat("一二三四五六七八九。", 300)

// TestStopAndDriveInFlight checks that a stop does not cut off what another call is just
// sending.
func TestStopAndDriveInFlight(t *testing.T) {
	t.Parallel()
	for _, slow := range [][2]time.Duration{{3 * time.Second, 0}, {0, 3 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s := newSlowServer(t, "DriveByText", slow[0], slow[1])
			task := s.createTask(t, ``)
			answered := make(chan string)
			go func() {
				answered <- textOf(t, callTool(t.Context(), t, s.MCPServer, "drive_by_text", speakArguments(task, strings.Repeat("字", 50), ``)))
			}()
			time.Sleep(time.Second)
			s.mustCall(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task))
			if got := <-answered; !strings.Contains(got, `"Spoken":true`) {
				t.Error(got)
			}
			s.mustBeSpoken(t)
		})
	}
}

// TestInterruptAndDriveInFlight checks that an interruption waits up to two seconds for what another
// call is just sending, so that this is not spoken after it.
func TestInterruptAndDriveInFlight(t *testing.T) {
	t.Parallel()
	for slow, want := range map[time.Duration]struct {
		answered time.Duration
		status   zego.DriveStatus
	}{
		1500 * time.Millisecond: {1500 * time.Millisecond, zego.DriveInterrupted},
		5 * time.Second:         {2500 * time.Millisecond, zego.DriveEnded},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSlowServer(t, "DriveByText", slow, 0)
			task := s.createTask(t, ``)
			start, done := time.Now(), make(chan bool)
			go func() {
				callTool(t.Context(), t, s.MCPServer, "drive_by_text", speakArguments(task, strings.Repeat("字", 50), `,"WaitUntilSpoken":false`))
				close(done)
			}()
			time.Sleep(500 * time.Millisecond)
			s.mustCall(t, "interrupt_drive", fmt.Sprintf(`{"TaskId":%q}`, task))
			took := time.Since(start)
			<-done
			time.Sleep(time.Minute)
			if got := s.sim.Drives()[0].Status; took != want.answered || got != want.status {
				t.Errorf("a drive takes %v to send: interrupted after %v, and its status is %v", slow, took, got)
			}
		})
	}
}

// TestTwoLongTextsAtOnce checks that two long texts that are sent at once are spoken one after
// the other, and that interrupt_drive ends them.
func TestTwoLongTextsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSlowServer(t, "DriveByText", time.Second, time.Second)
		task := s.createTask(t, `,"TTL":86400`)
		failures := make(chan bool, 2)
		for range 2 {
			go func() {
				result := callTool(t.Context(), t, s.MCPServer, "drive_by_text", speakArguments(task, longText, `,"WaitUntilSpoken":false`))
				failures <- result.IsError && strings.Contains(textOf(t, result), "Nothing was sent")
			}()
		}
		if a, b := <-failures, <-failures; a == b {
			t.Errorf("refused: %v and %v", a, b)
		}
		s.mustCall(t, "interrupt_drive", fmt.Sprintf(`{"TaskId":%q}`, task))
		sent := len(s.sim.Drives())
		time.Sleep(10 * time.Minute)
		if got := len(s.sim.Drives()); got != sent {
			t.Errorf("%d parts were sent after the interruption", got-sent)
		}
	})
}

// TestInterruptOfLongText checks that no sentence comes after an interruption, whenever the
// interruption comes and however slow it is.
func TestInterruptOfLongText(t *testing.T) {
	t.Parallel()
	for at := range 12 {
		for _, tt := range []struct{ tool, action, more string }{
			{"interrupt_drive", "InterruptDriveTask", ``},
			{"drive_by_audio", "DriveByAudio", `,"AudioUrl":"https://example.com/a.wav","InterruptMode":1,"WaitUntilSpoken":false`},
		} {
			synctest.Test(t, func(t *testing.T) {
				s := newSlowServer(t, tt.action, 0, 9*time.Second)
				task := s.createTask(t, `,"TTL":86400`)
				s.mustCall(t, "drive_by_text", speakArguments(task, longText, `,"WaitUntilSpoken":false`))
				time.Sleep(20*time.Second + time.Duration(at)*2*time.Second)
				done := make(chan bool)
				go func() { s.mustCall(t, tt.tool, fmt.Sprintf(`{"TaskId":%q%s}`, task, tt.more)); close(done) }()
				time.Sleep(time.Millisecond)
				sent := len(s.sim.Drives())
				<-done
				time.Sleep(10 * time.Minute)
				if got := len(s.sim.Drives()); got != sent {
					t.Errorf("%s at %d: %d parts were sent after it", tt.tool, at, got-sent)
				}
			})
		}
	}
}

// TestLostInterrupt checks that a text ends also if ZEGO's answer to the interruption is lost.
func TestLostInterrupt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualServer(t, &zegosim.Server{Fault: failAction("InterruptDriveTask", zegosim.Fault{Drop: true})}, tools.Config{}, streams.Options{MaxTTL: 24 * time.Hour}, speech.Options{})
		task := s.createTask(t, `,"TTL":86400`)
		s.mustCall(t, "drive_by_text", speakArguments(task, longText, `,"WaitUntilSpoken":false`))
		callTool(t.Context(), t, s.MCPServer, "interrupt_drive", fmt.Sprintf(`{"TaskId":%q}`, task))
		sent := len(s.sim.Drives())
		time.Sleep(10 * time.Minute)
		if got := len(s.sim.Drives()); got != sent {
			t.Errorf("%d parts were sent after it", got-sent)
		}
	})
}

// TestStopAfterLostDrive checks that a stop waits for a text that ZEGO speaks although its
// answer was lost.
func TestStopAfterLostDrive(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ tool, action, arguments string }{
		{"drive_by_text", "DriveByText", fmt.Sprintf(`"TimbreId":%q,"Text":%q`, publicTimbre, strings.Repeat("字", 50))},
		{"drive_by_audio", "DriveByAudio", `"AudioUrl":"https://example.com/a.wav"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newVirtualServer(t, &zegosim.Server{NoDriveStatus: true, Fault: failAction(tt.action, zegosim.Fault{Truncate: true})}, tools.Config{}, streams.Options{}, speech.Options{})
			task := s.createTask(t, ``)
			s.mustFail(t, tt.tool, fmt.Sprintf(`{"TaskId":%q,%s}`, task, tt.arguments), "may have been carried out")
			if len(s.sim.Drives()) != 1 {
				t.Fatalf("got %v", s.sim.Drives())
			}
			stop := fmt.Sprintf(`{"TaskId":%q}`, task)
			for callTool(t.Context(), t, s.MCPServer, "stop_stream_task", stop).IsError {
			}
			s.mustBeSpoken(t)
		})
	}
}

// TestTextAfterLiveAudio checks that a text is refused which would wait for the end of live
// audio, and that one is spoken which cuts the live audio off.
func TestTextAfterLiveAudio(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newVirtualServer(t, &zegosim.Server{NoDriveStatus: true}, tools.Config{}, streams.Options{}, speech.Options{})
		task := s.createTask(t, ``)
		s.mustCall(t, "drive_by_rtc_stream", fmt.Sprintf(`{"TaskId":%q,"RoomId":"r","StreamId":"s"}`, task))
		s.mustFail(t, "drive_by_text", speakArguments(task, "hello", ``), "Nothing was sent: ", "live audio", "pass InterruptMode 1")
		if got := s.mustCall(t, "drive_by_text", speakArguments(task, "hello", `,"InterruptMode":1`)); got["Spoken"] != true {
			t.Errorf("got %v", got)
		}
		if got := s.mustCall(t, "get_stream_task", fmt.Sprintf(`{"TaskId":%q,"WaitUntilSpoken":true}`, task)); got["Speaking"] != false {
			t.Errorf("got %v", got)
		}
	})
}
