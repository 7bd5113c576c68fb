package zego

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// ListTimbresRequest selects a page of timbres. A field that is empty or nil is not sent,
// and ZEGO uses its default.
type ListTimbresRequest struct {
	DigitalHumanID string `json:"DigitalHumanId,omitempty"` // Lists only the private timbres of this digital human. Default: only public timbres.
	Offset         *int   `json:"Offset,omitempty"`         // How many entries to skip, 0 to 1000000; default 0.
	Limit          *int   `json:"Limit,omitempty"`          // How many entries to return at most, 1 to MaxLimit; default MaxLimit.
}

func (in ListTimbresRequest) maxEntries() int { return limitOf(in.Limit) }

// Timbre is a voice for DriveByText.
type Timbre struct {
	ID        string `json:"TimbreId"`
	Name      string `json:"Name"`
	AvatarURL string `json:"AvatarUrl"` // Of an image; see AvatarURLLifetime.
}

// TimbrePage is one page of the list.
type TimbrePage struct {
	Total     int // Entries on all pages.
	Timbres   []Timbre
	RequestID string
	At        time.Time // When ZEGO answered, by its clock; see AvatarURLLifetime.
}

var getTimbreList = apiAction{name: "GetTimbreList", readOnly: true, coalesce: true, cacheable: true}

// ListTimbres returns one page of timbres: the private ones of a digital human if
// DigitalHumanID is set, otherwise the public ones. A digital human can speak with its
// private timbres and with all public ones. A page past the end is empty, and its Total is
// right nevertheless.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/timbre-management/get-timbre-list
func (c *Client) ListTimbres(ctx context.Context, in ListTimbresRequest) (TimbrePage, error) {
	out, got, err := call[timbreListData](ctx, c, getTimbreList, in)
	if err != nil {
		return TimbrePage{}, err
	}
	return TimbrePage{Total: *out.Total, Timbres: out.Timbres, RequestID: got.RequestID, At: got.At}, nil
}

// TimbrePages returns an iterator over all pages of timbres: the private ones of a digital
// human, or the public ones if digitalHumanID is empty. It works as DigitalHumanPages does.
func (c *Client) TimbrePages(ctx context.Context, digitalHumanID string) iter.Seq2[TimbrePage, error] {
	return allPages(ctx, func(ctx context.Context, offset int) (TimbrePage, error) {
		return c.ListTimbres(ctx, ListTimbresRequest{DigitalHumanID: digitalHumanID, Offset: &offset, Limit: new(MaxLimit)})
	})
}

func (p TimbrePage) total() int { return p.Total }

func (p TimbrePage) ids() []string {
	ids := make([]string, len(p.Timbres))
	for i, timbre := range p.Timbres {
		ids[i] = timbre.ID
	}
	return ids
}

// timbreListData is the Data of GetTimbreList.
type timbreListData struct {
	Total   *int     `json:"Total"`
	Timbres []Timbre `json:"Timbres"`
}

func (d *timbreListData) check() error {
	if err := checkTotal(d.Total); err != nil {
		return err
	}
	if d.Timbres == nil && *d.Total > 0 {
		return errors.New("field Timbres is missing")
	}
	for i, timbre := range d.Timbres {
		if err := errors.Join(checkID("TimbreId", timbre.ID), checkLengths(maxName, field{"Name", timbre.Name}),
			checkLengths(maxURL, field{"AvatarUrl", timbre.AvatarURL})); err != nil {
			return fmt.Errorf("entry %d of Timbres: %w", i, err)
		}
	}
	return nil
}

func (d *timbreListData) entries() int { return len(d.Timbres) }

func (d *timbreListData) clone() timbreListData {
	return timbreListData{Total: new(*d.Total), Timbres: append([]Timbre{}, d.Timbres...)}
}
