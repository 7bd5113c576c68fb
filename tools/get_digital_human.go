package tools

import (
	"context"
	"zego-mcp/tools/pictures"
)

type getDigitalHumanInput struct {
	DigitalHumanID string `json:"DigitalHumanId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From find_digital_humans"`
	Picture        bool   `json:"Picture,omitempty" jsonschema:"default=false" jsonschema_description:"true: show the picture itself"`
}

type getDigitalHumanOutput struct {
	DigitalHumanID     string    `json:"DigitalHumanId"`
	Name               string    `json:"Name"`
	AvatarURL          string    `json:"AvatarUrl" jsonschema_description:"Picture; works for 24 hours"`
	IsPublic           bool      `json:"IsPublic" jsonschema_description:"true: open to every project; false: this project's own"`
	Actions            []gesture `json:"Actions" jsonschema_description:"Gestures it can make"`
	AvatarURLExpiresAt string    `json:"AvatarUrlExpiresAt" jsonschema_description:"RFC 3339, UTC; AvatarUrl stops working then"`
	PictureProblem     string    `json:"PictureProblem,omitempty" jsonschema_description:"Why the picture cannot be shown"`
	RequestID          string    `json:"RequestId"`

	jpeg []byte
}

// picture implements pictured.
func (o getDigitalHumanOutput) picture() []byte { return o.jpeg }

var getDigitalHuman = tool[getDigitalHumanInput, getDigitalHumanOutput]{
	name:        "get_digital_human",
	title:       "Get a digital human",
	description: "Get one digital human: name, picture URL, gestures with preview videos. Free, changes nothing.",
	toolset:     Assets,
	effect:      readOnly,
	advice:      humanAdvice,
	run: func(ctx context.Context, d deps, in getDigitalHumanInput) (getDigitalHumanOutput, error) {
		if err := checkHumanID(ctx, d, in.DigitalHumanID); err != nil {
			return getDigitalHumanOutput{}, err
		}
		info, err := d.client.GetDigitalHuman(ctx, in.DigitalHumanID)
		if err != nil {
			return getDigitalHumanOutput{}, err
		}
		out := getDigitalHumanOutput{
			DigitalHumanID: info.ID, Name: info.Name, AvatarURL: info.AvatarURL, IsPublic: info.IsPublic,
			Actions:            gesturesOf(info.DigitalHuman),
			AvatarURLExpiresAt: avatarExpiry(info.At),
			RequestID:          info.RequestID,
		}
		if in.Picture {
			if out.jpeg, err = d.thumbnail(ctx, pictureOf(info.DigitalHuman, info.At), pictures.MaxSize); err != nil {
				out.PictureProblem = err.Error()
			}
		}
		return out, nil
	},
}
