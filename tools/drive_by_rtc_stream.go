package tools

import (
	"context"
	"zego-mcp/tools/speech"
	"zego-mcp/zego"
)

type driveByRTCStreamInput struct {
	TaskID   string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Running stream task, from create_stream_task"`
	RoomID   string `json:"RoomId" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z_-]+$" format:"name" jsonschema_description:"ZEGO room that the audio comes from: up to 128 digits, letters, - and _"`
	StreamID string `json:"StreamId" jsonschema:"minLength=1,maxLength=128,pattern=^[0-9A-Za-z_-]+$" format:"name" jsonschema_description:"Stream in that room to follow, on air already: up to 128 digits, letters, - and _"`

	InterruptMode *int `json:"InterruptMode,omitempty" jsonschema:"minimum=0,maximum=1,default=0" jsonschema_description:"0: after what is being said (default); 1: cut that off"`
}

type driveByRTCStreamOutput struct {
	TaskID    string `json:"TaskId"`
	DriveID   string `json:"DriveId"`
	RequestID string `json:"RequestId"`
}

var driveByRTCStream = tool[driveByRTCStreamInput, driveByRTCStreamOutput]{
	name:        "drive_by_rtc_stream",
	title:       "Speak along with another stream",
	description: "Make the digital human of a running stream task speak the live audio of another ZEGO stream, such as a person's microphone. It follows until interrupt_drive, or a drive with InterruptMode 1.",
	toolset:     Streaming,
	changes:     func(in driveByRTCStreamInput) string { return in.TaskID },
	effect:      additive,
	ownTimeout:  true,
	advice:      taskAdvice,
	run: func(ctx context.Context, d deps, in driveByRTCStreamInput) (driveByRTCStreamOutput, error) {
		endTurn, err := d.takeTurn(ctx, in.TaskID, speech.CutsOffAll, in.InterruptMode)
		if err != nil {
			return driveByRTCStreamOutput{}, err
		}
		defer endTurn()
		callCtx, cancel := d.limitCall(ctx)
		defer cancel()
		drive, err := d.client.DriveByRTCStream(callCtx, in.TaskID, zego.RTCConfig{RoomID: in.RoomID, StreamID: in.StreamID})
		sent := speech.Drive{Drive: drive, Effect: speech.CutsOffAll, Endless: true}
		if err != nil {
			d.speech.Lost(in.TaskID, sent, err)
			return driveByRTCStreamOutput{}, err
		}
		d.speech.Drove(in.TaskID, sent)
		return driveByRTCStreamOutput{TaskID: in.TaskID, DriveID: drive.ID, RequestID: drive.RequestID}, nil
	},
}
