package tools

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"zego-mcp/zego"
)

// maxPreviewBytes bounds the video of a gesture in a result. Encoded, it is a third larger, and
// several clients take no result of more than 1 MB.
const maxPreviewBytes = 600 << 10

type getGesturePreviewInput struct {
	DigitalHumanID string `json:"DigitalHumanId" jsonschema:"minLength=1,maxLength=128"`
	Action         string `json:"Action" jsonschema:"minLength=1,maxLength=128"`
}

type getGesturePreviewOutput struct {
	Preview    string `json:"Preview,omitempty"`   // A data URL of a video or an animated picture.
	NoPreview  string `json:"NoPreview,omitempty"` // Why there is none.
	PreviewURL string `json:"PreviewUrl"`          // Where a browser finds it.
}

// getGesturePreview is for pages, which clients do not let fetch videos from elsewhere.
var getGesturePreview = tool[getGesturePreviewInput, getGesturePreviewOutput]{
	name:        "get_gesture_preview",
	title:       "Get the preview of a gesture",
	description: "The preview video of a gesture, for the gallery.",
	toolset:     Assets,
	effect:      readOnly,
	advice:      humanAdvice,
	meta:        forPages(),
	summary: func(out getGesturePreviewOutput) string {
		if out.Preview == "" {
			return "No preview: " + out.NoPreview
		}
		return "The preview, as data"
	},
	run: func(ctx context.Context, d deps, in getGesturePreviewInput) (getGesturePreviewOutput, error) {
		info, err := d.client.GetDigitalHuman(ctx, in.DigitalHumanID)
		if err != nil {
			return getGesturePreviewOutput{}, err
		}
		i := slices.IndexFunc(info.Gestures, func(g zego.Gesture) bool { return g.Name == in.Action })
		if i < 0 {
			return getGesturePreviewOutput{}, &toolError{"no such gesture", "The digital human " + quoteForeign(info.Name) + " has no gesture " + quoteForeign(in.Action) + "."}
		}
		out := getGesturePreviewOutput{PreviewURL: info.Gestures[i].PreviewURL}
		address, err := url.Parse(out.PreviewURL)
		if err != nil {
			out.NoPreview = "its URL is malformed"
			return out, nil
		}
		file, _, err := d.pictures.Fetch(ctx, address, maxPreviewBytes)
		if err != nil {
			out.NoPreview = err.Error()
			return out, nil
		}
		// What a file is shows in its first bytes. Some servers call every file a stream of bytes.
		switch mediaType := http.DetectContentType(file); mediaType {
		case "video/mp4", "video/webm", "image/gif", "image/webp":
			out.Preview = dataURL(mediaType, file)
		default:
			out.NoPreview = "it is no video"
		}
		return out, nil
	},
}
