package tools

import "context"

type getDigitalHumanInput struct {
	DigitalHumanID string `json:"DigitalHumanId" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"From list_digital_humans"`
}

type getDigitalHumanOutput struct {
	digitalHuman
	AvatarURLExpiresAt string `json:"AvatarUrlExpiresAt" jsonschema_description:"RFC 3339, UTC; AvatarUrl stops working then"`
	RequestID          string `json:"RequestId"`
}

var getDigitalHuman = tool[getDigitalHumanInput, getDigitalHumanOutput]{
	name:        "get_digital_human",
	title:       "Get a digital human",
	description: "Get one digital human by its DigitalHumanId: name, picture, gestures. Free, changes nothing. Find ids with list_digital_humans.",
	toolset:     Assets,
	effect:      readOnly,
	advice:      humanAdvice,
	run: func(ctx context.Context, d deps, in getDigitalHumanInput) (getDigitalHumanOutput, error) {
		info, err := d.client.GetDigitalHuman(ctx, in.DigitalHumanID)
		if err != nil {
			return getDigitalHumanOutput{}, err
		}
		return getDigitalHumanOutput{
			digitalHuman:       digitalHumanOf(info.DigitalHuman),
			AvatarURLExpiresAt: avatarExpiry(info.At),
			RequestID:          info.RequestID,
		}, nil
	},
}
