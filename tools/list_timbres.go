package tools

import (
	"context"
	"iter"
	"time"
	"zego-mcp/schema"
	"zego-mcp/tools/match"
	"zego-mcp/zego"
)

type listTimbresInput struct {
	DigitalHumanID string `json:"DigitalHumanId,omitempty" jsonschema:"minLength=1,maxLength=128" jsonschema_description:"List what this digital human can speak with; from find_digital_humans"`
	Scope          string `json:"Scope,omitempty" jsonschema:"enum=public,enum=private,enum=both" jsonschema_description:"public: open to every digital human; private: made for this DigitalHumanId; both: private ones first. Default: both with a DigitalHumanId, else public"`
	Query          string `json:"Query,omitempty" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"Words to find in the name, as in find_digital_humans; best match first"`
	Detail         string `json:"Detail,omitempty" jsonschema:"enum=brief,enum=full,default=brief" jsonschema_description:"full: with pictures (default brief)"`
	Offset         *int   `json:"Offset,omitempty" jsonschema:"minimum=0,maximum=1000000,default=0" jsonschema_description:"Entries to skip, 0 to 1000000 (default 0)"`
	Limit          *int   `json:"Limit,omitempty" jsonschema:"minimum=1,maximum=20,default=20" jsonschema_description:"1 to 20 (default 20)"`
}

type listTimbresOutput struct {
	Total              int      `json:"Total" jsonschema_description:"Matches over all pages"`
	Timbres            []timbre `json:"Timbres"`
	NextOffset         *int     `json:"NextOffset,omitempty" jsonschema_description:"Offset of the next page; absent on the last one"`
	Advice             string   `json:"Advice,omitempty" jsonschema_description:"What to do if nothing matches Query or not all were searched"`
	AvatarURLsExpireAt string   `json:"AvatarUrlsExpireAt,omitempty" jsonschema_description:"RFC 3339, UTC; AvatarUrl values stop working then"`
	RequestID          string   `json:"RequestId,omitempty" jsonschema_description:"Absent with Query"`
}

// timbre is one timbre in a result.
type timbre struct {
	TimbreID  string  `json:"TimbreId"`
	Name      string  `json:"Name"`
	AvatarURL *string `json:"AvatarUrl,omitempty" jsonschema_description:"Picture; works for 24 hours; full only"`
	IsPublic  bool    `json:"IsPublic" jsonschema_description:"false: only for this digital human"`
}

var listTimbres = tool[listTimbresInput, listTimbresOutput]{
	name:        "list_timbres",
	title:       "List timbres (voices)",
	description: "List or search the timbres (voices) for drive_by_text: the public ones, and with a DigitalHumanId also its private ones. Free, changes nothing. Go on with Offset=NextOffset.",
	toolset:     Assets,
	effect:      readOnly,
	advice:      humanAdvice,
	run: func(ctx context.Context, d deps, in listTimbresInput) (listTimbresOutput, error) {
		owners, err := in.owners()
		if err != nil {
			return listTimbresOutput{}, err
		}
		if in.DigitalHumanID != "" {
			if err := checkHumanID(ctx, d, in.DigitalHumanID); err != nil {
				return listTimbresOutput{}, err
			}
		}
		if in.Query != "" {
			return in.search(ctx, d, owners)
		}
		page := timbrePage{offset: or(in.Offset, 0), limit: or(in.Limit, zego.MaxLimit), detail: in.Detail, timbres: []timbre{}}
		for _, owner := range owners {
			if err := page.addList(ctx, d.client, owner); err != nil {
				return listTimbresOutput{}, err
			}
		}
		return page.output(), nil
	},
}

// search answers a call with a Query. It reads all pages of the lists.
func (in listTimbresInput) search(ctx context.Context, d deps, owners []string) (listTimbresOutput, error) {
	s := search[ownedTimbre]{query: match.NewQuery(in.Query), entry: timbreEntry}
	err := s.run(ctx, d, timbrePages(d.client, owners))
	timbres, next := s.page(or(in.Offset, 0), or(in.Limit, zego.MaxLimit))
	out := listTimbresOutput{Total: len(s.matches), Timbres: []timbre{}, NextOffset: next}
	for _, t := range timbres {
		out.Timbres = append(out.Timbres, timbreOf(t, in.Detail))
	}
	if in.Detail == detailFull {
		out.AvatarURLsExpireAt = avatarExpiry(s.oldest)
	}
	if err != nil {
		advice, ok := s.incompleteAdvice(ctx, err, "page through list_timbres without Query", "")
		if !ok {
			return listTimbresOutput{}, err
		}
		out.Advice = advice
	} else if len(s.matches) == 0 {
		out.Advice = "No match." + s.didYouMean() + " ZEGO tells only names and ids, and describes no voice (language, gender, mood): to choose by name, call list_timbres without Query."
	}
	return out, nil
}

// ownedTimbre is a timbre and its owner, a DigitalHumanId or publicTimbres.
type ownedTimbre struct {
	zego.Timbre
	owner string
}

// timbrePages returns a function for search.run that reads the pages of the owners' timbres,
// which count as one long list.
func timbrePages(client *zego.Client, owners []string) func(context.Context) iter.Seq2[searchPage[ownedTimbre], error] {
	return func(ctx context.Context) iter.Seq2[searchPage[ownedTimbre], error] {
		return func(yield func(searchPage[ownedTimbre], error) bool) {
			earlier := 0 // Length of the lists of earlier owners.
			for _, owner := range owners {
				total := 0
				for page, err := range client.TimbrePages(ctx, owner) {
					total = page.Total
					found := searchPage[ownedTimbre]{total: earlier + total, at: page.At}
					for _, t := range page.Timbres {
						found.items = append(found.items, ownedTimbre{t, owner})
					}
					if !yield(found, err) || err != nil {
						return
					}
				}
				earlier += total
			}
		}
	}
}

// timbreEntry returns what queries are compared with.
func timbreEntry(t ownedTimbre) match.Entry { return match.Entry{Name: t.Name, ID: t.ID} }

// timbreOf returns a timbre as lists have it, with the given Detail.
func timbreOf(t ownedTimbre, detail string) timbre {
	listed := timbre{TimbreID: t.ID, Name: t.Name, IsPublic: t.owner == publicTimbres}
	if detail == detailFull {
		listed.AvatarURL = &t.AvatarURL
	}
	return listed
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
	detail        string

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
		p.timbres = append(p.timbres, timbreOf(ownedTimbre{t, owner}, p.detail))
	}
	p.total += answer.Total
	p.requestID = answer.RequestID
	if p.oldest.IsZero() || answer.At.Before(p.oldest) {
		p.oldest = answer.At
	}
	return nil
}

func (p *timbrePage) output() listTimbresOutput {
	out := listTimbresOutput{Total: p.total, Timbres: p.timbres, RequestID: p.requestID}
	if p.detail == detailFull {
		out.AvatarURLsExpireAt = avatarExpiry(p.oldest)
	}
	if next := p.offset + len(p.timbres); len(p.timbres) > 0 && next < p.total {
		out.NextOffset = &next
	}
	return out
}
