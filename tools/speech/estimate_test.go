package speech_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"zego-mcp/tools/speech"
)

// TestEstimates compares estimates with what calm speakers need. Likely must be near that, and
// Longest must not be less.
func TestEstimates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text     string
		rate     int
		min, max time.Duration // Of Likely.
	}{
		{"你", 0, 100 * time.Millisecond, 500 * time.Millisecond},
		{"大家好，欢迎来到今天的直播间。", 0, 2500 * time.Millisecond, 4 * time.Second},
		{"我们的 API 价格是 199 元。", 0, 3 * time.Second, 5 * time.Second},
		{"皆さん、こんばんは。", 0, 1500 * time.Millisecond, 3 * time.Second},
		{"여러분 안녕하세요.", 0, 1500 * time.Millisecond, 3 * time.Second},
		{"Good evening, and welcome to the show.", 0, 2 * time.Second, 4 * time.Second},
		{"مساء الخير، وأهلا بكم في البرنامج.", 0, 2 * time.Second, 5 * time.Second},
		{"สวัสดีค่ะ ยินดีต้อนรับสู่รายการของเรา", 0, 2 * time.Second, 5 * time.Second},
		{"In 2026 it cost $3.50.", 0, 3 * time.Second, 6 * time.Second},
		{"👋", 0, 500 * time.Millisecond, time.Second},
		{"👨‍👩‍👧👍🏽", 0, time.Second, 4 * time.Second},
		{strings.Repeat("字", 100), 500, 10 * time.Second, 13 * time.Second},
		{strings.Repeat("字", 100), -500, 40 * time.Second, 50 * time.Second},
		{" ", 0, 0, 100 * time.Millisecond},
	} {
		got := speech.EstimateText(tt.text, tt.rate)
		if got.Likely < tt.min || got.Likely > tt.max || got.Longest < got.Likely*5/4 || got.Longest > got.Likely*2+2*time.Second {
			t.Errorf("%q at %d: got %+v, want %v to %v", tt.text, tt.rate, got, tt.min, tt.max)
		}
	}
}

// TestSplit cuts texts of many kinds and checks that nothing is lost.
func TestSplit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sentence string // It is repeated.
		ends     string // What a part may end with; empty: anything.
	}{
		"Chinese":          {"大家好，欢迎来到直播间！“真的吗？”他问。", "！。”"},
		"Japanese":         {"皆さん、こんばんは。「便利ですね。」と言われました。", "。」"},
		"English":          {"Good evening, everybody. It costs 3.50! What do you think? ", " "},
		"Arabic":           {"مساء الخير، وأهلا بكم. هل أنتم مستعدون؟ ", " "},
		"Thai":             {"สวัสดีค่ะ ยินดีต้อนรับสู่รายการของเรา ", " "},
		"no end":           {"字", ""},
		"emoji":            {"👨‍👩‍👧", ""},
		"lines":            {"One line\n", "\n"},
		"one long cluster": {"e\u0301\u0301\u0301\u0301\u0301", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{1, 1799, 1800, 1801, 18000} {
				runes := []rune(strings.Repeat(tt.sentence, n/utf8.RuneCountInString(tt.sentence)+1))[:n]
				parts := speech.Split(string(runes), 0)
				if got := strings.Join(parts, ""); got != string(runes) {
					t.Errorf("%d: got %d characters back", n, utf8.RuneCountInString(got))
				}
				if (len(parts) > 1) != (n > 1800) {
					t.Errorf("%d: got %d parts", n, len(parts))
				}
				for i, part := range parts {
					if count := utf8.RuneCountInString(part); count == 0 || count > 1800 {
						t.Errorf("%d: a part has %d characters", n, count)
					}
					if last, _ := utf8.DecodeLastRuneInString(part); i < len(parts)-1 && tt.ends != "" && !strings.ContainsRune(tt.ends, last) {
						t.Errorf("%d: a part ends with %q", n, part[max(0, len(part)-40):])
					}
				}
			}
		})
	}
	blanks := strings.Repeat(" ", 4000)
	if got := speech.Split("a"+blanks+"b. "+blanks+"c", 0); strings.ReplaceAll(strings.Join(got, ""), " ", "") != "ab.c" {
		t.Errorf("got %d parts", len(got))
	}
	for _, part := range speech.Split(blanks+"a", 0) {
		if strings.TrimSpace(part) == "" || utf8.RuneCountInString(part) > 1800 {
			t.Errorf("a part is blank or too long: %d characters", len(part))
		}
	}
}
