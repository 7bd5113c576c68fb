package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// scripted is a model's API whose answers are written beforehand. It speaks as OpenAI and as
// Anthropic do. It notes what a real API would refuse.
type scripted struct {
	script func(asked request) reply

	mu       sync.Mutex // guards what follows
	requests []request
	problems []string
}

// request is what both APIs are asked.
type request struct {
	number   int // From 1.
	api      string
	system   string
	user     string
	tools    []string
	results  []string // Of all tool calls so far, in order.
	failures int      // How many of the results are marked as failures; Anthropic only.
}

// reply is what both APIs answer.
type reply struct {
	status     int // Default: 200.
	retryAfter string
	body       string // Instead of a turn.
	text       string
	calls      []call
}

// say is a reply without calls.
func say(text string) reply { return reply{text: text} }

// use is a reply that calls one tool.
func use(tool, arguments string) reply {
	return reply{calls: []call{{tool: tool, arguments: arguments}}}
}

// ServeHTTP answers the next request by the script.
func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	asked := request{number: len(s.requests) + 1}
	switch {
	case r.URL.Path == "/v1/chat/completions" && r.Header.Get("Authorization") == "Bearer the-key":
		asked.api = "openai"
		s.readOpenAI(body, &asked)
	case r.URL.Path == "/v1/messages" && r.Header.Get("X-Api-Key") == "the-key" && r.Header.Get("Anthropic-Version") != "":
		asked.api = "anthropic"
		s.readAnthropic(body, &asked)
	default:
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	s.requests = append(s.requests, asked)
	answer := s.script(asked)
	if answer.retryAfter != "" {
		w.Header().Set("Retry-After", answer.retryAfter)
	}
	if answer.status != 0 || answer.body != "" {
		w.WriteHeader(max(answer.status, http.StatusOK))
		_, _ = io.WriteString(w, answer.body)
		return
	}
	_ = json.NewEncoder(w).Encode(answer.encode(asked))
}

// encode returns the reply as the API writes it. Each counts 100 tokens in and 10 out.
func (r reply) encode(asked request) any {
	if asked.api == "openai" {
		message := openAIMessage{Role: "assistant", Content: r.text}
		for i, made := range r.calls {
			wanted := openAIToolCall{ID: fmt.Sprintf("call-%d-%d", asked.number, i)}
			wanted.Function.Name, wanted.Function.Arguments = made.tool, made.arguments
			message.ToolCalls = append(message.ToolCalls, wanted)
		}
		return map[string]any{
			"choices": []any{map[string]any{"message": message}},
			"usage":   map[string]int{"prompt_tokens": 100, "completion_tokens": 10},
		}
	}
	blocks := []any{}
	if r.text != "" {
		blocks = append(blocks, map[string]any{"type": "text", "text": r.text})
	}
	for i, made := range r.calls {
		var input any = json.RawMessage(made.arguments)
		switch { // Anthropic's API always answers JSON, if not an object.
		case made.arguments == "":
			input = struct{}{}
		case !json.Valid([]byte(made.arguments)):
			input = made.arguments
		}
		blocks = append(blocks, map[string]any{"type": "tool_use", "id": fmt.Sprintf("call-%d-%d", asked.number, i), "name": made.tool, "input": input})
	}
	return map[string]any{"content": blocks, "usage": map[string]int{"input_tokens": 60, "cache_read_input_tokens": 40, "output_tokens": 10}}
}

func (s *scripted) readOpenAI(body []byte, asked *request) {
	var in struct {
		Model    string
		Messages []openAIMessage
		Tools    []struct {
			Type     string
			Function struct {
				Name       string
				Parameters map[string]any
			}
		}
	}
	s.expect(json.Unmarshal(body, &in) == nil && in.Model == "the-model" && len(in.Messages) >= 2, "bad request: %.300s", body)
	pending := map[string]bool{}
	for _, m := range in.Messages {
		switch m.Role {
		case "system":
			asked.system = m.Content
		case "user":
			asked.user = m.Content
		case "assistant":
			for _, wanted := range m.ToolCalls {
				pending[wanted.ID] = true
			}
		case "tool":
			s.expect(pending[m.ToolCallID], "a result for the unknown call %q", m.ToolCallID)
			delete(pending, m.ToolCallID)
			asked.results = append(asked.results, m.Content)
		}
	}
	s.expect(len(pending) == 0, "calls without a result: %v", pending)
	for _, tool := range in.Tools {
		s.expect(tool.Type == "function" && tool.Function.Parameters["type"] == "object", "bad tool %v", tool)
		asked.tools = append(asked.tools, tool.Function.Name)
	}
}

