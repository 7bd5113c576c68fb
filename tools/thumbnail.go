package tools

import (
	"context"
	"errors"
	"time"
	"zego-mcp/tools/pictures"
	"zego-mcp/zego"
)

// thumbnail returns the picture of a digital human as a square JPEG of size pixels. If its URL
// has expired, thumbnail asks ZEGO for a new one, once. The text of an error says in words what
// is wrong with the picture.
func (d deps) thumbnail(ctx context.Context, picture pictures.Picture, size int) ([]byte, error) {
	jpeg, err := d.pictures.Thumbnail(ctx, picture, size)
	if failed, ok := errors.AsType[*pictures.FetchError](err); !ok || !failed.Gone {
		return jpeg, err
	}
	info, infoErr := d.client.GetDigitalHuman(ctx, picture.ID)
	if infoErr != nil {
		return nil, err
	}
	return d.pictures.Thumbnail(ctx, pictureOf(info.DigitalHuman, info.At), size)
}

// thumbnailOf is like thumbnail, for a digital human of which only the id is known. It asks ZEGO
// for it, unless a list that the page shows has named its picture.
func (d deps) thumbnailOf(ctx context.Context, id string, size int) ([]byte, error) {
	if named, ok := d.pictures.Named(d.client, id); ok {
		return d.thumbnail(ctx, named, size)
	}
	info, err := d.client.GetDigitalHuman(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.pictures.Thumbnail(ctx, pictureOf(info.DigitalHuman, info.At), size)
}

// rememberPictures keeps the pictures of an answer for the page that will show it.
func (d deps) rememberPictures(ctx context.Context, humans []zego.DigitalHuman, answeredAt time.Time) {
	if !clientShowsApps(ctx) {
		return
	}
	for _, human := range humans {
		d.pictures.Remember(d.client, pictureOf(human, answeredAt))
	}
}

// pictureOf returns the picture of a digital human. answeredAt is when ZEGO named its AvatarURL.
func pictureOf(human zego.DigitalHuman, answeredAt time.Time) pictures.Picture {
	return pictures.Picture{ID: human.ID, URL: human.AvatarURL, ExpiresAt: answeredAt.Add(zego.AvatarURLLifetime)}
}
