package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"zego-mcp/zego"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// TestSoak runs the whole soak with one call in each session. It is not parallel, because
// the soak counts the goroutines of the process.
func TestSoak(t *testing.T) {
	var out strings.Builder
	// Five sessions in the warm-up and five after it make ten calls, so that none waits
	// for the rate limit of ten a second.
	err := soak(t.Context(), &out, options{sessions: 5, timeout: 30 * time.Second, idleSession: 100 * time.Millisecond})
	if err != nil {
		t.Error(err)
	}
	for _, name := range []string{"slowest", "goroutines, before and after", "stream tasks created", "named in ERROR lines                    0\n", "  still running                         0\n"} {
		if !strings.Contains(out.String(), name) {
			t.Errorf("no %q in the table:\n%s", name, out.String())
		}
	}
}

// TestSoakFails runs the whole soak while every upstream call fails.
func TestSoakFails(t *testing.T) {
	err := soak(t.Context(), io.Discard, options{sessions: 5, faultPercent: 100, timeout: 100 * time.Millisecond, idleSession: 100 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "no call succeeded") {
		t.Errorf("got %v, want an error because no call succeeded", err)
	}
	if strings.Contains(err.Error(), "no ERROR line") {
		t.Errorf("got %v, although all tasks that run must be named", err)
	}
}

// TestTaskLeft checks that the soak fails if a stream task runs at its end.
func TestTaskLeft(t *testing.T) {
	r := &run{out: io.Discard, options: options{timeout: time.Minute}}
	stop, err := r.startSimulator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if err := r.checkTasks(t.Context(), &errorLog{}); err == nil || !strings.Contains(err.Error(), "no stream task was created") {
		t.Errorf("without a task: got %v", err)
	}
	_, err = r.client.CreateStreamTask(t.Context(), zego.CreateStreamTaskRequest{
		DigitalHumanConfig: zego.DigitalHumanConfig{DigitalHumanID: zegosim.DefaultHumans()[0].ID},
		RTCConfig:          zego.RTCConfig{RoomID: "room", StreamID: "left"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"stream=left2 room=room\n": "no ERROR line names it",
		"stream=left room=room\n":  "an ERROR line says so",
	} {
		var log errorLog
		_, _ = io.WriteString(&log, line)
		if err := r.checkTasks(t.Context(), &log); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with the line %q: got %v", line, err)
		}
	}
}

// TestAnswers calls a server that answers each call with the given result.
func TestAnswers(t *testing.T) {
	humans := zegosim.DefaultHumans()
	page := func(total int, humans ...zego.DigitalHuman) *mcp.CallToolResult {
		a := answer{Total: total, SearchedAll: true}
		for _, human := range humans {
			a.DigitalHumans = append(a.DigitalHumans, struct {
				DigitalHumanID string `json:"DigitalHumanId"`
			}{human.ID})
		}
		return text(t, a)
	}
	create := func(c *clients, _ int) toolCall { return c.create() }
	speak := func(c *clients, _ int) toolCall {
		c.driveIDs = map[string]bool{"earlier": true}
		return c.drive("task")
	}
	end := func(*clients, int) toolCall { return stop("task") }
	find, get, list := (*clients).find, (*clients).get, func(c *clients, offset int) toolCall { return c.list(offset, 2) }
	for _, tt := range []struct {
		name    string
		newCall func(c *clients, index int) toolCall // The index is 3.
		result  *mcp.CallToolResult                  // Nil is a JSON-RPC error.
		want    string                               // Part of the verdict, "" for none.
	}{
		{"find: the human", find, page(1, humans[3]), ""},
		{"find: another human", find, page(1, humans[4]), "find_digital_humans: asked for " + humans[3].ID},
		{"find: two humans", find, page(2, humans[3], humans[4]), "find_digital_humans: asked for"},
		{"get: the human", get, text(t, answer{DigitalHumanID: humans[3].ID}), ""},
		{"get: another human", get, text(t, answer{DigitalHumanID: humans[4].ID}), "asked for " + humans[3].ID + ", got " + humans[4].ID},
		{"list: the page", list, page(len(humans), humans[3:5]...), ""},
		{"list: another page", list, page(len(humans), humans[4:6]...), "asked for 2 from 3 on"},
		{"list: half a page", list, page(len(humans), humans[3]), "asked for 2 from 3 on"},
		{"list: wrong total", list, page(1, humans[3:5]...), "asked for 2 from 3 on"},
		{"create: a task", create, text(t, answer{TaskID: "task"}), ""},
		{"create: no task", create, text(t, answer{}), "create_stream_task: no TaskId"},
		{"drive: a new drive", speak, text(t, answer{DriveID: "drive"}), ""},
		{"drive: of another call", speak, text(t, answer{DriveID: "earlier"}), "drive_by_text: DriveId earlier was answered twice"},
		{"drive: no drive", speak, text(t, answer{}), "drive_by_text: no DriveId"},
		{"stop: the task", end, text(t, answer{Stopped: []string{"task"}}), ""},
		{"stop: it had ended", end, text(t, answer{AlreadyStopped: true}), ""},
		{"stop: another task", end, text(t, answer{Stopped: []string{"other"}}), "stop_stream_task: asked to stop task, got [other]"},
		{"stop: nothing", end, text(t, answer{}), "stop_stream_task: asked to stop task, got []"},
		{"no JSON", get, mcp.NewToolResultText("<html>"), "invalid character"},
		{"empty result", get, &mcp.CallToolResult{}, "unexpected end of JSON input"},
		{"clear error", get, mcp.NewToolResultError("ZEGO refused it: is busy. Trying again may help."), "no call succeeded"},
		{"unclear error", get, mcp.NewToolResultError("oops"), `an error that is not clear: "oops"`},
		{"protocol error", get, nil, "without an answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := clients{humans: humans, timeout: time.Minute}
			s := server.NewMCPServer("fake", "1")
			s.AddTool(mcp.NewTool(tt.newCall(&c, 3).tool), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				if tt.result == nil {
					return nil, errors.New("broken")
				}
				return tt.result, nil
			})
			err := callOnce(t, s, &c, tt.newCall(&c, 3), time.Minute, false)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestNoAnswer calls a server that never answers. That is a problem, unless the client
// cancels the call.
func TestNoAnswer(t *testing.T) {
	for _, cancels := range []bool{false, true} {
		c := clients{humans: zegosim.DefaultHumans()}
		s := server.NewMCPServer("fake", "1")
		s.AddTool(mcp.NewTool("get_digital_human"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		err := callOnce(t, s, &c, c.get(0), 100*time.Millisecond, cancels)
		if got := strings.Contains(err.Error(), "without an answer"); got == cancels {
			t.Errorf("cancels: %v, got %v", cancels, err)
		}
		if got := c.cancelled == 1; got != cancels {
			t.Errorf("cancels: %v, got %d cancelled calls", cancels, c.cancelled)
		}
	}
}

// callOnce makes one call of s and returns the verdict.
func callOnce(t *testing.T, s *server.MCPServer, c *clients, call toolCall, limit time.Duration, cancels bool) error {
	t.Helper()
	srv := httptest.NewServer(server.NewStreamableHTTPServer(s))
	defer srv.Close()
	c.url = srv.URL
	connections := &http.Transport{}
	defer connections.CloseIdleConnections()
	ctx, disconnect := context.WithCancel(t.Context())
	defer disconnect()
	session, err := c.connect(ctx, connections)
	if err != nil {
		t.Fatal(err)
	}
	c.call(ctx, session, call, limit, cancels)
	return c.verdict()
}

// text is a result that holds a as JSON.
func text(t *testing.T, a answer) *mcp.CallToolResult {
	t.Helper()
	body, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return mcp.NewToolResultText(string(body))
}

// TestSessionDoesNotBegin connects to an HTTP server that does not speak MCP.
func TestSessionDoesNotBegin(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	c := clients{url: srv.URL}
	c.run(t.Context(), 0, 1)
	if err := c.verdict(); err == nil || !strings.Contains(err.Error(), "a session did not begin") {
		t.Errorf("got %v", err)
	}
}

// TestFaultVerdict checks what counts as a failure of the upstream side.
func TestFaultVerdict(t *testing.T) {
	for _, tt := range []struct {
		name    string
		faults  *faultInjector
		wantErr bool
	}{
		{"no faults wanted", &faultInjector{}, false},
		{"faults happened", &faultInjector{percent: 20, counts: map[string]int{"stall": 1}}, false},
		{"no fault happened", &faultInjector{percent: 20}, true},
		{"called too often", &faultInjector{calls: 9, rateLimited: 1}, true},
		{"on a busy machine", &faultInjector{calls: 100, rateLimited: 2}, false},
	} {
		if err := tt.faults.verdict(); (err != nil) != tt.wantErr {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// TestCheckGrowth checks what counts as left over.
func TestCheckGrowth(t *testing.T) {
	before := usage{goroutines: 7, connections: 1, heap: 1 << 20}
	for _, tt := range []struct {
		name    string
		after   usage
		wantErr bool
	}{
		{"the same", before, false},
		{"less", usage{}, false},
		{"noise in the heap", usage{goroutines: 7, connections: 1, heap: 2 << 20}, false},
		{"goroutines", usage{goroutines: 8, connections: 1, heap: 1 << 20}, true},
		{"connections", usage{goroutines: 7, connections: 2, heap: 1 << 20}, true},
		{"heap", usage{goroutines: 7, connections: 1, heap: 4 << 20}, true},
	} {
		if err := checkGrowth(before, tt.after); (err != nil) != tt.wantErr {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}
