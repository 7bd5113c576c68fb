package tools

import (
	"fmt"
	"slices"
	"strings"
)

// Toolset names a group of tools, prompts and resources that an operator allows together.
type Toolset string

// The toolsets.
const (
	Assets    Toolset = "assets"
	Streaming Toolset = "streaming"
)

// ToolsetInfo describes a toolset.
type ToolsetInfo struct {
	Name        Toolset
	Description string // What its tools do; begins in lower case and has no full stop.
	Default     bool   // Offered unless the operator chooses otherwise.
}

// Toolsets lists every toolset. The flag, the help, the README and the filters are made
// from this list.
var Toolsets = []ToolsetInfo{
	{Assets, "tools that only read, and are free", true},
	{Streaming, "tools that create, drive and stop streams, which ZEGO bills", false},
}

// AllToolsets is the word by which ParseToolsets returns every toolset.
const AllToolsets = "all"

// ParseToolsets reads a comma-separated list of toolsets, or "all" for every toolset. Case
// and spaces do not matter. An empty list means the default toolsets. A name that is not
// known is an error.
func ParseToolsets(list string) ([]Toolset, error) {
	var sets []Toolset
	for name := range strings.SplitSeq(list, ",") {
		set := Toolset(strings.ToLower(strings.TrimSpace(name)))
		switch {
		case set == "":
		case set == AllToolsets:
			return toolsetsWhere(func(ToolsetInfo) bool { return true }), nil
		case !set.known():
			return nil, fmt.Errorf("unknown toolset %q (known: %s)", strings.TrimSpace(name), strings.Join(ToolsetNames(), ", "))
		case !slices.Contains(sets, set):
			sets = append(sets, set)
		}
	}
	if len(sets) == 0 {
		sets = defaultToolsets()
	}
	return sets, nil
}

// ToolsetNames returns the words that ParseToolsets knows: every toolset, and "all".
func ToolsetNames() []string {
	var names []string
	for _, info := range Toolsets {
		names = append(names, string(info.Name))
	}
	return append(names, AllToolsets)
}

// ToolsetOf returns the toolset of the tool with the given name. It reports false if there
// is no such tool.
func ToolsetOf(toolName string) (ToolsetInfo, bool) {
	for _, t := range allTools {
		if info := t.info(); info.name == toolName {
			i := slices.IndexFunc(Toolsets, func(set ToolsetInfo) bool { return set.Name == info.toolset })
			return Toolsets[i], true
		}
	}
	return ToolsetInfo{}, false
}

// Names returns the names of all tools that a model can call, sorted.
func Names() []string { return toolNames() }

// DefaultToolsets returns the names of the default toolsets, separated by commas.
func DefaultToolsets() string {
	var names []string
	for _, set := range defaultToolsets() {
		names = append(names, string(set))
	}
	return strings.Join(names, ",")
}

func defaultToolsets() []Toolset {
	return toolsetsWhere(func(info ToolsetInfo) bool { return info.Default })
}

// toolsetsWhere returns the toolsets for which wanted is true.
func toolsetsWhere(wanted func(ToolsetInfo) bool) []Toolset {
	var sets []Toolset
	for _, info := range Toolsets {
		if wanted(info) {
			sets = append(sets, info.Name)
		}
	}
	return sets
}

func (t Toolset) known() bool {
	return slices.ContainsFunc(Toolsets, func(info ToolsetInfo) bool { return info.Name == t })
}

// allows reports whether the caller may use a toolset in the project.
func (p *Project) allows(set Toolset) bool {
	return p.offers(set) && (p.caller.Subject == "" || slices.Contains(p.caller.Toolsets, set))
}

// offers reports whether the operator allows a toolset in the project, whoever calls.
func (p *Project) offers(set Toolset) bool {
	sets := p.Toolsets
	if len(sets) == 0 {
		sets = defaultToolsets()
	}
	return slices.Contains(sets, set)
}
