package tools_test

import (
	"context"
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

// TestProgress watches a call as a client does.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := onStage(t, &zegosim.Server{StartDelay: 200 * time.Millisecond}, tools.Config{}, streams.Options{})
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
