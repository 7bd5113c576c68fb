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
	Description string // What its tools do; begins in lower case, without a full stop.
	Default     bool   // Offered unless the operator chooses otherwise.
}

// Toolsets lists every toolset. The flag, the help, the README and the filters are made
// from this list.
var Toolsets = []ToolsetInfo{
	{Assets, "tools that only read, and are free", true},
	{Streaming, "tools that create, drive and stop streams, which ZEGO bills", false},
}

// AllToolsets is the word that stands for every toolset in ParseToolsets.
const AllToolsets = "all"

// ParseToolsets reads a comma-separated list of toolsets, or "all". Case and spaces do not
// matter. An empty list means the default toolsets.
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

// ToolsetOf returns the toolset of the tool with a name. It reports false if there is no
// such tool.
func ToolsetOf(tool string) (ToolsetInfo, bool) {
	for _, t := range allTools {
		if info := t.info(); info.name == tool {
			i := slices.IndexFunc(Toolsets, func(set ToolsetInfo) bool { return set.Name == info.toolset })
			return Toolsets[i], true
		}
	}
	return ToolsetInfo{}, false
}

// DefaultToolsets returns the default toolsets as ParseToolsets reads them.
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

// offers reports whether the project's caller may use a toolset.
func (p *Project) offers(set Toolset) bool {
	sets := p.Toolsets
	if len(sets) == 0 {
		sets = defaultToolsets()
	}
	return slices.Contains(sets, set)
}
