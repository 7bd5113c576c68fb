package tools

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
)

// Lacking says which toolset a request of a client needs and its caller does not have.
type Lacking struct {
	Name    string // Of the tool, prompt or resource.
	Toolset Toolset
}

// RefuseLacking returns what the caller of a request lacks. It returns nil if the caller lacks
// nothing, and also if the request would fail with every toolset: because this server does not
// offer what it is for, or there is no such thing. A request for which it returns something has
// its line in the log, and Config.Observe is told of it, as if a tool had refused it.
//
// The params are those of a request with the given method, such as tools/call. NewServer's server
// refuses the same requests by itself, with other words.
func RefuseLacking(ctx context.Context, cfg Config, method string, params json.RawMessage) *Lacking {
	project := cfg.Project(ctx)
	if !slices.ContainsFunc(Toolsets, func(set ToolsetInfo) bool { return project.withheld(set.Name) }) {
		return nil
	}
	kind, lacking := cfg.targetOf(method, params)
	if !project.withheld(lacking.Toolset) {
		return nil
	}
	a := adapter{cfg.withDefaults()}
	_ = a.do(ctx, request{kind: kind, name: lacking.Name}, func(context.Context, deps) error {
		return &toolError{reason: "the caller's token lacks the toolset " + string(lacking.Toolset)}
	})
	return &lacking
}

// targetOf returns what a request is for, and the toolset of that. The toolset is "" if the
// request needs none, or if this server does not offer what it is for.
func (c Config) targetOf(method string, params json.RawMessage) (requestKind, Lacking) {
	var target struct{ Name, URI string }
	if json.Unmarshal(params, &target) != nil {
		return "", Lacking{} // The request is refused for that.
	}
	switch method {
	case string(mcp.MethodToolsCall):
		for _, t := range slices.Concat(allTools, appTools) {
			if info := t.info(); info.name == target.Name && c.offers(info) {
				return kindTool, Lacking{info.name, info.toolset}
			}
		}
	case string(mcp.MethodPromptsGet):
		for _, p := range allPrompts {
			if p.Name == target.Name {
				return kindPrompt, Lacking{p.Name, p.toolset}
			}
		}
	case string(mcp.MethodResourcesRead):
		for _, r := range allResources {
			if r.matches(target.URI) {
				return kindResource, Lacking{r.name, r.toolset}
			}
		}
	}
	return "", Lacking{}
}
