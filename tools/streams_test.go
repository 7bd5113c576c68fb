package tools_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// stage is a server with all tools, and what there is around it.
type stage struct {
	*server.MCPServer
	sim     *zegosim.Server
	client  *zego.Client
	streams *streams.Ledger

	mu    sync.Mutex // guards what follows
	calls []zegosim.Call
	log   bytes.Buffer
}

// Write takes the log.
func (s *stage) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *stage) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// sent returns the bodies that came for an action.
func (s *stage) sent(action string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var bodies []string
	for _, call := range s.calls {
		if call.Action == action {
			bodies = append(bodies, string(call.Body))
		}
	}
	return bodies
}

// count returns how many calls came.
func (s *stage) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// running returns what streams at ZEGO.
func (s *stage) running(t *testing.T) []zego.StreamTask {
	t.Helper()
	list, err := s.client.ListStreamTasks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list.Tasks
}

func onStage(t *testing.T, sim *zegosim.Server, cfg tools.Config, opts streams.Options) *stage {
	t.Helper()
	s := &stage{sim: sim}
	sim.QPS = -1
	if sim.StartDelay == 0 {
		sim.StartDelay = -1
	}
	observe := sim.Observe
	sim.Observe = func(call zegosim.Call) {
		s.mu.Lock()
		s.calls = append(s.calls, call)
		s.mu.Unlock()
		if observe != nil {
			observe(call)
		}
	}
	srv := httptest.NewServer(sim)
	t.Cleanup(func() { srv.Close(); _ = sim.Close() })
	var err error
	s.client, err = zego.New(zegosim.DefaultAppID, zegosim.DefaultSecret, zego.Options{Endpoint: srv.URL, RetryInterval: time.Microsecond, QPS: -1, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	opts.Logger = slog.New(slog.NewTextHandler(s, nil))
	if cfg.Logger == nil {
		cfg.Logger = opts.Logger
	}
	s.streams = streams.New(s.client, opts)
	cfg.Project = tools.OneProject(tools.Project{
		Client: s.client, Streams: s.streams, Toolsets: everyToolset,
	})
	cfg.Local = true
	s.MCPServer = tools.NewServer(cfg)
	return s
}

// clock is the real one, turned.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) turn(d time.Duration) { c.ahead.Add(int64(d)) }

// do calls a tool that must succeed, and returns its result.
func (s *stage) do(t *testing.T, tool, arguments string) map[string]any {
	t.Helper()
	result := call(t.Context(), t, s.MCPServer, tool, arguments)
	text := textOf(t, result)
	if result.IsError {
		t.Fatalf("%s %s: %s", tool, arguments, text)
	}
	out := map[string]any{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// fails calls a tool that must fail with a text that holds each of wants.
func (s *stage) fails(t *testing.T, tool, arguments string, wants ...string) {
	t.Helper()
	result := call(t.Context(), t, s.MCPServer, tool, arguments)
	text := textOf(t, result)
	for _, want := range wants {
		if !result.IsError || result.StructuredContent != nil || !strings.Contains(text, want) {
			t.Errorf("%s %.200s: got %s, want %q", tool, arguments, text, want)
		}
	}
}

var (
	waver    = humanWith("wave_hand") // It has a voice of everybody's and gestures.
	everyone = publicVoice()
)

func humanWith(action string) string {
	for _, human := range zegosim.DefaultHumans() {
		for _, a := range human.Gestures {
			if a.Name == action {
				return human.ID
			}
		}
	}
	panic("no such action")
}

func publicVoice() string {
	for _, timbre := range zegosim.DefaultTimbres() {
		if timbre.DigitalHumanID == "" {
			return timbre.ID
		}
	}
	panic("no public voice")
}

// create starts a stream task and returns its TaskId.
func (s *stage) create(t *testing.T, more string) string {
	t.Helper()
	return s.do(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"%s}`, waver, more))["TaskId"].(string)
}

func TestStreamLife(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{StartDelay: 30 * time.Millisecond}, tools.Config{}, streams.Options{})
	before := time.Now()
	created := s.do(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"}`, waver))
	id := created["TaskId"].(string)
	ends, err := time.Parse(time.RFC3339, created["EndsAt"].(string))
	if err != nil || ends.Sub(before) < 599*time.Second || ends.Sub(before) > 610*time.Second {
		t.Errorf("ends %v after its creation, %v", ends.Sub(before), err)
	}
	if created["Status"] != 3.0 || created["StatusName"] != "streaming" || !strings.Contains(created["NextCalls"].(string), "drive_by_text") {
		t.Errorf("got %v", created)
	}
	stream := created["StreamId"].(string)
	if !strings.HasPrefix(stream, "zego-mcp-") {
		t.Errorf("StreamId %s has no mark", stream)
	}
	want := fmt.Sprintf(`{"DigitalHumanConfig":{"DigitalHumanId":%q},"RTCConfig":{"RoomId":"room","StreamId":%q},"TTL":600,"MaxIdleTime":120}`, waver, stream)
	if diff := cmp.Diff([]string{want}, s.sent("CreateDigitalHumanStreamTask")); diff != "" {
		t.Error(diff)
	}

	task := fmt.Sprintf(`"TaskId":%q`, id)
	s.do(t, "drive_by_text", fmt.Sprintf(`{%s,"Text":"你好 & <hello> 👋","TimbreId":%q,"SpeechRate":10,"PitchRate":-10,"Volume":"60","InterruptMode":1}`, task, everyone))
	s.do(t, "drive_by_audio", `{`+task+`,"AudioUrl":"https://example.com/a.wav?b=1&c=2","VoiceChannel":1}`)
	s.do(t, "drive_by_rtc_stream", `{`+task+`,"RoomId":"other","StreamId":"mic"}`)
	s.do(t, "do_action", `{`+task+`,"Action":"wave_hand"}`)
	s.do(t, "interrupt_drive", `{`+task+`}`)
	for action, want := range map[string]string{
		"DriveByText":        `{"TaskId":"` + id + `","Text":"你好 \u0026 \u003chello\u003e 👋","TTSConfig":{"Volume":60,"SpeechRate":10,"PitchRate":-10,"TimbreId":"` + everyone + `"},"InterruptMode":1}`,
		"DriveByAudio":       `{"TaskId":"` + id + `","AudioUrl":"https://example.com/a.wav?b=1\u0026c=2","VoiceChannel":1}`,
		"DriveByRTCStream":   `{"TaskId":"` + id + `","RTCConfig":{"RoomId":"other","StreamId":"mic"}}`,
		"DoAction":           `{"TaskId":"` + id + `","Action":"wave_hand"}`,
		"InterruptDriveTask": `{"TaskId":"` + id + `"}`,
	} {
		if diff := cmp.Diff([]string{want}, s.sent(action)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
	listed := s.do(t, "list_stream_tasks", ``)["StreamTasks"].([]any)
	if got := listed[0].(map[string]any); len(listed) != 1 || got["TaskId"] != id || got["StartedBy"] != "this_server" || got["StatusName"] != "streaming" {
		t.Errorf("got %v", listed)
	}
	if got := s.do(t, "get_stream_task", `{`+task+`}`); got["TaskId"] != id || got["StartedBy"] != "this_server" || got["Status"] != 3.0 {
		t.Errorf("got %v", got)
	}
	// Our own: nobody is asked.
	if got := s.do(t, "stop_stream_task", `{`+task+`}`); got["AlreadyStopped"] != false {
		t.Errorf("got %v", got)
	}
	if got := s.do(t, "stop_stream_task", `{`+task+`}`); got["AlreadyStopped"] != true {
		t.Errorf("twice: got %v", got)
	}
	s.fails(t, "drive_by_text", fmt.Sprintf(`{%s,"Text":"x","TimbreId":%q}`, task, everyone), "400000007", "call create_stream_task")
	if len(s.running(t)) != 0 {
		t.Error("it runs still")
	}
	if strings.Contains(s.logged(), "hello") {
		t.Errorf("what was said is in the log: %s", s.logged())
	}
}

func TestSpendingLimits(t *testing.T) {
	t.Parallel()
	args := func(more string) string { return fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"%s}`, waver, more) }
	t.Run("time", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{MaxTTL: 5 * time.Minute})
		s.fails(t, "create_stream_task", args(`,"TTL":301,"MaxIdleTime":86400`),
			"TTL must be an integer from 10 to 300 (this server's operator allows no more: --max-ttl), got 301\n"+
				"MaxIdleTime must be an integer from 30 to 300 (this server's operator allows no more: --max-ttl), got 86400")
		if s.count() != 0 {
			t.Error("something was sent")
		}
		s.create(t, ``)
		s.create(t, `,"TTL":300,"MaxIdleTime":30`)
		for i, want := range []string{`"TTL":300,"MaxIdleTime":120}`, `"TTL":300,"MaxIdleTime":30}`} {
			if got := s.sent("CreateDigitalHumanStreamTask")[i]; !strings.HasSuffix(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
	t.Run("number", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{MaxTasks: 2})
		first, second := s.create(t, ``), s.create(t, ``)
		s.fails(t, "create_stream_task", args(``), "may run 2 stream tasks at once", "--max-tasks", first, second, "stop_stream_task")
		if got := len(s.sent("CreateDigitalHumanStreamTask")); got != 2 {
			t.Errorf("%d creates", got)
		}
		s.do(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, first))
		s.create(t, ``)
		// One ends behind our back: that is noticed when there is no room.
		if _, err := s.client.StopStreamTask(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		s.create(t, ``)
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{MaxTasks: 2})
		var asking sync.WaitGroup
		for range 10 {
			asking.Go(func() { call(t.Context(), t, s.MCPServer, "create_stream_task", args(``)) })
		}
		asking.Wait()
		if got := len(s.running(t)); got != 2 {
			t.Errorf("%d tasks run", got)
		}
	})
	t.Run("one StreamId twice", func(t *testing.T) {
		t.Parallel()
		var clock clock
		s := onStage(t, &zegosim.Server{Now: clock.now}, tools.Config{}, streams.Options{})
		mine := s.create(t, `,"StreamId":"mine"`)
		s.fails(t, "create_stream_task", args(`,"StreamId":"mine"`), "StreamId mine is in use", "leave it out")
		if _, err := s.client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
			DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: waver}, RTCConfig: zego.RTCConfig{RoomID: "r", StreamID: "theirs"},
		}); err != nil {
			t.Fatal(err)
		}
		s.fails(t, "create_stream_task", args(`,"StreamId":"theirs"`), "400000015", "Leave StreamId out")
		// Ours ends behind our back: its StreamId can be had again.
		if _, err := s.client.StopStreamTask(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		clock.turn(time.Minute)
		s.create(t, `,"StreamId":"mine"`)
	})
}

func TestCreateFails(t *testing.T) {
	t.Parallel()
	args := fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"}`, waver)
	create := func(fault zegosim.Fault) func(string, int) *zegosim.Fault {
		return func(action string, _ int) *zegosim.Fault {
			if action == "CreateDigitalHumanStreamTask" {
				return &fault
			}
			return nil
		}
	}
	for _, tt := range []struct {
		name    string
		sim     *zegosim.Server
		args    string
		wants   []string // Of the error; none: it succeeds.
		running int
	}{
		{"answer lost, task there", &zegosim.Server{Fault: create(zegosim.Fault{Drop: true})}, args, nil, 1},
		{"answer garbled, task there", &zegosim.Server{Fault: create(zegosim.Fault{Truncate: true})}, args, nil, 1},
		{"answer replaced, task there", &zegosim.Server{Fault: create(zegosim.Fault{Status: 502, Body: "<html>"})}, args, nil, 1},
		{"refused", &zegosim.Server{Fault: create(zegosim.Fault{Code: zego.CodeInsufficientResources})}, args, []string{"400010007"}, 0},
		{"unknown digital human", &zegosim.Server{}, `{"DigitalHumanId":"nobody","RoomId":"room"}`, []string{"400000003", "Call list_digital_humans"}, 0},
		{"fails to start", &zegosim.Server{StartDelay: time.Millisecond, FailStart: func(string, string) string { return "no model" }}, args, []string{"did not start", "no model", "create_stream_task again"}, 0},
		{"limit of the project", &zegosim.Server{Fault: create(zegosim.Fault{Code: zego.CodeConcurrencyExceeded})}, args, []string{"400000008", "list_stream_tasks"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, tt.sim, tools.Config{}, streams.Options{MaxTasks: 1})
			if len(tt.wants) == 0 {
				if got := s.do(t, "create_stream_task", tt.args); got["Status"] != 3.0 {
					t.Errorf("got %v", got)
				}
			} else {
				s.fails(t, "create_stream_task", tt.args, tt.wants...)
			}
			if got := len(s.sent("CreateDigitalHumanStreamTask")); got != 1 {
				t.Errorf("created %d times", got)
			}
			if got := len(s.running(t)); got != tt.running {
				t.Errorf("%d tasks run", got)
			}
			s.streams.StopAll(t.Context())
			if got := s.running(t); len(got) != 0 {
				t.Errorf("%d tasks outlive the server", len(got))
			}
			s.fails(t, "create_stream_task", args, "this server is ending; nothing was created")
		})
	}
}

// TestStartTakesLong: the task is there, so it is no failure that time runs out.
func TestStartTakesLong(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{StartDelay: time.Hour}, tools.Config{Timeout: 200 * time.Millisecond}, streams.Options{})
	for _, more := range []string{``, `,"WaitUntilStreaming":false`} {
		got := s.do(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"%s}`, waver, more))
		if got["Status"] != 1.0 || got["StatusName"] != "initializing" || !strings.Contains(got["NextCalls"].(string), "get_stream_task until") {
			t.Errorf("got %v", got)
		}
	}
	s.fails(t, "drive_by_text", fmt.Sprintf(`{"TaskId":%q,"Text":"x","TimbreId":%q}`, s.running(t)[0].ID, everyone), "400000006", "get_stream_task")
}

// TestCreateIsCancelled: nobody learns the id of the task, so it must not live on.
func TestCreateIsCancelled(t *testing.T) {
	t.Parallel()
	for name, sim := range map[string]*zegosim.Server{
		"while it is created": {Fault: func(action string, _ int) *zegosim.Fault {
			if action == "CreateDigitalHumanStreamTask" {
				return &zegosim.Fault{Latency: 100 * time.Millisecond}
			}
			return nil
		}},
		"while it starts": {StartDelay: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			sim.Observe = func(call zegosim.Call) {
				if call.Action == "GetDigitalHumanStreamTaskStatus" || name == "while it is created" && call.Action == "CreateDigitalHumanStreamTask" {
					cancel()
				}
			}
			s := onStage(t, sim, tools.Config{}, streams.Options{})
			result := call(ctx, t, s.MCPServer, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"}`, waver))
			if !result.IsError {
				t.Errorf("got %s", textOf(t, result))
			}
			s.streams.StopAll(t.Context()) // Waits for what is being stopped.
			if got := s.running(t); len(got) != 0 {
				t.Errorf("got %v", got)
			}
			if got := len(s.sent("StopDigitalHumanStreamTask")); got == 0 {
				t.Error("it was not stopped")
			}
		})
	}
}

// TestEndWhileCreating ends the server before ZEGO has answered a create.
func TestEndWhileCreating(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 10)
	sim := &zegosim.Server{
		Observe: func(call zegosim.Call) {
			if call.Action == "CreateDigitalHumanStreamTask" {
				arrived <- struct{}{}
			}
		},
		Fault: func(action string, _ int) *zegosim.Fault {
			if action == "CreateDigitalHumanStreamTask" {
				return &zegosim.Fault{Stall: true}
			}
			return nil
		},
	}
	s := onStage(t, sim, tools.Config{}, streams.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		call(ctx, t, s.MCPServer, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"}`, waver))
	})
	<-arrived
	s.streams.StopAll(t.Context())
	if got := s.running(t); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	cancel()
	asking.Wait()
}

func TestStopAllSaysWhatItCouldNot(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{Fault: func(action string, _ int) *zegosim.Fault {
		if action == "StopDigitalHumanStreamTask" {
			return &zegosim.Fault{Code: zego.CodeNoPermission}
		}
		return nil
	}}, tools.Config{}, streams.Options{})
	id := s.create(t, ``)
	s.streams.StopAll(t.Context())
	if log := s.logged(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, id) || !strings.Contains(log, "ends_by=") {
		t.Errorf("got %s", log)
	}
}

// TestOrphans: what a killed process leaves behind is found by its StreamId alone.
func TestOrphans(t *testing.T) {
	t.Parallel()
	sim := &zegosim.Server{}
	killed := onStage(t, sim, tools.Config{}, streams.Options{})
	left, own := killed.create(t, ``), killed.create(t, `,"StreamId":"own-name"`)
	sim.Observe = nil
	next := onStage(t, sim, tools.Config{}, streams.Options{})
	next.streams.WarnOfOrphans(t.Context())
	if log := next.logged(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, left) || strings.Contains(log, own) {
		t.Errorf("got %s", log)
	}
	listed := next.do(t, "list_stream_tasks", ``)
	origins := map[string]any{}
	for _, task := range listed["StreamTasks"].([]any) {
		origins[task.(map[string]any)["TaskId"].(string)] = task.(map[string]any)["StartedBy"]
	}
	if diff := cmp.Diff(map[string]any{left: "orphan", own: "other"}, origins); diff != "" || !strings.HasPrefix(listed["Advice"].(string), "Orphans: 1.") {
		t.Errorf("got %v", listed)
	}
	next.streams.StopAll(t.Context())
	if got := len(next.running(t)); got != 2 {
		t.Errorf("%d run: the end stopped what was not its own", got)
	}
}

// answering is a user at a client of 2025, which shows forms.
type answering struct {
	action mcp.ElicitationResponseAction
	fields map[string]any
	asked  []string
}

func (a *answering) Elicit(_ context.Context, req mcp.ElicitationRequest) (*mcp.ElicitationResult, error) {
	a.asked = append(a.asked, req.Params.Message)
	return &mcp.ElicitationResult{ElicitationResponse: mcp.ElicitationResponse{Action: a.action, Content: a.fields}}, nil
}

// others returns a task that another program runs.
func (s *stage) others(t *testing.T) string {
	t.Helper()
	task, err := s.client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: waver}, RTCConfig: zego.RTCConfig{RoomID: "theirs", StreamID: "theirs-" + t.Name()[strings.LastIndex(t.Name(), "/")+1:]},
	})
	if err != nil {
		t.Fatal(err)
	}
	return task.TaskID
}

