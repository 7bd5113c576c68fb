package zego

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"
)

// AvatarURLLifetime is how long ZEGO serves an AvatarURL after the answer that
// held it.
const AvatarURLLifetime = 24 * time.Hour

// MaxLimit is the most entries that ZEGO puts into one page.
const MaxLimit = 20

// FetchMode says which digital humans to list.
type FetchMode int

// The fetch modes. ZEGO's default is FetchAll.
const (
	FetchAll     FetchMode = 1
	FetchPublic  FetchMode = 2
	FetchPrivate FetchMode = 3
)

// ListDigitalHumansRequest selects a page of digital humans. What is nil is not
// sent, and ZEGO's default holds.
type ListDigitalHumansRequest struct {
	FetchMode *FetchMode `json:"FetchMode,omitempty"` // Default FetchAll.
	Offset    *int       `json:"Offset,omitempty"`    // First entry, 0 to 1000000; default 0.
	Limit     *int       `json:"Limit,omitempty"`     // Most entries, 1 to MaxLimit; default MaxLimit.
}

// DigitalHuman is an avatar that the project can put on a stream.
type DigitalHuman struct {
	ID        string    `json:"DigitalHumanId"`
	Name      string    `json:"Name"`
	AvatarURL string    `json:"AvatarUrl"` // Image; see AvatarURLLifetime.
	IsPublic  bool      `json:"IsPublic"`  // Open to every project; otherwise this project's own.
	Gestures  []Gesture `json:"Actions"`   // Gestures; never nil.
}

// Gesture is a gesture of a digital human.
type Gesture struct {
	Name       string `json:"Action"`
	PreviewURL string `json:"PreviewUrl"` // Video.
}

// DigitalHumanPage is one page of the list.
type DigitalHumanPage struct {
	Total         int // Matches over all pages.
	DigitalHumans []DigitalHuman
	RequestID     string
	At            time.Time // When ZEGO answered, by its clock; see AvatarURLLifetime.
}

var (
	getDigitalHumanList = apiAction{name: "GetDigitalHumanList", readOnly: true, coalesce: true, cacheable: true}
	getDigitalHumanInfo = apiAction{name: "GetDigitalHumanInfo", readOnly: true, coalesce: true}
)

// ListDigitalHumans returns one page of the digital humans that the project can
// use. Past the end the page is empty and Total is true.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-management/get-digital-human-list
func (c *Client) ListDigitalHumans(ctx context.Context, in ListDigitalHumansRequest) (DigitalHumanPage, error) {
	out, got, err := call[listData](ctx, c, getDigitalHumanList, in)
	if err != nil {
		return DigitalHumanPage{}, err
	}
	return DigitalHumanPage{Total: *out.Total, DigitalHumans: *out.DigitalHumans, RequestID: got.RequestID, At: got.At}, nil
}

// DigitalHumanPages returns an iterator over all pages of a fetch mode, in ZEGO's
// order. It reads pages side by side within the rate limit, and ends after the
// first error, which it yields: a *ListChangedError if the list changed meanwhile.
func (c *Client) DigitalHumanPages(ctx context.Context, mode FetchMode) iter.Seq2[DigitalHumanPage, error] {
	return allPages(ctx, func(ctx context.Context, offset int) (DigitalHumanPage, error) {
		return c.ListDigitalHumans(ctx, ListDigitalHumansRequest{FetchMode: &mode, Offset: &offset, Limit: new(MaxLimit)})
	})
}

// AllDigitalHumans returns an iterator over every digital human of a fetch mode,
// each once. It is DigitalHumanPages, entry by entry.
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

// DigitalHumanInfo is one digital human, as ZEGO describes it on its own.
type DigitalHumanInfo struct {
	DigitalHuman
	RequestID string
	At        time.Time // When ZEGO answered, by its clock; see AvatarURLLifetime.
}

// GetDigitalHuman returns one digital human. An unknown id is
// CodeDigitalHumanNotFound.
//
// ZEGO docs: https://www.zegocloud.com/docs/aigc-digital-human-server/streaming-apis/digital-human-management/get-digital-human-info
func (c *Client) GetDigitalHuman(ctx context.Context, id string) (DigitalHumanInfo, error) {
	in := struct {
		DigitalHumanID string `json:"DigitalHumanId"`
	}{id}
	out, got, err := call[humanData](ctx, c, getDigitalHumanInfo, in)
	return DigitalHumanInfo{DigitalHuman: DigitalHuman(out), RequestID: got.RequestID, At: got.At}, err
}

// listData tells an absent field from a zero one.
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

// checkTotal checks the Total of a list.
func checkTotal(total *int) error {
	if total == nil {
		return errors.New("field Total is missing")
	}
	if *total < 0 || *total > math.MaxInt32 {
		return fmt.Errorf("field Total is %d", *total)
	}
	return nil
}

func (d *listData) clone() listData {
	humans := make([]DigitalHuman, len(*d.DigitalHumans))
	for i := range humans {
		humans[i] = DigitalHuman((*humanData)(&(*d.DigitalHumans)[i]).clone())
	}
	return listData{Total: new(*d.Total), DigitalHumans: &humans}
}

type humanData DigitalHuman

func (d *humanData) clone() humanData {
	copied := *d
	copied.Gestures = append(make([]Gesture, 0, len(d.Gestures)), d.Gestures...)
	return copied
}

func (d *humanData) check() error {
	if d.ID == "" {
		return errors.New("field DigitalHumanId is missing")
	}
	if d.Gestures == nil {
		d.Gestures = []Gesture{}
	}
	return nil
}
