package tools

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"zego-mcp/schema"
	"zego-mcp/tools/match"
	"zego-mcp/tools/pictures"
	"zego-mcp/zego"
)

type previewDigitalHumansInput struct {
	DigitalHumanIDs []string `json:"DigitalHumanIds,omitempty" jsonschema_description:"1 to 20 ids, instead of the arguments below"`
	Query           string   `json:"Query,omitempty" jsonschema:"minLength=1,maxLength=200" jsonschema_description:"As in find_digital_humans; absent: every one"`
	FetchMode       *int     `json:"FetchMode,omitempty" jsonschema:"minimum=1,maximum=3,default=1" jsonschema_description:"1 all (default), 2 public, 3 private"`
	Offset          *int     `json:"Offset,omitempty" jsonschema:"minimum=0,maximum=1000000,default=0" jsonschema_description:"Matches to skip, 0 to 1000000 (default 0)"`
	Limit           *int     `json:"Limit,omitempty" jsonschema:"minimum=1,maximum=20,default=20" jsonschema_description:"1 to 20 (default 20)"`
}

type previewDigitalHumansOutput struct {
	Faces      []previewedFace `json:"Faces"`
	NextOffset *int            `json:"NextOffset,omitempty"`
	Matches    int             `json:"Matches"`
	Advice     string          `json:"Advice,omitempty"`

	jpeg []byte
}

// picture implements pictured.
func (o previewDigitalHumansOutput) picture() []byte { return o.jpeg }

// previewedFace says who the face with a number on the contact sheet is.
type previewedFace struct {
	Number         int    `json:"Number"`
	DigitalHumanID string `json:"DigitalHumanId"`
	Name           string `json:"Name"`
	NoPicture      string `json:"NoPicture,omitempty"` // Why the picture is missing.
}

// shownHuman is a digital human whose picture is to be shown.
type shownHuman struct {
	zego.DigitalHuman
	answeredAt time.Time // When ZEGO named its AvatarURL.
	problem    string    // Why it has none.
}

var previewDigitalHumans = tool[previewDigitalHumansInput, previewDigitalHumansOutput]{
	name:        "preview_digital_humans",
	title:       "Preview digital humans",
	description: "See the faces of up to 20 digital humans in one numbered picture, to choose one by looks; the text tells their ids. Free, changes nothing. Go on with Offset=NextOffset.",
	toolset:     Assets,
	effect:      readOnly,
	advice:      humanAdvice,
	run: func(ctx context.Context, d deps, in previewDigitalHumansInput) (previewDigitalHumansOutput, error) {
		var out previewDigitalHumansOutput
		var humans []shownHuman
		var err error
		if in.DigitalHumanIDs != nil {
			humans, err = in.byID(ctx, d)
			out.Matches = len(humans)
		} else {
			humans, err = in.search(ctx, d, &out)
		}
		if err != nil {
			return out, err
		}
		ctx, cancel := leavingTimeToAnswer(ctx)
		defer cancel()
		faces := d.facesOf(ctx, humans)
		out.Faces = make([]previewedFace, len(humans))
		for i, human := range humans {
			out.Faces[i] = previewedFace{i + 1, human.ID, human.Name, human.problem}
		}
		if len(faces) > 0 {
			out.jpeg, err = pictures.Sheet(faces)
		}
		return out, err
	},
}

// byID returns the digital humans of DigitalHumanIds.
func (in previewDigitalHumansInput) byID(ctx context.Context, d deps) ([]shownHuman, error) {
	if n := len(in.DigitalHumanIDs); n < 1 || n > pictures.MaxFaces {
		return nil, &schema.ArgumentError{Problems: []string{fmt.Sprintf("DigitalHumanIds must have 1 to %d ids, got %d", pictures.MaxFaces, n)}}
	}
	if in.Query != "" || in.FetchMode != nil || in.Offset != nil || in.Limit != nil {
		return nil, &schema.ArgumentError{Problems: []string{"pass DigitalHumanIds, or Query, FetchMode, Offset and Limit, not both"}}
	}
	for _, id := range in.DigitalHumanIDs {
		if err := checkHumanID(ctx, d, id); err != nil {
			return nil, err
		}
	}
	humans := make([]shownHuman, len(in.DigitalHumanIDs))
	errs := make([]error, len(humans))
	var requests sync.WaitGroup
	for i, id := range in.DigitalHumanIDs {
		requests.Go(func() {
			info, err := d.client.GetDigitalHuman(ctx, id)
			humans[i], errs[i] = shownHuman{DigitalHuman: info.DigitalHuman, answeredAt: info.At}, err
		})
	}
	requests.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return humans, nil
}

// search returns the digital humans that match the other arguments, and completes out.
func (in previewDigitalHumansInput) search(ctx context.Context, d deps, out *previewDigitalHumansOutput) ([]shownHuman, error) {
	mode := zego.FetchMode(or(in.FetchMode, int(zego.FetchAll)))
	s := search[zego.DigitalHuman]{query: match.NewQuery(in.Query), entry: humanEntry}
	err := s.run(ctx, d, humanPages(d.client, mode))
	if err != nil {
		advice, ok := s.incompleteAdvice(ctx, err, fmt.Sprintf("page through list_digital_humans with FetchMode=%d", mode), "")
		if !ok {
			return nil, err
		}
		out.Advice = advice
	} else if len(s.matches) == 0 {
		out.Advice = "No match." + s.didYouMean() + " ZEGO tells only names, gestures and ids: to choose by looks, leave Query out and look at the faces."
	}
	found, next := s.page(or(in.Offset, 0), or(in.Limit, pictures.MaxFaces))
	out.NextOffset, out.Matches = next, len(s.matches)
	humans := make([]shownHuman, len(found))
	for i, human := range found {
		humans[i] = shownHuman{DigitalHuman: human, answeredAt: s.oldest}
	}
	return humans, nil
}

// facesOf fetches the pictures of digital humans side by side. Of one whose picture cannot be
// shown, it notes the problem.
func (d deps) facesOf(ctx context.Context, humans []shownHuman) []pictures.Face {
	faces := make([]pictures.Face, len(humans))
	size := pictures.SheetThumbnailSize(len(humans))
	var fetches sync.WaitGroup
	var done atomic.Int32
	for i := range humans {
		fetches.Go(func() {
			human := &humans[i]
			jpeg, err := d.thumbnail(ctx, pictureOf(human.DigitalHuman, human.answeredAt), size)
			if err != nil {
				human.problem = err.Error()
			}
			faces[i] = pictures.Face{Number: i + 1, Name: human.Name, Thumbnail: jpeg}
			d.progress(int(done.Add(1)), len(humans), "fetching the pictures")
		})
	}
	fetches.Wait()
	return faces
}
