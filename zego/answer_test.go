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
