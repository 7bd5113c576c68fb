package cli_test

import (
	"go/build"
	"path/filepath"
	"strings"
	"testing"
)

// TestImports holds the arrows between packages: main → internal → tools → zego,
// schema. What is left out may import nothing of ours.
func TestImports(t *testing.T) {
	t.Parallel()
	allowed := map[string]string{
		".":                   "internal/cli",
		"internal/cli":        "internal/httpserver internal/redisshare internal/stdio tools tools/streams zego zego/zegosim",
		"internal/redisshare": "zego",
		"internal/cmd/soak":   "internal/httpserver tools zego zego/zegosim",
		"tools":               "schema tools/streams zego",
		"tools/streams":       "zego",
		"zego/zegosim":        "zego zego/zegosim/faces zego/zegosim/speech",
	}
	root := filepath.Join("..", "..")
	for _, dir := range []string{".", "schema", "tools", "zego", "zego/zegosim", "zego/zegosim/faces", "zego/zegosim/speech", "internal/cli", "internal/httpserver", "internal/redisshare", "internal/cmd/soak", "internal/stdio"} {
		pkg, err := build.ImportDir(filepath.Join(root, dir), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range pkg.Imports {
			ours, ok := strings.CutPrefix(path, "zego-mcp/")
			if ok && !strings.Contains(" "+allowed[dir]+" ", " "+ours+" ") {
				t.Errorf("%s must not import %s", dir, path)
			}
			if strings.HasPrefix(dir, "zego") || dir == "schema" {
				if strings.Contains(path, "mcp-go") || strings.Contains(path, "tint") {
					t.Errorf("%s must not import %s", dir, path)
				}
			}
		}
	}
}
