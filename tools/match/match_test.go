package match_test

import (
	"strings"
	"testing"
	"zego-mcp/tools/match"

	"github.com/google/go-cmp/cmp"
)

// TestFound checks which queries find which name.
func TestFound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ found, notFound []string }{
		"Emma":                    {[]string{"emma", "EMMA", "em", "mm", "Ｅｍｍａ", " emma ", "e\u200bmma", "\u202eemma"}, []string{"ema", "emma x", ".*", "E.*a", "<b>emma</b>"}},
		"Zoë Łukasz Sørensen":     {[]string{"zoe", "ZOË", "lukasz", "sorensen", "zoe sorensen"}, []string{"zo e x"}},
		"Seo-yeon":                {[]string{"seoyeon", "seo yeon", "seo-yeon", "Seo_Yeon", "oyeo"}, []string{"seong"}},
		"林晓雨":                     {[]string{"林", "晓雨", "lin", "linxiaoyu", "lin xiaoyu", "lin xiao yu", "Lín Xiǎoyǔ", "lin2xiao3yu3", "lin2 xiao3 yu3", "lxy", "lx", "xy", "LXY", "xiaoy", "yu lin"}, []string{"inx", "ly", "lxyz", "linyu", "林雨"}},
		"品牌主播 苏晴":                 {[]string{"suqing", "su qing", "sq", "ppzb", "ppzbsq", "pinpai zhubo", "pzhb", "苏qing"}, []string{"qingsu"}},
		"吕女士":                     {[]string{"lü", "lv", "lu", "lǚ nǚ shì", "lvnvshi", "lns", "lnsh"}, nil},
		"乐乐":                      {[]string{"lele", "yueyue", "ll", "yy"}, []string{"lilo"}},
		"さくら":                     {[]string{"さくら", "sakura", "SAKU"}, []string{"サクラ?"}},
		"ケンジ":                     {[]string{"kenji", "kenzi"}, nil},
		"しゃちょう":                   {[]string{"shacho", "shachou", "syatyou"}, nil},
		"ゆうき":                     {[]string{"yuki", "yuuki"}, nil},
		"がっこう":                    {[]string{"gakko", "gakkou"}, nil},
		"マッチ":                     {[]string{"matchi", "matti"}, nil},
		"スーパー ファン":                {[]string{"supa", "fan"}, nil},
		"っー":                      {[]string{"っ"}, []string{"x"}},
		"서연":                      {[]string{"seoyeon", "seo", "서"}, []string{"suyeon"}},
		"김민준":                     {[]string{"gimminjun", "kim", "kim min jun", "minjun"}, []string{"lee"}},
		"שָׁלוֹם":                 {[]string{"שלום"}, nil},
		"مُحَمَّد":                {[]string{"محمد"}, nil},
		"กิ่ง":                    {[]string{"กิ่ง"}, []string{"กง"}},
		"ガ":                       {[]string{"ga"}, []string{"カ", "ka"}},
		"A":                       {[]string{"a"}, []string{strings.Repeat("a", 200)}},
		strings.Repeat("重", 1000): {[]string{strings.Repeat("chong", 40), strings.Repeat("c", 200)}, []string{strings.Repeat("chong", 39) + "x"}},
	} {
		for _, query := range tt.found {
			if _, ok := match.NewQuery(query).Score(match.Entry{Name: name}); !ok {
				t.Errorf("%.50q does not find %.50q", query, name)
			}
		}
		for _, query := range tt.notFound {
			if score, ok := match.NewQuery(query).Score(match.Entry{Name: name}); ok {
				t.Errorf("%.50q finds %.50q with score %d", query, name, score)
			}
		}
	}
}

