package cli_test

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// isChinese reports whether a page is in Chinese.
func isChinese(name string) bool {
	return strings.HasPrefix(name, "docs/zh/") || name == "README.zh-CN.md"
}

// translations are the Chinese texts of generated tables.
type translations struct {
	chinese map[string]string // By the English text.
	used    map[string]bool
	missing map[string]bool
}

// readTranslations reads testdata/docs/zh.txt: pairs of lines, English and then Chinese, with
// an empty line between them.
func readTranslations(t *testing.T) *translations {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "docs", "zh.txt"))
	if err != nil {
		t.Fatal(err)
	}
	all := &translations{map[string]string{}, map[string]bool{}, map[string]bool{}}
	for pair := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n\n") {
		english, chinese, ok := strings.Cut(pair, "\n")
		if pair == "" {
			continue
		}
		if !ok || strings.Contains(chinese, "\n") {
			t.Fatalf("testdata/docs/zh.txt: not a line in English and one in Chinese: %q", pair)
		}
		all.chinese[english] = chinese
	}
	return all
}

// of returns the Chinese text, or the English one if there is none.
func (a *translations) of(english string) string {
	chinese, ok := a.chinese[english]
	if !ok {
		a.missing[english] = true
		return english
	}
	a.used[english] = true
	return chinese
}

// report fails for translations of texts that have changed, and logs which texts have none:
// whoever adds a tool need not write Chinese.
func (a *translations) report(t *testing.T) {
	t.Helper()
	for _, english := range slices.Sorted(maps.Keys(a.chinese)) {
		if !a.used[english] {
			t.Errorf("testdata/docs/zh.txt translates a text that no table has any more: translate the new one, or take this one out: %q", english)
		}
	}
	for _, english := range slices.Sorted(maps.Keys(a.missing)) {
		t.Logf("no Chinese text for %q", english)
	}
}

// english returns the name of the page of which a Chinese page is the translation.
func english(chinese string) string {
	if chinese == "README.zh-CN.md" {
		return "README.md"
	}
	return path.Join("docs", path.Base(chinese))
}

// TestLanguages compares each Chinese page with the English one: blocks of code, headings, what
// the first column of tables quotes, and the pages linked to must agree. With -update it copies the
// blocks.
func TestLanguages(t *testing.T) {
	inParallel(t)
	pages := map[string]string{}
	for _, p := range readPages(t) {
		pages[p.name] = p.text
	}
	for _, name := range []string{"README.md", "docs/choose.md", "docs/go-live.md", "docs/clients.md", "docs/errors.md"} {
		if _, ok := pages[chinese(name)]; !ok {
			t.Errorf("there is no %s", chinese(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		if !isChinese(name) {
			continue
		}
		want, ok := pages[english(name)]
		if !ok {
			t.Errorf("%s translates no page", name)
			continue
		}
		if *update {
			pages[name] = withBlocksOf(want, pages[name])
			if err := os.WriteFile(filepath.Join(top, name), []byte(pages[name]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(skeleton(english(name), want), skeleton(name, pages[name])); diff != "" {
			t.Errorf("%s differs from %s (-English +Chinese):\n%s", name, english(name), diff)
		}
	}
}

// chinese returns the name of the translation of a page.
func chinese(english string) string {
	if english == "README.md" {
		return "README.zh-CN.md"
	}
	return path.Join("docs", "zh", path.Base(english))
}

// withBlocksOf returns translated with the blocks of code of original, if it has as many.
func withBlocksOf(original, translated string) string {
	blocks := fence.FindAllString(original, -1)
	if len(fence.FindAllString(translated, -1)) != len(blocks) {
		return translated
	}
	return fence.ReplaceAllStringFunc(translated, func(string) string {
		block := blocks[0]
		blocks = blocks[1:]
		return block
	})
}

// skeleton returns what two translations of a page have in common, in its order.
func skeleton(name, text string) []string {
	var parts []string
	parts = append(parts, fence.FindAllString(text, -1)...)
	prose := fence.ReplaceAllString(text, "")
	for line := range strings.Lines(prose) {
		if level := regexp.MustCompile(`^#+ `).FindString(line); level != "" {
			parts = append(parts, "heading "+level)
		}
		if strings.HasPrefix(line, "| `") {
			cell, _, _ := strings.Cut(line, " | ")
			parts = append(parts, "row "+strings.Join(regexp.MustCompile("`[^`]+`").FindAllString(cell, -1), " "))
		}
	}
	links := map[string]bool{}
	for _, link := range regexp.MustCompile(`\]\(([^)\s#]+)`).FindAllStringSubmatch(prose, -1) {
		target := link[1]
		if !strings.Contains(target, ":") {
			target = path.Join(path.Dir(name), target)
		}
		if isChinese(target) {
			target = english(target)
		}
		if target != "README.md" { // Each page links to its other language.
			links[target] = true
		}
	}
	delete(links, english(name))
	delete(links, name)
	return append(parts, slices.Sorted(maps.Keys(links))...)
}
