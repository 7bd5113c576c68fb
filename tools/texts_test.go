package tools_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"zego-mcp/tools"
	"zego-mcp/tools/streams"
)

// maxInstructions bounds the instructions, in characters. 200 tokens of o200k have about 800.
const maxInstructions = 780

// TestTexts keeps every text that a model or a user can read in one golden file, so that
// the wording is reviewed as a whole. The instructions, tools, prompts and resources come from
// a server. All other texts are found in the source, wherever they stand in it.
func TestTexts(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, simulated := range []bool{false, true} {
		for _, sets := range [][]tools.Toolset{nil, allToolsets, {tools.Streaming}} {
			project := tools.Project{Toolsets: sets, Streams: streams.New(nil, streams.Options{MaxTasks: 3})}
			text := serverInstructions(t, tools.Config{Project: tools.OneProject(project), Simulated: simulated})
			if len(text) > maxInstructions {
				t.Errorf("toolsets %v: the instructions have %d characters, more than %d", sets, len(text), maxInstructions)
			}
			_, _ = fmt.Fprintf(&all, "# instructions, toolsets %v, simulated %t\n%s\n\n", sets, simulated, text)
		}
	}
	s := &testServer{MCPServer: tools.NewServer(tools.Config{Project: tools.OneProject(tools.Project{Toolsets: allToolsets}), Local: true, Watch: watchNothing})}
	for _, method := range []string{"tools/list", "prompts/list", "resources/list", "resources/templates/list"} {
		answer, _ := s.rpc(t, method, `{}`)
		_, _ = fmt.Fprintf(&all, "# %s\n", method)
		writeDescriptions(&all, "", answer)
		all.WriteString("\n")
	}
	for _, folder := range []string{".", "speech", "streams", "../schema", "../zego"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			texts := textsIn(t, file)
			for _, text := range texts {
				if strings.Count(text, "What to do:") > 1 {
					t.Errorf("%s says twice what to do: %s", file, text)
				}
			}
			if len(texts) > 0 {
				_, _ = fmt.Fprintf(&all, "# texts in %s\n%s\n\n", filepath.ToSlash(file), strings.Join(texts, "\n"))
			}
		}
	}
	checkGolden(t, "texts.txt", []byte(all.String()))
}

// writeDescriptions writes each title and description in value, which is decoded JSON, with
// its place in value.
func writeDescriptions(all *strings.Builder, place string, value any) {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			writeDescriptions(all, place, item)
		}
	case map[string]any:
		if name, ok := value["name"].(string); ok {
			place = strings.TrimPrefix(place+" "+name, " ")
		}
		var names []string
		for name := range value {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			text, isText := value[name].(string)
			switch {
			case isText && (name == "description" || name == "title"):
				_, _ = fmt.Fprintf(all, "%s: %s\n", place, text)
			case name == "inputSchema" || name == "properties" || name == "items" || slices.Contains([]string{"tools", "prompts", "resources", "resourceTemplates", "arguments"}, name):
				writeDescriptions(all, place, value[name])
			case name == "outputSchema":
				writeDescriptions(all, place+" →", value[name])
			case !isText && name != "annotations":
				writeDescriptions(all, place+" "+name, value[name])
			}
		}
	}
}

// words matches a text of two words or more. Names of fields, keys and formats are none.
var words = regexp.MustCompile(`\pL\S* .*\pL`)

// textsIn returns the texts of a Go file. Parts of a text that are put together with + become
// one, with {} for what is not a literal. Texts for the log, for panics and for schemas are
// left out, as are the descriptions that a server lists.
func textsIn(t *testing.T, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.StructType: // Tags stand in struct types.
			return false
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && slices.Contains([]string{"title", "description", "reason"}, key.Name) {
				return false
			}
		case *ast.CallExpr:
			return !isForLogOrPanic(n)
		case ast.Expr:
			if text, ok := fold(n); ok {
				if words.MatchString(text) {
					texts = append(texts, strings.ReplaceAll(text, "\n", "\\n"))
				}
				return false
			}
		}
		return true
	})
	return texts
}

// isForLogOrPanic reports whether a call writes to a log or panics.
func isForLogOrPanic(call *ast.CallExpr) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "panic"
	case *ast.SelectorExpr:
		return slices.Contains([]string{"Debug", "Info", "Warn", "LogAttrs", "ErrorContext", "WarnContext", "InfoContext", "MustCompile"}, f.Sel.Name) ||
			f.Sel.Name == "Error" && len(call.Args) > 0 || strings.HasPrefix(f.Sel.Name, "WithPrompt") || strings.HasSuffix(f.Sel.Name, "Description")
	}
	return false
}

// fold returns the text of a string literal, or of several expressions with + between them
// of which one is a string literal.
func fold(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.ParenExpr:
		return fold(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			left, leftOK := fold(e.X)
			right, rightOK := fold(e.Y)
			if !leftOK {
				left = "{}"
			}
			if !rightOK {
				right = "{}"
			}
			return left + right, leftOK || rightOK
		}
	}
	return "", false
}
