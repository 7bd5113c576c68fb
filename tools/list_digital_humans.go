package tools

import (
	"context"
	"time"
	"zego-mcp/zego"
)

type listDigitalHumansInput struct {
	FetchMode *int `json:"FetchMode,omitempty" jsonschema:"minimum=1,maximum=3,default=1" jsonschema_description:"Which ones: 1 all (default), 2 public only, 3 private only (the project's own)"`
	Offset    *int `json:"Offset,omitempty" jsonschema:"minimum=0,maximum=1000000,default=0" jsonschema_description:"Entries to skip, 0 to 1000000 (default 0); NextOffset of the page before"`
	Limit     *int `json:"Limit,omitempty" jsonschema:"minimum=1,maximum=20,default=20" jsonschema_description:"Entries to return, 1 to 20 (default 20)"`
}

type listDigitalHumansOutput struct {
	Total              int            `json:"Total" jsonschema_description:"Matches over all pages"`
	DigitalHumans      []digitalHuman `json:"DigitalHumans"`
	NextOffset         *int           `json:"NextOffset,omitempty" jsonschema_description:"Offset of the next page; absent on the last one"`
	AvatarURLsExpireAt string         `json:"AvatarUrlsExpireAt" jsonschema_description:"RFC 3339, UTC; AvatarUrl values stop working then"`
	RequestID          string         `json:"RequestId"`
}

// humanAdvice is what to do when ZEGO does not accept a DigitalHumanId.
var humanAdvice = advice{
	zego.CodeDigitalHumanNotFound: "Call list_digital_humans and pass one of its DigitalHumanId values.",
}

// digitalHuman is one digital human in a result.
type digitalHuman struct {
	DigitalHumanID string    `json:"DigitalHumanId"`
	Name           string    `json:"Name"`
	AvatarURL      string    `json:"AvatarUrl" jsonschema_description:"Picture; works for 24 hours"`
	IsPublic       bool      `json:"IsPublic" jsonschema_description:"true: open to every project; false: this project's own"`
	Actions        []gesture `json:"Actions" jsonschema_description:"Gestures it can make"`
}

type gesture struct {
	Action     string `json:"Action"`
	PreviewURL string `json:"PreviewUrl" jsonschema_description:"Video"`
}

var listDigitalHumans = tool[listDigitalHumansInput, listDigitalHumansOutput]{
	name:        "list_digital_humans",
	title:       "List digital humans",
	description: "List the digital humans (talking avatars) that this ZEGOCLOUD project can use: ids, names, pictures, gestures. One page of at most 20; go on with Offset=NextOffset. Free, changes nothing. For one whose id you know, call get_digital_human.",
	toolset:     Assets,
	effect:      readOnly,
	run: func(ctx context.Context, d deps, in listDigitalHumansInput) (listDigitalHumansOutput, error) {
		page, err := d.client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{
			FetchMode: (*zego.FetchMode)(in.FetchMode), Offset: in.Offset, Limit: in.Limit,
		})
		if err != nil {
			return listDigitalHumansOutput{}, err
		}
		out := listDigitalHumansOutput{
			Total:              page.Total,
			DigitalHumans:      make([]digitalHuman, 0, len(page.DigitalHumans)),
			AvatarURLsExpireAt: avatarExpiry(page.At),
			RequestID:          page.RequestID,
		}
		for _, human := range page.DigitalHumans {
			out.DigitalHumans = append(out.DigitalHumans, digitalHumanOf(human))
		}
		next := len(page.DigitalHumans)
		if in.Offset != nil {
			next += *in.Offset
		}
		if len(page.DigitalHumans) > 0 && next < page.Total {
			out.NextOffset = &next
		}
		return out, nil
	},
}

func digitalHumanOf(human zego.DigitalHuman) digitalHuman {
	gestures := make([]gesture, 0, len(human.Gestures))
	for _, g := range human.Gestures {
		gestures = append(gestures, gesture{Action: g.Name, PreviewURL: g.PreviewURL})
	}
	return digitalHuman{
		DigitalHumanID: human.ID, Name: human.Name, AvatarURL: human.AvatarURL,
		IsPublic: human.IsPublic, Actions: gestures,
	}
}

// avatarExpiry returns when the AvatarUrl values of an answer stop working, as RFC 3339 in
// UTC. answeredAt is the time of the answer.
func avatarExpiry(answeredAt time.Time) string {
	return answeredAt.Add(zego.AvatarURLLifetime).UTC().Format(time.RFC3339)
}
