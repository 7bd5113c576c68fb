package tools

import (
	"context"
	"zego-mcp/zego"
)

type doActionInput struct {
	TaskID string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Running stream task, from create_stream_task"`
	Action string `json:"Action" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"One of the digital human's own Actions, from get_digital_human"`
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
	description: "Make the digital human of a running stream task perform a gesture, such as wave_hand. Each digital human has gestures of its own, or none: see Actions of get_digital_human.",
	toolset:     Streaming,
	effect:      additive,
	advice: taskAdvice.with(advice{
		zego.CodeInvalidParameter: "Pass one of the Actions that get_digital_human lists for this stream's digital human.",
	}),
	run: func(ctx context.Context, d deps, in doActionInput) (acceptedOutput, error) {
		id, err := d.client.DoAction(ctx, in.TaskID, in.Action)
		return acceptedOutput{TaskID: in.TaskID, RequestID: id}, err
	},
}
