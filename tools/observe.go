package tools

import (
	"context"
	"errors"
	"time"
)

// RequestInfo describes one request of a client, for metrics. It holds nothing that a user
// wrote, except that Name may be an unknown one: see ToolsetOf.
type RequestInfo struct {
	Kind     string        // "tool", "prompt", "resource" or "completion".
	Name     string        // Of the tool, prompt or resource.
	Outcome  Outcome       // How the request ended.
	Duration time.Duration // Waits included.
	Problem  string        // What the log says about the error, if Outcome is Failed; it holds no argument.
}

// Outcome says how a request of a client ended.
type Outcome string

// The values of Outcome.
const (
	Succeeded Outcome = "ok"
	Failed    Outcome = "error"     // The arguments were wrong, or ZEGO or the tool refused.
	AsksUser  Outcome = "asks_user" // The client is to show the user a form, and then to call again.
	Panicked  Outcome = "panic"     // A fault of this program.
)

// outcomeOf returns how a request ended of which the handler returned err.
func outcomeOf(err error) Outcome {
	if err == nil {
		return Succeeded
	}
	if _, ok := errors.AsType[*panicError](err); ok {
		return Panicked
	}
	if _, ok := errors.AsType[*elicitation](err); ok {
		return AsksUser
	}
	return Failed
}

type requestNameKey struct{}

// RequestName returns the name of the tool, prompt or resource on whose behalf something is
// done under ctx, or "" if no request of a client has led to it.
func RequestName(ctx context.Context) string {
	name, _ := ctx.Value(requestNameKey{}).(string)
	return name
}
