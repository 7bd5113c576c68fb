package tools

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"
	"zego-mcp/tools/match"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/mcp"
)

// completions completes the arguments of prompts and resource templates while a user
// types. If ZEGO cannot be asked, or refuses, the answer holds the values that were found
// until then and is not an error.
type completions struct{ a adapter }

const (
	maxCompletions    = 100             // The protocol's limit.
	completionTimeout = 3 * time.Second // A user who is typing does not wait longer.
)

// CompletePromptArgument completes the names of digital humans and timbres. entered holds
// the arguments that the user has entered before.
func (c completions) CompletePromptArgument(ctx context.Context, promptName string, argument mcp.CompleteArgument, entered mcp.CompleteContext) (*mcp.Completion, error) {
	i := slices.IndexFunc(allPrompts, func(p prompt) bool { return p.Name == promptName })
	if i < 0 {
		return noCompletion(), nil
	}
	return c.complete(ctx, promptName, allPrompts[i].toolset, argument, func(ctx context.Context, client *zego.Client) iter.Seq[string] {
		switch argument.Name {
		case "DigitalHuman":
			return humanNames(ctx, client)
		case "Timbre":
			return timbreNames(ctx, client, entered.Arguments["DigitalHuman"])
		}
		return nil
	})
}

// CompleteResourceArgument completes the ids of running stream tasks.
func (c completions) CompleteResourceArgument(ctx context.Context, uri string, argument mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	i := slices.IndexFunc(allResources, func(r resource) bool { return r.uri == uri })
	if i < 0 {
		return noCompletion(), nil
	}
	return c.complete(ctx, uri, allResources[i].toolset, argument, func(ctx context.Context, client *zego.Client) iter.Seq[string] {
		if argument.Name != "TaskId" {
			return nil
		}
		return taskIDs(ctx, client)
	})
}

// complete returns the values that match what the user has typed for argument. The function
// values returns nil if the argument has no completions. A caller that may not use the toolset
// gets none. name is for the log.
func (c completions) complete(ctx context.Context, name string, set Toolset, argument mcp.CompleteArgument, values func(context.Context, *zego.Client) iter.Seq[string]) (*mcp.Completion, error) {
	completion := noCompletion()
	err := c.a.do(ctx, request{kind: kindCompletion, name: name}, func(ctx context.Context, d deps) error {
		if d.project.Client == nil || !d.project.allows(set) {
			return nil
		}
		if found := values(ctx, d.project.Client); found != nil {
			completion = matching(argument.Value, found)
		}
		return nil
	})
	return completion, err
}

func noCompletion() *mcp.Completion { return &mcp.Completion{Values: []string{}} }

// matching returns the values that match what was typed, each once and the best one first.
func matching(typed string, values iter.Seq[string]) *mcp.Completion {
	query := match.NewQuery(typed)
	seen := map[string]bool{}
	var found []matched[string]
	for value := range values {
		if score, ok := query.Score(match.Entry{Name: value}); ok && !seen[value] {
			found = append(found, matched[string]{value, score})
		}
		seen[value] = true
	}
	slices.SortStableFunc(found, func(a, b matched[string]) int { return cmp.Compare(b.score, a.score) })
	shown := []string{}
	for _, m := range found[:min(len(found), maxCompletions)] {
		shown = append(shown, m.item)
	}
	return &mcp.Completion{Values: shown, Total: len(found), HasMore: len(found) > len(shown)}
}

// humanNames yields the names of all digital humans. It ends at the first error.
func humanNames(ctx context.Context, client *zego.Client) iter.Seq[string] {
	return func(yield func(string) bool) {
		for human, err := range client.AllDigitalHumans(ctx, zego.FetchAll) {
			if err != nil || !yield(human.Name) {
				return
			}
		}
	}
}

// timbreNames yields the names of timbres: first the private ones of every digital human
// that is called humanName, then the public ones. With an empty humanName it yields only
// the public ones. An error ends the list of timbres in which it occurs.
func timbreNames(ctx context.Context, client *zego.Client, humanName string) iter.Seq[string] {
	return func(yield func(string) bool) {
		owners := []string{}
		if humanName != "" {
			query := match.NewQuery(humanName)
			for human, err := range client.AllDigitalHumans(ctx, zego.FetchAll) {
				if err == nil && query.Names(human.Name) {
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

// taskIDs yields the TaskIds of the running stream tasks, or none if ZEGO refuses.
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
