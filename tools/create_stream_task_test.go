package tools_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

func TestMaxTTL(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{MaxTTL: 5 * time.Minute})
	s.mustFail(t, "create_stream_task", createArguments(`,"TTL":301,"MaxIdleTime":86400`),
		"TTL must be an integer from 10 to 300 (this server's operator allows no more: --max-ttl), got 301\n"+
			"MaxIdleTime must be an integer from 30 to 300 (this server's operator allows no more: --max-ttl), got 86400")
	if s.requestCount() != 0 {
		t.Error("a request was sent")
	}
	if listed := string(listTools(t, s.MCPServer)); strings.Count(listed, `"maximum": 300,`) != 2 || !strings.Contains(listed, `"default": 300`) {
		t.Errorf("the schema does not have the operator's limits: %s", listed)
	}
	s.createTask(t, ``)
	if got := s.mustCall(t, "create_stream_task", createArguments(`,"TTL":300,"MaxIdleTime":30`)); got["MaxIdleTime"] != 30.0 {
		t.Errorf("got %v", got)
	}
	for i, want := range []string{`"TTL":300,"MaxIdleTime":120}`, `"TTL":300,"MaxIdleTime":30}`} {
		if got := s.requestBodies("CreateDigitalHumanStreamTask")[i]; !strings.HasSuffix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestOutputMode expects that ZEGO is told an OutputMode only if the caller gave one.
func TestOutputMode(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{})
	s.mustFail(t, "create_stream_task", createArguments(`,"OutputMode":3`), "OutputMode must be an integer from 1 to 2, got 3")
	s.mustFail(t, "create_stream_task", createArguments(`,"OutputMode":0`), "OutputMode must be an integer from 1 to 2, got 0")
	if s.requestCount() != 0 {
		t.Error("a request was sent")
	}
	s.createTask(t, ``)
	s.createTask(t, `,"OutputMode":2,"BackgroundColor":"#00000000"`)
	bodies := s.requestBodies("CreateDigitalHumanStreamTask")
	if strings.Contains(bodies[0], "ExtraConfig") {
		t.Errorf("without OutputMode: sent %s", bodies[0])
	}
	if !strings.HasSuffix(bodies[1], `"MaxIdleTime":120,"ExtraConfig":{"OutputMode":2}}`) || !strings.Contains(bodies[1], `"#00000000"`) {
		t.Errorf("with OutputMode 2: sent %s", bodies[1])
	}
}

func TestMaxTasks(t *testing.T) {
	t.Parallel()
	var clock testClock
	s := newTestServer(t, &zegosim.Server{Now: clock.now}, tools.Config{}, streams.Options{MaxTasks: 2, Now: clock.now})
	first, second := s.createTask(t, ``), s.createTask(t, ``)
	s.mustFail(t, "create_stream_task", createArguments(``), "may run 2 stream tasks at once", "--max-tasks", first, second, "Ask the user which one to stop", "stop_stream_task")
	if got := len(s.requestBodies("CreateDigitalHumanStreamTask")); got != 2 {
		t.Errorf("%d requests to create a task, want 2", got)
	}
	s.mustCall(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, first))
	s.createTask(t, ``)
	// A task that ended without stop_stream_task makes way for a new one, when it is old
	// enough for ZEGO's word to be sure.
	if _, err := s.client.StopStreamTask(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	s.mustFail(t, "create_stream_task", createArguments(``), "may run 2 stream tasks at once")
	clock.advance(31 * time.Second)
	s.createTask(t, ``)
}

// TestMaxTasksInParallel checks that calls at the same time do not exceed MaxTasks.
func TestMaxTasksInParallel(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{MaxTasks: 2})
	var calls sync.WaitGroup
	for range 10 {
		calls.Go(func() { callTool(t.Context(), t, s.MCPServer, "create_stream_task", createArguments(``)) })
	}
	calls.Wait()
	if got := len(s.runningTasks(t)); got != 2 {
		t.Errorf("%d tasks run", got)
	}
}

// noStore is a Store that never answers.
type noStore struct{ streams.Store }

