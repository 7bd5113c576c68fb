// Command modulepath gives the module its final path: see packaging/set-module-path.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// oldPath is the path of the module until this command has run.
const oldPath = "zego-mcp"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: packaging/set-module-path github.com/OWNER/zego-mcp")
		os.Exit(2)
	}
	changed, err := rewriteTree(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "set-module-path:", err)
		os.Exit(1)
	}
	fmt.Printf("%d files changed. Now run: go vet ./... && go test ./... && git diff\n", changed)
}

// rewriteTree rewrites all files of the git repository in the working directory, and returns
// how many it changed. If it returns an error before it has written anything, it says so.
func rewriteTree(newPath string) (changed int, err error) {
	r, err := newRewriter(newPath)
	if err != nil {
		return 0, err
	}
	files, err := trackedFiles()
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // Git knows the file.
		if err != nil {
			return changed, err
		}
		rewritten := r.rewrite(file, text)
		if bytes.Equal(text, rewritten) {
			continue
		}
		// WriteFile keeps the mode of a file that is there.
		if err := os.WriteFile(file, rewritten, 0o600); err != nil { //nolint:gosec // Git knows the file.
			return changed, err
		}
		changed++
	}
	return changed, nil
}

// trackedFiles returns the regular files that git knows, as paths. It returns an error if
// something was changed since the last commit, or if the module has its final path already.
func trackedFiles() ([]string, error) {
	goMod, err := os.ReadFile("go.mod")
	if err != nil {
		return nil, err
	}
	if first, _, _ := strings.Cut(string(goMod), "\n"); first != "module "+oldPath {
		return nil, fmt.Errorf("go.mod begins with %q, and not with %q: the path has been set already", first, "module "+oldPath)
	}
	status, err := git("status", "--porcelain")
	if err != nil {
		return nil, err
	}
	if status != "" {
		return nil, fmt.Errorf("the working tree has changes; commit or stash them, so that the diff shows only the new path:\n%s", status)
	}
	list, err := git("ls-files", "-z", "--stage")
	if err != nil {
		return nil, err
	}
	var files []string
	for entry := range strings.SplitSeq(strings.TrimSuffix(list, "\x00"), "\x00") {
		if mode, rest, _ := strings.Cut(entry, " "); strings.HasPrefix(mode, "100") { // No links.
			_, file, _ := strings.Cut(rest, "\t")
			files = append(files, file)
		}
	}
	return files, nil
}

// git runs git and returns what it prints.
func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output() //nolint:gosec,noctx // The arguments are this file's.
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return string(out), nil
}

// rewriter rewrites the text of files for a new module path.
type rewriter struct {
	path, owner string
}

// newRewriter returns a rewriter for a path like github.com/OWNER/zego-mcp. Another host or
// another name of the repository would need other links, images and a name of the binary.
func newRewriter(newPath string) (rewriter, error) {
	match := regexp.MustCompile(`^github\.com/([A-Za-z0-9](?:-?[A-Za-z0-9]){0,38})/zego-mcp$`).FindStringSubmatch(newPath)
	if match == nil || match[1] == placeholder {
		return rewriter{}, fmt.Errorf("the path must be github.com/<owner>/zego-mcp, got %q", newPath)
	}
	return rewriter{path: newPath, owner: match[1]}, nil
}

// placeholder stands in files for the owner of the repository on GitHub.
const placeholder = "OWN" + "ER"

var (
	placeholderWord = regexp.MustCompile(`\b` + placeholder + `\b`)
	// Names of images must be in lower case.
	imageOwner = regexp.MustCompile(`\bghcr\.io/` + placeholder + `\b`)
	// A package of the module in Go code, or in text about it.
	packagePath = regexp.MustCompile("(^|[\\s\"`(])" + oldPath + `/(internal|packaging|schema|tools|zego|")`)
	importBlock = regexp.MustCompile(`(?ms)^import \(\n(.*?)^\)\n`)
)

// rewrite returns the text of a file with the new path.
func (r rewriter) rewrite(file string, text []byte) []byte {
	if !utf8.Valid(text) || strings.HasPrefix(file, "internal/cmd/modulepath/") {
		return text
	}
	s := string(text)
	switch {
	case file == "go.mod":
		s = strings.Replace(s, "module "+oldPath+"\n", "module "+r.path+"\n", 1)
	case path.Ext(file) == ".go" || path.Ext(file) == ".md":
		s = importBlock.ReplaceAllStringFunc(s, r.rewriteImports)
		s = packagePath.ReplaceAllString(s, "${1}"+r.path+"/${2}")
	}
	if file == "packaging/set-module-path" {
		return []byte(s)
	}
	s = imageOwner.ReplaceAllString(s, "ghcr.io/"+strings.ToLower(r.owner))
	return []byte(placeholderWord.ReplaceAllString(s, r.owner))
}

// rewriteImports moves the imports of this module, which stand among those of the standard
// library, into a group of their own at the end of the block: there gofumpt wants them when
// their path has a dot.
func (r rewriter) rewriteImports(block string) string {
	var others, own []string
	for line := range strings.Lines(strings.TrimSuffix(strings.TrimPrefix(block, "import (\n"), ")\n")) {
		if strings.Contains(line, `"`+oldPath+"/") {
			own = append(own, strings.Replace(line, `"`+oldPath+"/", `"`+r.path+"/", 1))
		} else {
			others = append(others, line)
		}
	}
	if len(own) == 0 {
		return block
	}
	slices.SortFunc(own, func(a, b string) int { return strings.Compare(a[strings.Index(a, `"`):], b[strings.Index(b, `"`):]) })
	groups := strings.TrimSpace(strings.Join(others, ""))
	if groups != "" {
		groups = "\t" + groups + "\n\n"
	}
	return "import (\n" + groups + strings.Join(own, "") + ")\n"
}
