package zego

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Code is a return code of ZEGO's API. It implements error, so that
// errors.Is(err, zego.CodeDigitalHumanNotFound) reports whether ZEGO refused a call with
// that code.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/return-codes
type Code int

// The codes that ZEGO documents for the Digital Human API.
const (
	CodeSignatureExpired      Code = 100000004 // The timestamp is more than 10 minutes off.
	CodeSignatureWrong        Code = 100000005 // The signature does not match.
	CodeInvalidParameter      Code = 400000001 // A parameter is missing, malformed or out of range.
	CodeServiceNotEnabled     Code = 400000002 // The project has no Digital Human service.
	CodeDigitalHumanNotFound  Code = 400000003 // No such digital human.
	CodeTimbreNotFound        Code = 400000004 // No such timbre.
	CodeTaskNotFound          Code = 400000005 // No such stream task.
	CodeStreamNotStarted      Code = 400000006 // The stream task is not streaming yet.
	CodeStreamStopped         Code = 400000007 // The stream task has already stopped.
	CodeConcurrencyExceeded   Code = 400000008 // Too many stream tasks run at once.
	CodeTimbreNotSupported    Code = 400000009 // The stream does not support this timbre.
	CodeDigitalHumanConfig    Code = 400000010 // The digital human is misconfigured inside ZEGO.
	CodeStreamIDExists        Code = 400000015 // Another stream task uses this StreamId.
	CodeModelVersion          Code = 400000016 // The digital human's model has a wrong version.
	CodeSystemError           Code = 400010000 // ZEGO failed inside.
	CodeNoPermission          Code = 400010001 // The project may not call this action.
	CodeSystemBusy            Code = 400010002 // ZEGO is busy.
	CodeInsufficientResources Code = 400010007 // ZEGO has no free node.
	CodeVPCNotFound           Code = 400010008 // The named VPC does not exist (seen in ZEGO's sample code only).
	CodeRateLimited           Code = 400010009 // More calls of the action in a second than ZEGO allows.
)

// The codes that ZEGO documents for its AI Agent and RTC APIs only. The same gateway
// answers for the Digital Human API.
const (
	CodeGatewayHostWrong                   Code = 100000000
	CodeGatewayAppIDMalformed              Code = 100000001
	CodeGatewayTimestampEmpty              Code = 100000002
	CodeGatewayTimestampMalformed          Code = 100000003
	CodeGatewayActionEmpty                 Code = 100000006
	CodeGatewayActionUnsupported           Code = 100000007
	CodeGatewayNonceEmpty                  Code = 100000008
	CodeGatewaySignatureEmpty              Code = 100000009
	CodeGatewayNoServerSecret              Code = 100000010
	CodeGatewayNoAppConfig                 Code = 100000011
	CodeGatewayBodyUnreadable              Code = 100000012
	CodeGatewaySignatureVersionEmpty       Code = 100000013
	CodeGatewaySignatureVersionUnsupported Code = 100000014
	CodeGatewayInternal                    Code = 100000015
	CodeGatewayNoProduction                Code = 100000016
	CodeGatewayServiceNotEnabled           Code = 100000017
)

