package zego

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

const (
	// maxErrorText bounds each text from elsewhere in an error, in characters.
	maxErrorText = 500
	// maxRequestID bounds a RequestId, in characters.
	maxRequestID = 100
)

// scrubber removes secrets from texts that came from the network or from net/http. Every
// such text passes it before it gets into an error: those of a request in Client.send, those
// of a speech in Client.Speak.
type scrubber []hidden

// hidden is a text that must not show, and what stands in its place.
type hidden struct{ text, instead string }

// hiddenQuery stands in the place of a signed query.
const hiddenQuery = "[query]"

// newScrubber returns a function that makes the scrubber of a request with a signed query.
// The secret is kept in the closure, so that printing a Client cannot show it.
func newScrubber(secret string) func(query url.Values) scrubber {
	forms := []string{secret, url.QueryEscape(secret), url.PathEscape(secret)}
	slices.Sort(forms)
	var secrets scrubber
	for _, form := range slices.Compact(forms) { // Of most secrets all forms are equal.
		secrets = append(secrets, hidden{form, "[secret]"})
	}
	return func(query url.Values) scrubber {
		encoded, signature := query.Encode(), query.Get("Signature")
		return append(scrubber{
			{encoded, hiddenQuery},
			{url.QueryEscape(encoded), hiddenQuery},
			{signature, "[signature]"},
			{strings.ToUpper(signature), "[signature]"},
			{query.Get("SignatureNonce"), "[nonce]"},
		}, secrets...)
	}
}

// addressScrubber returns the scrubber of a speech to address, whose query holds a token.
func addressScrubber(address WSSAddress) scrubber {
	s := scrubber{{string(address), "[address]"}, {url.QueryEscape(string(address)), "[address]"}}
	u, err := url.Parse(string(address))
	if err != nil {
		return s
	}
	s = append(s, hidden{u.RawQuery, "[query]"})
	for _, values := range u.Query() {
		for _, value := range values {
			s = append(s, hidden{value, "[token]"}, hidden{url.QueryEscape(value), "[token]"})
		}
	}
	return s
}

// signedParameter matches a parameter of a signed query and its value, also URL-escaped. It
// finds what is left of a signature that was cut. Few processes need it, and it is slow to make.
var signedParameter = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)signature(nonce)?(=|%(25)*3d)[^&\s"'<>%\\]*`)
})

// remove returns text without what s hides.
func (s scrubber) remove(text string) string {
	for _, h := range s {
		if h.text != "" {
			text = strings.ReplaceAll(text, h.text, h.instead)
		}
	}
	if strings.ContainsAny(text, "=%") {
		text = signedParameter().ReplaceAllString(text, "[signature]")
	}
	return text
}

// body returns the body of an answer without what s hides. Usually that is body itself. s is
// the scrubber of a request.
func (s scrubber) body(body []byte) []byte {
	for _, h := range s {
		// A body with the query has the signature in it, which is looked for anyway.
		if h.instead != hiddenQuery && h.text != "" && bytes.Contains(body, []byte(h.text)) {
			return []byte(s.remove(string(body)))
		}
	}
	return body
}

// line returns text without what s hides, in one line of at most maxRunes characters.
func (s scrubber) line(text string, maxRunes int) string {
	const enough, longestHidden = 16 << 10, 2 << 10 // Bytes.
	long := len(text) > enough
	if long {
		text = text[:enough]
	}
	text = s.remove(text)
	if long { // Its end may be the beginning of something hidden that was cut.
		text = text[:max(0, len(text)-longestHidden)] + "…"
	}
	return oneLine(text, maxRunes)
}

// answerError scrubs the texts of an error of parseAnswer.
func (s scrubber) answerError(err error) error {
	if refusal, ok := errors.AsType[*Error](err); ok {
		refusal.Message, refusal.RequestID = s.line(refusal.Message, maxErrorText), s.line(refusal.RequestID, maxRequestID)
		return refusal
	}
	if bad, ok := errors.AsType[*ResponseError](err); ok {
		bad.Reason, bad.RequestID = s.line(bad.Reason, maxErrorText), s.line(bad.RequestID, maxRequestID)
		return bad
	}
	return s.cause(err)
}

// cause returns what may be shown of err, an error of net/http or websocket.
func (s scrubber) cause(err error) error {
	safe := &safeCause{text: s.line(err.Error(), maxErrorText), permanent: isPermanent(err)}
	op, isOp := errors.AsType[*net.OpError](err)
	switch {
	case errors.Is(err, context.Canceled):
		safe.kept = context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		safe.kept = context.DeadlineExceeded
	case isOp && op.Op == "dial" && s.line(op.Error(), maxErrorText) == op.Error():
		safe.kept = op
	}
	return safe
}

// safeCause is the cause of a TransportError or SpeechError. Of the error that it was made
// from it keeps only what cannot hold a URL or a text of the other side.
type safeCause struct {
	text      string
	kept      error // context.Canceled, context.DeadlineExceeded, a *net.OpError of a dial, or nil.
	permanent bool  // Another try fails as well.
}

// Error returns the scrubbed text.
func (e *safeCause) Error() string { return e.text }

// Unwrap returns what errors.Is and errors.As may find.
func (e *safeCause) Unwrap() error { return e.kept }

// isPermanent reports whether err, an error of net/http, stays until somebody changes the
// configuration of this machine or of the server.
func isPermanent(err error) bool {
	if proxy, ok := errors.AsType[*proxyError](err); ok {
		return proxy.permanent
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound && !dns.IsTemporary
	}
	if malformed, ok := errors.AsType[*url.Error](err); ok && malformed.Op == "parse" {
		return true
	}
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return untrusted || errors.Is(err, http.ErrSchemeMismatch)
}

// oneLine makes text from elsewhere fit for one line: it replaces control characters by
// spaces and cuts the text after maxRunes characters.
func oneLine(text string, maxRunes int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\ufffd"), unicode.IsControl), " ")
	n := 0
	for i := range text {
		if n == maxRunes {
			return text[:i] + "…"
		}
		n++
	}
	return text
}
