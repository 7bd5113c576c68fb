package main

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRewrite(t *testing.T) {
	t.Parallel()
	r, err := newRewriter("github.com/Some-One/zego-mcp")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, file, text, want string }{
		{"module", "go.mod", "module zego-mcp\n\ngo 1.26\n", "module github.com/Some-One/zego-mcp\n\ngo 1.26\n"},
		{
			"imports", "a.go",
			"import (\n\t\"context\"\n\tz \"zego-mcp/zego\"\n\t\"zego-mcp/tools\"\n\n\t\"github.com/x/y\"\n)\n",
			"import (\n\t\"context\"\n\n\t\"github.com/x/y\"\n\n\t\"github.com/Some-One/zego-mcp/tools\"\n\tz \"github.com/Some-One/zego-mcp/zego\"\n)\n",
		},
		{"only own imports", "a.go", "import (\n\t\"zego-mcp/zego\"\n)\n", "import (\n\t\"github.com/Some-One/zego-mcp/zego\"\n)\n"},
		{"one import", "a.go", "import \"zego-mcp/schema\"\n", "import \"github.com/Some-One/zego-mcp/schema\"\n"},
		{"no own import", "a.go", "import (\n\t\"fmt\"\n)\n", "import (\n\t\"fmt\"\n)\n"},
		{"paths in text", "a.go", "must not import zego-mcp/tools", "must not import github.com/Some-One/zego-mcp/tools"},
		{"prefix", "a.go", `CutPrefix(p, "zego-mcp/")`, `CutPrefix(p, "github.com/Some-One/zego-mcp/")`},
		{"keys of the protocol", "a.go", `"zego-mcp/contents"`, `"zego-mcp/contents"`},
		{"folders of a user", "a.md", "$XDG_STATE_HOME/zego-mcp/zego", "$XDG_STATE_HOME/zego-mcp/zego"},
		{"links", "a.md", "https://github.com/OWNER/zego-mcp", "https://github.com/Some-One/zego-mcp"},
		{"images", "a.yaml", "ghcr.io/OWNER/zego-mcp io.github.OWNER/zego-mcp", "ghcr.io/some-one/zego-mcp io.github.Some-One/zego-mcp"},
		{"longer words", "a.yaml", "OWNERS", "OWNERS"},
		{"pictures", "a.png", "OWNER\xff", "OWNER\xff"},
	} {
		if diff := cmp.Diff(tt.want, string(r.rewrite(tt.file, []byte(tt.text)))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	for path, valid := range map[string]bool{
		"github.com/zego/zego-mcp":   true,
		"github.com/Ze-Go/zego-mcp":  true,
		"github.com/OWNER/zego-mcp":  false,
		"github.com/zego/other":      false,
		"gitlab.com/zego/zego-mcp":   false,
		"github.com/-zego/zego-mcp":  false,
		"github.com/ze/go/zego-mcp":  false,
		"zego-mcp":                   false,
		"https://github.com/a/b":     false,
		"github.com/zego/zego-mcp\n": false,
	} {
		if _, err := newRewriter(path); (err == nil) != valid {
			t.Errorf("%q: got %v, want valid: %v", path, err, valid)
		}
	}
}

// TestRewriteTree rewrites a repository with this module's files. It compiles nothing:
// .ci/packages/run does that.
func TestRewriteTree(t *testing.T) {
	root := cloneOfModule(t)
	t.Chdir(root)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return string(out)
	}

	if err := os.WriteFile("new.txt", []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := rewriteTree("github.com/some-one/zego-mcp"); err == nil || !strings.Contains(err.Error(), "new.txt") {
		t.Errorf("a tree with changes: got error %v", err)
	}
	if err := os.Remove("new.txt"); err != nil {
		t.Fatal(err)
	}

	changed, err := rewriteTree("github.com/some-one/zego-mcp")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(run("diff", "--name-only"), "\n"); got != changed || changed < 100 {
		t.Errorf("changed %d files, git says %d", changed, got)
	}
	if left := strings.Fields(run("grep", "-lwI", placeholder)); !cmp.Equal(left, []string{
		"internal/cmd/modulepath/main.go", "internal/cmd/modulepath/main_test.go", "packaging/set-module-path",
	}) {
		t.Errorf("the placeholder is left in %v", left)
	}
	for file := range strings.FieldsSeq(run("diff", "--name-only", "--", "*.go")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if formatted, err := format.Source(text); err != nil || string(formatted) != string(text) {
			t.Errorf("%s is not formatted: %v", file, err)
		}
	}
	if _, err := rewriteTree("github.com/some-one/zego-mcp"); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second run: got error %v", err)
	}
}

// cloneOfModule returns a new git repository with the files of this module that git knows.
func cloneOfModule(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	script := `set -e
cd ../../..
git ls-files -z | while IFS= read -r -d '' file; do [ ! -f "$file" ] || echo "$file"; done | tar -cT - | tar -xC "$0"
cd "$0"
git init -q
git add -A
git -c user.name=test -c user.email=test@example.com commit -qm test`
	if out, err := exec.CommandContext(t.Context(), "bash", "-c", script, root).CombinedOutput(); err != nil {
		t.Skipf("no copy of the repository: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return root
}
