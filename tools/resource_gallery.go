package tools

import (
	"context"
	"zego-mcp/tools/gallery"
)

// galleryURI is the page that shows the results of list_digital_humans and find_digital_humans.
const galleryURI = "ui://zego/gallery.html"

var galleryResource = resource{
	uri:         galleryURI,
	name:        "gallery",
	title:       "Gallery of digital humans",
	description: "A page with the faces of digital humans, to choose one.",
	mime:        appMediaType,
	toolset:     Assets,
	forApps:     true,
	// The page makes no request. Without csp, clients allow it none.
	meta: map[string]any{"ui": map[string]any{"prefersBorder": true}},
	read: func(context.Context, deps, string) (string, error) { return gallery.HTML, nil },
}
