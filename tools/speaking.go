package tools

import (
	"context"
	"fmt"
	"time"
	"zego-mcp/tools/speech"
)

// driveOutput is the result of every tool that makes a digital human speak. It does not repeat
// the TaskId of the call, because a model pays for each id.
type driveOutput struct {
	DriveID       string   `json:"DriveId"`
	DriveIDs      []string `json:"DriveIds,omitempty"`
	Spoken        bool     `json:"Spoken"`
	SpeakingUntil string   `json:"SpeakingUntil,omitempty" jsonschema_description:"RFC 3339, UTC"`
	KnownBy       string   `json:"KnownBy,omitempty"`
	NextCalls     string   `json:"NextCalls,omitempty"`
	Advice        string   `json:"Advice,omitempty"`
	RequestID     string   `json:"RequestId"`
}

// limitCall returns the context for the calls to ZEGO of a tool that sets its own time limit.
func (d deps) limitCall(ctx context.Context) (context.Context, context.CancelFunc) {
	return withTimeLimit(ctx, d.timeout)
}

// limitWait returns the context in which a tool waits for the end of speech. It ends when the
// call has to answer.
func (d deps) limitWait(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithDeadline(ctx, d.answerBy)
}

// whenSpoken returns the result of a drive when the speech is over, or when the call has to
// answer. If wait is false, it returns at once; nil means true. If the call is cancelled, it
// drops what has not been sent of a long text.
func (d deps) whenSpoken(ctx context.Context, s *speech.Speech, wait *bool) (driveOutput, error) {
	waitCtx, cancel := d.limitWait(ctx)
	defer cancel()
	if wait != nil && !*wait {
		cancel() // Wait then returns at once.
	}
	result := d.speech.Wait(waitCtx, s, d.speechProgress())
	if ctx.Err() != nil {
		d.speech.Cancel(s)
		return driveOutput{}, context.Cause(ctx)
	}
	if result.Failed {
		return driveOutput{}, &toolError{reason: "the drive failed", text: lines(
			"ZEGO took it, but could not speak it: the drive failed.",
			"What to do: Call again, perhaps with another voice or file.", requestIDLine(result.RequestID))}
	}
	out := driveOutput{
		DriveID: result.DriveIDs[0], Spoken: result.Spoken,
		SpeakingUntil: timeText(result.Until), KnownBy: string(result.KnownBy), RequestID: result.RequestID,
	}
	if len(result.DriveIDs) > 1 || result.Waiting > 0 {
		out.DriveIDs = result.DriveIDs
	}
	if result.Cut && result.Until.IsZero() {
		out.KnownBy = "" // It is not an estimate that the speech is over.
	}
	switch {
	case result.Problem != "":
		out.Advice = "Not all was spoken: " + result.Problem + "."
	case result.Lost:
		out.Advice = "ZEGO's answer to a part of the text was lost: perhaps it was not spoken."
	case result.Cut:
		out.Advice = "It was cut off before its end."
	case !result.Spoken:
		out.NextCalls = "get_stream_task with WaitUntilSpoken=true, until Speaking is false"
		if left := time.Until(result.Until); left > 0 {
			out.NextCalls += fmt.Sprintf(" (about %d s)", max(1, int(left/time.Second))) // Models have no clock.
		}
		out.NextCalls += "."
	}
	return out, nil
}

// speechProgress returns a function that tells the client the longest time that speech still
// takes. The progress goes up to the longest time that was told so far.
func (d deps) speechProgress() func(left time.Duration) {
	total := 0
	return func(left time.Duration) {
		seconds := max(1, int(left/time.Second))
		total = max(total, seconds)
		d.progress(total-seconds, total, fmt.Sprintf("speaking, about %d s left", seconds))
	}
}

// timeText returns t as RFC 3339 in UTC, or "" if it is zero.
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// effectOf returns what a drive with an InterruptMode does to those before it.
func effectOf(interruptMode *int) speech.Effect {
	if interruptMode != nil && *interruptMode == 1 {
		return speech.CutsOff
	}
	return speech.Waits
}