// TestOrder checks which of two entries is the better match.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query         string
		better, worse match.Entry
	}{
		{"anna", match.Entry{Name: "Anna"}, match.Entry{Name: "Mary Anna"}},
		{"anna", match.Entry{Name: "Anna Smith"}, match.Entry{Name: "Mary Anna"}},
		{"anna", match.Entry{Name: "Mary Anna"}, match.Entry{Name: "Joanna"}},
		{"anna", match.Entry{Name: "Joanna"}, match.Entry{Name: "x", Labels: []string{"anna"}}},
		{"wave", match.Entry{Labels: []string{"wave"}}, match.Entry{Labels: []string{"wave_hand"}}},
		{"wave", match.Entry{Labels: []string{"wave_hand"}}, match.Entry{ID: "wave-1"}},
		{"wave-1", match.Entry{ID: "wave-1"}, match.Entry{Name: "a wave-1"}},
		{"lin", match.Entry{Name: "Lin"}, match.Entry{Name: "林"}},
		{"lin", match.Entry{Name: "林"}, match.Entry{Name: "林晓雨"}},
		{"lin", match.Entry{Name: "林晓雨"}, match.Entry{Name: "客服 林晓雨"}},
		{"lin", match.Entry{Name: "客服 林晓雨"}, match.Entry{Name: "小林"}},
		{"lxy", match.Entry{Name: "Mlxy"}, match.Entry{Name: "林晓雨"}},
	} {
		query := match.NewQuery(tt.query)
		better, _ := query.Score(tt.better)
		worse, ok := query.Score(tt.worse)
		if better <= worse || !ok {
			t.Errorf("%q: %v has %d, %v has %d", tt.query, tt.better, better, tt.worse, worse)
		}
	}
}

func TestEmptyQuery(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "  ", "\t\n", "\u200b\u202e"} {
		query := match.NewQuery(text)
		if score, ok := query.Score(match.Entry{Name: "Emma"}); !ok || score != 0 || !query.Empty() {
			t.Errorf("%q: score %d, %t", text, score, ok)
		}
		if got := query.Nearest([]string{"Emma", ""}, 5); len(got) != 0 {
			t.Errorf("%q: near are %q", text, got)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		query, name string
		want        bool
	}{
		{"olivia hart", "Olivia  Hart", true},
		{"OLIVIA HART ", "Olivia Hart", true},
		{"olivia", "Olivia Hart", false},
		{"hart olivia", "Olivia Hart", false},
	} {
		if got := match.NewQuery(tt.query).Names(tt.name); got != tt.want {
			t.Errorf("%q, %q: got %t", tt.query, tt.name, got)
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"Emma", "Emily", "Olivia Hart", "林晓雨", "品牌主播 苏晴", "さくら", "김민준", "Seo-yeon", "Warm Female - Ava", "Emma", "Yuki", "Nubia"}
	for query, want := range map[string][]string{
		"ema":                      {"Emma"},
		"emmma":                    {"Emma"},
		"emly":                     {"Emily"},
		"olivia heart":             {"Olivia Hart"},
		"heart olivia":             {"Olivia Hart"},
		"olvia":                    {"Olivia Hart"},
		"linxiaoyo":                {"林晓雨"},
		"sakula":                   {"さくら"},
		"minjoon":                  {},
		"seoyon":                   {"Seo-yeon"},
		"Emma in a suit":           {"Emma"},
		"a warm female voice":      {"Warm Female - Ava"},
		"苏晴 西装":                    {"品牌主播 苏晴"},
		"蘇晴":                       {"品牌主播 苏晴"},
		"林曉雨":                      {"林晓雨"},
		"ゆき":                       {"Yuki"},
		"女":                        {},
		"서연":                       {"Seo-yeon"},
		"xyzzy":                    {},
		"a":                        {},
		"<script>":                 {},
		".*":                       {},
		strings.Repeat("emma", 50): {},
	} {
		if diff := cmp.Diff(want, match.NewQuery(query).Nearest(names, 3)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	if got := match.NewQuery("emma smith").Nearest([]string{"Emma 1", "Emma 2", "Emma 3"}, 2); len(got) != 2 {
		t.Errorf("got %q, want 2 names", got)
	}
}

// FuzzQuery checks that every query can be compared with every name.
func FuzzQuery(f *testing.F) {
	f.Add("lin xy", "林晓雨")
	f.Add("kko", "がっこうーっ")
	f.Add("kim", "김민준")
	f.Fuzz(func(t *testing.T, text, name string) {
		if len(text) > 200 || len(name) > 1000 {
			return // Longer ones do not come.
		}
		query := match.NewQuery(text)
		_, ok := query.Score(match.Entry{Name: name, ID: name, Labels: []string{name}})
		if !ok && query.Names(name) {
			t.Errorf("%q is the whole of %q but does not find it", text, name)
		}
		query.Nearest([]string{name}, 1)
	})
}
