package tools

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"zego-mcp/schema"
	"zego-mcp/tools/streams"
	"zego-mcp/zego"

	"github.com/mark3labs/mcp-go/server"
)

// toolError is a refusal by the tool itself, not by ZEGO.
type toolError struct {
	reason string // For the log: it must not hold an argument.
	text   string // For the model: what was refused, and what to do.
}

// Error returns the text for the model.
func (e *toolError) Error() string { return e.text }

// unavailableError says that the project has no client, because of its configuration.
type unavailableError struct{ err error }

func (e *unavailableError) Error() string {
	if e.err == nil {
		return "this server has no ZEGO project"
	}
	return e.err.Error()
}

// logText returns what the log says about err. It leaves out everything that may repeat an
// argument, because arguments can hold a user's content. Of an error of an unknown type it
// returns only the type.
func logText(err error) string {
	if invalid, ok := errors.AsType[*schema.ArgumentError](err); ok {
		return fmt.Sprintf("%d invalid arguments", len(invalid.Problems))
	}
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		return refusal.Code.Error() // ZEGO's message may repeat an argument.
	}
	if own, ok := errors.AsType[*toolError](err); ok {
		return own.reason
	}
	if isSafeToLog(err) {
		return err.Error()
	}
	return fmt.Sprintf("an error of type %T", err)
}

// isSafeToLog reports whether err is of a type whose text never repeats an argument.
func isSafeToLog(err error) bool {
	for _, target := range []any{
		new(*unavailableError), new(*zego.TransportError), new(*zego.ResponseError), new(*zego.LostAnswerError),
		new(*zego.QueueError), new(*zego.SpeechError), new(*zego.ListChangedError),
	} {
		if errors.As(err, target) {
			return true
		}
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, streams.ErrClosed) || errors.Is(err, server.ErrResourceNotFound)
}

// explain turns an error into what the model reads: what was refused, by whom, one line that
// says what to do and whether trying again helps, and the RequestId. advice is that of the
// tool or resource.
func explain(err error, advice advice) string {
	if invalid, ok := errors.AsType[*schema.ArgumentError](err); ok {
		return strings.Join(invalid.Problems, "\n")
	}
	if _, ok := errors.AsType[*unavailableError](err); ok {
		return err.Error()
	}
	if own, ok := errors.AsType[*toolError](err); ok {
		return own.text
	}
	if speech, ok := errors.AsType[*zego.SpeechError](err); ok {
		return lines(
			fmt.Sprintf("The speech broke off after %v of audio, which may have been spoken: %v", speech.Sent.Round(time.Millisecond), inWords(speech.Err)),
			whatToDo("Look at the stream with get_stream_task; if it streams, call again with what is missing, or with all of it.", true))
	}
	if lost, ok := errors.AsType[*zego.LostAnswerError](err); ok {
		return lines(
			fmt.Sprintf("%s was sent, but ZEGO's answer was lost: %v", lost.Action, inWords(lost.Err)),
			"It may have been carried out, so it was not repeated.",
			"What to do: Do not repeat it blindly; ask somebody who watches the stream whether it happened.")
	}
	if refusal, ok := errors.AsType[*zego.Error](err); ok {
		head := fmt.Sprintf("ZEGO refused %s: %s", refusal.Action, refusal.Code)
		if refusal.Message != "" {
			head += ": " + refusal.Message
		}
		return lines(head, whatToDo(advice.of(refusal.Code), refusal.Retryable()), requestIDLine(refusal.RequestID))
	}
	if bad, ok := errors.AsType[*zego.ResponseError](err); ok {
		return lines(
			fmt.Sprintf("%s got no usable answer (HTTP %d): %s", bad.Action, bad.HTTPStatus, bad.Reason),
			whatToDo("Check the endpoint with `zego-mcp doctor`.", bad.Retryable()), requestIDLine(bad.RequestID))
	}
	if queue, ok := errors.AsType[*zego.QueueError](err); ok {
		return lines(
			fmt.Sprintf("%s was not sent: ZEGO's rate limit is used up, %d calls wait already, and a turn would come in about %v, after this call's time limit.",
				queue.Action, queue.Ahead, queue.Wait.Round(100*time.Millisecond)),
			whatToDo("Call again later, or less often.", true))
	}
	if transport, ok := errors.AsType[*zego.TransportError](err); ok {
		if errors.Is(err, context.Canceled) {
			return transport.Action + " was cancelled."
		}
		return lines(
			fmt.Sprintf("%s got no answer: %v", transport.Action, transport.Err),
			whatToDo("Check the network and the endpoint with `zego-mcp doctor`.", transport.Retryable()))
	}
	if errors.Is(err, context.Canceled) {
		return "The call was cancelled."
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return lines("The call took longer than its time limit.", whatToDo("Try again.", true))
	}
	return err.Error()
}

// inWords returns the text of err, in words that a model understands if the caller has
// cancelled the call.
func inWords(err error) string {
	if errors.Is(err, context.Canceled) {
		return "the call was cancelled"
	}
	return err.Error()
}

// whatToDo returns the line that says what to do, and whether trying again helps unless the
// advice itself says to do something again.
func whatToDo(advice string, retryable bool) string {
	line := "What to do: " + advice
	switch {
	case !retryable:
		return line + " Repeating the call does not help."
	case strings.Contains(strings.ToLower(advice), " again"):
		return line
	}
	return line + " Trying again may help."
}

// of returns the entry of a for code, or the general advice if there is none.
func (a advice) of(code zego.Code) string {
	if text, ok := a[code]; ok {
		return text
	}
	return Advice(code)
}

// Advice says in a sentence what the user can do about a code of ZEGO's. Unlike zego's
// advice it knows where zego-mcp has its settings from.
func Advice(code zego.Code) string {
	if code == zego.CodeSignatureWrong {
		return "Check ZEGO_SERVER_SECRET: it must be the ServerSecret of the AppID in ZEGO_APP_ID (ZEGOCLOUD console, project configuration)."
	}
	return sentence(code.Advice())
}

func requestIDLine(id string) string {
	if id == "" {
		return ""
	}
	return "RequestId: " + id
}

// sentence turns "check the id" into "Check the id.". Text must not be empty.
func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

// lines joins the texts that are not empty, one per line.
func lines(texts ...string) string {
	var kept []string
	for _, text := range texts {
		if text != "" {
			kept = append(kept, text)
		}
	}
	return strings.Join(kept, "\n")
}