// takeTurn takes the turn to send a drive. A drive that is to be spoken after those before it
// gets the turn when all parts of a long text have been sent, because it would come between
// them. A drive that cuts off everything before it gets the turn when all is spoken. A drive
// with InterruptMode 1 waits for neither. The caller ends the turn with endTurn.
func (d deps) takeTurn(ctx context.Context, taskID string, effect speech.Effect, interruptMode *int) (endTurn func(), err error) {
	waitCtx, cancel := d.limitWait(ctx)
	defer cancel()
	var ok bool
	switch {
	case effectOf(interruptMode) != speech.Waits:
		endTurn, ok = d.speech.Turn(waitCtx, taskID)
	case effect == speech.Waits:
		endTurn, ok = d.speech.TurnWhenSent(waitCtx, taskID, d.speechProgress())
	default:
		endTurn, ok = d.speech.TurnWhenSilent(waitCtx, taskID, d.speechProgress())
	}
	switch {
	case ok && effect == speech.Waits && d.speech.State(taskID).Live:
		endTurn()
		return nil, &toolError{reason: "live audio", text: lines(
			"Nothing was sent: it would wait for the end of the live audio that the stream speaks, and that has none.",
			"What to do: Call interrupt_drive first, or pass InterruptMode 1.")}
	case ok:
		return endTurn, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, d.stillSpeaking(taskID, "Nothing was sent: the stream", "Call again, as often as needed: each call waits. InterruptMode 1 cuts that off.")
}

// stillSpeaking returns an error that says until when a task speaks, and what to do. head is
// the beginning of its first sentence, up to the subject.
func (d deps) stillSpeaking(taskID, head, whatToDo string) error {
	state := d.speech.State(taskID)
	text := head + " is still speaking"
	if until := timeText(state.Until); until != "" {
		text += fmt.Sprintf(", until %s at the latest", until)
	}
	return &toolError{reason: "still speaking", text: lines(text+".", "What to do: "+whatToDo)}
}

// checkTimeLeft returns an error if a stream may end before a text is spoken. longest is the
// longest time that the text may take.
func (d deps) checkTimeLeft(taskID string, effect speech.Effect, longest time.Duration) error {
	endsAt := d.speech.Facts(taskID).EndsAt
	begins := time.Now()
	if state := d.speech.State(taskID); effect == speech.Waits && state.Until.After(begins) {
		begins = state.Until
	}
	if endsAt.IsZero() || !begins.Add(longest).After(endsAt) {
		return nil
	}
	return &toolError{reason: "the stream ends too soon", text: lines(
		fmt.Sprintf("Nothing was sent: the text may take %v to speak, and the stream ends at %s, before its end.", longest.Round(time.Second), timeText(endsAt)),
		fmt.Sprintf("What to do: Shorten it; or call stop_stream_task, and create_stream_task with a TTL of at least %d.", int((longest+ttlReserve)/time.Second)))}
}

// ttlReserve is how much longer than its speech a stream should live, for what comes before
// and after.
const ttlReserve = 2 * time.Minute

// factsOf returns what is known of a task. If its digital human is known, factsOf asks ZEGO for
// the name and the gestures of it, and remembers them.
func (d deps) factsOf(ctx context.Context, taskID string) speech.Facts {
	d.speech.Refresh(ctx, taskID)
	facts := d.speech.Facts(taskID)
	if facts.DigitalHumanID == "" || facts.Described {
		return facts
	}
	human, err := d.client.GetDigitalHuman(ctx, facts.DigitalHumanID)
	if err != nil {
		return facts // What is missing is left out of the answer.
	}
	facts.Described, facts.Name = true, human.Name
	for _, gesture := range human.Gestures {
		facts.Gestures = append(facts.Gestures, gesture.Name)
	}
	d.speech.Learn(taskID, facts)
	return facts
}
