package tools

import (
	"context"
	"zego-mcp/zego"
)

type driveByRTCStreamInput struct {
	TaskID   string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Running stream task, from create_stream_task"`
	RoomID   string `json:"RoomId" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z_-]+$" format:"name" jsonschema_description:"ZEGO room that the audio comes from: up to 128 digits, letters, - and _"`
	StreamID string `json:"StreamId" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z_-]+$" format:"name" jsonschema_description:"Stream in that room to follow, on air already: up to 128 digits, letters, - and _"`
}

var driveByRTCStream = tool[driveByRTCStreamInput, driveOutput]{
	name:        "drive_by_rtc_stream",
	title:       "Speak along with another stream",
	description: "Make the digital human of a running stream task speak the live audio of another ZEGO stream, such as a person's microphone. Cuts off what is being said and drops what waits to be said. It follows until interrupt_drive or the next drive.",
	toolset:     Streaming,
	effect:      additive,
	advice:      taskAdvice,
	run: func(ctx context.Context, d deps, in driveByRTCStreamInput) (driveOutput, error) {
		drive, err := d.client.DriveByRTCStream(ctx, in.TaskID, zego.RTCConfig{RoomID: in.RoomID, StreamID: in.StreamID})
		return driveOutputOf(in.TaskID, drive), err
	},
}