func (s *scripted) readAnthropic(body []byte, asked *request) {
	var in struct {
		Model     string
		MaxTokens int `json:"max_tokens"`
		System    string
		Messages  []struct {
			Role    string
			Content json.RawMessage
		}
		Tools []struct {
			Name        string
			InputSchema map[string]any `json:"input_schema"`
		}
	}
	s.expect(json.Unmarshal(body, &in) == nil && in.Model == "the-model" && in.MaxTokens > 0 && len(in.Messages) > 0, "bad request: %.300s", body)
	asked.system = in.System
	pending := map[string]bool{}
	for i, m := range in.Messages {
		s.expect(m.Role == []string{"user", "assistant"}[i%2], "message %d is of the %s", i, m.Role)
		if i == 0 {
			s.expect(json.Unmarshal(m.Content, &asked.user) == nil, "the request is no text")
			continue
		}
		var blocks []struct {
			Type, ID, Content string
			ToolUseID         string `json:"tool_use_id"`
			IsError           bool   `json:"is_error"`
		}
		s.expect(json.Unmarshal(m.Content, &blocks) == nil, "bad content: %s", m.Content)
		for _, block := range blocks {
			switch block.Type {
			case "tool_use":
				pending[block.ID] = true
			case "tool_result":
				s.expect(pending[block.ToolUseID], "a result for the unknown call %q", block.ToolUseID)
				delete(pending, block.ToolUseID)
				asked.results = append(asked.results, block.Content)
				if block.IsError {
					asked.failures++
				}
			}
		}
	}
	s.expect(len(pending) == 0, "calls without a result: %v", pending)
	for _, tool := range in.Tools {
		s.expect(tool.InputSchema["type"] == "object", "bad tool %v", tool)
		asked.tools = append(asked.tools, tool.Name)
	}
}

func (s *scripted) expect(ok bool, format string, values ...any) {
	if !ok {
		s.problems = append(s.problems, fmt.Sprintf(format, values...))
	}
}

// environment returns the variables for an API at url.
func environment(api, url string) func(string) string {
	base := map[string]string{"openai": url + "/v1", "anthropic": url + "/"}[api]
	variables := map[string]string{"EVALS_API": api, "EVALS_BASE_URL": base, "EVALS_API_KEY": "the-key", "EVALS_MODEL": "the-model"}
	return func(name string) string { return variables[name] }
}

// tryScripted lets a scripted model try a task over HTTP, by each API.
func tryScripted(t *testing.T, taskName string, script func(request) reply, verify func(t *testing.T, r result, err error, requests []request)) {
	t.Helper()
	for _, api := range []string{"openai", "anthropic"} {
		t.Run(api, func(t *testing.T) {
			t.Parallel()
			s := &scripted{script: script}
			server := httptest.NewServer(s)
			defer server.Close()
			m, err := newModel(environment(api, server.URL))
			if err != nil {
				t.Fatal(err)
			}
			r, err := try(t.Context(), m, taskNamed(t, taskName))
			if len(s.problems) > 0 {
				t.Errorf("a real API would refuse this: %q", s.problems)
			}
			verify(t, r, err, s.requests)
		})
	}
}