func (noStore) Renew(context.Context, streams.Presence) (streams.View, error) {
	return streams.View{}, errors.New("connection refused")
}

// TestRedisGone checks that nothing is created while the list of streams does not answer.
func TestRedisGone(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{}, tools.Config{}, streams.Options{Store: noStore{}})
	s.mustFail(t, "create_stream_task", createArguments(``),
		"This server's list of streams is in Redis, which does not answer; nothing was created.\nWhat to do: Try again.")
	if got := s.requestBodies("CreateDigitalHumanStreamTask"); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestStreamIDInUse(t *testing.T) {
	t.Parallel()
	var clock testClock
	s := newTestServer(t, &zegosim.Server{Now: clock.now}, tools.Config{}, streams.Options{Now: clock.now})
	mine := s.createTask(t, `,"StreamId":"mine"`)
	s.mustFail(t, "create_stream_task", createArguments(`,"StreamId":"mine"`), "StreamId mine is in use", "Leave StreamId out")
	if _, err := s.client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: humanWithGesture}, RTCConfig: zego.RTCConfig{RoomID: "r", StreamID: "theirs"},
	}); err != nil {
		t.Fatal(err)
	}
	s.mustFail(t, "create_stream_task", createArguments(`,"StreamId":"theirs"`), "StreamId theirs is in use by the stream task", "Leave StreamId out")
	// When a task ended without stop_stream_task, its StreamId is free again.
	if _, err := s.client.StopStreamTask(t.Context(), mine); err != nil {
		t.Fatal(err)
	}
	clock.advance(time.Minute)
	s.createTask(t, `,"StreamId":"mine"`)
}

func TestCreateFaults(t *testing.T) {
	t.Parallel()
	args := createArguments(``)
	failCreate := func(fault zegosim.Fault) *zegosim.Server {
		return &zegosim.Server{Fault: failAction("CreateDigitalHumanStreamTask", fault)}
	}
	for _, tt := range []struct {
		name    string
		sim     *zegosim.Server
		args    string
		wants   []string // In the text of the error; none if the call succeeds.
		running int      // Tasks that run after the call.
	}{
		{"answer lost, task runs", failCreate(zegosim.Fault{Drop: true}), args, nil, 1},
		{"answer truncated, task runs", failCreate(zegosim.Fault{Truncate: true}), args, nil, 1},
		{"answer replaced by a proxy, task runs", failCreate(zegosim.Fault{Status: 502, Body: "<html>"}), args, nil, 1},
		{"refused", failCreate(zegosim.Fault{Code: zego.CodeInsufficientResources}), args, []string{"400010007"}, 0},
		{"unknown digital human", &zegosim.Server{}, `{"DigitalHumanId":"nobody","RoomId":"room"}`, []string{"400000003", "Call list_digital_humans"}, 0},
		{"fails to start", &zegosim.Server{StartDelay: time.Millisecond, FailStart: func(string, string) string { return "no model" }}, args, []string{"did not start", "no model", "create_stream_task again"}, 0},
		{"limit of the project", failCreate(zegosim.Fault{Code: zego.CodeConcurrencyExceeded}), args, []string{"400000008", "list_stream_tasks"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newTestServer(t, tt.sim, tools.Config{}, streams.Options{MaxTasks: 1})
			if len(tt.wants) == 0 {
				if got := s.mustCall(t, "create_stream_task", tt.args); got["Status"] != 3.0 {
					t.Errorf("got %v", got)
				}
			} else {
				s.mustFail(t, "create_stream_task", tt.args, tt.wants...)
			}
			if got := len(s.requestBodies("CreateDigitalHumanStreamTask")); got != 1 {
				t.Errorf("created %d times", got)
			}
			if got := len(s.runningTasks(t)); got != tt.running {
				t.Errorf("%d tasks run", got)
			}
			s.streams.Close(t.Context())
			if got := s.runningTasks(t); len(got) != 0 {
				t.Errorf("%d tasks run after Close", len(got))
			}
			s.mustFail(t, "create_stream_task", args, "this server is ending; nothing was created")
		})
	}
}

