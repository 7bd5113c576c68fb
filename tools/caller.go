package tools

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
	"zego-mcp/tools/streams"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Caller is who uses a project over HTTP, and what that caller may do there.
type Caller struct {
	Subject  string    // Names the caller, for the log; never empty.
	Toolsets []Toolset // What the caller may use, of the toolsets that the project offers; empty: nothing.
	MaxTasks int       // How many stream tasks of the caller may run at once; 0: as many as the project allows.
	// AllStreams lets the caller drive and stop also the stream tasks that other callers have
	// created. Everybody sees them.
	AllStreams bool
}

// owner returns what the list of stream tasks has as the name of the caller. A subject that is
// long, or has other characters than those that show, is replaced by its hash.
func (c Caller) owner() string {
	if len(c.Subject) > maxForeign || strings.ContainsFunc(c.Subject, isHidden) {
		return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(c.Subject)))
	}
	return c.Subject
}

// isHidden reports whether a character does not show.
func isHidden(r rune) bool { return !unicode.IsGraphic(r) || r == utf8.RuneError }

// checkOwner returns an error if another caller has created a stream task, so that this one may
// not drive or stop it, and also if nobody can tell now who has created it. A task may be used by
// every caller if nobody had to say who they are, or if this server did not create it.
func (d deps) checkOwner(ctx context.Context, taskID string) error {
	caller := d.project.caller
	if caller.Subject == "" || caller.AllStreams {
		return nil
	}
	ctx, cancel := d.limitCall(ctx)
	defer cancel()
	owner, err := d.streams.CallerOf(ctx, taskID)
	switch {
	case errors.Is(err, streams.ErrStoreDown):
		return &toolError{reason: "it is not known whose stream task it is", text: lines(
			"Another caller may have created the stream task "+quoteForeign(taskID)+": "+err.Error()+"; nothing was sent.",
			whatToDo("Call again in a few seconds.", true))}
	case err != nil:
		return err
	case owner == "" || owner == caller.owner():
		return nil
	}
	return &toolError{reason: "the stream task of another caller", text: lines(
		"Another caller of this server created the stream task "+quoteForeign(taskID)+"; nothing was sent.",
		whatToDo("Ask the user to let that caller do it, or to call this server with a token that may use all streams.", false))}
}

// SubjectForLog returns the subject as it stands in a line of the log. A subject that is long, or
// has other characters than those that show, is cut and quoted: an identity provider chose it.
func (c Caller) SubjectForLog() string {
	if len(c.Subject) > maxForeign || strings.ContainsFunc(c.Subject, isHidden) {
		return quoteForeign(c.Subject)
	}
	return c.Subject
}

// For returns the project as caller may use it.
func (p *Project) For(caller Caller) *Project {
	bounded := *p
	bounded.caller = caller
	return &bounded
}

// maxTasks returns how many stream tasks of the caller may run at once.
func (p *Project) maxTasks() int {
	if limit := p.caller.MaxTasks; limit > 0 {
		return min(limit, p.Streams.MaxTasks())
	}
	return p.Streams.MaxTasks()
}

// withheld reports whether the project offers a toolset that its caller may not use.
func (p *Project) withheld(set Toolset) bool {
	return p.caller.Subject != "" && p.offers(set) && !p.allows(set)
}

// howToTurnOn says what to do if the caller may not use a toolset.
func (p *Project) howToTurnOn(set Toolset) string {
	if p.withheld(set) {
		return "ask the user to call this server with a token that has the toolset " + string(set)
	}
	return howToTurnOn
}

// whyOff says of a toolset that the caller may not use why that is so.
func (p *Project) whyOff(set Toolset) string {
	if p.withheld(set) {
		return "which the caller's token does not have"
	}
	return "which is off"
}

// instructCallers gives each caller instructions that name only what that caller may use.
func instructCallers(hooks *server.Hooks, cfg Config) {
	instruct := func(ctx context.Context, text *string) {
		if project := cfg.Project(ctx); project.caller.Subject != "" {
			*text = instructions(cfg, project)
		}
	}
	hooks.AddAfterInitialize(func(ctx context.Context, _ any, _ *mcp.InitializeRequest, result *mcp.InitializeResult) {
		instruct(ctx, &result.Instructions)
	})
	hooks.AddAfterDiscover(func(ctx context.Context, _ any, _ *mcp.DiscoverRequest, result *mcp.DiscoverResult) {
		instruct(ctx, &result.Instructions)
	})
}