func TestStopAsks(t *testing.T) {
	t.Parallel()
	ticked := map[string]any{"Confirm": true}
	t.Run("a client without forms", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
		id := s.others(t)
		s.fails(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, id), "Stop the stream task "+id, "Nothing was done", "Confirm=true", "into the room theirs")
		s.fails(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q,"Confirm":false}`, id), "Nothing was done")
		if got := len(s.sent("StopDigitalHumanStreamTask")); got != 0 {
			t.Errorf("stopped %d times", got)
		}
		s.do(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q,"Confirm":true}`, id))
		if len(s.running(t)) != 0 {
			t.Error("it runs still")
		}
		s.fails(t, "stop_stream_task", `{"TaskId":"nobody","Confirm":true}`, "400000005")
	})
	for name, tt := range map[string]struct {
		action mcp.ElicitationResponseAction
		fields map[string]any
		stops  bool
	}{
		"agreed":        {mcp.ElicitationResponseActionAccept, ticked, true},
		"not-ticked":    {mcp.ElicitationResponseActionAccept, map[string]any{"Confirm": false}, false},
		"empty-form":    {mcp.ElicitationResponseActionAccept, nil, false},
		"declined":      {mcp.ElicitationResponseActionDecline, ticked, false},
		"closed-window": {mcp.ElicitationResponseActionCancel, nil, false},
	} {
		t.Run("2025 "+name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
			id, user := s.others(t), &answering{action: tt.action, fields: tt.fields}
			caller, err := client.NewInProcessClientWithOptions(s.MCPServer, client.WithElicitationHandler(user))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = caller.Close() }()
			if err := caller.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			var hello mcp.InitializeRequest
			hello.Params.ProtocolVersion = "2025-11-25"
			if _, err := caller.Initialize(t.Context(), hello); err != nil {
				t.Fatal(err)
			}
			var req mcp.CallToolRequest
			// The model's word is no user's.
			req.Params.Name, req.Params.Arguments = "stop_stream_task", map[string]any{"TaskId": id, "Confirm": true}
			result, err := caller.CallTool(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			s.askedAndDone(t, id, user.asked, result.IsError, textOf(t, result), tt.stops)
		})
		t.Run("2026 "+name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
			id := s.others(t)
			first := s.modern(t, map[string]any{"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id, "Confirm": true}})
			requests, _ := first["inputRequests"].(map[string]any)
			request, _ := requests["confirm"].(map[string]any)
			if first["resultType"] != "input_required" || request["method"] != "elicitation/create" || len(s.sent("StopDigitalHumanStreamTask")) != 0 {
				t.Fatalf("got %v", first)
			}
			answer := map[string]any{"action": tt.action}
			if tt.fields != nil {
				answer["content"] = tt.fields
			}
			second := s.modern(t, map[string]any{
				"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id}, "requestState": first["requestState"],
				"inputResponses": map[string]any{"confirm": answer},
			})
			text := second["content"].([]any)[0].(map[string]any)["text"].(string)
			s.askedAndDone(t, id, []string{request["params"].(map[string]any)["message"].(string)}, second["isError"] == true, text, tt.stops)
		})
	}
	t.Run("2026 an answer about another task", func(t *testing.T) {
		t.Parallel()
		s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
		id := s.others(t)
		got := s.modern(t, map[string]any{
			"name": "stop_stream_task", "arguments": map[string]any{"TaskId": id}, "requestState": "another",
			"inputResponses": map[string]any{"confirm": map[string]any{"action": "accept", "content": ticked}},
		})
		if got["resultType"] != "input_required" || len(s.sent("StopDigitalHumanStreamTask")) != 0 {
			t.Errorf("got %v", got)
		}
	})
}

