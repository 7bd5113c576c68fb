package tools

import (
	"context"
	"fmt"
	"strings"
	"zego-mcp/schema"
	"zego-mcp/tools/speech"
	"zego-mcp/zego"
)

type driveByTextInput struct {
	TaskID        string `json:"TaskId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Running stream task, from create_stream_task"`
	Text          string `json:"Text" jsonschema:"minLength=1,maxLength=18000" jsonschema_description:"What to say, 1 to 18000 characters"`
	TimbreID      string `json:"TimbreId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"Voice, from list_timbres"`
	SpeechRate    *int   `json:"SpeechRate,omitempty" jsonschema:"minimum=-500,maximum=500,default=0" scale:"0 normal, 500 fastest; not a factor" jsonschema_description:"Speed: -500 to 500, 0 normal, 500 fastest; not a factor"`
	PitchRate     *int   `json:"PitchRate,omitempty" jsonschema:"minimum=-500,maximum=500,default=0" scale:"0 normal, 500 highest; not a factor" jsonschema_description:"Pitch: -500 to 500, 0 normal, 500 highest; not a factor"`
	Volume        *int   `json:"Volume,omitempty" jsonschema:"minimum=1,maximum=100,default=50" jsonschema_description:"1 to 100 (default 50)"`
	InterruptMode *int   `json:"InterruptMode,omitempty" jsonschema:"minimum=0,maximum=1,default=0" jsonschema_description:"0: after what is being said (default); 1: cut that off"`

	WaitUntilSpoken *bool `json:"WaitUntilSpoken,omitempty" jsonschema:"default=true" jsonschema_description:"false: answer before it is spoken"`
}

var driveByText = tool[driveByTextInput, driveOutput]{
	name:        "drive_by_text",
	title:       "Speak a text",
	description: "Make the digital human of a running stream task speak a text. Returns when it is spoken, or says until when it will be. If the stream is still starting, waits for it.",
	toolset:     Streaming,
	changes:     func(in driveByTextInput) string { return in.TaskID },
	effect:      additive,
	ownTimeout:  true,
	advice: taskAdvice.with(advice{
		zego.CodeTimbreNotFound:     "Call list_timbres and pass one of its TimbreId values.",
		zego.CodeTimbreNotSupported: "Call list_timbres with the DigitalHumanId of this stream and pass one of its TimbreId values.",
	}),
	run: func(ctx context.Context, d deps, in driveByTextInput) (driveOutput, error) {
		if strings.TrimSpace(in.Text) == "" {
			return driveOutput{}, &schema.ArgumentError{Problems: []string{"Text must not be blank"}}
		}
		effect, rate := effectOf(in.InterruptMode), 0
		if in.SpeechRate != nil {
			rate = *in.SpeechRate
		}
		endTurn, err := d.takeTurn(ctx, in.TaskID, effect, in.InterruptMode)
		if err != nil {
			return driveOutput{}, err
		}
		defer endTurn()
		parts := speech.Split(in.Text, rate)
		if err := d.checkTimeLeft(in.TaskID, effect, speech.EstimateParts(parts, rate).Longest); err != nil {
			return driveOutput{}, err
		}
		callCtx, cancel := d.limitCall(ctx)
		defer cancel()
		if err := checkTimbreID(callCtx, d, in.TimbreID); err != nil {
			return driveOutput{}, err
		}
		spoken, err := d.speech.Say(callCtx, speech.Text{
			TaskID: in.TaskID, Parts: parts, SpeechRate: rate, Effect: effect,
			Send: func(ctx context.Context, part string, effect speech.Effect) (zego.Drive, error) {
				return d.client.DriveByText(ctx, in.request(part, effect))
			},
		})
		if err != nil {
			return driveOutput{}, err
		}
		endTurn()
		out, err := d.whenSpoken(ctx, spoken, in.WaitUntilSpoken)
		if err == nil && out.Advice == "" {
			out.Advice = factorAdvice(rate)
		}
		return out, err
	},
}

// factorAdvice returns what to tell a model whose SpeechRate looks like a factor, or "". A 2.0 is
// refused, but most clients send it as 2, which is a rate.
func factorAdvice(rate int) string {
	if rate < 1 || rate > 3 {
		return ""
	}
	return fmt.Sprintf("SpeechRate %d is nearly normal speed, not a factor: the fastest is 500.", rate)
}

// request returns the request to speak one part of the text.
func (in driveByTextInput) request(part string, effect speech.Effect) zego.DriveByTextRequest {
	mode := in.InterruptMode
	if effect == speech.Waits && mode != nil {
		mode = new(int(zego.Queue))
	}
	return zego.DriveByTextRequest{
		TaskID: in.TaskID, Text: part, InterruptMode: (*zego.InterruptMode)(mode),
		TTSConfig: zego.TTSConfig{TimbreID: in.TimbreID, SpeechRate: in.SpeechRate, PitchRate: in.PitchRate, Volume: in.Volume},
	}
}