// TestCreateReturnsBeforeStreaming checks that a call succeeds if its time is over before the
// stream starts, because the task exists then; and that a call need not wait at all.
func TestCreateReturnsBeforeStreaming(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{StartDelay: time.Hour}, tools.Config{Timeout: 200 * time.Millisecond}, streams.Options{})
	for _, more := range []string{``, `,"WaitUntilStreaming":false`} {
		got := s.mustCall(t, "create_stream_task", createArguments(more))
		if got["Status"] != 1.0 || got["StatusName"] != "initializing" || !strings.Contains(got["NextCalls"].(string), "which wait until it streams") {
			t.Errorf("got %v", got)
		}
		state := s.mustCall(t, "get_stream_task", fmt.Sprintf(`{"TaskId":%q}`, got["TaskId"]))
		if state["StatusName"] != "initializing" || state["EndsAt"] != got["EndsAt"] || state["IdleEndsAt"] == nil {
			t.Errorf("got %v, which ends at %v", state, got["EndsAt"])
		}
	}
	s.mustFail(t, "drive_by_text", fmt.Sprintf(`{"TaskId":%q,"Text":"x","TimbreId":%q}`, s.runningTasks(t)[0].ID, publicTimbre), "400000006", "get_stream_task")
}

func TestCreateReportsProgress(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, &zegosim.Server{StartDelay: 200 * time.Millisecond}, tools.Config{}, streams.Options{})
	mcpClient, err := client.NewInProcessClient(s.MCPServer)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mcpClient.Close() }()
	messages := make(chan string, 1000)
	mcpClient.OnNotification(func(n mcp.JSONRPCNotification) {
		if n.Method == "notifications/progress" && n.Params.AdditionalFields["progressToken"] == "p" {
			messages <- fmt.Sprint(n.Params.AdditionalFields["message"])
		}
	})
	if err := mcpClient.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := mcpClient.Initialize(t.Context(), mcp.InitializeRequest{}); err != nil {
		t.Fatal(err)
	}
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = "create_stream_task", map[string]any{"DigitalHumanId": humanWithGesture, "RoomId": "room"}
	req.Params.Meta = &mcp.Meta{ProgressToken: "p"}
	if result, err := mcpClient.CallTool(t.Context(), req); err != nil || result.IsError {
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

// TestCancelledCreate checks that the task of a cancelled call is stopped, because nobody has
// learnt its TaskId.
func TestCancelledCreate(t *testing.T) {
	t.Parallel()
	for name, sim := range map[string]*zegosim.Server{
		"while it is created": {Fault: failAction("CreateDigitalHumanStreamTask", zegosim.Fault{Latency: 100 * time.Millisecond})},
		"while it starts":     {StartDelay: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			sim.Observe = func(call zegosim.Call) {
				if call.Action == "GetDigitalHumanStreamTaskStatus" || name == "while it is created" && call.Action == "CreateDigitalHumanStreamTask" {
					cancel()
				}
			}
			s := newTestServer(t, sim, tools.Config{}, streams.Options{})
			result := callTool(ctx, t, s.MCPServer, "create_stream_task", createArguments(``))
			if !result.IsError {
				t.Errorf("got %s", textOf(t, result))
			}
			s.streams.Close(t.Context()) // Waits for stops in the background.
			if got := s.runningTasks(t); len(got) != 0 {
				t.Errorf("got %v", got)
			}
			if got := len(s.requestBodies("StopDigitalHumanStreamTask")); got == 0 {
				t.Error("the task was not stopped")
			}
		})
	}
}