// codes explains each code.
var codes = map[Code]struct {
	meaning   string
	advice    string // What the user can do.
	retryable bool   // The same call may succeed later.
}{
	CodeSignatureExpired:      {"signature expired", "set this machine's clock: it is more than 10 minutes off", true},
	CodeSignatureWrong:        {"signature wrong", "check that the server secret belongs to this AppId (ZEGOCLOUD console, project configuration)", false},
	CodeInvalidParameter:      {"invalid parameter", "change the argument that the message names", false},
	CodeServiceNotEnabled:     {"Digital Human service not enabled", "ask ZEGOCLOUD support to enable the Digital Human API for this AppId", false},
	CodeDigitalHumanNotFound:  {"digital human not found", "check the DigitalHumanId", false},
	CodeTimbreNotFound:        {"timbre not found", "check the TimbreId", false},
	CodeTaskNotFound:          {"task not found", "check the TaskId; the task may have ended", false},
	CodeStreamNotStarted:      {"stream not started", "wait until the task streams, then call again", true},
	CodeStreamStopped:         {"stream already stopped", "nothing: it has stopped; create a new task to go on", false},
	CodeConcurrencyExceeded:   {"too many streams at once", "stop a running stream task first", false},
	CodeTimbreNotSupported:    {"timbre not supported by this stream", "use another timbre", false},
	CodeDigitalHumanConfig:    {"digital human misconfigured at ZEGO", "use another digital human and tell ZEGOCLOUD support", false},
	CodeStreamIDExists:        {"stream id already exists", "use another StreamId, or stop the task that has it", false},
	CodeModelVersion:          {"digital human has a wrong model version", "use another digital human and tell ZEGOCLOUD support", false},
	CodeSystemError:           {"ZEGO system error", "try again once; if it stays, tell ZEGOCLOUD support the request id", true},
	CodeNoPermission:          {"no permission for this API", "ask ZEGOCLOUD support to permit this action for the AppId", false},
	CodeSystemBusy:            {"ZEGO is busy", "try again in a few seconds", true},
	CodeInsufficientResources: {"ZEGO has no free node", "try again in a minute; if it stays, tell ZEGOCLOUD support", true},
	CodeVPCNotFound:           {"VPC does not exist", "tell ZEGOCLOUD support", false},
	CodeRateLimited:           {"rate limit exceeded", "wait a second, then call again; ZEGO allows 10 calls per second per action", true},

	CodeGatewayHostWrong:                   {"wrong host", "check the endpoint", false},
	CodeGatewayAppIDMalformed:              {"AppId malformed", "check the AppId: a decimal number from the ZEGOCLOUD console", false},
	CodeGatewayTimestampEmpty:              {"timestamp missing", "check the endpoint: something on the way drops the query", false},
	CodeGatewayTimestampMalformed:          {"timestamp malformed", "check the endpoint: something on the way changes the query", false},
	CodeGatewayActionEmpty:                 {"action missing", "check the endpoint: something on the way drops the query", false},
	CodeGatewayActionUnsupported:           {"action not supported", "check the endpoint: it serves another ZEGO product or version", false},
	CodeGatewayNonceEmpty:                  {"nonce missing", "check the endpoint: something on the way drops the query", false},
	CodeGatewaySignatureEmpty:              {"signature missing", "check the endpoint: something on the way drops the query", false},
	CodeGatewayNoServerSecret:              {"ZEGO has no secret for this AppId", "check the AppId in the ZEGOCLOUD console", false},
	CodeGatewayNoAppConfig:                 {"unknown AppId", "check the AppId in the ZEGOCLOUD console", false},
	CodeGatewayBodyUnreadable:              {"ZEGO could not read the request", "try again once", true},
	CodeGatewaySignatureVersionEmpty:       {"signature version missing", "check the endpoint: something on the way drops the query", false},
	CodeGatewaySignatureVersionUnsupported: {"signature version not supported", "check the endpoint: it serves another ZEGO product or version", false},
	CodeGatewayInternal:                    {"ZEGO gateway error", "try again in a few seconds", true},
	CodeGatewayNoProduction:                {"AppId has no production environment", "finish the project's setup in the ZEGOCLOUD console", false},
	CodeGatewayServiceNotEnabled:           {"service not enabled for this AppId", "ask ZEGOCLOUD support to enable the Digital Human API for this AppId", false},
}

// Error returns the code's meaning and its number.
func (c Code) Error() string {
	if known, ok := codes[c]; ok {
		return known.meaning + " (code " + strconv.Itoa(int(c)) + ")"
	}
	return "unknown ZEGO code " + strconv.Itoa(int(c))
}

// Advice returns what the user can do about the code, e.g. "check the TimbreId": one or
// two clauses in the imperative, without a full stop.
func (c Code) Advice() string {
	if known, ok := codes[c]; ok {
		return known.advice
	}
	return "look the code up in ZEGO's return codes, or tell ZEGOCLOUD support the request id"
}

