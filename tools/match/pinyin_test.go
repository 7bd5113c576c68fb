package match

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	pinyindict "github.com/mozillazg/go-pinyin"
	"golang.org/x/text/unicode/norm"
)

var update = flag.Bool("update", false, "rewrite the table of pinyin")

// TestPinyinTable compares pinyin.txt with the table that it is made of. With -update it
// rewrites the file.
func TestPinyinTable(t *testing.T) {
	t.Parallel()
	usual, other := map[string][]rune{}, map[string][]rune{}
	for character, readings := range pinyindict.PinyinDict {
		r := rune(character)
		if r < firstHan || r > lastHan || !unicode.Is(unicode.Han, r) { // What lies beyond is too rare for names.
			continue
		}
		var syllables []string
		for reading := range strings.SplitSeq(readings, ",") {
			if syllable := withoutTone(reading); !slices.Contains(syllables, syllable) {
				syllables = append(syllables, syllable)
			}
		}
		usual[syllables[0]] = append(usual[syllables[0]], r)
		for _, syllable := range syllables[1:] {
			other[syllable] = append(other[syllable], r)
		}
	}
	var want strings.Builder
	for _, syllable := range sortedKeys(usual, other) {
		slices.Sort(usual[syllable])
		slices.Sort(other[syllable])
		fmt.Fprintf(&want, "%s %s|%s\n", syllable, string(usual[syllable]), string(other[syllable]))
	}
	if *update {
		if err := os.WriteFile("pinyin.txt", []byte(want.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), pinyinTable); diff != "" {
		t.Errorf("pinyin.txt is not up to date; rewrite it with -update (-want +got):\n%s", diff)
	}
}

func sortedKeys(maps ...map[string][]rune) []string {
	var keys []string
	for _, m := range maps {
		for key := range m {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// withoutTone returns a syllable without accents, except that ü stays.
func withoutTone(syllable string) string {
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if strings.ContainsRune("\u0300\u0301\u0302\u0304\u030C", r) {
			return -1
		}
		return r
	}, norm.NFD.String(syllable)))
}
