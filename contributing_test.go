package main

import (
	"flag"
	"fmt"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the tables of packages")

// TestPackageTable compares the tables of packages with the package comments. With -update it
// writes the tables.
func TestPackageTable(t *testing.T) {
	t.Parallel()
	table := regexp.MustCompile(`(?s)(<!-- packages.*? -->\n)(.*?)(<!-- /packages -->)`)
	for file, root := range map[string]string{"CONTRIBUTING.md": "", "docs/inside.md": "../"} {
		text := readFile(t, file)
		found := table.FindStringSubmatch(text)
		if found == nil {
			t.Errorf("%s has no table between <!-- packages --> and <!-- /packages -->", file)
			continue
		}
		got := packageTable(t, root)
		if diff := cmp.Diff(found[2], got); diff != "" && !*update {
			t.Errorf("%s does not fit the package comments; go test . -update writes the table (-written +comments):\n%s", file, diff)
		}
		if *update {
			writeFile(t, file, strings.Replace(text, found[0], found[1]+got+found[3], 1))
		}
	}
}

// packageTable returns a table of all packages with the first sentence of each comment. Its
// links begin with root.
func packageTable(t *testing.T, root string) string {
	t.Helper()
	sentences := map[string]string{} // By folder.
	walkTree(t, ".", func(file string) {
		folder := path.Dir(file)
		if path.Ext(file) != ".go" || folder != "." && strings.HasPrefix(folder, ".") {
			return // Go ignores folders that begin with a dot as well.
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if sentence := new(doc.Package).Synopsis(parsed.Doc.Text()); sentence != "" || sentences[folder] == "" {
			sentences[folder] = sentence
		}
	})
	var table strings.Builder
	table.WriteString("\n| package | what it does |\n|---|---|\n")
	name := regexp.MustCompile(`^(Package|Command) \S+ `)
	for _, folder := range slices.Sorted(maps.Keys(sentences)) {
		sentence := sentences[folder]
		if !name.MatchString(sentence) {
			t.Errorf("%s: the package comment does not begin with Package or Command and a name: %q", folder, sentence)
		}
		link := fmt.Sprintf("[`%s`](%s%s)", folder, root, folder)
		if folder == "." {
			link = "[`main.go`](" + root + "main.go)"
		}
		_, _ = fmt.Fprintf(&table, "| %s | %s |\n", link, name.ReplaceAllString(sentence, ""))
	}
	return table.String() + "\n"
}

// TestExamples does what the examples of CONTRIBUTING.md say: in a copy of the tree it
// makes the edits of all examples, and then runs the commands of each.
func TestExamples(t *testing.T) {
	t.Parallel()
	examples := parseExamples(t, readFile(t, "CONTRIBUTING.md"))
	if len(examples) < 5 {
		t.Errorf("got %d examples, want one for a tool, prompt, resource, action and flag", len(examples))
	}
	tree := t.TempDir()
	walkTree(t, ".", func(file string) { writeFile(t, filepath.Join(tree, file), readFile(t, file)) })
	for _, example := range examples {
		for _, edit := range example.edits {
			if err := edit.apply(tree); err != nil {
				t.Fatalf("example %q, %s: %v", example.title, edit.file, err)
			}
		}
	}
	for _, example := range examples {
		passed := t.Run(example.title, func(t *testing.T) {
			if len(example.edits) == 0 || len(example.commands) == 0 {
				t.Error("the example has no edit, or no command that tries it")
			}
			for _, command := range example.commands {
				if out, err := run(t, tree, command); err != nil {
					t.Fatalf("%s: %v\n%s%s", command, err, out, authors(examples, out))
				}
			}
		})
		if !passed {
			break // The others would fail for the same reason.
		}
	}
}

// run runs a command of an example in the tree and returns what it prints.
func run(t *testing.T, tree, command string) (output string, err error) {
	t.Helper()
	// With nice, compiling does not disturb tests of other packages that watch the clock.
	cmd := exec.CommandContext(t.Context(), "nice", "sh", "-c", command)
	cmd.Dir = tree
	// The tree has another path in each run. With -trimpath, a run can use what the one
	// before it compiled. The other flags save time.
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -trimpath -vet=off -ldflags=-s")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// authors says which examples wrote the files that output names.
func authors(examples []example, output string) string {
	var lines strings.Builder
	for _, example := range examples {
		for _, edit := range example.edits {
			if strings.Contains(output, edit.file+":") {
				_, _ = fmt.Fprintf(&lines, "%s is edited by the example %q\n", edit.file, example.title)
			}
		}
	}
	return lines.String()
}

// example is a section of "Add something" in CONTRIBUTING.md.
type example struct {
	title    string
	edits    []edit
	commands []string
}

// edit is a code block of an example, with the sentence above it.
type edit struct {
	where string // "New file", "At the end of" or "In".
	file  string
	text  string // Of the block. For "In" it is a diff: lines begin with a space, + or -.
}

// parseExamples returns the sections of "Add something".
func parseExamples(t *testing.T, text string) []example {
	t.Helper()
	_, text, _ = strings.Cut(text, "\n## Add something\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var examples []example
	for i, section := range strings.Split(text, "\n### ") {
		if i == 0 {
			continue // The introduction.
		}
		title, body, _ := strings.Cut(section, "\n")
		examples = append(examples, parseExample(t, title, body))
	}
	return examples
}

// parseExample returns the code blocks of a section.
func parseExample(t *testing.T, title, body string) example {
	t.Helper()
	place := regexp.MustCompile("^(New file|At the end of|In) `([^`]+)`.*:$")
	e := example{title: title}
	var above, language, block string // Language is empty outside of blocks.
	for line := range strings.Lines(body) {
		fence, isFence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		where := place.FindStringSubmatch(above)
		switch {
		case !isFence && language != "":
			block += line
		case !isFence:
			if text := strings.TrimSpace(line); text != "" {
				above = text
			}
		case fence != "":
			language, block = fence, ""
		case language == "sh":
			e.commands = append(e.commands, strings.Split(strings.TrimSpace(block), "\n")...)
			above, language = "", ""
		case where != nil:
			e.edits = append(e.edits, edit{where[1], where[2], block})
			above, language = "", ""
		default:
			t.Fatalf("example %q: the line above a block does not say in which file it belongs: %q", title, above)
		}
	}
	return e
}

// apply makes the edit in the tree. If the file is Go, it must then be formatted.
func (e edit) apply(tree string) error {
	file := filepath.Join(tree, e.file)
	old, err := os.ReadFile(file)
	text := string(old)
	switch {
	case e.where == "New file" && err == nil:
		return fs.ErrExist
	case e.where == "New file":
		text = e.text
	case err != nil:
		return err
	case e.where == "At the end of":
		text += "\n" + e.text
	default:
		for hunk := range strings.SplitSeq(e.text, "@@\n") {
			before, after := sides(hunk)
			if n := strings.Count(text, before); n != 1 {
				return fmt.Errorf("these lines stand there %d times, want once:\n%s", n, before)
			}
			text = strings.Replace(text, before, after, 1)
		}
	}
	if filepath.Ext(file) == ".go" {
		formatted, err := format.Source([]byte(text))
		if err != nil {
			return err
		}
		if diff := cmp.Diff(string(formatted), text); diff != "" {
			return fmt.Errorf("not formatted (-gofmt +example):\n%s", diff)
		}
	}
	return os.WriteFile(file, []byte(text), 0o600)
}

// sides returns the lines of a diff's hunk before and after the change.
func sides(hunk string) (before, after string) {
	for line := range strings.Lines(hunk) {
		if line[0] != '+' {
			before += line[1:]
		}
		if line[0] != '-' {
			after += line[1:]
		}
	}
	return before, after
}

// walkTree calls visit for every file below root that belongs to the project.
func walkTree(t *testing.T, root string, visit func(file string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "node_modules", "dist"}, entry.Name()):
			return fs.SkipDir
		case entry.Type().IsRegular():
			visit(file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
