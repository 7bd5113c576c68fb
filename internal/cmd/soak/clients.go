package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

// clients are many MCP clients of one server, and the results of their calls.
type clients struct {
	url     string
	timeout time.Duration // The server's time limit for one call.
	humans  []zego.DigitalHuman
	streams bool // Every second session creates a stream task.
	orderly bool // No session is abandoned.

	mu                        sync.Mutex // guards what follows
	begun                     int        // Sessions.
	sessions, abandoned       int
	calls, results, cancelled int
	errorCounts               map[string]int  // Clear errors, by their entry of clearErrors.
	driveIDs                  map[string]bool // Of all drives that were answered.
	slowest                   time.Duration
	problems                  []string
}

// grace is how much longer than the server's time limit a call may take.
const grace = time.Second

// run keeps the given number of sessions open for duration, starting a new one when one
// ends. It returns when all have ended. Even a duration of 0 gives that many sessions.
func (c *clients) run(ctx context.Context, duration time.Duration, sessions int) {
	end := time.Now().Add(duration)
	var running sync.WaitGroup
	for range sessions {
		running.Go(func() {
			for again := true; again; again = time.Now().Before(end) && ctx.Err() == nil {
				c.session(ctx, end)
			}
		})
	}
	running.Wait()
}

// session connects and makes one to six calls, but no second one after end. One session
// in three is abandoned: it goes away without telling the server.
func (c *clients) session(ctx context.Context, end time.Time) {
	ctx, disconnect := context.WithCancel(ctx)
	defer disconnect()
	connections := http.DefaultTransport.(*http.Transport).Clone()
	defer connections.CloseIdleConnections()
	session, err := c.connect(ctx, connections)
	if err != nil {
		c.addProblem("a session did not begin: %v", err)
		return
	}
	if c.createsStream() {
		c.stream(ctx, session, disconnect)
	} else {
		for range 1 + rand.IntN(6) {
			c.randomCall(ctx, session)
			if !time.Now().Before(end) {
				break
			}
		}
	}
	abandon := !c.orderly && rand.IntN(3) == 0
	if !abandon {
		_ = session.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions++
	if abandon {
		c.abandoned++
	}
}

// createsStream reports whether the session that begins creates a stream task.
func (c *clients) createsStream() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun++
	return c.streams && c.begun%2 == 1
}

// connect opens a session. One session in four also keeps a stream open on which the
// server could send notifications.
func (c *clients) connect(ctx context.Context, connections *http.Transport) (*client.Client, error) {
	opts := []transport.StreamableHTTPCOption{
		transport.WithHTTPBasicClient(&http.Client{Transport: connections}),
		transport.WithHTTPLogger(slog.New(slog.DiscardHandler)),
	}
	if rand.IntN(4) == 0 {
		opts = append(opts, transport.WithContinuousListening()) //nolint:staticcheck // Deprecated, but clients still do it.
	}
	session, err := client.NewStreamableHttpClient(c.url, opts...)
	if err != nil {
		return nil, err
	}
	if err := session.Start(ctx); err != nil {
		return nil, err
	}
	var hello mcp.InitializeRequest
	hello.Params.ProtocolVersion = mcp.ProtocolVersion20251125
	_, err = session.Initialize(ctx, hello)
	return session, err
}

// toolCall is a call and a check of its answer.
type toolCall struct {
	tool      string
	arguments map[string]any
	check     func(answer) error
}

// answer has the fields of all tools' results that the checks read.
type answer struct {
	TaskID         string `json:"TaskId"`
	Stopped        []string
	AlreadyStopped bool
	DriveID        string `json:"DriveId"`
	DigitalHumanID string `json:"DigitalHumanId"`
	Total          int
	SearchedAll    bool
	DigitalHumans  []struct {
		DigitalHumanID string `json:"DigitalHumanId"`
	}
}

// find returns a call that searches for the digital human at index by its id.
func (c *clients) find(index int) toolCall {
	id := c.humans[index].ID
	return toolCall{"find_digital_humans", map[string]any{"Query": id}, func(a answer) error {
		if a.SearchedAll && (len(a.DigitalHumans) != 1 || a.DigitalHumans[0].DigitalHumanID != id) {
			return fmt.Errorf("asked for %s, got %v", id, a.DigitalHumans)
		}
		return nil
	}}
}

// get returns a call for the digital human at index.
func (c *clients) get(index int) toolCall {
	id := c.humans[index].ID
	return toolCall{"get_digital_human", map[string]any{"DigitalHumanId": id}, func(a answer) error {
		if a.DigitalHumanID != id {
			return fmt.Errorf("asked for %s, got %s", id, a.DigitalHumanID)
		}
		return nil
	}}
}