// TestCloseWhileCreating calls Close while ZEGO's answer to a create is missing.
func TestCloseWhileCreating(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 10)
	sim := &zegosim.Server{
		Observe: func(call zegosim.Call) {
			if call.Action == "CreateDigitalHumanStreamTask" {
				arrived <- struct{}{}
			}
		},
		Fault: failAction("CreateDigitalHumanStreamTask", zegosim.Fault{Stall: true}),
	}
	s := newTestServer(t, sim, tools.Config{}, streams.Options{StopTimeout: 5 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	var creating sync.WaitGroup
	creating.Go(func() {
		callTool(ctx, t, s.MCPServer, "create_stream_task", createArguments(``))
	})
	<-arrived
	s.streams.Close(t.Context())
	if got := s.runningTasks(t); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	cancel()
	creating.Wait()
}

// newLosingServer returns a server that loses the answers to creates, and lists no tasks, as
// long as losing is true. now is the clock of the simulator, or nil.
func newLosingServer(t *testing.T, now func() time.Time) (s *testServer, losing *atomic.Bool) {
	t.Helper()
	losing = &atomic.Bool{}
	return newTestServer(t, &zegosim.Server{Now: now, Fault: func(action string, _ int) *zegosim.Fault {
		switch {
		case losing.Load() && action == "CreateDigitalHumanStreamTask":
			return &zegosim.Fault{Drop: true}
		case losing.Load() && action == "QueryDigitalHumanStreamTasks":
			return &zegosim.Fault{Body: `{"Code":0,"Data":{"TaskList":[]}}`}
		}
		return nil
	}}, tools.Config{}, streams.Options{Now: now}), losing
}

// TestLostCreate checks that the server recognizes a task by its StreamId when ZEGO's answer
// to the create was lost, so that stop_stream_task needs no confirmation.
func TestLostCreate(t *testing.T) {
	t.Parallel()
	s, losing := newLosingServer(t, nil)
	losing.Store(true)
	s.mustFail(t, "create_stream_task", createArguments(``), "answer was lost", "StreamId zego-mcp-", "as soon as ZEGO lists it")
	s.mustFail(t, "create_stream_task", createArguments(`,"StreamId":"chosen"`), "StreamId chosen")
	losing.Store(false)
	for _, task := range s.runningTasks(t) {
		s.mustCall(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, task.ID))
	}
	if got := s.runningTasks(t); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestLostCreateOfUsedStreamID checks that the server does not take an older task of another
// program for its own, if it has the StreamId of a create whose answer was lost.
func TestLostCreateOfUsedStreamID(t *testing.T) {
	t.Parallel()
	var clock testClock
	s, losing := newLosingServer(t, clock.now)
	clock.advance(-5 * time.Minute)
	theirs, err := s.client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: humanWithGesture}, RTCConfig: zego.RTCConfig{RoomID: "room", StreamID: "chosen"},
	})
	if err != nil {
		t.Fatal(err)
	}
	clock.advance(5 * time.Minute)
	losing.Store(true)
	s.mustFail(t, "create_stream_task", createArguments(`,"StreamId":"chosen"`), "answer was lost")
	losing.Store(false)
	s.mustFail(t, "stop_stream_task", fmt.Sprintf(`{"TaskId":%q}`, theirs.TaskID), "which this server did not start")
	s.streams.Close(t.Context())
	if got := s.runningTasks(t); len(got) != 1 || got[0].ID != theirs.TaskID {
		t.Errorf("got %v", got)
	}
}

// TestCreateAfterClose checks that a task is stopped even if ZEGO creates it only after the
// call was cancelled and Close has looked for the task.
func TestCreateAfterClose(t *testing.T) {
	t.Parallel()
	arrived, proceed := make(chan struct{}), make(chan struct{})
	var queries atomic.Int32
	s := newTestServer(t, &zegosim.Server{
		Fault: func(action string, _ int) *zegosim.Fault {
			if action == "CreateDigitalHumanStreamTask" {
				close(arrived)
				<-proceed
			}
			return nil
		},
		Observe: func(call zegosim.Call) {
			if call.Action == "QueryDigitalHumanStreamTasks" && queries.Add(1) == 2 {
				close(proceed)
			}
		},
	}, tools.Config{}, streams.Options{StopTimeout: 5 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	var creating sync.WaitGroup
	creating.Go(func() {
		callTool(ctx, t, s.MCPServer, "create_stream_task", createArguments(``))
	})
	<-arrived
	cancel()
	s.streams.Close(t.Context())
	creating.Wait()
	if got := s.runningTasks(t); len(got) != 0 || len(s.requestBodies("CreateDigitalHumanStreamTask")) != 1 {
		t.Errorf("got %v", got)
	}
}
