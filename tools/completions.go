package tools

import (
	"context"
	"iter"
	"strings"
	"time"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
)

// completions completes the arguments of prompts and resource templates. What it
// cannot look up it does not complete: that is no reason for an error.
type completions struct{ cfg Config }

const (
	mostCompletions = 100             // The protocol's limit.
	typingPause     = 3 * time.Second // Nobody waits longer for a completion.
)

// CompletePromptArgument completes digital humans and timbres by their names.
func (c completions) CompletePromptArgument(ctx context.Context, _ string, argument mcp.CompleteArgument, given mcp.CompleteContext) (*mcp.Completion, error) {
	ctx, cancel := context.WithTimeout(ctx, min(c.cfg.Timeout, typingPause))
	defer cancel()
	switch {
	case c.cfg.Client == nil:
	case argument.Name == "DigitalHuman":
		return matching(argument.Value, c.humans(ctx)), nil
	case argument.Name == "Timbre":
		return matching(argument.Value, c.timbres(ctx, given.Arguments["DigitalHuman"])), nil
	}
	return &mcp.Completion{Values: []string{}}, nil
}

// CompleteResourceArgument completes the ids of running stream tasks.
func (c completions) CompleteResourceArgument(ctx context.Context, _ string, argument mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	ctx, cancel := context.WithTimeout(ctx, min(c.cfg.Timeout, typingPause))
	defer cancel()
	if c.cfg.Client == nil || argument.Name != "TaskId" {
		return &mcp.Completion{Values: []string{}}, nil
	}
	list, _ := c.cfg.Client.ListStreamTasks(ctx)
	return matching(argument.Value, func(yield func(string) bool) {
		for _, task := range list.Tasks {
			if !yield(task.ID) {
				return
			}
		}
	}), nil
}

// matching returns the values that contain typed, those first that begin with it.
func matching(typed string, values iter.Seq[string]) *mcp.Completion {
	typed = fold(typed)
	seen := map[string]bool{}
	var begin, contain []string
	for value := range values {
		folded := fold(value)
		switch {
		case seen[value]:
		case strings.HasPrefix(folded, typed):
			begin = append(begin, value)
		case strings.Contains(folded, typed):
			contain = append(contain, value)
		}
		seen[value] = true
	}
	all := append(begin, contain...)
	shown := append([]string{}, all[:min(len(all), mostCompletions)]...)
	return &mcp.Completion{Values: shown, Total: len(all), HasMore: len(all) > len(shown)}
}

// humans yields the names of all digital humans that can be had.
func (c completions) humans(ctx context.Context) iter.Seq[string] {
	return func(yield func(string) bool) {
		for human, err := range c.cfg.Client.AllDigitalHumans(ctx, zego.FetchAll) {
			if err != nil || !yield(human.Name) {
				return
			}
		}
	}
}

// timbres yields the names of the voices of the digital human with a name, or of the
// public ones.
func (c completions) timbres(ctx context.Context, humanName string) iter.Seq[string] {
	return func(yield func(string) bool) {
		owners := []string{}
		if humanName != "" {
			for human, err := range c.cfg.Client.AllDigitalHumans(ctx, zego.FetchAll) {
				if err == nil && fold(human.Name) == fold(humanName) {
					owners = append(owners, human.ID)
				}
			}
		}
		for _, owner := range append(owners, "") {
			for page, err := range c.cfg.Client.TimbrePages(ctx, owner) {
				if err != nil {
					break
				}
				for _, timbre := range page.Timbres {
					if !yield(timbre.Name) {
						return
					}
				}
			}
		}
	}
}
