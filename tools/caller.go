package tools

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Caller is who uses a project over HTTP, and what that caller may do there.
type Caller struct {
	Subject  string    // Names the caller, for the log; never empty.
	Toolsets []Toolset // What the caller may use, of the toolsets that the project offers; empty: nothing.
	MaxTasks int       // How many stream tasks of the caller may run at once; 0: as many as the project allows.
}

// subjectForLog returns the subject as it stands in a line of the log. A subject that is long, or
// has other characters than those that show, is cut and quoted: an identity provider chose it.
func (c Caller) subjectForLog() string {
	isHidden := func(r rune) bool { return !unicode.IsGraphic(r) || r == utf8.RuneError }
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
