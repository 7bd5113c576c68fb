package tools

import (
	"context"
	"zego-mcp/tools/speech"
	"zego-mcp/zego"
)

type driveByAudioInput struct {
	TaskID        string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Running stream task, from create_stream_task"`
	AudioURL      string `json:"AudioUrl" jsonschema:"minLength=8,maxLength=2048,pattern=^https?://[^ ]+$" format:"publicURL" jsonschema_description:"http or https URL of an MP3 or WAV file that ZEGO can fetch from the internet"`
	InterruptMode *int   `json:"InterruptMode,omitempty" jsonschema:"minimum=0,maximum=1,default=0" jsonschema_description:"0: after what is being said (default); 1: cut that off"`
	VoiceChannel  *int   `json:"VoiceChannel,omitempty" jsonschema:"minimum=0,maximum=2,default=0" jsonschema_description:"Where the voice is in a file of two channels: 0 mixed (default), 1 left, 2 right"`

	WaitUntilSpoken *bool `json:"WaitUntilSpoken,omitempty" jsonschema:"default=true" jsonschema_description:"false: answer before it is spoken"`
}

var driveByAudio = tool[driveByAudioInput, driveOutput]{
	name:        "drive_by_audio",
	title:       "Speak an audio file on the web",
	description: "Make the digital human of a running stream task speak an audio file that ZEGO fetches from a URL. Returns when it is spoken, or says until when it will be.",
	toolset:     Streaming,
	changes:     func(in driveByAudioInput) string { return in.TaskID },
	effect:      additive,
	ownTimeout:  true,
	advice:      taskAdvice,
	run: func(ctx context.Context, d deps, in driveByAudioInput) (driveOutput, error) {
		effect := effectOf(in.InterruptMode)
		endTurn, err := d.takeTurn(ctx, in.TaskID, effect, in.InterruptMode)
		if err != nil {
			return driveOutput{}, err
		}
		defer endTurn()
		callCtx, cancel := d.limitCall(ctx)
		defer cancel()
		drive, err := d.client.DriveByAudio(callCtx, zego.DriveByAudioRequest{
			TaskID: in.TaskID, AudioURL: in.AudioURL,
			InterruptMode: (*zego.InterruptMode)(in.InterruptMode), VoiceChannel: (*zego.VoiceChannel)(in.VoiceChannel),
		})
		sent := speech.Drive{Drive: drive, Effect: effect, Estimate: speech.UnknownAudio}
		if err != nil {
			d.speech.Lost(in.TaskID, sent, err)
			return driveOutput{}, err
		}
		spoken := d.speech.Drove(in.TaskID, sent)
		endTurn()
		if d.audioClient != nil {
			if length, ok := speech.RemoteLength(callCtx, d.audioClient, in.AudioURL); ok {
				sent.Estimate = speech.EstimateAudio(length)
				d.speech.Drove(in.TaskID, sent)
			}
		}
		return d.whenSpoken(ctx, spoken, in.WaitUntilSpoken)
	},
}
