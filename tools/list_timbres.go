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

// timbre is one timbre in a result.
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
		owners, err := in.owners()
		if err != nil {
			return listTimbresOutput{}, err
		}
		page := timbrePage{limit: zego.MaxLimit, timbres: []timbre{}}
		if in.Offset != nil {
			page.offset = *in.Offset
		}
		if in.Limit != nil {
			page.limit = *in.Limit
		}
		for _, owner := range owners {
			if err := page.addList(ctx, d.client, owner); err != nil {
				return listTimbresOutput{}, err
			}
		}
		return page.output(), nil
	},
}

// publicTimbres is the owner of the public timbres. The owner of private ones is a
// DigitalHumanId.
const publicTimbres = ""

// owners returns the owners whose timbres are to be listed, in this order.
func (in listTimbresInput) owners() ([]string, error) {
	switch {
	case in.DigitalHumanID == "" && (in.Scope == "private" || in.Scope == "both"):
		return nil, &schema.ArgumentError{Problems: []string{
			`Scope "` + in.Scope + `" needs a DigitalHumanId: private timbres belong to one digital human`,
		}}
	case in.DigitalHumanID == "" || in.Scope == "public":
		return []string{publicTimbres}, nil
	case in.Scope == "private":
		return []string{in.DigitalHumanID}, nil
	}
	return []string{in.DigitalHumanID, publicTimbres}, nil
}

// timbrePage is one page of several lists of timbres, which count as one long list.
type timbrePage struct {
	offset, limit int // Of the page in the long list.

	timbres   []timbre
	total     int       // Length of the lists that were added so far.
	oldest    time.Time // When the oldest answer came: its AvatarUrls expire first.
	requestID string    // Of the last answer.
}

// addList asks for the timbres of an owner, and adds those that belong on the page. Their
// list begins where the lists that were added before it end.
func (p *timbrePage) addList(ctx context.Context, client *zego.Client, owner string) error {
	offset := max(0, p.offset-p.total)
	free := p.limit - len(p.timbres)
	// If the page is already full, only the Total of the list is needed; ZEGO's smallest
	// Limit is 1.
	answer, err := client.ListTimbres(ctx, zego.ListTimbresRequest{DigitalHumanID: owner, Offset: &offset, Limit: new(max(1, free))})
	if err != nil {
		return err
	}
	for _, t := range answer.Timbres[:min(free, len(answer.Timbres))] {
		p.timbres = append(p.timbres, timbre{TimbreID: t.ID, Name: t.Name, AvatarURL: t.AvatarURL, IsPublic: owner == publicTimbres})
	}
	p.total += answer.Total
	p.requestID = answer.RequestID
	if p.oldest.IsZero() || answer.At.Before(p.oldest) {
		p.oldest = answer.At
	}
	return nil
}

func (p *timbrePage) output() listTimbresOutput {
	out := listTimbresOutput{
		Total: p.total, Timbres: p.timbres, AvatarURLsExpireAt: avatarExpiry(p.oldest), RequestID: p.requestID,
	}
	if next := p.offset + len(p.timbres); len(p.timbres) > 0 && next < p.total {
		out.NextOffset = &next
	}
	return out
}
