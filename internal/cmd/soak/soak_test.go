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

// TestSoak runs the whole soak, with one short session of each client. It has no
// t.Parallel, because the soak counts the goroutines of the process.
func TestSoak(t *testing.T) {
	var out strings.Builder
	// At most ten calls reach ZEGO, so that none waits for the rate limit.
	err := soak(t.Context(), &out, options{sessions: 5, timeout: 30 * time.Second, idleSession: 200 * time.Millisecond})
	if err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "slowest") || !strings.Contains(out.String(), "goroutines, before and after") {
		t.Errorf("incomplete table:\n%s", out.String())
	}
}

// TestSoakFails runs the whole soak while every upstream call fails.
func TestSoakFails(t *testing.T) {
	err := soak(t.Context(), io.Discard, options{sessions: 5, faults: 100, timeout: 300 * time.Millisecond, idleSession: 200 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "no call succeeded") {
		t.Errorf("got %v, want an error because no call succeeded", err)
	}
}

// TestAnswers asks a server that gives each question the same answer.
func TestAnswers(t *testing.T) {
	humans := zegosim.DefaultHumans()
	page := func(total int, humans ...zego.DigitalHuman) *mcp.CallToolResult {
		a := answer{Total: total, Complete: true}
		for _, human := range humans {
			a.DigitalHumans = append(a.DigitalHumans, struct {
				DigitalHumanID string `json:"DigitalHumanId"`
			}{human.ID})
		}
		return text(t, a)
	}
	find, get, list := (*crowd).find, (*crowd).get, func(c *crowd, offset int) question { return c.list(offset, 2) }
	for _, tt := range []struct {
		name     string
		question func(c *crowd, index int) question // Asked about the digital human at index 3.
		answer   *mcp.CallToolResult
		want     string // In the problem, "" for none.
	}{
		{"found", find, page(1, humans[3]), ""},
		{"found another", find, page(1, humans[4]), "find_digital_humans: asked for " + humans[3].ID},
		{"found two", find, page(2, humans[3], humans[4]), "find_digital_humans: asked for"},
		{"the human", get, text(t, answer{DigitalHumanID: humans[3].ID}), ""},
		{"another human", get, text(t, answer{DigitalHumanID: humans[4].ID}), "asked for " + humans[3].ID + ", got " + humans[4].ID},
		{"the page", list, page(len(humans), humans[3:5]...), ""},
		{"another page", list, page(len(humans), humans[4:6]...), "asked for 2 from 3 on"},
		{"half a page", list, page(len(humans), humans[3]), "asked for 2 from 3 on"},
		{"wrong total", list, page(1, humans[3:5]...), "asked for 2 from 3 on"},
		{"no JSON", get, mcp.NewToolResultText("<html>"), "invalid character"},
		{"nothing", get, &mcp.CallToolResult{}, "unexpected end of JSON input"},
		{"clear error", get, mcp.NewToolResultError("ZEGO refused it: is busy. Trying again may help."), "no call succeeded"},
		{"unclear error", get, mcp.NewToolResultError("oops"), `an error that is not clear: "oops"`},
		{"protocol error", get, nil, "without an answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := crowd{humans: humans, timeout: time.Minute}
			s := server.NewMCPServer("fake", "1")
			s.AddTool(mcp.NewTool(tt.question(&c, 3).tool), func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				if tt.answer == nil {
					return nil, errors.New("broken")
				}
				return tt.answer, nil
			})
			err := askOnce(t, s, &c, tt.question(&c, 3), time.Minute, false)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestNoAnswer asks a server that does not answer in time.
func TestNoAnswer(t *testing.T) {
	for _, changesMind := range []bool{false, true} {
		c := crowd{humans: zegosim.DefaultHumans()}
		s := server.NewMCPServer("fake", "1")
		s.AddTool(mcp.NewTool("get_digital_human"), func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		err := askOnce(t, s, &c, c.get(0), 100*time.Millisecond, changesMind)
		if got := strings.Contains(err.Error(), "without an answer"); got == changesMind {
			t.Errorf("the client changes its mind: %v, got %v", changesMind, err)
		}
		if got := c.cancelled == 1; got != changesMind {
			t.Errorf("the client changes its mind: %v, got %d cancelled calls", changesMind, c.cancelled)
		}
	}
}

// askOnce asks s one question and returns the verdict.
func askOnce(t *testing.T, s *server.MCPServer, c *crowd, q question, limit time.Duration, changesMind bool) error {
	t.Helper()
	srv := httptest.NewServer(server.NewStreamableHTTPServer(s))
	defer srv.Close()
	c.url = srv.URL
	connections := &http.Transport{}
	defer connections.CloseIdleConnections()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	session, err := c.connect(ctx, connections)
	if err != nil {
		t.Fatal(err)
	}
	c.call(ctx, session, q, limit, changesMind)
	return c.problems()
}

func text(t *testing.T, a answer) *mcp.CallToolResult {
	t.Helper()
	body, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return mcp.NewToolResultText(string(body))
}

// TestSessionDoesNotBegin calls a server that is none.
func TestSessionDoesNotBegin(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	c := crowd{url: srv.URL}
	c.run(t.Context(), 0, 1)
	if err := c.problems(); err == nil || !strings.Contains(err.Error(), "a session did not begin") {
		t.Errorf("got %v", err)
	}
}

func TestUpstreamProblems(t *testing.T) {
	for _, tt := range []struct {
		name     string
		upstream *upstream
		want     bool
	}{
		{"no faults wanted", &upstream{}, false},
		{"faults happened", &upstream{percent: 20, faults: map[string]int{"stall": 1}}, false},
		{"no fault happened", &upstream{percent: 20}, true},
		{"called too often", &upstream{calls: 9, refused: 1}, true},
	} {
		if err := tt.upstream.problems(); (err != nil) != tt.want {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func TestGrown(t *testing.T) {
	before := usage{goroutines: 7, connections: 1, heap: 1 << 20}
	for _, tt := range []struct {
		name  string
		after usage
		want  bool
	}{
		{"the same", before, false},
		{"less", usage{}, false},
		{"noise in the heap", usage{goroutines: 7, connections: 1, heap: 2 << 20}, false},
		{"goroutines", usage{goroutines: 8, connections: 1, heap: 1 << 20}, true},
		{"connections", usage{goroutines: 7, connections: 2, heap: 1 << 20}, true},
		{"heap", usage{goroutines: 7, connections: 1, heap: 4 << 20}, true},
	} {
		if err := grown(before, tt.after); (err != nil) != tt.want {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}
