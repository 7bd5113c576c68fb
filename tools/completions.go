package tools

import (
	"context"
	"iter"
	"strings"
	"time"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
)

// completions completes the arguments of prompts and resource templates while a user
// types. When names cannot be looked up it answers what it has, without an error.
type completions struct{ a adapter }

const (
	maxCompletions    = 100             // The protocol's limit.
	completionTimeout = 3 * time.Second // A user who types does not wait longer.
)

// CompletePromptArgument completes digital humans and timbres by their names.
func (c completions) CompletePromptArgument(ctx context.Context, promptName string, argument mcp.CompleteArgument, given mcp.CompleteContext) (*mcp.Completion, error) {
	return c.complete(ctx, promptName, argument, func(ctx context.Context, client *zego.Client) iter.Seq[string] {
		switch argument.Name {
		case "DigitalHuman":
			return humanNames(ctx, client)
		case "Timbre":
			return timbreNames(ctx, client, given.Arguments["DigitalHuman"])
		}
		return nil
	})
}

// CompleteResourceArgument completes the ids of running stream tasks.
func (c completions) CompleteResourceArgument(ctx context.Context, uri string, argument mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	return c.complete(ctx, uri, argument, func(ctx context.Context, client *zego.Client) iter.Seq[string] {
		if argument.Name != "TaskId" {
			return nil
		}
		return taskIDs(ctx, client)
	})
}

// complete returns the values that match what was typed. Values may be nil.
func (c completions) complete(ctx context.Context, name string, argument mcp.CompleteArgument, values func(context.Context, *zego.Client) iter.Seq[string]) (*mcp.Completion, error) {
	completion := &mcp.Completion{Values: []string{}}
	err := c.a.do(ctx, request{kind: kindCompletion, name: name}, func(ctx context.Context, d deps) error {
		if d.project.Client == nil {
			return nil
		}
		if found := values(ctx, d.project.Client); found != nil {
			completion = matching(argument.Value, found)
		}
		return nil
	})
	return completion, err
}

// matching returns the values that contain typed, and those first that begin with it.
func matching(typed string, values iter.Seq[string]) *mcp.Completion {
	typed = normalize(typed)
	seen := map[string]bool{}
	var begin, contain []string
	for value := range values {
		normalized := normalize(value)
		switch {
		case seen[value]:
		case strings.HasPrefix(normalized, typed):
			begin = append(begin, value)
		case strings.Contains(normalized, typed):
			contain = append(contain, value)
		}
		seen[value] = true
	}
	all := append(begin, contain...)
	shown := append([]string{}, all[:min(len(all), maxCompletions)]...)
	return &mcp.Completion{Values: shown, Total: len(all), HasMore: len(all) > len(shown)}
}

// humanNames yields the names of all digital humans. It stops at the first error.
func humanNames(ctx context.Context, client *zego.Client) iter.Seq[string] {
	return func(yield func(string) bool) {
		for human, err := range client.AllDigitalHumans(ctx, zego.FetchAll) {
			if err != nil || !yield(human.Name) {
				return
			}
		}
	}
}

// timbreNames yields the names of the private voices of the digital humans that have a
// name, and then those of the public voices.
func timbreNames(ctx context.Context, client *zego.Client, humanName string) iter.Seq[string] {
	return func(yield func(string) bool) {
		owners := []string{}
		if humanName != "" {
			for human, err := range client.AllDigitalHumans(ctx, zego.FetchAll) {
				if err == nil && normalize(human.Name) == normalize(humanName) {
					owners = append(owners, human.ID)
				}
			}
		}
		for _, owner := range append(owners, publicTimbres) {
			for page, err := range client.TimbrePages(ctx, owner) {
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

// taskIDs yields the ids of the running stream tasks.
func taskIDs(ctx context.Context, client *zego.Client) iter.Seq[string] {
	return func(yield func(string) bool) {
		list, err := client.ListStreamTasks(ctx)
		if err != nil {
			return
		}
		for _, task := range list.Tasks {
			if !yield(task.ID) {
				return
			}
		}
	}
}
