package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"zego-mcp/schema"
	"zego-mcp/zego"
)

// nextSteps says which tool mends a refusal; the client's own advice stands
// for the other codes.
var nextSteps = map[zego.Code]string{
	zego.CodeDigitalHumanNotFound: "Call list_digital_humans and pass one of its DigitalHumanId values.",
	zego.CodeDigitalHumanConfig:   "Choose another digital human from list_digital_humans; tell ZEGOCLOUD support the RequestId.",
	zego.CodeModelVersion:         "Choose another digital human from list_digital_humans; tell ZEGOCLOUD support the RequestId.",
}

// explain turns an error into what the model reads: what was refused, by whom,
// what to do, whether trying again helps, and the RequestId.
func explain(err error) string {
	if invalid, ok := errors.AsType[*schema.ArgumentError](err); ok {
		return strings.Join(invalid.Problems, "\n")
	}
	if _, ok := errors.AsType[*unavailableError](err); ok {
		return err.Error()
	}
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		head := fmt.Sprintf("ZEGO refused %s: %s", refusal.Action, refusal.Code)
		if refusal.Message != "" {
			head += ": " + refusal.Message
		}
		step, ok := nextSteps[refusal.Code]
		if !ok {
			step = sentence(refusal.Code.Advice())
		}
		return lines(head, "What to do: "+step, again(refusal.Retryable()), requestID(refusal.RequestID))
	}
	if bad, ok := errors.AsType[*zego.ResponseError](err); ok {
		return lines(
			fmt.Sprintf("%s got no usable answer (HTTP %d): %s", bad.Action, bad.HTTPStatus, bad.Reason),
			"What to do: if it stays, check the endpoint with `zego-mcp doctor`.",
			again(bad.Retryable()), requestID(bad.RequestID))
	}
	if queue, ok := errors.AsType[*zego.QueueError](err); ok {
		return lines(
			fmt.Sprintf("%s was not sent: ZEGO's rate limit is used up, %d calls wait already, and a turn would come in about %v, after this call's time limit.",
				queue.Action, queue.Ahead, queue.Wait.Round(100*time.Millisecond)),
			"What to do: call again later, or less often.", again(true))
	}
	if transport, ok := errors.AsType[*zego.TransportError](err); ok {
		if errors.Is(err, context.Canceled) {
			return transport.Action + " was cancelled."
		}
		return lines(
			fmt.Sprintf("%s got no answer: %v", transport.Action, transport.Err),
			"What to do: check the network and the endpoint with `zego-mcp doctor`.", again(true))
	}
	return err.Error()
}

func again(helps bool) string {
	if helps {
		return "Trying again may help."
	}
	return "Trying again with the same arguments does not help."
}

func requestID(id string) string {
	if id == "" {
		return ""
	}
	return "RequestId: " + id
}

// sentence makes one of an imperative.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

// lines joins what is not empty.
func lines(texts ...string) string {
	var kept []string
	for _, text := range texts {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, "\n")
}
