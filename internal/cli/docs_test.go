package cli_test

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"zego-mcp/internal/cli"
	"zego-mcp/tools"
	"zego-mcp/zego"

	"github.com/alecthomas/kong"
	gocmp "github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the generated parts of the documentation and the golden files of testdata")

// inParallel lets a test run beside others, unless they would write the same pages.
func inParallel(t *testing.T) {
	t.Helper()
	if !*update {
		t.Parallel()
	}
}

// top is the folder of the module.
var top = filepath.Join("..", "..")

// page is a file of the documentation.
type page struct {
	name string // Its path from the folder of the module, with slashes.
	text string
}

// readPages returns the README, the pages of docs/ and what else users read.
func readPages(t *testing.T) []page {
	t.Helper()
	var pages []page
	add := func(name string) {
		text, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, page{filepath.ToSlash(name), string(text)})
	}
	for _, pattern := range []string{"README*.md", "SECURITY.md", "llms.txt"} {
		found, err := filepath.Glob(filepath.Join(top, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			add(filepath.Base(file))
		}
	}
	err := filepath.WalkDir(filepath.Join(top, "docs"), func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(file) == ".md" {
			name, _ := filepath.Rel(top, file)
			add(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// generatedPart matches a part between the comments <!-- NAME:begin --> and <!-- NAME:end -->.
var generatedPart = regexp.MustCompile(`(?s)<!-- ([a-z]+(?: [A-Za-z_ ]+)?):begin -->\n(.*?)<!-- ([a-z]+(?: [A-Za-z_ ]+)?):end -->`)

// TestGeneratedDocs compares the generated parts of the documentation with the code. With
// -update it writes them.
func TestGeneratedDocs(t *testing.T) {
	inParallel(t)
	translated := readTranslations(t)
	for _, p := range readPages(t) {
		text := generatedPart.ReplaceAllStringFunc(p.text, func(part string) string {
			match := generatedPart.FindStringSubmatch(part)
			if match[1] != match[3] {
				t.Fatalf("%s: the part %q ends with %q", p.name, match[1], match[3])
			}
			words := func(text string) string { return text }
			if isChinese(p.name) {
				words = translated.of
			}
			got := generate(t, match[1], words)
			return fmt.Sprintf("<!-- %s:begin -->\n%s<!-- %s:end -->", match[1], got, match[1])
		})
		switch {
		case text == p.text:
		case *update:
			if err := os.WriteFile(filepath.Join(top, p.name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s does not fit the code; go test ./internal/cli -run TestGeneratedDocs -update writes it (-written +code):\n%s", p.name, gocmp.Diff(p.text, text))
		}
	}
	translated.report(t)
}

// generate returns a generated part: a name, and for some parts a word behind it. words
// translates what people read in tables.
func generate(t *testing.T, part string, words func(string) string) string {
	t.Helper()
	name, of, _ := strings.Cut(part, " ")
	switch name {
	case "tools":
		return toolTable(t, words)
	case "arguments":
		return argumentTables(t)
	case "commands":
		return commandTable(words)
	case "flags":
		return flagTable(t, of, words)
	case "codes":
		return codeTable(t, words)
	case "clients":
		return clientTable(t, words)
	case "links":
		return installLinks(t)
	case "example":
		return quotedExample(t, of)
	}
	t.Fatalf("nothing generates a part with the name %q", part)
	return ""
}

// row returns a row of a table.
func row(cells ...string) string {
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(cell), "|", `\|`)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// heading returns the first two lines of a table.
func heading(words func(string) string, names ...string) string {
	for i, name := range names {
		names[i] = words(name)
	}
	return row(names...) + strings.Repeat("|---", len(names)) + "|\n"
}

// firstSentence returns the first sentence of a description.
func firstSentence(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	return strings.TrimSuffix(first, ".")
}

// toolTable returns a table of all tools, those of the default toolset first.
func toolTable(t *testing.T, words func(string) string) string {
	t.Helper()
	table := heading(words, "tool", "what it does", "toolset")
	for _, set := range tools.Toolsets {
		for _, tool := range allTools(t) {
			if of, _ := tools.ToolsetOf(tool.Name); of.Name == set.Name {
				table += row("`"+tool.Name+"`", words(firstSentence(tool.Description)), string(set.Name))
			}
		}
	}
	return table
}

func allTools(t *testing.T) []cli.DescribedTool {
	t.Helper()
	all, err := cli.AllTools()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// argumentTables returns a section for each tool, with its description and its arguments.
func argumentTables(t *testing.T) string {
	t.Helper()
	same := func(text string) string { return text }
	var text strings.Builder
	for _, tool := range allTools(t) {
		set, _ := tools.ToolsetOf(tool.Name)
		_, _ = fmt.Fprintf(&text, "### `%s`\n\n%s Toolset: %s.\n\n", tool.Name, tool.Description, set.Name)
		arguments, err := cli.Arguments(tool)
		if err != nil {
			t.Fatal(err)
		}
		if len(arguments) == 0 {
			text.WriteString("It has no arguments.\n\n")
			continue
		}
		text.WriteString(heading(same, "argument", "values", "meaning"))
		for _, a := range arguments {
			if a.Required {
				a.Type += ", required"
			}
			text.WriteString(row("`"+a.Name+"`", codeInRange.ReplaceAllString(a.Type, "$1`$2`$3"), a.Text))
		}
		text.WriteString("\n")
	}
	return text.String()
}

// codeInRange matches in the type of an argument what Markdown would take for markup.
var codeInRange = regexp.MustCompile(`(matching )(\S+?)($|, )`)

// commands returns the commands that a user sees, those below a command in place of it.
func commands() []*kong.Node {
	return slices.DeleteFunc(cli.NewParser().Model.Leaves(false), func(n *kong.Node) bool { return n.Hidden })
}

// commandTable returns a table of all commands with their positional arguments.
func commandTable(words func(string) string) string {
	table := heading(words, "command", "what it does")
	for _, command := range commands() {
		usage := command.FullPath()
		for _, positional := range command.Positional {
			usage += " " + positional.Summary()
		}
		table += row("`"+usage+"`", words(command.Help))
	}
	return table
}

// flagTable returns a table of the flags of a command, or of those that every command has.
func flagTable(t *testing.T, command string, words func(string) string) string {
	t.Helper()
	node := cli.NewParser().Model.Node
	if command != "" {
		all := commands()
		i := slices.IndexFunc(all, func(n *kong.Node) bool { return n.FullPath() == "zego-mcp "+command })
		if i < 0 {
			t.Fatalf("there is no command %q", command)
		}
		node = all[i]
	}
	table := heading(words, "flag", "variable", "meaning")
	for _, f := range node.Flags {
		if f.Hidden || f.Name == "help" {
			continue
		}
		name, variable := "--"+f.Name, f.Tag.Get("variable")
		if !f.IsBool() && f.PlaceHolder != "" {
			name += " " + f.PlaceHolder
		}
		if variable != "" {
			variable = "`" + variable + "`"
		}
		table += row("`"+name+"`", variable, inCode.ReplaceAllString(words(f.Help), "`$0`"))
	}
	return table
}

// inCode matches in the help of a flag what Markdown would take for markup or a link.
var inCode = regexp.MustCompile(`[a-z]+://\S*[^\s.;,]`)

// code is a constant of package zego.
type code struct {
	name string
	zego.Code
}

// readCodes returns the codes that package zego declares, in the order of its source.
func readCodes(t *testing.T) []code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(top, "zego", "errors.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		kind, _ := spec.Type.(*ast.Ident)
		literal, isNumber := slices.Concat(spec.Values, []ast.Expr{nil})[0].(*ast.BasicLit)
		if kind == nil || kind.Name != "Code" || !isNumber {
			return true
		}
		number, err := strconv.Atoi(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code{spec.Names[0].Name, zego.Code(number)})
		return true
	})
	return codes
}

// codeTable returns a table of ZEGO's codes, and what a model is told to do about each.
func codeTable(t *testing.T, words func(string) string) string {
	t.Helper()
	table := heading(words, "code", "meaning", "what to do", "does repeating help")
	for _, c := range readCodes(t) {
		meaning, _, _ := strings.Cut(c.Error(), " (code ")
		helps := map[bool]string{true: "yes", false: "no"}[c.Retryable()]
		table += row(strconv.Itoa(int(c.Code)), words(meaning), words(tools.Advice(c.Code)), words(helps))
	}
	return table
}

// quotedExample returns the body of an example of package zego as a block of Go.
func quotedExample(t *testing.T, name string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(top, "zego", "example_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	body := regexp.MustCompile(`(?ms)^func ` + name + `\(\) \{\n(.*?)^\}`).FindSubmatch(source)
	if body == nil {
		t.Fatalf("zego/example_test.go has no %s", name)
	}
	formatted, err := format.Source(body[1])
	if err != nil {
		t.Fatal(err)
	}
	code := strings.TrimRight(regexp.MustCompile(`(?m)^\t`).ReplaceAllString(string(formatted), ""), "\n")
	return "\n```go\n" + code + "\n```\n\n"
}

// TestDocsNameWhatExists checks the words in code style: tools, prompts, variables, commands
// and flags must exist, and so must the targets of links.
func TestDocsNameWhatExists(t *testing.T) {
	t.Parallel()
	pages := readPages(t)
	names := knownNames(t)
	anchors := map[string]map[string]bool{}
	for _, p := range pages {
		anchors[p.name] = headingAnchors(p.text)
	}
	seen := map[string]bool{}
	for _, p := range pages {
		prose := fence.ReplaceAllString(p.text, "")
		for _, variable := range regexp.MustCompile(`\bZEGO_[A-Z_]+\b`).FindAllString(p.text, -1) {
			seen[variable] = true
			if !names.variables[variable] {
				t.Errorf("%s: there is no variable %s", p.name, variable)
			}
		}
		for _, inline := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(prose, -1) {
			if problem := names.check(inline[1]); problem != "" {
				t.Errorf("%s: `%s`: %s", p.name, inline[1], problem)
			}
		}
		checkLinks(t, p, prose, anchors)
	}
	for _, variable := range slices.Sorted(maps.Keys(names.variables)) {
		if !seen[variable] {
			t.Errorf("no page mentions the variable %s", variable)
		}
	}
}

// fence matches a fenced block of code: its language and its text.
var fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// knownNames are the names that the program has.
type names struct {
	tools     map[string]bool            // Tools, prompts, and what else looks like them.
	variables map[string]bool            // Ours, and that of ZEGO's samples.
	commands  map[string]map[string]bool // The flags of each command; of "" those of all.
}

func knownNames(t *testing.T) names {
	t.Helper()
	known := names{tools: map[string]bool{}, variables: map[string]bool{"ZEGO_API_HOST": true}, commands: map[string]map[string]bool{"": {}}}
	for _, tool := range allTools(t) {
		known.tools[tool.Name] = true
	}
	for _, dir := range []string{"tools", "internal"} { // Prompts, variables, and values of arguments.
		err := filepath.WalkDir(filepath.Join(top, dir), func(file string, _ fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			source, err := os.ReadFile(file)
			for _, variable := range regexp.MustCompile(`\bZEGO_[A-Z_]+\b`).FindAllString(string(source), -1) {
				known.variables[variable] = true
			}
			for _, prompt := range regexp.MustCompile(`mcp\.NewPrompt\("(\w+)"`).FindAllStringSubmatch(string(source), -1) {
				known.tools[prompt[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	model := cli.NewParser().Model
	known.addFlags("", model.Node)
	for _, command := range model.Leaves(false) {
		name := strings.Fields(command.FullPath())[1]
		known.addFlags(name, command)
	}
	return known
}

// addFlags adds the flags of a command, or of one below it.
func (n names) addFlags(name string, command *kong.Node) {
	if n.commands[name] == nil {
		n.commands[name] = map[string]bool{"--help": true}
	}
	for _, f := range command.Flags {
		n.commands[name]["--"+f.Name] = true
	}
}

// toolLike matches what only a tool or a prompt can be: a verb of theirs, and more words.
var toolLike = regexp.MustCompile(`^(list|find|get|preview|create|watch|drive|do|interrupt|stop|choose|go)(_[a-z]+)+$`)

// check returns what is wrong with a text in code style, or "".
func (n names) check(text string) string {
	words := strings.Fields(text)
	switch {
	case toolLike.MatchString(text) && !n.tools[text]:
		return "there is no such tool or prompt"
	case words[0] == "zego-mcp" || strings.HasPrefix(text, "--"):
		return n.checkFlags(words)
	}
	return ""
}

// checkFlags returns what is wrong with the command and the flags of a command line, or "".
func (n names) checkFlags(words []string) string {
	flags := maps.Clone(n.commands[""])
	if words[0] != "zego-mcp" { // The flag of any command.
		for _, own := range n.commands {
			maps.Copy(flags, own)
		}
	} else if words = words[1:]; len(words) == 0 || strings.HasPrefix(words[0], "-") {
		maps.Copy(flags, n.commands["serve"])
	} else if own, ok := n.commands[words[0]]; ok {
		maps.Copy(flags, own)
	} else {
		return "there is no command " + words[0]
	}
	for _, word := range words {
		if name, _, _ := strings.Cut(word, "="); strings.HasPrefix(name, "--") && name != "--" && !flags[name] {
			return "there is no flag " + name
		}
	}
	return ""
}

// checkLinks checks that the files and the headings exist to which a page links.
func checkLinks(t *testing.T, p page, prose string, anchors map[string]map[string]bool) {
	t.Helper()
	for _, link := range regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`).FindAllStringSubmatch(prose, -1) {
		target := cmp.Or(link[1], link[2])
		if strings.Contains(target, ":") || target == "../../releases" { // That is a page of GitHub.
			continue
		}
		file, anchor, _ := strings.Cut(target, "#")
		name := p.name
		if file != "" {
			name = path.Join(path.Dir(p.name), file)
		}
		if _, err := os.Stat(filepath.Join(top, name)); err != nil {
			t.Errorf("%s links to %s, which does not exist", p.name, target)
		} else if anchor != "" && anchors[name] != nil && !anchors[name][anchor] {
			t.Errorf("%s links to %s, where there is no such heading", p.name, target)
		}
	}
}

// headingAnchors returns the anchors that GitHub gives to the headings of a page.
func headingAnchors(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(match[1]), "")
		anchors[strings.ReplaceAll(anchor, " ", "-")] = true
	}
	return anchors
}

// TestErrorTexts checks that the program has each text of an error that docs/errors.md
// explains: those in code style in the first column of a table.
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	var sources strings.Builder
	for _, dir := range []string{"tools", "zego", "internal", "schema"} {
		err := filepath.WalkDir(filepath.Join(top, dir), func(file string, _ fs.DirEntry, err error) error {
			if err != nil || !slices.Contains([]string{".go", ".txt"}, filepath.Ext(file)) || strings.HasSuffix(file, "docs_test.go") {
				return err
			}
			source, err := os.ReadFile(file)
			sources.Write(source)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(filepath.Join(top, "docs", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	quoted := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, text := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[0], -1) {
			quoted++
			for piece := range strings.SplitSeq(text[1], "…") { // … stands for what differs.
				if !strings.Contains(sources.String(), strings.TrimSpace(piece)) {
					t.Errorf("no error has the text %q", piece)
				}
			}
		}
	}
	if quoted < 10 {
		t.Errorf("docs/errors.md quotes %d texts of errors, want at least 10", quoted)
	}
}

// TestSkill checks what programs that read skills need of docs/skill/SKILL.md: a name and a
// description before the text.
func TestSkill(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(top, "docs", "skill", "SKILL.md"))
	if err != nil {
		t.Fatal(err)
	}
	head := regexp.MustCompile(`^---\nname: ([a-z0-9-]{1,64})\ndescription: ([^\n:]+)\n---\n\n# `).FindSubmatch(text)
	if head == nil {
		t.Errorf("docs/skill/SKILL.md does not begin with a name of small letters, digits and -, and a description of one line without a colon")
	}
}
