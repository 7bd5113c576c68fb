package tools

import (
	"fmt"
	"slices"
	"strings"
)

// Toolset is a group of tools that an operator allows together.
type Toolset string

// The toolsets.
const (
	Assets    Toolset = "assets"    // What there is: read-only and free.
	Streaming Toolset = "streaming" // Create, drive and stop streams, which ZEGO bills.
)

// ParseToolsets reads a comma-separated list of toolsets, or "all". An empty list
// means Assets.
func ParseToolsets(list string) ([]Toolset, error) {
	var sets []Toolset
	for name := range strings.SplitSeq(list, ",") {
		switch set := Toolset(strings.ToLower(strings.TrimSpace(name))); set {
		case "":
		case "all":
			return []Toolset{Assets, Streaming}, nil
		case Assets, Streaming:
			if !slices.Contains(sets, set) {
				sets = append(sets, set)
			}
		default:
			return nil, fmt.Errorf("unknown toolset %q (known: assets, streaming, all)", strings.TrimSpace(name))
		}
	}
	if len(sets) == 0 {
		sets = []Toolset{Assets}
	}
	return sets, nil
}
