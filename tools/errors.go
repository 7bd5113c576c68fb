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
	zego.CodeTimbreNotFound:       "Call list_timbres and pass one of its TimbreId values.",
	zego.CodeTimbreNotSupported:   "Call list_timbres with the DigitalHumanId of this stream and pass one of its TimbreId values.",
	zego.CodeTaskNotFound:         "Call list_stream_tasks for the tasks that run. This one may have ended; create_stream_task makes a new one.",
	zego.CodeStreamNotStarted:     "Call get_stream_task until its Status is 3 (streaming), then call again.",
	zego.CodeStreamStopped:        "Nothing: it has ended. To go on, call create_stream_task.",
	zego.CodeConcurrencyExceeded:  "Call list_stream_tasks, and stop_stream_task on one that is no longer needed.",
	zego.CodeStreamIDExists:       "Leave StreamId out, or choose another; or stop the task that has it (list_stream_tasks, stop_stream_task).",
}

// nextStep says what to do about a refusal.
func nextStep(refusal *zego.Error) string {
	if refusal.Action == "DoAction" && refusal.Code == zego.CodeInvalidParameter {
		return "Pass one of the Actions that get_digital_human lists for this stream's digital human."
	}
	if step, ok := nextSteps[refusal.Code]; ok {
		return step
	}
	return sentence(refusal.Code.Advice())
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
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return refused.text
	}
	if broken, ok := errors.AsType[*zego.SpeechError](err); ok {
		return lines(
			fmt.Sprintf("The speech broke off after %v of audio, which may have been spoken: %v", broken.Sent.Round(time.Millisecond), broken.Err),
			"What to do: look at the stream with get_stream_task; if it streams, call again with what is missing, or with all of it.", again(true))
	}
	if lost, ok := errors.AsType[*zego.LostAnswerError](err); ok {
		return lines(
			fmt.Sprintf("%s was sent, but ZEGO's answer was lost: %v", lost.Action, lost.Err),
			"It may have been carried out, so it was not repeated. What to do: do not repeat it blindly; ask somebody who watches the stream whether it happened.")
	}
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		head := fmt.Sprintf("ZEGO refused %s: %s", refusal.Action, refusal.Code)
		if refusal.Message != "" {
			head += ": " + refusal.Message
		}
		return lines(head, "What to do: "+nextStep(refusal), again(refusal.Retryable()), requestID(refusal.RequestID))
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
