package tools

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"zego-mcp/schema"
	"zego-mcp/tools/pictures"
)

// thumbnailSize is how many pixels the sides of the pictures in the gallery have. That is sharp
// at 128 pixels on a common display.
const thumbnailSize = 192

type getThumbnailsInput struct {
	DigitalHumanIDs []string `json:"DigitalHumanIds"`
}

type getThumbnailsOutput struct {
	Thumbnails []pageThumbnail `json:"Thumbnails"`
}

// pageThumbnail is the picture of a digital human for a page.
type pageThumbnail struct {
	DigitalHumanID string `json:"DigitalHumanId"`
	Picture        string `json:"Picture,omitempty"`   // A data URL.
	NoPicture      string `json:"NoPicture,omitempty"` // Why there is none.
}

// getThumbnails is for pages, which clients do not let fetch pictures from elsewhere.
var getThumbnails = tool[getThumbnailsInput, getThumbnailsOutput]{
	name:        "get_thumbnails",
	title:       "Get thumbnails",
	description: "Small pictures of up to 20 digital humans, for the gallery.",
	toolset:     Assets,
	effect:      readOnly,
	meta:        forPages(),
	summary: func(out getThumbnailsOutput) string {
		there := keep(out.Thumbnails, func(t pageThumbnail) bool { return t.Picture != "" })
		return fmt.Sprintf("%d of %d pictures", len(there), len(out.Thumbnails))
	},
	run: func(ctx context.Context, d deps, in getThumbnailsInput) (getThumbnailsOutput, error) {
		if n := len(in.DigitalHumanIDs); n > pictures.MaxFaces {
			return getThumbnailsOutput{}, &schema.ArgumentError{Problems: []string{fmt.Sprintf("DigitalHumanIds must have at most %d ids, got %d", pictures.MaxFaces, n)}}
		}
		ctx, cancel := leavingTimeToAnswer(ctx)
		defer cancel()
		out := getThumbnailsOutput{Thumbnails: make([]pageThumbnail, len(in.DigitalHumanIDs))}
		var fetches sync.WaitGroup
		for i, id := range in.DigitalHumanIDs {
			fetches.Go(func() {
				out.Thumbnails[i] = pageThumbnail{DigitalHumanID: id}
				jpeg, err := d.thumbnailOf(ctx, id, thumbnailSize)
				if err != nil {
					out.Thumbnails[i].NoPicture = explain(err, nil)
					return
				}
				out.Thumbnails[i].Picture = dataURL("image/jpeg", jpeg)
			})
		}
		fetches.Wait()
		return out, nil
	},
}

// dataURL returns a URL that holds a file.
func dataURL(mediaType string, file []byte) string {
	return "data:" + mediaType + ";base64," + base64.StdEncoding.EncodeToString(file)
}