func (s *stage) askedAndDone(t *testing.T, id string, asked []string, failed bool, text string, stops bool) {
	t.Helper()
	if len(asked) != 1 || !strings.Contains(asked[0], id) {
		t.Errorf("asked %q", asked)
	}
	if got := len(s.sent("StopDigitalHumanStreamTask")) == 1; got != stops || failed == stops || !stops && !strings.Contains(text, "did not agree") {
		t.Errorf("stopped %t, want %t: %s", got, stops, text)
	}
}

// modern calls a tool as a client of protocol 2026-07-28 with forms does.
func (s *stage) modern(t *testing.T, params map[string]any) map[string]any {
	t.Helper()
	params["_meta"] = map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "x", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": map[string]any{"elicitation": map[string]any{}},
	}
	message, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s.HandleMessage(t.Context(), message))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Result map[string]any }
	if err := json.Unmarshal(text, &answer); err != nil || answer.Result == nil {
		t.Fatalf("got %s", text)
	}
	return answer.Result
}

// TestUnknownAndEnded calls every tool with ids that are not there, or no more.
func TestUnknownAndEnded(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{t.TempDir()}}, streams.Options{})
	ended, running := s.create(t, ``), s.create(t, ``)
	s.do(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, ended))
	var private string
	for _, timbre := range zegosim.DefaultTimbres() {
		if timbre.DigitalHumanID != "" && timbre.DigitalHumanID != waver {
			private = timbre.ID
		}
	}
	for _, tt := range []struct{ tool, more string }{
		{"drive_by_text", fmt.Sprintf(`,"Text":"x","TimbreId":%q`, everyone)},
		{"drive_by_audio", `,"AudioUrl":"https://example.com/a.mp3"`},
		{"drive_by_rtc_stream", `,"RoomId":"r","StreamId":"s"`},
		{"do_action", `,"Action":"wave_hand"`},
		{"interrupt_drive", ``},
	} {
		s.fails(t, tt.tool, `{"TaskId":"nobody"`+tt.more+`}`, "400000005", "list_stream_tasks", "RequestId: ")
		s.fails(t, tt.tool, fmt.Sprintf(`{"TaskId":%q%s}`, ended, tt.more), "400000007", "create_stream_task")
	}
	s.fails(t, "get_stream_task", `{"TaskId":"nobody"}`, "400000005")
	refusing := onStage(t, &zegosim.Server{Fault: func(string, int) *zegosim.Fault {
		return &zegosim.Fault{Code: zego.CodeNoPermission}
	}}, tools.Config{}, streams.Options{})
	refusing.fails(t, "list_stream_tasks", ``, "400010001", "What to do: Ask ZEGOCLOUD support", "RequestId: ")
	s.fails(t, "list_timbres", `{"DigitalHumanId":"nobody"}`, "400000003")
	text := fmt.Sprintf(`{"TaskId":%q,"Text":"x","TimbreId":%%q}`, running)
	s.fails(t, "drive_by_text", fmt.Sprintf(text, "nobody"), "400000004", "Call list_timbres and pass")
	s.fails(t, "drive_by_text", fmt.Sprintf(text, private), "400000009", "list_timbres with the DigitalHumanId")
	s.fails(t, "do_action", fmt.Sprintf(`{"TaskId":%q,"Action":"fly"}`, running), "400000001", "get_digital_human lists")
}