// list returns a call for limit digital humans from offset on.
func (c *clients) list(offset, limit int) toolCall {
	want := c.humans[offset:min(offset+limit, len(c.humans))]
	return toolCall{"list_digital_humans", map[string]any{"Offset": offset, "Limit": limit}, func(a answer) error {
		same := len(a.DigitalHumans) == len(want) && a.Total == len(c.humans)
		for i := 0; same && i < len(want); i++ {
			same = a.DigitalHumans[i].DigitalHumanID == want[i].ID
		}
		if !same {
			return fmt.Errorf("asked for %d from %d on, got %v of %d", limit, offset, a.DigitalHumans, a.Total)
		}
		return nil
	}}
}

// randomCall makes a call. One call in ten is cancelled after up to a second.
func (c *clients) randomCall(ctx context.Context, session *client.Client) {
	index := rand.IntN(50) // Each of these pages begins with another digital human.
	call := c.list(index, 1+index%zego.MaxLimit)
	switch n := rand.IntN(20); {
	case n == 0:
		call = c.find(index)
	case n < 10:
		call = c.get(index)
	}
	limit, cancels := c.timeout+grace, rand.IntN(10) == 0
	if cancels {
		limit = rand.N(time.Second)
	}
	c.call(ctx, session, call, limit, cancels)
}

// call makes a call, waits up to limit for the answer, and checks it. No answer within
// limit is a problem, unless the client cancels the call by then on purpose. It reports
// whether the call succeeded.
func (c *clients) call(ctx context.Context, session *client.Client, call toolCall, limit time.Duration, cancels bool) (got answer, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	result, err := session.CallTool(ctx, mcp.CallToolRequest{Params: mcp.CallToolParams{Name: call.tool, Arguments: call.arguments}})
	took := time.Since(start)

	c.mu.Lock()
	c.calls++
	c.slowest = max(c.slowest, took)
	c.mu.Unlock()
	if err != nil && cancels && ctx.Err() != nil {
		c.increment(&c.cancelled)
		return got, false
	}
	if err != nil {
		c.addProblem("%s %v ended after %v without an answer: %v", call.tool, call.arguments, took, err)
		return got, false
	}
	text := ""
	if len(result.Content) == 1 {
		block, _ := result.Content[0].(mcp.TextContent)
		text = block.Text
	}
	if result.IsError {
		c.checkError(call, text)
		return got, false
	}
	c.increment(&c.results)
	err = json.Unmarshal([]byte(text), &got)
	if err == nil {
		err = call.check(got)
	}
	if err != nil {
		c.addProblem("%s: %v", call.tool, err)
	}
	return got, err == nil
}

// clearErrors are texts of errors that tell what happened.
var clearErrors = []string{
	"got no answer", "got no usable answer", "was not sent: ZEGO's rate limit is used up", "is busy", "system error", "rate limit exceeded",
	"ZEGO's answer was lost", "Nothing was created: this server may run", "stream not started", "stream already stopped",
	"Not stopped: the stream", "Nothing was sent: the stream",
}

// checkError counts the error of a call. One that is not clear, or does not say what to do,
// is a problem.
func (c *clients) checkError(call toolCall, text string) {
	for _, kind := range clearErrors {
		if strings.Contains(text, kind) && (strings.Contains(text, "Trying again") || strings.Contains(text, "What to do")) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.errorCounts == nil {
				c.errorCounts = map[string]int{}
			}
			c.errorCounts[kind]++
			return
		}
	}
	c.addProblem("%s %v: an error that is not clear: %q", call.tool, call.arguments, text)
}

// increment adds 1 to a counter of c.
func (c *clients) increment(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

func (c *clients) addProblem(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *clients) print(out io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row(out, "sessions", c.sessions)
	row(out, "  abandoned", c.abandoned)
	row(out, "calls", c.calls)
	row(out, "  results", c.results)
	row(out, "  cancelled", c.cancelled)
	for _, kind := range slices.Sorted(maps.Keys(c.errorCounts)) {
		row(out, "  "+kind, c.errorCounts[kind])
	}
	row(out, "  slowest", c.slowest.Round(time.Millisecond))
}

// verdict returns an error with the first ten problems, or if no call succeeded.
func (c *clients) verdict() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	if len(c.problems) > 0 {
		errs = append(errs, fmt.Errorf("%d problems:\n%s", len(c.problems), strings.Join(c.problems[:min(10, len(c.problems))], "\n")))
	}
	if c.results == 0 {
		errs = append(errs, errors.New("no call succeeded"))
	}
	return errors.Join(errs...)
}
