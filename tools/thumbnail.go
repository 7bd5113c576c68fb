package tools

import (
	"context"
	"errors"
	"time"
	"zego-mcp/tools/pictures"
	"zego-mcp/zego"
)

// thumbnail returns the picture of a digital human as a square JPEG of size pixels.
// answeredAt is when ZEGO named its AvatarURL. If that has expired, thumbnail asks ZEGO for a
// new one, once. The text of an error says in words what is wrong with the picture.
func (d deps) thumbnail(ctx context.Context, human zego.DigitalHuman, answeredAt time.Time, size int) ([]byte, error) {
	jpeg, err := d.pictures.Thumbnail(ctx, pictureOf(human, answeredAt), size)
	if failed, ok := errors.AsType[*pictures.FetchError](err); !ok || !failed.Gone {
		return jpeg, err
	}
	info, infoErr := d.client.GetDigitalHuman(ctx, human.ID)
	if infoErr != nil {
		return nil, err
	}
	return d.pictures.Thumbnail(ctx, pictureOf(info.DigitalHuman, info.At), size)
}

func pictureOf(human zego.DigitalHuman, answeredAt time.Time) pictures.Picture {
	return pictures.Picture{ID: human.ID, URL: human.AvatarURL, ExpiresAt: answeredAt.Add(zego.AvatarURLLifetime)}
}
