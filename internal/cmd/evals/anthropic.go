package main

import (
	"context"
	"encoding/json"

	"github.com/mark3labs/mcp-go/mcp"
)

// anthropic is a model behind Anthropic's Messages API.
//
// Docs: https://docs.anthropic.com/en/api/messages
type anthropic struct {
	endpoint
	name string
}

// maxOutput is how many tokens one answer may have. The API wants a limit.
const maxOutput = 8192

type anthropicMessage struct {
	Role    string `json:"role"`
	Content any    `json:"content"`
}

// next implements model.
func (m anthropic) next(ctx context.Context, c *conversation) (turn, error) {
	var answer struct {
		Content json.RawMessage `json:"content"`
		Usage   struct {
			Input      int `json:"input_tokens"`
			CacheWrite int `json:"cache_creation_input_tokens"`
			CacheRead  int `json:"cache_read_input_tokens"`
			Output     int `json:"output_tokens"`
		} `json:"usage"`
	}
	if err := m.post(ctx, m.request(c), &answer); err != nil {
		return turn{}, err
	}
	var blocks []struct {
		Type  string          `json:"type"`
		Text  string          `json:"text"`
		ID    string          `json:"id"`
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"`
	}
	if err := json.Unmarshal(answer.Content, &blocks); err != nil {
		return turn{}, err
	}
	u := answer.Usage
	said := turn{raw: answer.Content, usage: usage{u.Input + u.CacheWrite + u.CacheRead, u.Output}}
	for _, block := range blocks {
		switch block.Type {
		case "text":
			said.text += block.Text
		case "tool_use":
			said.calls = append(said.calls, call{id: block.ID, tool: block.Name, arguments: string(block.Input)})
		}
	}
	return said, nil
}

// request returns the body of a request for the next turn.
func (m anthropic) request(c *conversation) any {
	type tool struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		InputSchema json.RawMessage `json:"input_schema"`
	}
	type toolResult struct {
		Type      string `json:"type"`
		ToolUseID string `json:"tool_use_id"`
		Content   string `json:"content"`
		IsError   bool   `json:"is_error,omitempty"`
	}
	body := struct {
		Model     string             `json:"model"`
		MaxTokens int                `json:"max_tokens"`
		System    string             `json:"system"`
		Messages  []anthropicMessage `json:"messages"`
		Tools     []tool             `json:"tools,omitempty"`
	}{Model: m.name, MaxTokens: maxOutput, System: c.system}
	for _, t := range c.tools {
		body.Tools = append(body.Tools, tool{t.Name, t.Description, inputSchema(t)})
	}
	body.Messages = append(body.Messages, anthropicMessage{"user", c.request})
	for _, said := range c.turns {
		var results []toolResult
		for _, made := range said.calls {
			results = append(results, toolResult{"tool_result", made.id, made.result, made.failed})
		}
		body.Messages = append(body.Messages, anthropicMessage{"assistant", said.raw}, anthropicMessage{"user", results})
	}
	return body
}

// inputSchema returns the schema of a tool's arguments as a client sees it. mcp-go keeps it in
// one of two fields.
func inputSchema(t mcp.Tool) json.RawMessage {
	if t.RawInputSchema != nil {
		return t.RawInputSchema
	}
	text, err := json.Marshal(t.InputSchema)
	if err != nil {
		return json.RawMessage(`{"type":"object"}`)
	}
	return text
}
