package zego

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// AvatarURLLifetime is how long the AvatarURL of a digital human or timbre works, counted
// from the answer that it came in.
const AvatarURLLifetime = 24 * time.Hour

// MaxLimit is the largest number of entries on one page of a list.
const MaxLimit = 20

// FetchMode selects which digital humans are listed.
type FetchMode int

// The fetch modes. ZEGO's default is FetchAll.
const (
	FetchAll     FetchMode = 1
	FetchPublic  FetchMode = 2 // Those that every project can use.
	FetchPrivate FetchMode = 3 // Those of this project alone.
)

// ListDigitalHumansRequest selects a page of digital humans. A field that is nil is not
// sent, and ZEGO uses its default.
type ListDigitalHumansRequest struct {
	FetchMode *FetchMode `json:"FetchMode,omitempty"` // Default FetchAll.
	Offset    *int       `json:"Offset,omitempty"`    // How many entries to skip, 0 to 1000000; default 0.
	Limit     *int       `json:"Limit,omitempty"`     // How many entries to return at most, 1 to MaxLimit; default MaxLimit.
}

func (in ListDigitalHumansRequest) maxEntries() int { return limitOf(in.Limit) }

// limitOf returns how many entries a request for a page asks for.
func limitOf(limit *int) int {
	if limit == nil {
		return MaxLimit
	}
	return *limit
}

// DigitalHuman is an avatar that the project can put on a stream.
type DigitalHuman struct {
	ID        string    `json:"DigitalHumanId"`
	Name      string    `json:"Name"`
	AvatarURL string    `json:"AvatarUrl"` // Of an image; see AvatarURLLifetime.
	IsPublic  bool      `json:"IsPublic"`  // Every project can use it; otherwise only this one.
	Gestures  []Gesture `json:"Actions"`   // Never nil.
}

// Gesture is a movement that a digital human can make, see DoAction. ZEGO calls it an
// action; in this package an action is one of the API.
type Gesture struct {
	Name       string `json:"Action"`
	PreviewURL string `json:"PreviewUrl"` // Of a video.
}

// DigitalHumanPage is one page of the list.
type DigitalHumanPage struct {
	Total         int // Entries on all pages.
	DigitalHumans []DigitalHuman
	RequestID     string
	At            time.Time // When ZEGO answered, by its clock; see AvatarURLLifetime.
}

var (
	getDigitalHumanList = apiAction{name: "GetDigitalHumanList", readOnly: true, coalesce: true, cacheable: true}
	getDigitalHumanInfo = apiAction{name: "GetDigitalHumanInfo", readOnly: true, coalesce: true}
	getRenderInfo       = apiAction{name: "GetDigitalHumanRenderInfo", readOnly: true, coalesce: true}
)

// ListDigitalHumans returns one page of the digital humans that the project can use. A
// page past the end is empty, and its Total is right nevertheless.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-management/get-digital-human-list
func (c *Client) ListDigitalHumans(ctx context.Context, in ListDigitalHumansRequest) (DigitalHumanPage, error) {
	out, got, err := call[listData](ctx, c, getDigitalHumanList, in)
	if err != nil {
		return DigitalHumanPage{}, err
	}
	return DigitalHumanPage{Total: *out.Total, DigitalHumans: *out.DigitalHumans, RequestID: got.RequestID, At: got.At}, nil
}

// DigitalHumanPages returns an iterator over all pages of the digital humans that mode
// selects, in ZEGO's order. It fetches several pages at the same time, within the rate
// limit. It yields the first error and then ends; if the list changes while its pages are
// read, that is a *ListChangedError.
func (c *Client) DigitalHumanPages(ctx context.Context, mode FetchMode) iter.Seq2[DigitalHumanPage, error] {
	return allPages(ctx, func(ctx context.Context, offset int) (DigitalHumanPage, error) {
		return c.ListDigitalHumans(ctx, ListDigitalHumansRequest{FetchMode: &mode, Offset: &offset, Limit: new(MaxLimit)})
	})
}

// AllDigitalHumans returns an iterator over all digital humans that mode selects. It works
// as DigitalHumanPages does, entry by entry.
func (c *Client) AllDigitalHumans(ctx context.Context, mode FetchMode) iter.Seq2[DigitalHuman, error] {
	return func(yield func(DigitalHuman, error) bool) {
		for page, err := range c.DigitalHumanPages(ctx, mode) {
			if err != nil {
				yield(DigitalHuman{}, err)
				return
			}
			for _, human := range page.DigitalHumans {
				if !yield(human, nil) {
					return
				}
			}
		}
	}
}

func (p DigitalHumanPage) total() int { return p.Total }

func (p DigitalHumanPage) ids() []string {
	ids := make([]string, len(p.DigitalHumans))
	for i, human := range p.DigitalHumans {
		ids[i] = human.ID
	}
	return ids
}