func TestSuccess(t *testing.T) {
	t.Parallel()
	script := func(asked request) reply {
		switch asked.number {
		case 1:
			return use("find_digital_humans", `{"Query":"Sophia"}`)
		case 2:
			return use("list_digital_human", ``)
		case 3:
			return use("find_digital_humans", `{"Query":"Sophia","Limit":0}`)
		}
		return say("It is " + humanNamed("Sophia").ID)
	}
	tryScripted(t, "find-by-name", script, func(t *testing.T, r result, err error, requests []request) {
		if err != nil || r.failure != nil || r.calls != 3 || r.errors != 2 || r.usage != (usage{400, 40}) {
			t.Errorf("got %+v, %v", r, err)
		}
		first, last := requests[0], requests[len(requests)-1]
		if !strings.Contains(first.system, "find_digital_humans") || first.user != taskNamed(t, "find-by-name").request || strings.Contains(strings.Join(first.tools, " "), "create_stream_task") {
			t.Errorf("the model was told %+v", first)
		}
		for i, want := range []string{humanNamed("Sophia").ID, `did you mean "list_digital_humans"?`, "Limit must be an integer"} {
			if !strings.Contains(last.results[i], want) {
				t.Errorf("result %d: got %s, want %q", i, last.results[i], want)
			}
		}
		if last.api == "anthropic" && last.failures != 2 {
			t.Errorf("%d failures were marked, want 2", last.failures)
		}
	})
}

// TestLoop lets a model call tools for ever, one by one and many at a time.
func TestLoop(t *testing.T) {
	t.Parallel()
	for atOnce, wantCalls := range map[int]int{1: maxTurns, 25: maxCalls} {
		script := func(request) reply {
			var r reply
			for range atOnce {
				r.calls = append(r.calls, call{tool: "fly", arguments: `{}`})
			}
			return r
		}
		t.Run(fmt.Sprint(atOnce), func(t *testing.T) {
			t.Parallel()
			tryScripted(t, "count", script, func(t *testing.T, r result, err error, _ []request) {
				if err != nil || r.failure != errTooManyCalls || r.calls != wantCalls || r.errors != wantCalls { //nolint:errorlint // It is never wrapped.
					t.Errorf("got %+v, %v", r, err)
				}
			})
		})
	}
}

func TestMalformedArguments(t *testing.T) {
	t.Parallel()
	bad := []string{`{"Limit":`, `[1]`, `"Limit=1"`, `7`}
	script := func(asked request) reply {
		if asked.number <= len(bad) {
			return use("list_digital_humans", bad[asked.number-1])
		}
		return say("64")
	}
	tryScripted(t, "count", script, func(t *testing.T, r result, err error, requests []request) {
		if err != nil || r.failure != nil || r.calls != len(bad) || r.errors != len(bad) {
			t.Errorf("got %+v, %v", r, err)
		}
		for _, result := range requests[len(requests)-1].results {
			if !strings.HasPrefix(result, "The arguments are no JSON object: ") {
				t.Errorf("got %s", result)
			}
		}
	})
}

// TestStopsEarly lets a model say that it is done when it has begun, and say nothing at all.
func TestStopsEarly(t *testing.T) {
	t.Parallel()
	script := func(asked request) reply {
		if asked.number == 1 {
			return use("create_stream_task", fmt.Sprintf(`{"DigitalHumanId":%q,"RoomId":"studio","WaitUntilStreaming":false}`, humanNamed("Emma").ID))
		}
		return say("")
	}
	tryScripted(t, "speak-and-stop", script, func(t *testing.T, r result, err error, _ []request) {
		if err != nil || r.failure == nil || r.calls != 1 || r.errors != 0 {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}

// TestBusyAPI answers some requests with errors. Retry-After is 0, so that nothing waits.
func TestBusyAPI(t *testing.T) {
	t.Parallel()
	busy := []int{429, 503, 529, 408}
	script := func(asked request) reply {
		if asked.number <= len(busy) {
			return reply{status: busy[asked.number-1], retryAfter: "0", body: `{"error":"busy"}`}
		}
		return say("64")
	}
	tryScripted(t, "count", script, func(t *testing.T, r result, err error, requests []request) {
		if err != nil || r.failure != nil || len(requests) != len(busy)+1 {
			t.Errorf("got %+v, %v after %d requests", r, err, len(requests))
		}
	})
}

// TestAPIFails answers every request in a way that no other try mends.
func TestAPIFails(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reply    reply
		requests int
		want     string
	}{
		"refused":       {reply{status: 400, body: `{"error":"no such model"}`}, 1, `status 400: {"error":"no such model"}`},
		"busy for good": {reply{status: 500, retryAfter: "0"}, maxTries, "status 500"},
		"come tomorrow": {reply{status: 429, retryAfter: "86400"}, 1, "status 429"},
		"HTML":          {reply{body: "<html>"}, 1, "not its JSON"},
		"empty":         {reply{body: "{}"}, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tryScripted(t, "count", func(request) reply { return tt.reply }, func(t *testing.T, _ result, err error, requests []request) {
				if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "the-key") || len(requests) != tt.requests {
					t.Errorf("got %v after %d requests, want %q after %d", err, len(requests), tt.want, tt.requests)
				}
			})
		})
	}
}

