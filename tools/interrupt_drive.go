package tools

import (
	"context"
	"time"
)

// interruptPatience bounds how long interrupt_drive waits for what another call, or the rest
// of a long text, is just sending: without that it would be spoken after the interruption.
const interruptPatience = 2 * time.Second

type interruptDriveInput struct {
	TaskID string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Running stream task, from create_stream_task"`
}

var interruptDrive = tool[interruptDriveInput, acceptedOutput]{
	name:        "interrupt_drive",
	title:       "Interrupt the speech",
	description: "Cut off what the digital human of a stream task is saying, and drop all that waits to be said. The stream goes on, and costs; to end it, call stop_stream_task.",
	toolset:     Streaming,
	changes:     func(in interruptDriveInput) string { return in.TaskID },
	effect:      destructive,
	advice:      taskAdvice,
	run: func(ctx context.Context, d deps, in interruptDriveInput) (acceptedOutput, error) {
		turnCtx, cancel := context.WithTimeout(ctx, interruptPatience)
		defer cancel()
		if endTurn, ok := d.speech.Turn(turnCtx, in.TaskID); ok {
			defer endTurn()
		}
		id, err := d.client.InterruptDrive(ctx, in.TaskID)
		if err == nil {
			d.speech.Interrupted(in.TaskID)
		} else {
			d.speech.DropRest(in.TaskID) // Perhaps only ZEGO's answer was lost.
		}
		return acceptedOutput{TaskID: in.TaskID, RequestID: id}, err
	},
}
