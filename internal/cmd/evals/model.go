package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
)

// conversation is what a model has been told and has said so far.
type conversation struct {
	system  string // Instructions of the MCP server.
	tools   []mcp.Tool
	request string // Of the user.
	turns   []turn
}

// turn is what a model says: a text, tool calls, or both. A turn without calls is the last one.
type turn struct {
	text  string
	calls []call
	usage usage
	// raw is the turn as the model's API wrote it. It is sent back unchanged, because a model
	// may have put more into it than the fields above.
	raw json.RawMessage
}

// call is a tool call, with its result once it was made.
type call struct {
	id, tool  string
	arguments string // As the model wrote them; they should be a JSON object.
	result    string
	failed    bool
}

// usage counts tokens, as the model's API counts them.
type usage struct{ input, output int }

func (u usage) plus(other usage) usage {
	return usage{u.input + other.input, u.output + other.output}
}

// model is a language model behind an API.
type model interface {
	// next returns the model's next turn of a conversation.
	next(context.Context, *conversation) (turn, error)
}

// endpoint is an HTTP API of a model.
type endpoint struct {
	url    string
	header http.Header
	http   *http.Client
}

const (
	maxTries     = 6                // How often a request is sent at most.
	firstPause   = time.Second      // Before the second try, if the API names no time.
	maxPause     = 2 * time.Minute  // If the API asks for a longer pause, the request fails.
	maxAnswer    = 16 << 20         // Bytes.
	modelTimeout = 10 * time.Minute // For one answer.
)

// post sends a request and decodes the answer. It sends the request again if the API is busy
// (status 408, 429, or 500 and more) or the connection fails. Before that it waits for as long
// as Retry-After says, or else twice as long as the time before. Errors do not hold the key.
func (e endpoint) post(ctx context.Context, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	wait := firstPause
	for try := 1; ; try++ {
		status, text, retryAfter, err := e.send(ctx, body)
		if err == nil && status == http.StatusOK {
			if err := json.Unmarshal(text, answer); err != nil {
				return fmt.Errorf("the model's API answered what is not its JSON: %w", err)
			}
			return nil
		}
		if err == nil {
			err = fmt.Errorf("the model's API answered status %d: %.500s", status, text)
			if status != http.StatusRequestTimeout && status != http.StatusTooManyRequests && status < 500 {
				return err
			}
		}
		if asked, ok := parseRetryAfter(retryAfter, time.Now()); ok {
			wait = asked
		}
		if try == maxTries || wait > maxPause {
			return err
		}
		if pause(ctx, wait) != nil {
			return err
		}
		wait = min(2*wait, maxPause)
	}
}

// send sends a request once. retryAfter is the header Retry-After of the answer, or "".
func (e endpoint) send(ctx context.Context, body []byte) (status int, text []byte, retryAfter string, err error) {
	ctx, cancel := context.WithTimeout(ctx, modelTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	req.Header = e.header.Clone()
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.http.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, text, resp.Header.Get("Retry-After"), err
}

// parseRetryAfter reads the value of a Retry-After header: seconds, or a date. It reports
// false if there is none.
func parseRetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	if seconds, err := strconv.Atoi(value); err == nil {
		return max(0, time.Duration(seconds)*time.Second), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}

// newModel returns the model that the environment variables describe; see the package
// comment. It returns nil if there is no key.
func newModel(getenv func(string) string) (model, error) {
	key := getenv("EVALS_API_KEY")
	if key == "" {
		return nil, nil
	}
	name, base := getenv("EVALS_MODEL"), strings.TrimSuffix(getenv("EVALS_BASE_URL"), "/")
	if name == "" {
		return nil, errors.New("EVALS_MODEL is not set: which model shall be asked?")
	}
	e := endpoint{http: &http.Client{}, header: http.Header{}}
	switch api := getenv("EVALS_API"); api {
	case "", "openai":
		if base == "" {
			base = "https://api.openai.com/v1"
		}
		e.url = base + "/chat/completions"
		e.header.Set("Authorization", "Bearer "+key)
		return openAI{e, name}, nil
	case "anthropic":
		if base == "" {
			base = "https://api.anthropic.com"
		}
		e.url = base + "/v1/messages"
		e.header.Set("X-Api-Key", key)
		e.header.Set("Anthropic-Version", "2023-06-01")
		return anthropic{e, name}, nil
	default:
		return nil, fmt.Errorf("EVALS_API must be openai or anthropic, got %q", api)
	}
}