// TestWaits checks, in virtual time, how long a request waits before it is sent again.
func TestWaits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		retryAfter func(time.Time) string
		want       time.Duration
	}{
		"seconds":  {func(time.Time) string { return "30" }, 30 * time.Second},
		"date":     {func(now time.Time) string { return now.Add(time.Minute).UTC().Format(http.TimeFormat) }, time.Minute},
		"past":     {func(now time.Time) string { return now.Add(-time.Minute).UTC().Format(http.TimeFormat) }, 0},
		"none":     {func(time.Time) string { return "" }, firstPause},
		"nonsense": {func(time.Time) string { return "soon" }, firstPause},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{script: func(asked request) reply {
					if asked.number == 1 {
						return reply{status: 429, retryAfter: tt.retryAfter(time.Now())}
					}
					return say("64")
				}}
				e := endpoint{url: "http://model/v1/chat/completions", header: http.Header{"Authorization": {"Bearer the-key"}}, http: &http.Client{Transport: handlerTransport{s}}}
				start := time.Now()
				said, err := openAI{e, "the-model"}.next(t.Context(), &conversation{})
				if took := time.Since(start); err != nil || said.text != "64" || took != tt.want {
					t.Errorf("got %+v, %v after %v, want %v", said, err, took, tt.want)
				}
			})
		})
	}
}

// TestRun runs the command: without a key, with faulty variables, and to its table.
func TestRun(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&scripted{script: func(request) reply { return say("64 of them. The key was given.") }})
	t.Cleanup(server.Close)
	without := func(name, value string) func(string) string {
		return func(asked string) string {
			if asked == name {
				return value
			}
			return environment("openai", server.URL)(asked)
		}
	}
	for name, tt := range map[string]struct {
		getenv   func(string) string
		only     string
		list     bool
		out, err string
	}{
		"no key":   {without("EVALS_API_KEY", ""), "", false, "no model was asked, and nothing was paid", ""},
		"no model": {without("EVALS_MODEL", ""), "", false, "", "EVALS_MODEL is not set"},
		"bad API":  {without("EVALS_API", "gopher"), "", false, "", `EVALS_API must be openai or anthropic, got "gopher"`},
		"bad key":  {without("EVALS_API_KEY", "wrong"), "^count$", false, "TASK", "task count: the model's API answered status 401"},
		"no task":  {without("", ""), "no-such-task", false, "", `no task matches "no-such-task"`},
		"regexp":   {without("", ""), "(", false, "", "missing closing"},
		"list":     {without("EVALS_API_KEY", ""), "interrupt", true, "interrupt: In the room desk", ""},
		"table":    {without("", ""), "^(count|gestures)$", false, "all       1 of 2  0      0       200        20", ""},
		"failures": {without("", ""), "^gestures$", false, "gestures: the answer lacks \"wave_hand\"\n  answer: \"64 of them.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := run(t.Context(), tt.getenv, &out, tt.only, tt.list)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) || !strings.Contains(out.String(), tt.out) {
				t.Errorf("got %v and\n%s", err, out.String())
			}
		})
	}
}