// TestLostDrives says that it may have been spoken, and does not speak again.
func TestLostDrives(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{Fault: func(action string, _ int) *zegosim.Fault {
		if strings.HasPrefix(action, "Drive") || action == "DoAction" {
			return &zegosim.Fault{Drop: true}
		}
		return nil
	}}, tools.Config{}, streams.Options{})
	task := fmt.Sprintf(`"TaskId":%q`, s.create(t, ``))
	s.fails(t, "drive_by_text", fmt.Sprintf(`{%s,"Text":"x","TimbreId":%q}`, task, everyone), "DriveByText was sent, but ZEGO's answer was lost", "may have been carried out", "do not repeat it blindly")
	s.fails(t, "do_action", `{`+task+`,"Action":"wave_hand"}`, "may have been carried out")
	if got := len(s.sent("DriveByText")); got != 1 {
		t.Errorf("driven %d times", got)
	}
}

// TestEveryArgument derives bad arguments of every tool from its schema, and holds
// that each is named, and that nothing is sent.
func TestEveryArgument(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{t.TempDir()}}, streams.Options{})
	rows := 0
	for _, tool := range listed(t, everyToolset) {
		good := map[string]any{}
		for name, property := range tool.InputSchema.Properties {
			switch {
			case property.Type == "integer":
				good[name] = *property.Minimum
			case property.Type == "boolean":
				good[name] = true
			case len(property.Enum) > 0:
				good[name] = property.Enum[0]
			case name == "AudioUrl":
				good[name] = "https://example.com/a.wav"
			case name == "BackgroundColor":
				good[name] = "#a0B1c2"
			default:
				good[name] = "x"
			}
		}
		bad := func(name string, value any, want string) {
			t.Helper()
			rows++
			arguments := maps.Clone(good)
			if arguments[name] = value; value == nil {
				delete(arguments, name)
			}
			text, err := json.Marshal(arguments)
			if err != nil {
				t.Fatal(err)
			}
			result := call(t.Context(), t, s.MCPServer, tool.Name, string(text))
			if got := textOf(t, result); !result.IsError || !strings.Contains(got, name) || !strings.Contains(got, want) {
				t.Errorf("%s %.100s: got %.200q, want %q", tool.Name, text, got, want)
			}
		}
		bad("Surprise", 1, `unknown argument "Surprise"`)
		for name, property := range tool.InputSchema.Properties {
			if slices.Contains(tool.InputSchema.Required, name) {
				bad(name, nil, name+" is required")
			}
			wrong := []any{[]int{1}, map[string]int{"a": 1}, "", 1.5}
			want := name + " must be "
			switch property.Type {
			case "string":
				wrong = []any{7, true, []int{1}, map[string]int{"a": 1}}
			case "boolean":
				wrong = []any{"yes", 2, []int{1}}
			}
			for _, value := range wrong {
				bad(name, value, want)
			}
			if property.Minimum != nil {
				bad(name, *property.Minimum-1, fmt.Sprintf("from %d to %d, got", *property.Minimum, *property.Maximum))
				bad(name, *property.Maximum+1, fmt.Sprintf("from %d to %d, got", *property.Minimum, *property.Maximum))
			}
			if property.MaxLength != nil {
				bad(name, "", "got 0")
				bad(name, strings.Repeat("x", *property.MaxLength+1), fmt.Sprintf("%d to %d characters, got %d", *property.MinLength, *property.MaxLength, *property.MaxLength+1))
			}
			if property.Pattern != "" {
				for _, value := range []string{"a b", "房间", "a/b", "a\n"} {
					bad(name, value, "must match "+property.Pattern)
				}
			}
			if len(property.Enum) > 0 {
				bad(name, "none of them", "must be one of")
			}
		}
	}
	for _, colour := range []string{"ffffff", "#fff", "#ggffff", "#fffffff", "#1234567890", "red", ""} {
		s.fails(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":"x","RoomId":"r","BackgroundColor":%q}`, colour), "BackgroundColor must match")
	}
	for _, url := range []string{"ftp://example.com/a.wav", "file:///etc/passwd", "javascript:alert(1)", "/tmp/a.wav", "https:// x/"} {
		s.fails(t, "drive_by_audio", fmt.Sprintf(`{"TaskId":"x","AudioUrl":%q}`, url), "AudioUrl must match ^https?://")
	}
	s.fails(t, "list_timbres", `{"Scope":"private"}`, `Scope "private" needs a DigitalHumanId`)
	if rows < 250 || s.count() != 0 {
		t.Errorf("%d rows, %d calls went upstream", rows, s.count())
	}
}

