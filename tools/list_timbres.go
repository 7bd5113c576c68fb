package tools

import (
	"context"
	"time"
	"zego-mcp/schema"
	"zego-mcp/zego"
)

type listTimbresInput struct {
	DigitalHumanID string `json:"DigitalHumanId,omitempty" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"List what this digital human can speak with; from find_digital_humans or list_digital_humans"`
	Scope          string `json:"Scope,omitempty" jsonschema:"enum=public,enum=private,enum=both" jsonschema_description:"public: open to every digital human; private: made for this DigitalHumanId; both: private ones first. Default: both with a DigitalHumanId, else public"`
	Offset         *int   `json:"Offset,omitempty" jsonschema:"minimum=0,maximum=1000000,default=0" jsonschema_description:"Entries to skip, 0 to 1000000 (default 0); NextOffset of the page before"`
	Limit          *int   `json:"Limit,omitempty" jsonschema:"minimum=1,maximum=20,default=20" jsonschema_description:"Entries to return, 1 to 20 (default 20)"`
}

type listTimbresOutput struct {
	Total              int      `json:"Total" jsonschema_description:"Matches over all pages"`
	Timbres            []timbre `json:"Timbres"`
	NextOffset         *int     `json:"NextOffset,omitempty" jsonschema_description:"Offset of the next page; absent on the last one"`
	AvatarURLsExpireAt string   `json:"AvatarUrlsExpireAt" jsonschema_description:"RFC 3339, UTC; AvatarUrl values stop working then"`
	RequestID          string   `json:"RequestId"`
}

type timbre struct {
	TimbreID  string `json:"TimbreId"`
	Name      string `json:"Name"`
	AvatarURL string `json:"AvatarUrl" jsonschema_description:"Picture; works for 24 hours"`
	IsPublic  bool   `json:"IsPublic" jsonschema_description:"false: only for this digital human"`
}

var listTimbres = tool[listTimbresInput, listTimbresOutput]{
	name:        "list_timbres",
	title:       "List timbres (voices)",
	description: "List the timbres (voices) for drive_by_text: the public ones, and with a DigitalHumanId also its private ones. One page of at most 20; go on with Offset=NextOffset. Free, changes nothing.",
	toolset:     Assets,
	effect:      readOnly,
	advice:      humanAdvice,
	run: func(ctx context.Context, d deps, in listTimbresInput) (listTimbresOutput, error) {
		offset, limit := 0, zego.MaxLimit
		if in.Offset != nil {
			offset = *in.Offset
		}
		if in.Limit != nil {
			limit = *in.Limit
		}
		public, private := in.Scope != "private", in.Scope != "public" && in.DigitalHumanID != ""
		if in.DigitalHumanID == "" && (in.Scope == "private" || in.Scope == "both") {
			return listTimbresOutput{}, &schema.ArgumentError{Problems: []string{
				`Scope "` + in.Scope + `" needs a DigitalHumanId: private timbres belong to one digital human`,
			}}
		}

		out := listTimbresOutput{Timbres: []timbre{}}
		var at time.Time
		// add appends what a list, which begins at the end of those before, has for the page.
		add := func(digitalHumanID string, isPublic bool) error {
			skip, room := max(0, offset-out.Total), limit-len(out.Timbres)
			// ZEGO tells Total only with a page; a full one needs no more than that.
			page, err := d.client.ListTimbres(ctx, zego.ListTimbresRequest{DigitalHumanID: digitalHumanID, Offset: &skip, Limit: new(max(1, room))})
			if err != nil {
				return err
			}
			for _, t := range page.Timbres[:min(room, len(page.Timbres))] {
				out.Timbres = append(out.Timbres, timbre{TimbreID: t.ID, Name: t.Name, AvatarURL: t.AvatarURL, IsPublic: isPublic})
			}
			out.Total += page.Total
			out.RequestID = page.RequestID
			if at.IsZero() || page.At.Before(at) {
				at = page.At
			}
			return nil
		}
		if private {
			if err := add(in.DigitalHumanID, false); err != nil {
				return listTimbresOutput{}, err
			}
		}
		if public {
			if err := add("", true); err != nil {
				return listTimbresOutput{}, err
			}
		}
		out.AvatarURLsExpireAt = avatarExpiry(at)
		if next := offset + len(out.Timbres); len(out.Timbres) > 0 && next < out.Total {
			out.NextOffset = &next
		}
		return out, nil
	},
}
