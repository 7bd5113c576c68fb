package zego

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// answer is a successful answer of ZEGO's. Several callers may share it, and a Cache keeps
// it as JSON.
type answer struct {
	RequestID string    `json:"RequestId"`
	At        time.Time `json:"At"`   // When it came, by ZEGO's clock.
	Data      any       `json:"Data"` // A *T, see payload. Nobody may change it.

	httpStatus int // Not kept in a Cache.
}

// payload is the Data of an answer, decoded into a *T.
type payload[T any] interface {
	*T
	// check returns an error if a field is missing that ZEGO documents as always there.
	// It replaces nil lists that are documented as lists by empty ones.
	check() error
	// clone returns a deep copy.
	clone() T
}

// dataDecoder decodes the Data of one answer into a *T.
type dataDecoder struct {
	target any                 // For encoding/json: points to a *T, which stays nil if there is no Data.
	result func() (any, error) // Returns the *T and the error of its check; nil if there is no Data.
}

// newDataDecoder returns a decoder for the answer to the request in.
func newDataDecoder[T any, D payload[T]](in any) dataDecoder {
	var data D
	return dataDecoder{target: &data, result: func() (any, error) {
		if data == nil {
			return nil, nil
		}
		if err := data.check(); err != nil {
			return data, err
		}
		return data, checkEntries(in, data)
	}}
}

// pageRequest asks for one page of a list.
type pageRequest interface{ maxEntries() int }

// pageData is the Data of one page of a list.
type pageData interface{ entries() int }

// checkEntries returns an error if data is a page with more entries than in asks for.
func checkEntries(in, data any) error {
	asked, isRequest := in.(pageRequest)
	page, isPage := data.(pageData)
	if isRequest && isPage && page.entries() > asked.maxEntries() {
		return fmt.Errorf("%d entries came, but at most %d were asked for", page.entries(), asked.maxEntries())
	}
	return nil
}

// The largest lengths of fields in the Data of an answer, in bytes. ZEGO documents none.
// They are generous, and keep an answer from filling a model's context or a log.
const (
	maxID   = 256
	maxName = 1000
	maxURL  = 8192
)

// field is the name and the value of a field in the Data of an answer.
type field struct{ name, value string }

// checkLengths returns an error if one of the fields has more than max bytes.
func checkLengths(max int, fields ...field) error {
	for _, f := range fields {
		if len(f.value) > max {
			return fmt.Errorf("field %s has %d bytes, more than %d", f.name, len(f.value), max)
		}
	}
	return nil
}

// checkID returns an error if an id is missing or too long.
func checkID(name, id string) error {
	if id == "" {
		return fmt.Errorf("field %s is missing", name)
	}
	return checkLengths(maxID, field{name, id})
}

// envelope is the JSON object that ZEGO wraps each answer in.
type envelope struct {
	Code      *Code  `json:"Code"` // 0 is success; nil means that this is not ZEGO's envelope.
	Message   string `json:"Message"`
	RequestID string `json:"RequestId"`
	Data      any    `json:"Data"` // The target of a dataDecoder, so that the answer is parsed once.
}

// parseAnswer decodes the answer to action, except for its time. Its errors are *Error if
// ZEGO refused the call, and *ResponseError if the answer is not as ZEGO documents it.
// They repeat texts of the answer, so they must pass scrubber.answerError.
func parseAnswer(action apiAction, raw httpAnswer, data dataDecoder) (answer, error) {
	var requestID string
	bad := func(format string, args ...any) error {
		return &ResponseError{
			Action: action.name, HTTPStatus: raw.status, RequestID: requestID,
			Reason: fmt.Sprintf(format, args...), retryAfter: raw.retryAfter,
		}
	}
	switch {
	case raw.isRedirect():
		return answer{}, bad("a redirect, which is never followed because the request is signed")
	case len(raw.body) > maxAnswer:
		return answer{}, bad("the answer is larger than %d MiB", maxAnswer>>20)
	}
	env := envelope{Data: data.target}
	dataErr, err := unmarshalEnvelope(raw.body, &env)
	if err != nil || env.Code == nil {
		return answer{}, bad("%s", describeBody(raw.header.Get("Content-Type"), raw.body, err))
	}
	requestID = env.RequestID
	switch {
	case *env.Code != 0: // Data does not matter to a refusal.
		return answer{}, &Error{
			Action: action.name, Code: *env.Code, RequestID: requestID, HTTPStatus: raw.status,
			Message: env.Message, retryAfter: raw.retryAfter,
		}
	case raw.status >= 400:
		return answer{}, bad("Code 0 (success) with a failing HTTP status")
	case action.noData: // If some came all the same, it is not documented and is ignored.
		dataErr = json.Unmarshal([]byte("{}"), data.target)
	}
	decoded, err := data.result()
	switch {
	case dataErr != nil:
		err = dataErr
	case decoded == nil:
		return answer{}, bad("success without Data")
	}
	if err != nil {
		return answer{}, bad("Data does not fit ZEGO's documentation: %v", err)
	}
	return answer{RequestID: requestID, Data: decoded, httpStatus: raw.status}, nil
}

// unmarshalEnvelope decodes text into env. It returns an error of Data's fields apart
// from every other error.
func unmarshalEnvelope(text []byte, env *envelope) (dataErr, err error) {
	err = json.Unmarshal(text, env)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && strings.HasPrefix(wrong.Field+".", "Data.") {
		return err, nil
	}
	return nil, err
}

// describeBody says what came in place of ZEGO's envelope; err is why it could not be
// decoded, if so. It does not repeat the body, because error pages often show the URL.
func describeBody(contentType string, body []byte, err error) string {
	trimmed := bytes.TrimSpace(body)
	var syntax *json.SyntaxError
	switch {
	case len(trimmed) == 0:
		return "an empty body"
	case trimmed[0] == '<':
		return "an HTML page instead of JSON, perhaps of a proxy on the way"
	case err == nil:
		return "JSON without ZEGO's Code"
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(body)):
		return fmt.Sprintf("JSON that breaks off after %d bytes", len(body))
	case errors.As(err, &syntax):
		return fmt.Sprintf("not JSON (%s, %d bytes)", oneLine(contentType, 60), len(body))
	}
	return "JSON that is not ZEGO's envelope: " + err.Error()
}