func TestTextLengths(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	task := s.create(t, ``)
	for _, letter := range []string{"a", "字", "👋"} {
		for n, ok := range map[int]bool{0: false, 1: true, 1800: true, 1801: false} {
			arguments := fmt.Sprintf(`{"TaskId":%q,"Text":%q,"TimbreId":%q}`, task, strings.Repeat(letter, n), everyone)
			if before := len(s.sent("DriveByText")); ok {
				s.do(t, "drive_by_text", arguments)
			} else if s.fails(t, "drive_by_text", arguments, fmt.Sprintf("Text must have 1 to 1800 characters, got %d", n)); len(s.sent("DriveByText")) != before {
				t.Errorf("%d of %s went upstream", n, letter)
			}
		}
	}
}

// TestTimbrePages walks over both lists with every page size, and compares with the
// lists themselves.
func TestTimbrePages(t *testing.T) {
	t.Parallel()
	owners := map[string]int{"": 0}
	for _, timbre := range zegosim.DefaultTimbres() {
		owners[timbre.DigitalHumanID]++
	}
	owners[waver] = 0 // One without private voices.
	s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	voices := func(owner string) (ids []string) {
		for _, timbre := range zegosim.DefaultTimbres() {
			if timbre.DigitalHumanID == owner {
				ids = append(ids, fmt.Sprint(timbre.ID, " ", owner == ""))
			}
		}
		return ids
	}
	for owner := range owners {
		for scope, want := range map[string][]string{
			"": append(voices(owner), voices("")...), "both": append(voices(owner), voices("")...), "public": voices(""), "private": voices(owner),
		} {
			if owner == "" {
				if scope == "both" || scope == "private" {
					continue
				}
				want = voices("")
			}
			for _, limit := range []int{1, 7, 19, 20} {
				got, offset := []string(nil), 0
				for range 100 {
					arguments := map[string]any{"Offset": offset, "Limit": limit}
					if owner != "" {
						arguments["DigitalHumanId"] = owner
					}
					if scope != "" {
						arguments["Scope"] = scope
					}
					text, _ := json.Marshal(arguments)
					page := s.do(t, "list_timbres", string(text))
					for _, timbre := range page["Timbres"].([]any) {
						got = append(got, fmt.Sprint(timbre.(map[string]any)["TimbreId"], " ", timbre.(map[string]any)["IsPublic"]))
					}
					if page["Total"] != float64(len(want)) {
						t.Fatalf("%s: Total %v, want %d", text, page["Total"], len(want))
					}
					next, more := page["NextOffset"].(float64)
					if !more {
						break
					}
					offset = int(next)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("%q %q by %d: %s", owner, scope, limit, diff)
				}
			}
		}
	}
	past := s.do(t, "list_timbres", `{"Offset":1000000}`)
	if len(past["Timbres"].([]any)) != 0 || past["Total"] != 36.0 {
		t.Errorf("got %v", past)
	}
}

