package zegosim

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"zego-mcp/zego"
)

// params are the business parameters of a call. Its methods remember the first
// thing that is wrong in err, so that a handler reads all of them and then checks once.
type params struct {
	values map[string]json.RawMessage
	text   bool    // values came in a query: they are JSON strings, whatever their type
	outer  *params // the params that this object is a value of; nil for the call itself
	path   string  // what to put before the names, such as "RTCConfig."
	err    error   // the first thing that is wrong
}

// bodyParams reads a POST body.
//
// Assumed: an empty body counts as {}, unknown fields are ignored, names are
// case-sensitive, and Content-Type does not matter.
func bodyParams(body []byte) (params, error) {
	var p params
	if len(bytes.TrimSpace(body)) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(body, &p.values); err != nil {
		return p, refuse(zego.CodeInvalidParameter, "the request body must be a JSON object: %v", err)
	}
	if p.values == nil {
		return p, refuse(zego.CodeInvalidParameter, "the request body must be a JSON object, not null")
	}
	return p, nil
}

// queryParams reads the query of a GET.
func queryParams(query url.Values) params {
	p := params{values: make(map[string]json.RawMessage, len(query)), text: true}
	for name, values := range query {
		p.values[name], _ = json.Marshal(values[0])
	}
	return p
}

// raw returns a parameter, or nil if it is absent.
//
// Assumed: null counts as absent.
func (p *params) raw(name string) json.RawMessage {
	v := p.values[name]
	if string(v) == "null" {
		return nil
	}
	return v
}

// number reads an integer from low to high, or returns absent if there is none.
//
// Assumed: 5.0 and 5e0 are no integers.
func (p *params) number(name string, absent, low, high int) int {
	v := p.raw(name)
	if v == nil {
		return absent
	}
	digits := string(v)
	if p.text {
		_ = json.Unmarshal(v, &digits) // queryParams made this string.
	}
	n, err := strconv.Atoi(digits)
	switch {
	case err != nil:
		p.wrong(name, "must be an integer between %d and %d", low, high)
	case n < low || n > high:
		p.wrong(name, "must be between %d and %d, got %d", low, high, n)
	}
	return n
}

// required reads a string that must not be empty.
func (p *params) required(name string) string {
	if p.raw(name) == nil {
		p.wrong(name, "is required")
		return ""
	}
	s := p.optional(name, "")
	if s == "" {
		p.wrong(name, "must not be empty")
	}
	return s
}

// optional reads a string, or returns absent if there is none.
func (p *params) optional(name, absent string) string {
	v := p.raw(name)
	if v == nil {
		return absent
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil {
		p.wrong(name, "must be a string")
	}
	return s
}

// object reads an object that must be there. If something in it turns out to be wrong,
// err is set in the params of the call.
//
// Assumed: in the query of a GET, an object is JSON.
func (p *params) object(name string) *params {
	in := &params{outer: p, path: p.path + name + "."}
	v := p.raw(name)
	if v == nil {
		p.wrong(name, "is required")
		return in
	}
	if p.text {
		var s string
		_ = json.Unmarshal(v, &s) // queryParams made this string.
		v = json.RawMessage(s)
	}
	if err := json.Unmarshal(v, &in.values); err != nil || in.values == nil {
		p.wrong(name, "must be an object")
	}
	return in
}

// wrong says what is wrong with a parameter, unless something was wrong before.
func (p *params) wrong(name, format string, args ...any) {
	call := p
	for call.outer != nil {
		call = call.outer
	}
	if call.err == nil {
		call.err = refuse(zego.CodeInvalidParameter, "%s%s "+format, append([]any{p.path, name}, args...)...)
	}
}