// Known reports whether ZEGO documents the code.
func (c Code) Known() bool {
	_, ok := codes[c]
	return ok
}

// Retryable reports whether the same call may succeed later.
func (c Code) Retryable() bool { return codes[c].retryable }

// Error says that ZEGO refused a call. errors.Is finds its Code.
type Error struct {
	Action     string // The name of ZEGO's action.
	Code       Code   // Never 0.
	Message    string // ZEGO's own words, at most 500 characters; may be empty.
	RequestID  string // Tell it to ZEGO support; may be empty.
	HTTPStatus int    // Usually 200, because ZEGO tells failures by Code.

	retryAfter time.Duration // See httpAnswer.
}

// Error returns one line with the action, the code, its message and the request id.
func (e *Error) Error() string {
	text := "zego: " + e.Action + ": " + e.Code.Error()
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.RequestID != "" {
		text += " [request " + e.RequestID + "]"
	}
	return text
}

// Unwrap returns the code.
func (e *Error) Unwrap() error { return e.Code }

// Retryable reports whether the same call may succeed later.
func (e *Error) Retryable() bool { return e.Code.Retryable() }

// TransportError says that no complete answer came: the connection failed or broke, the
// answer took longer than Options.Timeout, or the context of the call ended. It does not
// hold the URL, because the query is signed.
type TransportError struct {
	Action string // The name of ZEGO's action.
	// Err is the cause. If a context ended, errors.Is finds the cause of that, and if no
	// connection could be made, errors.As finds the *net.OpError.
	Err error
}

// Error returns one line with the action and the cause.
func (e *TransportError) Error() string {
	return "zego: " + e.Action + ": no complete answer: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// Retryable reports whether the same call may succeed later. It is false if the endpoint's
// host does not exist, its certificate is not trusted, or the proxy refuses to connect.
func (e *TransportError) Retryable() bool {
	cause, ok := errors.AsType[*safeCause](e.Err)
	return !ok || !cause.permanent
}

// ResponseError says that an answer came that is not as ZEGO documents it: an HTML page of
// a proxy, a redirect, broken or oversized JSON, or Data with missing or wrong fields.
type ResponseError struct {
	Action     string // The name of ZEGO's action.
	HTTPStatus int
	RequestID  string // Empty if the answer had none.
	Reason     string // What came instead, at most 500 characters.

	retryAfter time.Duration // See httpAnswer.
}

// Error returns one line with the action, the HTTP status and what came.
func (e *ResponseError) Error() string {
	text := fmt.Sprintf("zego: %s: bad answer (HTTP %d): %s", e.Action, e.HTTPStatus, e.Reason)
	if e.RequestID != "" {
		text += " [request " + e.RequestID + "]"
	}
	return text
}

// Retryable reports whether the same call may succeed later: so it is if the server or a
// proxy failed (HTTP 5xx) or asks to come again (408, 425, 429).
func (e *ResponseError) Retryable() bool { return isTransientStatus(e.HTTPStatus) }

func isTransientStatus(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= http.StatusInternalServerError
}

// LostAnswerError says that no usable answer came to a call that must not happen twice,
// such as CreateStreamTask or DriveByText. ZEGO may have carried it out, so the client has
// not repeated it.
type LostAnswerError struct {
	Action string // The name of ZEGO's action.
	Err    error  // A *TransportError or *ResponseError, or an *Error that leaves it open.
}

// Error returns one line with the action and the cause.
func (e *LostAnswerError) Error() string {
	return "zego: " + e.Action + ": it may have been carried out, but the answer was lost: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *LostAnswerError) Unwrap() error { return e.Err }

// PanicError says that something panicked while calls shared one request: the client, or an
// Observer, Limiter, Cache or transport that the program set in Options.
type PanicError struct {
	Value any    // What was passed to panic.
	Stack []byte // As of debug.Stack.
}

// Error does not repeat the value, because it may hold a text from the network.
func (e *PanicError) Error() string { return fmt.Sprintf("zego: a panic with a %T", e.Value) }
