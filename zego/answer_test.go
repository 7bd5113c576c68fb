package zego

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzEnvelope parses any answer to GetDigitalHumanList. It gives a complete page, or one
// line that says what is wrong and does not repeat the secret.
func FuzzEnvelope(f *testing.F) {
	const secret = "0123456789abcdef0123456789abcdef"
	for _, seed := range []string{
		`{"Code":0,"Message":"success","RequestId":"r","Data":{"Total":1,"DigitalHumans":[{"DigitalHumanId":"x","Actions":null}]}}`,
		`{"Code":400000001,"Message":"\u0000\ud800"}`, `{"Code":0}`, `{"Code":1e99}`, `<html>`, ``, `{"Code":0,"Data":{"Total":0}}`,
		`{"Code":1,"Message":"` + secret + `","RequestId":"` + secret + `"}`, `{"Code":0,"Data":{"Total":"` + secret + `"}}`,
	} {
		f.Add(200, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got, err := parseAnswer(getDigitalHumanList, httpAnswer{status: status, header: http.Header{}, body: body}, newDataDecoder[listData](ListDigitalHumansRequest{}))
		if err != nil {
			err = newScrubber(secret)(url.Values{}).answerError(err)
			_, refused := errors.AsType[*Error](err)
			_, bad := errors.AsType[*ResponseError](err)
			if refused == bad || strings.ContainsAny(err.Error(), "\n\r") || strings.Contains(err.Error(), secret) {
				t.Errorf("%d %q: got %T %q", status, body, err, err)
			}
			return
		}
		page := got.Data.(*listData)
		if page.DigitalHumans == nil || *page.Total < 0 {
			t.Errorf("%d %q: got %+v", status, body, page)
		}
		for _, human := range *page.DigitalHumans {
			if human.ID == "" || human.Gestures == nil {
				t.Errorf("%q: got %+v", body, human)
			}
		}
	})
}

// TestScrubberLine scrubs texts that are longer than a scrubber reads. What is cut in the
// middle of a secret does not show its first half.
func TestScrubberLine(t *testing.T) {
	t.Parallel()
	const secret = "0123456789abcdef0123456789abcdef"
	scrub := newScrubber(secret)(url.Values{"Signature": {"hunter2"}})
	for at := 16<<10 - len(secret); at <= 16<<10; at++ {
		text := scrub.line(strings.Repeat("\n", at)+secret+strings.Repeat("\n", 10), 500)
		if strings.Contains(text, secret[:4]) {
			t.Fatalf("at %d: got %q", at, text)
		}
	}
	for text, want := range map[string]string{
		"a\x1b[2J\u009bb\r\n\u0085c": "a [2J b c", "\xff": "\ufffd", "": "",
		"HUNTER2":           "[signature]",
		"SIGNATURE%253Dab&": "[signature]&", "a signature": "a signature",
		strings.Repeat("é", 20):                strings.Repeat("é", 20),
		strings.Repeat("é", 21):                strings.Repeat("é", 20) + "…",
		secret:                                 "[secret]",
		"x " + strings.Repeat(" ", 17<<10):     "x" + strings.Repeat(" ", 19) + "…",
		strings.Repeat("\n", 17<<10) + "end":   "…",
		strings.Repeat("\n", 16<<10-3) + "end": "end",
	} {
		if got := scrub.line(text, 20); got != want {
			t.Errorf("%.40q: got %q, want %q", text, got, want)
		}
	}
}
