package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
)

type versionCommand struct{}

// Run prints what a bug report should contain.
func (versionCommand) Run(e *env) error {
	protocols := slices.Sorted(slices.Values(mcp.ValidProtocolVersions))
	_, err := fmt.Fprintf(e.stdout, "zego-mcp %s\ncommit   %s\nGo       %s %s/%s\nMCP      %s\n",
		version(), commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(protocols, ", "))
	return err
}

// version returns the module's version that the go command built in, or (devel) if there is
// none.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// commit returns the commit that the program was built from, marked if files were changed
// after it.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, modified := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " (modified)"
		}
	}
	return revision + modified
}
