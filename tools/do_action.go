package tools

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"zego-mcp/tools/speech"
	"zego-mcp/zego"
)

type doActionInput struct {
	TaskID string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Running stream task, from create_stream_task"`
	Action string `json:"Action" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"One of the digital human's own Gestures, from find_digital_humans"`
}

// acceptedOutput is the result of a tool about which there is nothing more to tell than
// that ZEGO accepted the call.
type acceptedOutput struct {
	TaskID    string `json:"TaskId"`
	RequestID string `json:"RequestId"`
}

var doAction = tool[doActionInput, acceptedOutput]{
	name:        "do_action",
	title:       "Make a gesture",
	description: "Make the digital human of a running stream task perform a gesture, such as wave_hand. Each has gestures of its own, or none: Gestures of find_digital_humans. Speech is taken to go on meanwhile; ZEGO does not document it.",
	toolset:     Streaming,
	changes:     func(in doActionInput) string { return in.TaskID },
	effect:      additive,
	advice: taskAdvice.with(advice{
		zego.CodeInvalidParameter: "Pass one of the Gestures that find_digital_humans lists for this stream's digital human.",
	}),
	run: func(ctx context.Context, d deps, in doActionInput) (acceptedOutput, error) {
		if err := in.checkGesture(d.factsOf(ctx, in.TaskID)); err != nil {
			return acceptedOutput{}, err
		}
		id, err := d.client.DoAction(ctx, in.TaskID, in.Action)
		return acceptedOutput{TaskID: in.TaskID, RequestID: id}, err
	},
}

// checkGesture returns an error if the digital human is known not to have the gesture.
func (in doActionInput) checkGesture(facts speech.Facts) error {
	if !facts.Described || slices.Contains(facts.Gestures, in.Action) {
		return nil
	}
	whatToDo := "Pass one of these: " + quoteAll(facts.Gestures)
	if len(facts.Gestures) == 0 {
		whatToDo = "Go on without gestures: it has none."
	}
	return &toolError{reason: "no such gesture", text: lines(
		fmt.Sprintf("This digital human, %s, has no gesture %s. Nothing was sent.", quoteForeign(facts.Name), quoteForeign(in.Action)),
		"What to do: "+whatToDo)}
}

// quoteAll returns names of ZEGO's with commas between them.
func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quoteForeign(name)
	}
	return strings.Join(quoted, ", ") + "."
}
