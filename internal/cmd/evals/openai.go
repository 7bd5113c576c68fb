package main

import (
	"context"
	"encoding/json"
	"errors"
)

// openAI is a model behind OpenAI's Chat Completions API, which many others offer too.
//
// Docs: https://platform.openai.com/docs/api-reference/chat
type openAI struct {
	endpoint
	name string
}

type openAIMessage struct {
	Role       string           `json:"role"`
	Content    string           `json:"content"`
	ToolCalls  []openAIToolCall `json:"tool_calls,omitempty"`
	ToolCallID string           `json:"tool_call_id,omitempty"`
}

type openAIToolCall struct {
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// next implements model.
func (m openAI) next(ctx context.Context, c *conversation) (turn, error) {
	var answer struct {
		Choices []struct {
			Message json.RawMessage `json:"message"`
		} `json:"choices"`
		Usage struct {
			Input  int `json:"prompt_tokens"`
			Output int `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := m.post(ctx, m.request(c), &answer); err != nil {
		return turn{}, err
	}
	if len(answer.Choices) == 0 {
		return turn{}, errors.New("the model's API answered without choices")
	}
	raw := answer.Choices[0].Message
	var message openAIMessage
	if err := json.Unmarshal(raw, &message); err != nil {
		return turn{}, err
	}
	said := turn{text: message.Content, raw: raw, usage: usage{answer.Usage.Input, answer.Usage.Output}}
	for _, wanted := range message.ToolCalls {
		said.calls = append(said.calls, call{id: wanted.ID, tool: wanted.Function.Name, arguments: wanted.Function.Arguments})
	}
	return said, nil
}

// request returns the body of a request for the next turn.
func (m openAI) request(c *conversation) any {
	type function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	}
	type tool struct {
		Type     string   `json:"type"`
		Function function `json:"function"`
	}
	body := struct {
		Model    string `json:"model"`
		Messages []any  `json:"messages"`
		Tools    []tool `json:"tools,omitempty"`
	}{Model: m.name}
	for _, t := range c.tools {
		body.Tools = append(body.Tools, tool{"function", function{t.Name, t.Description, inputSchema(t)}})
	}
	body.Messages = append(body.Messages, openAIMessage{Role: "system", Content: c.system}, openAIMessage{Role: "user", Content: c.request})
	for _, said := range c.turns {
		body.Messages = append(body.Messages, said.raw)
		for _, made := range said.calls {
			body.Messages = append(body.Messages, openAIMessage{Role: "tool", ToolCallID: made.id, Content: made.result})
		}
	}
	return body
}
