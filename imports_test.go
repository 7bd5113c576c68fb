package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// importRule says what the packages of a folder may import.
type importRule struct {
	folder  string // A pattern: "a/..." is a and every folder below it.
	imports string // Folders of this module, as patterns with spaces between them.
	tests   string // Folders that its test files may import besides.
	mcp     bool   // Whether it may import mcp-go and tint. OpenTelemetry is for internal/tracing alone.
}

// importRules let every package import only what stands below it: main → internal →
// tools → tools/streams → zego, tools → tools/match, tools → schema, and zego/zegosim →
// zego. The first rule whose folder matches applies. A folder without a rule fails the test.
var importRules = []importRule{
	{folder: ".", imports: "internal/cli", mcp: true},
	{folder: "internal/auth", imports: "internal/configfile internal/reload tools schema zego", tests: "internal/leaktest"},
	{folder: "internal/clients", imports: "internal/configfile"},
	{folder: "internal/cli", imports: "internal/... tools/... schema zego/...", mcp: true},
	{folder: "internal/credentials"},
	{folder: "internal/cmd/evals", imports: "tools/... schema zego/...", mcp: true},
	{folder: "internal/cmd/icon"},
	{folder: "internal/cmd/load", imports: "zego/...", mcp: true},
	{folder: "internal/cmd/modulepath"},
	{folder: "internal/cmd/soak", imports: "internal/httpserver tools/... schema zego/...", mcp: true},
	{folder: "internal/configfile"},
	{folder: "internal/projects", imports: "internal/auth internal/redisshare internal/reload tools/... schema zego", tests: "internal/... zego/zegosim", mcp: true},
	{folder: "internal/tracing", imports: "tools zego", tests: "internal/leaktest tools/streams zego/zegosim", mcp: true},
	{folder: "internal/...", imports: "tools/... schema zego/...", tests: "internal/...", mcp: true},
	{folder: "packaging"},
	{folder: "tools", imports: "tools/... schema zego", tests: "internal/leaktest zego/zegosim", mcp: true},
	{folder: "tools/gallery"},
	{folder: "tools/match"},
	{folder: "tools/pictures", imports: "schema"},
	{folder: "tools/speech", imports: "zego", tests: "internal/leaktest zego/zegosim"},
	{folder: "tools/streams", imports: "zego", tests: "internal/leaktest zego/zegosim"},
	{folder: "schema"},
	{folder: "zego", tests: "internal/leaktest zego/zegosim"},
	{folder: "zego/zegosim", imports: "zego zego/zegosim/..."},
	{folder: "zego/zegosim/..."},
}

// TestImports checks every Go file of the module, whatever system it is for.
func TestImports(t *testing.T) {
	t.Parallel()
	err := fs.WalkDir(os.DirFS("."), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") && name != ".") {
			return fs.SkipDir // Go ignores these as well.
		}
		if path.Ext(file) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		imports := []string{}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, imported)
		}
		if err := checkImports(file, imports); err != nil {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestImportRules checks that checkImports refuses what the rules do not allow.
func TestImportRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file, imported string
		want           string // "" if the import is allowed.
	}{
		{"zego/client.go", "net/http", ""},
		{"internal/cli/serve.go", "zego-mcp/internal/httpserver", ""},
		{"internal/cli/serve.go", "zego-mcp/zego/zegosim", ""},
		{"tools/errors.go", "zego-mcp/tools/streams", ""},
		{"tools/tools_test.go", "zego-mcp/zego/zegosim", ""},
		{"zego/client_test.go", "zego-mcp/zego", ""},
		{"internal/redisshare/redisshare_test.go", "zego-mcp/internal/redisshare/redistest", ""},
		{"zego/client.go", "zego-mcp/tools", "zego/client.go must not import zego-mcp/tools"},
		{"zego/client_test.go", "zego-mcp/tools", "must not import"},
		{"zego/zegosim/server.go", "github.com/mark3labs/mcp-go/mcp", "must not import"},
		{"zego/zegosim/faces/faces.go", "zego-mcp/zego", "must not import"},
		{"schema/schema.go", "github.com/lmittmann/tint", "must not import"},
		{"tools/errors.go", "zego-mcp/zego/zegosim", "must not import"},
		{"internal/tracing/encode.go", "go.opentelemetry.io/otel/attribute", ""},
		{"tools/trace.go", "go.opentelemetry.io/otel/trace", "must not import"},
		{"tools/streams/ledger.go", "zego-mcp/tools", "must not import"},
		{"internal/stdio/stdio.go", "zego-mcp/internal/cli", "must not import"},
		{"internal/cli/serve.go", "zego-mcp/internal/redisshare/redistest", "must not import"},
		{"util/util.go", "fmt", `folder util has no rule in importRules`},
	} {
		err := checkImports(tt.file, []string{tt.imported})
		if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || !strings.Contains(got, tt.want) && err != nil {
			t.Errorf("%s imports %s: got %v, want %q", tt.file, tt.imported, err, tt.want)
		}
	}
}

// checkImports returns an error for the first import that the rules do not allow file.
func checkImports(file string, imports []string) error {
	folder, isTest := path.Dir(file), strings.HasSuffix(file, "_test.go")
	i := slices.IndexFunc(importRules, func(r importRule) bool { return matches(r.folder, folder) })
	if i < 0 {
		return fmt.Errorf("folder %s has no rule in importRules: add one that says what it may import", folder)
	}
	rule := importRules[i]
	for _, imported := range imports {
		ours, isOurs := strings.CutPrefix(imported, "zego-mcp/")
		var allowed bool
		switch {
		case matches("go.opentelemetry.io/...", imported):
			allowed = folder == "internal/tracing"
		case !isOurs:
			allowed = rule.mcp || !matches("github.com/mark3labs/mcp-go/...", imported) && !matches("github.com/lmittmann/tint", imported)
		case isTest:
			allowed = ours == folder || matches(rule.imports, ours) || matches(rule.tests, ours)
		default: // A package named like httptest is for tests only.
			allowed = matches(rule.imports, ours) && !strings.HasSuffix(ours, "test")
		}
		if !allowed {
			return fmt.Errorf("%s must not import %s: see importRules, where arrows point down only", file, imported)
		}
	}
	return nil
}

// matches reports whether one of the patterns, with spaces between them, matches folder.
func matches(patterns, folder string) bool {
	for pattern := range strings.FieldsSeq(patterns) {
		parent, below := strings.CutSuffix(pattern, "/...")
		if folder == parent || below && strings.HasPrefix(folder, parent+"/") {
			return true
		}
	}
	return false
}