// DigitalHumanInfo is the answer to GetDigitalHuman.
type DigitalHumanInfo struct {
	DigitalHuman
	RequestID string
	At        time.Time // When ZEGO answered, by its clock; see AvatarURLLifetime.
}

// GetDigitalHuman returns the digital human with the given id. If there is none, ZEGO
// refuses the call with CodeDigitalHumanNotFound.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-management/get-digital-human-info
func (c *Client) GetDigitalHuman(ctx context.Context, id string) (DigitalHumanInfo, error) {
	in := struct {
		DigitalHumanID string `json:"DigitalHumanId"`
	}{id}
	out, got, err := call[humanData](ctx, c, getDigitalHumanInfo, in)
	return DigitalHumanInfo{DigitalHuman: DigitalHuman(out), RequestID: got.RequestID, At: got.At}, err
}

// RenderInfo is what ZEGO's mobile SDK needs to draw a digital human on the viewer's device,
// for a stream with FaceAreaOutput.
type RenderInfo struct {
	PackageURL             string // Of what the SDK draws with. Newer versions of the SDK do not need it; may be empty.
	SupportsSmallImageMode bool   // The digital human can be streamed with FaceAreaOutput.
	RequestID              string
}

// GetRenderInfo returns what ZEGO's mobile SDK needs to draw a digital human. If there is no
// digital human with the id, ZEGO refuses the call with CodeDigitalHumanNotFound.
//
// ZEGO does not document this action, GetDigitalHumanRenderInfo. It is known from ZEGO's
// samples alone, and ZEGO may take it away.
func (c *Client) GetRenderInfo(ctx context.Context, digitalHumanID string) (RenderInfo, error) {
	in := struct {
		DigitalHumanID string `json:"DigitalHumanId"`
	}{digitalHumanID}
	out, got, err := call[renderData](ctx, c, getRenderInfo, in)
	return RenderInfo{PackageURL: out.PackageURL, SupportsSmallImageMode: out.SupportsSmallImageMode, RequestID: got.RequestID}, err
}

// renderData is the Data of GetDigitalHumanRenderInfo.
type renderData struct {
	PackageURL             string `json:"ClientInferencePackageUrl"`
	SupportsSmallImageMode bool   `json:"IsSupportSmallImageMode"`
}

func (d *renderData) check() error {
	return checkLengths(maxURL, field{"ClientInferencePackageUrl", d.PackageURL})
}

func (d *renderData) clone() renderData { return *d }

// listData is the Data of GetDigitalHumanList. Its pointers tell an absent field from an
// empty one.
type listData struct {
	Total         *int            `json:"Total"`
	DigitalHumans *[]DigitalHuman `json:"DigitalHumans"`
}

func (d *listData) check() error {
	if err := checkTotal(d.Total); err != nil {
		return err
	}
	if d.DigitalHumans == nil {
		if *d.Total > 0 {
			return errors.New("field DigitalHumans is missing")
		}
		d.DigitalHumans = &[]DigitalHuman{}
	}
	for i := range *d.DigitalHumans {
		if err := (*humanData)(&(*d.DigitalHumans)[i]).check(); err != nil {
			return fmt.Errorf("DigitalHumans[%d]: %w", i, err)
		}
	}
	return nil
}

// checkTotal returns an error if the Total of a list is missing or impossible.
func checkTotal(total *int) error {
	if total == nil {
		return errors.New("field Total is missing")
	}
	if *total < 0 || *total > math.MaxInt32 {
		return fmt.Errorf("field Total is %d", *total)
	}
	return nil
}

func (d *listData) entries() int { return len(*d.DigitalHumans) }

func (d *listData) clone() listData {
	humans := make([]DigitalHuman, len(*d.DigitalHumans))
	for i := range humans {
		humans[i] = DigitalHuman((*humanData)(&(*d.DigitalHumans)[i]).clone())
	}
	return listData{Total: new(*d.Total), DigitalHumans: &humans}
}

// humanData is the Data of GetDigitalHumanInfo.
type humanData DigitalHuman

func (d *humanData) clone() humanData {
	copied := *d
	copied.Gestures = append(make([]Gesture, 0, len(d.Gestures)), d.Gestures...)
	return copied
}

func (d *humanData) check() error {
	if err := checkID("DigitalHumanId", d.ID); err != nil {
		return err
	}
	if d.Gestures == nil {
		d.Gestures = []Gesture{}
	}
	for _, gesture := range d.Gestures {
		if err := errors.Join(checkLengths(maxName, field{"Action", gesture.Name}), checkLengths(maxURL, field{"PreviewUrl", gesture.PreviewURL})); err != nil {
			return err
		}
	}
	return errors.Join(checkLengths(maxName, field{"Name", d.Name}), checkLengths(maxURL, field{"AvatarUrl", d.AvatarURL}))
}
