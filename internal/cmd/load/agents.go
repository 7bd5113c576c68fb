package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
	"zego-mcp/zego/zegosim"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"
)

const (
	// callTimeout is how long an agent waits for an answer: the server's time limit of 30 s for a
	// call, and what the way may take.
	callTimeout = 35 * time.Second
	// retryPause is how long an agent waits before it repeats a call that failed.
	retryPause = 250 * time.Millisecond
	// maxPause is how long an agent does nothing between two calls, at most.
	maxPause = 2 * time.Second
)

// agents are MCP clients, and the results of their calls.
type agents struct {
	url    string
	tokens []string
	slots  chan struct{} // Has an element for each stream task that runs.

	mu       sync.Mutex // guards what follows
	took     map[string][]time.Duration
	retried  int      // Calls that succeeded when they were repeated.
	failed   int      // Calls that failed twice.
	problems []string // The first failures, those that were mended too.
	left     int      // Stream tasks that agents left running.
}

// run lets count agents begin calls until duration is over, and waits for their last answers.
func (a *agents) run(ctx context.Context, count int, duration time.Duration) {
	end := time.Now().Add(duration)
	connections := http.DefaultTransport.(*http.Transport).Clone()
	connections.Proxy = nil
	connections.MaxIdleConnsPerHost = count
	defer connections.CloseIdleConnections()
	var running sync.WaitGroup
	for i := range count {
		running.Go(func() {
			agent := &agent{agents: a, token: a.tokens[i%len(a.tokens)], connections: connections, room: fmt.Sprintf("load-%d", i), end: end}
			if sleep(ctx, rand.N(min(maxPause, duration/10))) == nil { // They do not all begin at once.
				agent.run(ctx)
			}
		})
	}
	running.Wait()
}

// agent is one MCP client.
type agent struct {
	*agents
	token, room string
	connections *http.Transport
	session     *client.Client // Nil if there is none.
	end         time.Time      // When it begins no more calls.
}

// run calls until the end: it looks at digital humans and, when there is a slot, makes one of them
// stream.
func (a *agent) run(ctx context.Context) {
	humans := zegosim.DefaultHumans()
	for a.goesOn(ctx) {
		human := humans[rand.IntN(len(humans))].ID
		a.call(ctx, "list_digital_humans", map[string]any{"Offset": rand.IntN(len(humans)), "Limit": 1 + rand.IntN(20)})
		a.pause(ctx)
		a.call(ctx, "find_digital_humans", map[string]any{"Query": human})
		a.pause(ctx)
		a.call(ctx, "get_digital_human", map[string]any{"DigitalHumanId": human})
		select {
		case a.slots <- struct{}{}:
			a.stream(ctx, human)
			<-a.slots
		default:
		}
		a.pause(ctx)
	}
	if a.session != nil {
		_ = a.session.Close()
	}
}

// stream creates a stream task, lets it speak, and stops it. If the end has come meanwhile, the
// agent goes away and leaves the task to the servers.
func (a *agent) stream(ctx context.Context, human string) {
	if !a.goesOn(ctx) {
		return
	}
	text, ok := a.call(ctx, "create_stream_task", map[string]any{"DigitalHumanId": human, "RoomId": a.room})
	if !ok {
		return
	}
	var task struct {
		TaskID string `json:"TaskId"`
	}
	if err := json.Unmarshal([]byte(text), &task); err != nil || task.TaskID == "" {
		a.fail("create_stream_task answered without a TaskId")
		return
	}
	for range 1 + rand.IntN(3) {
		if a.pause(ctx); a.goesOn(ctx) {
			a.call(ctx, "drive_by_text", map[string]any{
				"TaskId": task.TaskID, "Text": "Hello", "TimbreId": zegosim.DefaultTimbres()[0].ID, "WaitUntilSpoken": rand.IntN(2) == 0,
			})
		}
	}
	if !a.goesOn(ctx) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.left++
		return
	}
	a.call(ctx, "stop_stream_task", map[string]any{"TaskId": task.TaskID})
}

// goesOn reports whether the agent may begin another call.
func (a *agent) goesOn(ctx context.Context) bool { return ctx.Err() == nil && time.Now().Before(a.end) }

func (a *agent) pause(ctx context.Context) { _ = sleep(ctx, rand.N(maxPause)) }

// call calls a tool, and calls it again once if that fails. It returns the text of the answer.
func (a *agent) call(ctx context.Context, tool string, arguments map[string]any) (text string, ok bool) {
	if !a.goesOn(ctx) {
		return "", false
	}
	start := time.Now()
	text, err := a.try(ctx, tool, arguments)
	again := err != nil
	if again {
		a.problem(fmt.Sprintf("%s failed: %v", tool, err))
		if sleep(ctx, retryPause) != nil {
			return "", false
		}
		text, err = a.try(ctx, tool, arguments)
	}
	a.mu.Lock()
	if a.took == nil {
		a.took = map[string][]time.Duration{}
	}
	a.took[tool] = append(a.took[tool], time.Since(start))
	if again && err == nil {
		a.retried++
	}
	a.mu.Unlock()
	if err != nil {
		a.fail(fmt.Sprintf("%s FAILED TWICE: %v", tool, err))
	}
	return text, err == nil
}

// try calls a tool once. It opens a session if there is none.
func (a *agent) try(ctx context.Context, tool string, arguments map[string]any) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if a.session == nil {
		session, err := a.connect(ctx)
		if err != nil {
			return "", fmt.Errorf("no session: %w", err)
		}
		a.session = session
	}
	result, err := a.session.CallTool(ctx, mcp.CallToolRequest{Params: mcp.CallToolParams{Name: tool, Arguments: arguments}})
	if errors.Is(err, transport.ErrSessionTerminated) {
		a.session = nil
	}
	if err != nil {
		return "", err
	}
	text := ""
	if len(result.Content) == 1 {
		block, _ := result.Content[0].(mcp.TextContent)
		text = block.Text
	}
	if result.IsError {
		return "", errors.New(text)
	}
	return text, nil
}

// connect opens a session.
func (a *agent) connect(ctx context.Context) (*client.Client, error) {
	session, err := client.NewStreamableHttpClient(
		a.url,
		transport.WithHTTPBasicClient(&http.Client{Transport: a.connections}),
		transport.WithHTTPHeaders(map[string]string{"Authorization": "Bearer " + a.token}),
		transport.WithHTTPLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		return nil, err
	}
	if err := session.Start(ctx); err != nil {
		return nil, err
	}
	var hello mcp.InitializeRequest
	hello.Params.ProtocolVersion = mcp.ProtocolVersion20251125
	hello.Params.ClientInfo = mcp.Implementation{Name: "load", Version: "1"}
	if _, err := session.Initialize(ctx, hello); err != nil {
		return nil, err
	}
	return session, nil
}

// fail counts a call that failed although it was repeated.
func (a *agents) fail(text string) {
	a.mu.Lock()
	a.failed++
	a.mu.Unlock()
	a.problem(text)
}

// problem keeps a failure, unless there are many.
func (a *agents) problem(text string) {
	const maxProblems = 200
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.problems) < maxProblems {
		a.problems = append(a.problems, text)
	}
}
