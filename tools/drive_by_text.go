package tools

import (
	"context"
	"strings"
	"zego-mcp/schema"
	"zego-mcp/zego"
)

type driveByTextInput struct {
	TaskID        string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Running stream task, from create_stream_task"`
	Text          string `json:"Text" jsonschema:"minLength=1,maxLength=1800" jsonschema_description:"What to say, 1 to 1800 characters"`
	TimbreID      string `json:"TimbreId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Voice, from list_timbres"`
	SpeechRate    *int   `json:"SpeechRate,omitempty" jsonschema:"minimum=-500,maximum=500,default=0" scale:"0 normal, 500 fastest; not a factor" jsonschema_description:"Speed: -500 to 500, 0 normal, 500 fastest; not a factor"`
	PitchRate     *int   `json:"PitchRate,omitempty" jsonschema:"minimum=-500,maximum=500,default=0" scale:"0 normal, 500 highest; not a factor" jsonschema_description:"Pitch: -500 to 500, 0 normal, 500 highest; not a factor"`
	Volume        *int   `json:"Volume,omitempty" jsonschema:"minimum=1,maximum=100,default=50" jsonschema_description:"1 to 100 (default 50)"`
	InterruptMode *int   `json:"InterruptMode,omitempty" jsonschema:"minimum=0,maximum=1,default=0" jsonschema_description:"0: after what is being said (default); 1: cut that off"`
}

// driveOutput is the result of every tool that makes a digital human speak.
type driveOutput struct {
	TaskID    string `json:"TaskId"`
	DriveID   string `json:"DriveId"`
	RequestID string `json:"RequestId"`
}

func driveOutputOf(taskID string, drive zego.Drive) driveOutput {
	return driveOutput{TaskID: taskID, DriveID: drive.ID, RequestID: drive.RequestID}
}

var driveByText = tool[driveByTextInput, driveOutput]{
	name:        "drive_by_text",
	title:       "Speak a text",
	description: "Make the digital human of a running stream task speak a text, of at most 1800 characters; cut a longer one at its sentences into several calls, which are spoken one after the other. Returns when ZEGO has taken it, before it is spoken. If the stream is still starting, waits for it.",
	toolset:     Streaming,
	effect:      additive,
	advice: taskAdvice.with(advice{
		zego.CodeTimbreNotFound:     "Call list_timbres and pass one of its TimbreId values.",
		zego.CodeTimbreNotSupported: "Call list_timbres with the DigitalHumanId of this stream and pass one of its TimbreId values.",
	}),
	run: func(ctx context.Context, d deps, in driveByTextInput) (driveOutput, error) {
		if strings.TrimSpace(in.Text) == "" {
			return driveOutput{}, &schema.ArgumentError{Problems: []string{"Text must not be blank"}}
		}
		if err := checkTimbreID(ctx, d, in.TimbreID); err != nil {
			return driveOutput{}, err
		}
		drive, err := d.client.DriveByText(ctx, zego.DriveByTextRequest{
			TaskID: in.TaskID, Text: in.Text, InterruptMode: (*zego.InterruptMode)(in.InterruptMode),
			TTSConfig: zego.TTSConfig{TimbreID: in.TimbreID, SpeechRate: in.SpeechRate, PitchRate: in.PitchRate, Volume: in.Volume},
		})
		return driveOutputOf(in.TaskID, drive), err
	},
}