// wavFile returns a WAV file of 16-bit mono audio at 24000 Hz.
func wavFile(audio []byte, declared int) []byte {
	var b bytes.Buffer
	b.WriteString("RIFF....WAVEfmt ")
	for _, v := range []any{uint32(16), uint16(1), uint16(1), uint32(24000), uint32(48000), uint16(2), uint16(16)} {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString("data")
	_ = binary.Write(&b, binary.LittleEndian, uint32(declared))
	b.Write(audio)
	return b.Bytes()
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAudioFile(t *testing.T) {
	t.Parallel()
	dir, second := t.TempDir(), t.TempDir()
	s := onStage(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{dir, second}}, streams.Options{})
	task := s.create(t, ``)
	audio := bytes.Repeat([]byte{1, 2}, 6001)
	write(t, filepath.Join(dir, "a.wav"), wavFile(audio, len(audio)))
	write(t, filepath.Join(dir, "sub", "b.PCM"), audio)
	write(t, filepath.Join(second, "c.wav"), wavFile(audio, 0xffffffff))
	if err := os.Symlink("a.wav", filepath.Join(dir, "inside.wav")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]zegosim.VoiceInfo{
		"a.wav": {SampleRate: 24000, Channels: 1}, filepath.Join(dir, "a.wav"): {SampleRate: 24000, Channels: 1},
		"inside.wav": {SampleRate: 24000, Channels: 1}, "sub/../a.wav": {SampleRate: 24000, Channels: 1},
		"sub/b.PCM": {SampleRate: 16000, Channels: 1}, "c.wav": {SampleRate: 24000, Channels: 1},
	} {
		got := s.do(t, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":%q,"Path":%q}`, task, path))
		voice, ok := s.sim.Voice(got["DriveId"].(string))
		want.Bytes, want.SHA256, want.Started, want.Stopped = int64(len(audio)), sha256.Sum256(audio), true, true
		if diff := cmp.Diff(want, voice); !ok || diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if want := float64(len(audio)) / float64(2*voice.SampleRate); got["Seconds"].(float64)-want > 0.001 || want-got["Seconds"].(float64) > 0.001 {
			t.Errorf("%s: %v seconds, want %v", path, got["Seconds"], want)
		}
	}
	got := s.do(t, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":%q,"Path":"sub/b.PCM","SampleRate":24000,"Channel":2,"VoiceChannel":2}`, task))
	if voice, _ := s.sim.Voice(got["DriveId"].(string)); voice.SampleRate != 24000 || voice.Channels != 2 || voice.VoiceChannel != 2 {
		t.Errorf("got %+v", voice)
	}
}

func TestBadAudioFiles(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	s := onStage(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{dir}}, streams.Options{})
	good := wavFile(make([]byte, 100), 100)
	write(t, filepath.Join(outside, "secret.wav"), good)
	write(t, filepath.Join(dir, "empty.wav"), nil)
	write(t, filepath.Join(dir, "text.wav"), []byte("this is no audio at all, but some words"))
	write(t, filepath.Join(dir, "header.wav"), append([]byte("RIFF....WAVEfmt \x04\x00\x00\x00abcd"), good...))
	write(t, filepath.Join(dir, "silent.wav"), wavFile(nil, 0))
	write(t, filepath.Join(dir, "cut.wav"), wavFile(make([]byte, 100), 48000))
	write(t, filepath.Join(dir, "empty.pcm"), nil)
	write(t, filepath.Join(dir, "good.pcm"), make([]byte, 100))
	write(t, filepath.Join(dir, "good.wav"), good)
	huge := filepath.Join(dir, "huge.wav")
	write(t, huge, wavFile(nil, 200<<20))
	if err := os.Truncate(huge, 200<<20+44); err != nil { // A hole: it takes no room.
		t.Fatal(err)
	}
	for name, target := range map[string]string{"link.wav": filepath.Join(outside, "secret.wav"), "up": "..", "relative.wav": "../" + filepath.Base(outside) + "/secret.wav"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	before := s.count()
	for _, tt := range []struct{ path, more, want string }{
		{"../" + filepath.Base(outside) + "/secret.wav", ``, "Path must lie below a directory that the operator allowed (" + dir + ")"},
		{filepath.Join(outside, "secret.wav"), ``, "Path must lie below"},
		{"/etc/passwd", ``, "Path must lie below"},
		{dir + "/../" + filepath.Base(outside) + "/secret.wav", ``, "Path must lie below"},
		{dir + "x/secret.wav", ``, "Path must lie below"},
		{"link.wav", ``, "Path must lie below"},
		{"relative.wav", ``, "Path must lie below"},
		{"up/" + filepath.Base(outside) + "/secret.wav", ``, "Path must lie below"},
		{"missing.wav", ``, "no such file"},
		{".", ``, "no regular file"},
		{"empty.wav", ``, "it is too short"},
		{"text.wav", ``, "does not begin with RIFF"},
		{"header.wav", ``, "format block has 4 bytes"},
		{"silent.wav", ``, "no audio in the file"},
		{"cut.wav", ``, "cut off: its header promises 1s of audio, 2ms are there"},
		{"empty.pcm", ``, "no audio in the file"},
		{"huge.wav", ``, "1h12m49s of audio; one call takes at most 10m0s"},
		{"good.pcm", `,"SampleRate":22050`, "SampleRate must be 16000 or 24000, got 22050"},
		{"good.wav", `,"SampleRate":16000`, "are for .pcm files"},
	} {
		s.fails(t, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":"x","Path":%q%s}`, tt.path, tt.more), tt.want)
	}
	if s.count() != before {
		t.Error("ZEGO was called for a bad file")
	}
	none := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	none.fails(t, "drive_by_audio_file", `{"TaskId":"x","Path":"a.wav"}`, "No directory is allowed", "--audio-dir")
}

func TestVoiceFaults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	audio := make([]byte, 48000)
	write(t, filepath.Join(dir, "a.wav"), wavFile(audio, len(audio)))
	for name, tt := range map[string]struct {
		fault zegosim.VoiceFault
		want  string // Empty: it succeeds.
	}{
		"refuses":             {zegosim.VoiceFault{RefuseStatus: 503}, "refused: HTTP 503"},
		"drops in mid-speech": {zegosim.VoiceFault{DropAfter: 10000}, "the audio connection broke"},
		"floods":              {zegosim.VoiceFault{Flood: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onStage(t, &zegosim.Server{VoiceFault: func(string) *zegosim.VoiceFault { return &tt.fault }}, tools.Config{AudioDirs: []string{dir}}, streams.Options{})
			arguments := fmt.Sprintf(`{"TaskId":%q,"Path":"a.wav"}`, s.create(t, ``))
			if tt.want == "" {
				s.do(t, "drive_by_audio_file", arguments)
				return
			}
			s.fails(t, "drive_by_audio_file", arguments, tt.want, "The speech broke off after", "get_stream_task")
			if strings.Contains(s.logged(), "Token=") {
				t.Errorf("a token in %s", s.logged())
			}
		})
	}
}

// TestProgress watches a call as a client does.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{StartDelay: 20 * time.Millisecond}, tools.Config{}, streams.Options{})
	caller, err := client.NewInProcessClient(s.MCPServer)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = caller.Close() }()
	messages := make(chan string, 1000)
	caller.OnNotification(func(n mcp.JSONRPCNotification) {
		if n.Method == "notifications/progress" && n.Params.AdditionalFields["progressToken"] == "p" {
			messages <- fmt.Sprint(n.Params.AdditionalFields["message"])
		}
	})
	if err := caller.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := caller.Initialize(t.Context(), mcp.InitializeRequest{}); err != nil {
		t.Fatal(err)
	}
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = "create_stream_task", map[string]any{"DigitalHumanId": waver, "RoomId": "room"}
	req.Params.Meta = &mcp.Meta{ProgressToken: "p"}
	if result, err := caller.CallTool(t.Context(), req); err != nil || result.IsError {
		t.Fatalf("got %+v, %v", result, err)
	}
	seen := map[string]bool{}
	for !seen["the stream is streaming"] {
		select {
		case message := <-messages:
			seen[message] = true
		case <-t.Context().Done():
			t.Fatalf("got %v", seen)
		}
	}
	if !seen["creating the stream task"] || !seen["the stream is initializing"] {
		t.Errorf("got %v", seen)
	}
}

// rpc sends a request and returns its result, or its error.
func (s *stage) rpc(t *testing.T, method, params string) (result map[string]any, code int) {
	t.Helper()
	text, err := json.Marshal(s.HandleMessage(t.Context(), json.RawMessage(`{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`)))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Result map[string]any
		Error  struct{ Code int }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Result, answer.Error.Code
}

func TestPrompts(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	names := func(server *stage) (names []string) {
		list, _ := server.rpc(t, "prompts/list", `{}`)
		for _, prompt := range list["prompts"].([]any) {
			names = append(names, prompt.(map[string]any)["name"].(string))
		}
		return names
	}
	if diff := cmp.Diff([]string{"choose_presenter", "go_live"}, names(s)); diff != "" {
		t.Error(diff)
	}
	assets := &stage{MCPServer: tools.NewServer(tools.Config{})}
	if diff := cmp.Diff([]string{"choose_presenter"}, names(assets)); diff != "" {
		t.Error(diff)
	}
	var all strings.Builder
	for _, params := range []string{
		`{"name":"choose_presenter","arguments":{"Role":"a calm news anchor"}}`,
		`{"name":"choose_presenter","arguments":{"Role":"a teacher","DigitalHuman":"Sophia"}}`,
		`{"name":"go_live","arguments":{"Script":"Good evening.","RoomId":"studio"}}`,
		`{"name":"go_live","arguments":{"Script":"Good evening.","RoomId":"studio","DigitalHuman":"Sophia","Timbre":"Grace"}}`,
	} {
		got, _ := s.rpc(t, "prompts/get", params)
		_, _ = fmt.Fprintf(&all, "# %s\n%s\n\n", params, got["messages"].([]any)[0].(map[string]any)["content"].(map[string]any)["text"])
	}
	golden(t, "prompts.txt", []byte(all.String()))
	if _, code := s.rpc(t, "prompts/get", `{"name":"go_live","arguments":{"Script":" "}}`); code == 0 {
		t.Error("a prompt without its arguments")
	}
}

func TestCompletions(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	complete := func(ref, argument, value, given string) []any {
		params := fmt.Sprintf(`{"ref":%s,"argument":{"name":%q,"value":%q}%s}`, ref, argument, value, given)
		result, code := s.rpc(t, "completion/complete", params)
		if code != 0 {
			t.Fatalf("%s: error %d", params, code)
		}
		return result["completion"].(map[string]any)["values"].([]any)
	}
	const goLive = `{"type":"ref/prompt","name":"go_live"}`
	if got := complete(goLive, "DigitalHuman", "ｓｏｐｈ", ""); len(got) == 0 || got[0] != "Sophia" {
		t.Errorf("got %v", got)
	}
	if got := complete(goLive, "DigitalHuman", "", ""); len(got) < 40 {
		t.Errorf("got %d names", len(got))
	}
	public := complete(goLive, "Timbre", "", "")
	var owner string
	most := 0
	for _, human := range zegosim.DefaultHumans() {
		n := 0
		for _, timbre := range zegosim.DefaultTimbres() {
			if timbre.DigitalHumanID == human.ID {
				n++
			}
		}
		if n > most {
			most, owner = n, human.Name
		}
	}
	both := complete(goLive, "Timbre", "", fmt.Sprintf(`,"context":{"arguments":{"DigitalHuman":%q}}`, owner))
	if len(public) < 30 || len(both) <= len(public) {
		t.Errorf("%d public voices, %d with private ones", len(public), len(both))
	}
	if got := complete(goLive, "Script", "x", ""); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	id := s.create(t, ``)
	if got := complete(`{"type":"ref/resource","uri":"zego://stream-tasks/{TaskId}"}`, "TaskId", id[:5], ""); len(got) != 1 || got[0] != id {
		t.Errorf("got %v", got)
	}
	s.sim.Fault = func(string, int) *zegosim.Fault { return &zegosim.Fault{Code: zego.CodeNoPermission} }
	if got := complete(goLive, "DigitalHuman", "", ""); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestStreamTaskResource(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	id := s.create(t, ``)
	templates, _ := s.rpc(t, "resources/templates/list", `{}`)
	if got := templates["resourceTemplates"].([]any)[0].(map[string]any)["uriTemplate"]; got != "zego://stream-tasks/{TaskId}" {
		t.Errorf("got %v", got)
	}
	read, _ := s.rpc(t, "resources/read", `{"uri":"zego://stream-tasks/`+id+`"}`)
	var task map[string]any
	if err := json.Unmarshal([]byte(read["contents"].([]any)[0].(map[string]any)["text"].(string)), &task); err != nil || task["TaskId"] != id || task["Status"] != 3.0 {
		t.Errorf("got %v, %v", task, err)
	}
	// mcp-go gives every error of a template's handler the code of an internal error.
	for uri, want := range map[string]int{"zego://stream-tasks/nobody": mcp.INTERNAL_ERROR, "zego://other": mcp.RESOURCE_NOT_FOUND, "zego://stream-tasks/": mcp.INTERNAL_ERROR} {
		if _, code := s.rpc(t, "resources/read", `{"uri":"`+uri+`"}`); code != want {
			t.Errorf("%s: got %d, want %d", uri, code, want)
		}
	}
}

// TestNothingIsLeft counts goroutines after tasks were created, spoken to and stopped.
func TestNothingIsLeft(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.wav"), wavFile(make([]byte, 4800), 4800))
	before := runtime.NumGoroutine()
	t.Run("streams", func(t *testing.T) {
		s := onStage(t, &zegosim.Server{}, tools.Config{AudioDirs: []string{dir}}, streams.Options{})
		for range 3 {
			s.do(t, "drive_by_audio_file", fmt.Sprintf(`{"TaskId":%q,"Path":"a.wav"}`, s.create(t, ``)))
		}
		s.streams.StopAll(t.Context())
	})
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
		runtime.GC()
	}
	var stacks bytes.Buffer
	buf := make([]byte, 1<<20)
	_, _ = io.Copy(&stacks, bytes.NewReader(buf[:runtime.Stack(buf, true)]))
	t.Errorf("%d goroutines became %d:\n%s", before, runtime.NumGoroutine(), stacks.String())
}

// TestLostCreate: the server knows its task again by the StreamId, and another's with
// the same one not.
func TestLostCreate(t *testing.T) {
	t.Parallel()
	var lose atomic.Bool
	lose.Store(true)
	s := onStage(t, &zegosim.Server{Fault: func(action string, call int) *zegosim.Fault {
		switch {
		case lose.Load() && action == "CreateDigitalHumanStreamTask":
			return &zegosim.Fault{Drop: true}
		case lose.Load() && action == "QueryDigitalHumanStreamTasks":
			return &zegosim.Fault{Code: zego.CodeNoPermission}
		}
		return nil
	}}, tools.Config{}, streams.Options{})
	s.fails(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"}`, waver), "answer was lost", "StreamId zego-mcp-", "list_stream_tasks")
	s.fails(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room","StreamId":"chosen"}`, waver), "StreamId chosen")
	lose.Store(false)
	for _, task := range s.running(t) {
		// Nobody is asked: it is ours.
		s.do(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task.ID))
	}
	if got := s.running(t); len(got) != 0 {
		t.Errorf("got %v", got)
	}

	var clock clock
	old := onStage(t, &zegosim.Server{Now: clock.now, Fault: s.sim.Fault}, tools.Config{}, streams.Options{})
	clock.turn(-5 * time.Minute)
	theirs, err := old.client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: waver}, RTCConfig: zego.RTCConfig{RoomID: "room", StreamID: "chosen"},
	})
	if err != nil {
		t.Fatal(err)
	}
	clock.turn(5 * time.Minute)
	lose.Store(true)
	old.fails(t, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room","StreamId":"chosen"}`, waver), "answer was lost")
	lose.Store(false)
	old.fails(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, theirs.TaskID), "which this server did not start")
	old.streams.StopAll(t.Context())
	if got := old.running(t); len(got) != 1 || got[0].ID != theirs.TaskID {
		t.Errorf("got %v", got)
	}
}

// TestLateCreate: the caller leaves and the server ends before ZEGO begins with a
// create; the task that comes of it is stopped all the same.
func TestLateCreate(t *testing.T) {
	t.Parallel()
	arrived, begin := make(chan struct{}), make(chan struct{})
	var looks atomic.Int32
	s := onStage(t, &zegosim.Server{
		Fault: func(action string, _ int) *zegosim.Fault {
			if action == "CreateDigitalHumanStreamTask" {
				close(arrived)
				<-begin
			}
			return nil
		},
		Observe: func(call zegosim.Call) {
			if call.Action == "QueryDigitalHumanStreamTasks" && looks.Add(1) == 2 {
				close(begin)
			}
		},
	}, tools.Config{}, streams.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() {
		call(ctx, t, s.MCPServer, "create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"room"}`, waver))
	})
	<-arrived
	cancel()
	s.streams.StopAll(t.Context())
	asking.Wait()
	s.streams.WaitStopping()
	if got := s.running(t); len(got) != 0 || len(s.sent("CreateDigitalHumanStreamTask")) != 1 {
		t.Errorf("got %v", got)
	}
}
