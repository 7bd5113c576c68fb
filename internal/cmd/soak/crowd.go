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

// crowd is many MCP clients, and what came of their calls.
type crowd struct {
	url     string
	timeout time.Duration // Of a call, as the server keeps it.
	humans  []zego.DigitalHuman

	mu                        sync.Mutex // guards what follows
	sessions, abandoned       int
	calls, results, cancelled int
	errors                    map[string]int // By what they say.
	slowest                   time.Duration
	wrong                     []string
}

// grace is how much longer than its time limit a call may take.
const grace = time.Second

// session connects, calls a few tools, and takes leave or does not.
func (c *crowd) session(ctx context.Context, end time.Time) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	connections := http.DefaultTransport.(*http.Transport).Clone()
	defer connections.CloseIdleConnections()
	session, err := c.connect(ctx, connections)
	if err != nil {
		c.complain("a session did not begin: %v", err)
		return
	}
	for range 1 + rand.IntN(6) {
		c.ask(ctx, session)
		if !time.Now().Before(end) {
			break
		}
	}
	abandons := rand.IntN(3) == 0
	if !abandons {
		_ = session.Close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions++
	if abandons {
		c.abandoned++
	}
}

// connect begins a session; one in four also listens for notifications.
func (c *crowd) connect(ctx context.Context, connections *http.Transport) (*client.Client, error) {
	opts := []transport.StreamableHTTPCOption{
		transport.WithHTTPBasicClient(&http.Client{Transport: connections}),
		transport.WithHTTPLogger(slog.New(slog.DiscardHandler)),
	}
	if rand.IntN(4) == 0 {
		opts = append(opts, transport.WithContinuousListening()) //nolint:staticcheck // Clients of today do.
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

// question is a call and a check of its answer.
type question struct {
	tool      string
	arguments map[string]any
	check     func(answer) error
}

// answer is what the tools' results have in common.
type answer struct {
	DigitalHumanID string `json:"DigitalHumanId"`
	Total          int
	Complete       bool
	DigitalHumans  []struct {
		DigitalHumanID string `json:"DigitalHumanId"`
	}
}

func (c *crowd) question() question {
	i := rand.IntN(50) // No two of so many pages begin alike.
	switch n := rand.IntN(20); {
	case n == 0:
		return c.find(i)
	case n < 10:
		return c.get(i)
	}
	return c.list(i, 1+i%zego.MaxLimit)
}

// find searches for the digital human at an index by its id.
func (c *crowd) find(index int) question {
	id := c.humans[index].ID
	return question{"find_digital_humans", map[string]any{"Query": id}, func(a answer) error {
		if a.Complete && (len(a.DigitalHumans) != 1 || a.DigitalHumans[0].DigitalHumanID != id) {
			return fmt.Errorf("asked for %s, got %v", id, a.DigitalHumans)
		}
		return nil
	}}
}

// get asks for the digital human at an index.
func (c *crowd) get(index int) question {
	id := c.humans[index].ID
	return question{"get_digital_human", map[string]any{"DigitalHumanId": id}, func(a answer) error {
		if a.DigitalHumanID != id {
			return fmt.Errorf("asked for %s, got %s", id, a.DigitalHumanID)
		}
		return nil
	}}
}

// list asks for a page.
func (c *crowd) list(offset, limit int) question {
	want := c.humans[offset:min(offset+limit, len(c.humans))]
	return question{"list_digital_humans", map[string]any{"Offset": offset, "Limit": limit}, func(a answer) error {
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

// ask makes one call; now and then it changes its mind.
func (c *crowd) ask(ctx context.Context, session *client.Client) {
	limit, changesMind := c.timeout+grace, rand.IntN(10) == 0
	if changesMind {
		limit = rand.N(time.Second)
	}
	c.call(ctx, session, c.question(), limit, changesMind)
}

// call asks q and notes what is wrong with the answer. Without one within limit that is
// wrong too, unless changesMind.
func (c *crowd) call(ctx context.Context, session *client.Client, q question, limit time.Duration, changesMind bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	result, err := session.CallTool(ctx, mcp.CallToolRequest{Params: mcp.CallToolParams{Name: q.tool, Arguments: q.arguments}})
	took := time.Since(start)

	c.mu.Lock()
	c.calls++
	c.slowest = max(c.slowest, took)
	c.mu.Unlock()
	if err != nil && changesMind && ctx.Err() != nil {
		c.count(&c.cancelled)
		return
	}
	if err != nil {
		c.complain("%s %v ended after %v without an answer: %v", q.tool, q.arguments, took, err)
		return
	}
	text := ""
	if len(result.Content) == 1 {
		block, _ := result.Content[0].(mcp.TextContent)
		text = block.Text
	}
	if result.IsError {
		c.refusal(q, text)
		return
	}
	c.count(&c.results)
	var got answer
	err = json.Unmarshal([]byte(text), &got)
	if err == nil {
		err = q.check(got)
	}
	if err != nil {
		c.complain("%s: %v", q.tool, err)
	}
}

// clearly are the beginnings of errors, after the action, that tell what happened.
var clearly = []string{"got no answer", "got no usable answer", "was not sent: ZEGO's rate limit is used up", "is busy", "system error"}

func (c *crowd) refusal(q question, text string) {
	for _, kind := range clearly {
		if strings.Contains(text, kind) && strings.Contains(text, "Trying again") {
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.errors == nil {
				c.errors = map[string]int{}
			}
			c.errors[kind]++
			return
		}
	}
	c.complain("%s %v: an error that is not clear: %q", q.tool, q.arguments, text)
}

func (c *crowd) count(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

func (c *crowd) complain(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

func (c *crowd) print(out io.Writer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row(out, "sessions", c.sessions)
	row(out, "  abandoned", c.abandoned)
	row(out, "calls", c.calls)
	row(out, "  results", c.results)
	row(out, "  cancelled", c.cancelled)
	for _, kind := range slices.Sorted(maps.Keys(c.errors)) {
		row(out, "  "+kind, c.errors[kind])
	}
	row(out, "  slowest", c.slowest.Round(time.Millisecond))
}

// problems are the wrong answers; the first ones stand for many.
func (c *crowd) problems() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	if len(c.wrong) > 0 {
		errs = append(errs, fmt.Errorf("%d problems:\n%s", len(c.wrong), strings.Join(c.wrong[:min(10, len(c.wrong))], "\n")))
	}
	if c.results == 0 {
		errs = append(errs, errors.New("no call succeeded"))
	}
	return errors.Join(errs...)
}
