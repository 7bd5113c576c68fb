package tools

import (
	"cmp"
	"context"
	"time"
	"zego-mcp/zego"
)

type listDigitalHumansInput struct {
	FetchMode *int   `json:"FetchMode,omitempty" jsonschema:"minimum=1,maximum=3,default=1" jsonschema_description:"1 all (default), 2 public, 3 private (the project's own)"`
	Detail    string `json:"Detail,omitempty" jsonschema:"enum=brief,enum=full,default=full" jsonschema_description:"brief: no pictures, gestures by name (default full)"`
	Offset    *int   `json:"Offset,omitempty" jsonschema:"minimum=0,maximum=1000000,default=0" jsonschema_description:"Entries to skip, 0 to 1000000 (default 0)"`
	Limit     *int   `json:"Limit,omitempty" jsonschema:"minimum=1,maximum=20,default=20" jsonschema_description:"1 to 20 (default 20)"`
}

type listDigitalHumansOutput struct {
	Total              int           `json:"Total" jsonschema_description:"Matches over all pages"`
	DigitalHumans      []listedHuman `json:"DigitalHumans"`
	NextOffset         *int          `json:"NextOffset,omitempty" jsonschema_description:"Offset of the next page; absent on the last one"`
	AvatarURLsExpireAt string        `json:"AvatarUrlsExpireAt,omitempty" jsonschema_description:"RFC 3339, UTC; AvatarUrl values stop working then"`
	RequestID          string        `json:"RequestId"`
}

// humanAdvice is what to do when ZEGO does not accept a DigitalHumanId.
var humanAdvice = advice{
	zego.CodeDigitalHumanNotFound: "Call list_digital_humans and pass one of its DigitalHumanId values.",
}

// listedHuman is one digital human in a list. With Detail full it has AvatarURL and Actions,
// and with brief the names of its gestures instead.
type listedHuman struct {
	DigitalHumanID string    `json:"DigitalHumanId"`
	Name           string    `json:"Name"`
	AvatarURL      *string   `json:"AvatarUrl,omitempty" jsonschema_description:"Picture; works for 24 hours; full only"`
	IsPublic       bool      `json:"IsPublic" jsonschema_description:"true: open to every project; false: this project's own"`
	Actions        []gesture `json:"Actions,omitzero" jsonschema_description:"Gestures it can make; full only"`
	Gestures       []string  `json:"Gestures,omitempty" jsonschema_description:"Action values for do_action; brief only; absent: none"`
}

type gesture struct {
	Action     string `json:"Action"`
	PreviewURL string `json:"PreviewUrl" jsonschema_description:"Video"`
}

var listDigitalHumans = tool[listDigitalHumansInput, listDigitalHumansOutput]{
	name:        "list_digital_humans",
	title:       "List digital humans",
	description: "List the digital humans (talking avatars) of this ZEGOCLOUD project as ZEGO does, page by page: ids, names, pictures, gestures. Go on with Offset=NextOffset. Free, changes nothing. To search, or to see all in one call, use find_digital_humans.",
	toolset:     Assets,
	effect:      readOnly,
	meta:        opens(galleryURI),
	run: func(ctx context.Context, d deps, in listDigitalHumansInput) (listDigitalHumansOutput, error) {
		page, err := d.client.ListDigitalHumans(ctx, zego.ListDigitalHumansRequest{
			FetchMode: (*zego.FetchMode)(in.FetchMode), Offset: in.Offset, Limit: in.Limit,
		})
		if err != nil {
			return listDigitalHumansOutput{}, err
		}
		d.rememberPictures(ctx, page.DigitalHumans, page.At)
		out := listDigitalHumansOutput{
			Total:         page.Total,
			DigitalHumans: listedHumansOf(page.DigitalHumans, cmp.Or(in.Detail, detailFull)),
			RequestID:     page.RequestID,
		}
		if in.Detail != detailBrief {
			out.AvatarURLsExpireAt = avatarExpiry(page.At)
		}
		next := or(in.Offset, 0) + len(page.DigitalHumans)
		if len(page.DigitalHumans) > 0 && next < page.Total {
			out.NextOffset = &next
		}
		return out, nil
	},
}

// listedHumansOf returns digital humans as lists have them, with the given Detail.
func listedHumansOf(humans []zego.DigitalHuman, detail string) []listedHuman {
	listed := make([]listedHuman, 0, len(humans))
	for i, human := range humans {
		entry := listedHuman{DigitalHumanID: human.ID, Name: human.Name, IsPublic: human.IsPublic}
		if detail == detailFull {
			entry.AvatarURL, entry.Actions = &humans[i].AvatarURL, gesturesOf(human)
		} else {
			for _, g := range human.Gestures {
				entry.Gestures = append(entry.Gestures, g.Name)
			}
		}
		listed = append(listed, entry)
	}
	return listed
}

// gesturesOf returns the gestures of a digital human; never nil.
func gesturesOf(human zego.DigitalHuman) []gesture {
	gestures := make([]gesture, 0, len(human.Gestures))
	for _, g := range human.Gestures {
		gestures = append(gestures, gesture{Action: g.Name, PreviewURL: g.PreviewURL})
	}
	return gestures
}

// avatarExpiry returns when the AvatarUrl values of an answer stop working, as RFC 3339 in
// UTC. answeredAt is the time of the answer.
func avatarExpiry(answeredAt time.Time) string {
	return answeredAt.Add(zego.AvatarURLLifetime).UTC().Format(time.RFC3339)
}
