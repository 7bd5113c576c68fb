// Package pictures fetches the pictures of digital humans and makes thumbnails and contact
// sheets of them.
//
// The pictures come from elsewhere and may be anything. So their files are fetched by a
// [Fetcher], are limited in bytes and in pixels before they are decoded, and never passed on
// as they are: what comes out is a JPEG that was drawn here.
package pictures

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // GIF, PNG and WebP can be decoded.
	"image/jpeg"
	_ "image/png"
	"net/url"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

const (
	// MaxPixels is how many pixels a picture may have.
	MaxPixels = 25_000_000
	// MaxSize is how many pixels the side of a thumbnail may have.
	MaxSize = 512

	maxFetches    = 6    // Files that are fetched at a time.
	maxThumbnails = 1500 // Thumbnails that are kept; about 10 kB each.
	maxNamed      = 2000 // Pictures whose URLs are kept; less than 1 kB each.

	thumbnailQuality = 85
)

// Picture is the picture of a digital human, as ZEGO's answer names it.
type Picture struct {
	ID        string    // The DigitalHumanId.
	URL       string    // The AvatarUrl.
	ExpiresAt time.Time // When the URL stops working.
}

// Store makes thumbnails, and keeps them until their pictures expire. Its methods may be called
// concurrently.
type Store struct {
	fetcher    *Fetcher
	fetches    chan struct{} // Has an element for each file that is fetched right now.
	decoding   *sync.Mutex   // Held while a picture is decoded, because a large one takes 100 MB.
	thumbnails *lru.Cache[thumbnailKey, thumbnail]
	named      *lru.Cache[pictureKey, Picture]
}

// pictureKey says whose picture it is.
type pictureKey struct {
	project any // A value of the caller's.
	id      string
}

// thumbnailKey is a hash, so that no signed URL is kept.
type thumbnailKey [sha256.Size]byte

type thumbnail struct {
	jpeg      []byte
	expiresAt time.Time
}

// NewStore returns a Store that fetches pictures with fetcher. It need not be closed.
func NewStore(fetcher *Fetcher) *Store {
	return newStore(fetcher, make(chan struct{}, maxFetches), &sync.Mutex{})
}

// Apart returns another Store, which fetches pictures with fetcher. It keeps none of the pictures
// of s, but both together fetch and decode only as many files at once as one Store does.
func (s *Store) Apart(fetcher *Fetcher) *Store { return newStore(fetcher, s.fetches, s.decoding) }

func newStore(fetcher *Fetcher, fetches chan struct{}, decoding *sync.Mutex) *Store {
	thumbnails, err := lru.New[thumbnailKey, thumbnail](maxThumbnails)
	if err != nil {
		panic(err) // The size is above 0.
	}
	named, err := lru.New[pictureKey, Picture](maxNamed)
	if err != nil {
		panic(err)
	}
	return &Store{fetcher: fetcher, fetches: fetches, decoding: decoding, thumbnails: thumbnails, named: named}
}

// Remember keeps pictures that an answer of ZEGO's has named, for [Store.Named]. Those of
// different projects, which can be told apart by any comparable values, are kept apart.
func (s *Store) Remember(project any, all ...Picture) {
	for _, p := range all {
		s.named.Add(pictureKey{project, p.ID}, p)
	}
}

// Named returns the picture of a digital human of a project, if it is remembered and its URL
// still works.
func (s *Store) Named(project any, id string) (Picture, bool) {
	p, ok := s.named.Get(pictureKey{project, id})
	return p, ok && time.Now().Before(p.ExpiresAt)
}

// keyOf returns the key of a thumbnail. It does not depend on the query of the URL, because
// ZEGO signs the URL of the same picture anew in each answer.
func keyOf(p Picture, size int) thumbnailKey {
	address, _, _ := strings.Cut(p.URL, "?")
	return sha256.Sum256([]byte(fmt.Sprint(size, "\n", p.ID, "\n", address)))
}

// Thumbnail returns the picture as a square JPEG whose sides have size pixels, at most
// [MaxSize]. A picture that is not square loses its sides, or its lower part, because a face is
// in the upper one. The error is a *[FetchError].
func (s *Store) Thumbnail(ctx context.Context, p Picture, size int) ([]byte, error) {
	size = min(max(size, 1), MaxSize)
	key := keyOf(p, size)
	if kept, ok := s.thumbnails.Get(key); ok && time.Now().Before(kept.expiresAt) {
		return kept.jpeg, nil
	}
	file, _, err := s.fetch(ctx, p.URL, MaxBytes)
	if err != nil {
		return nil, err
	}
	small, err := s.decode(file, size)
	if err != nil {
		return nil, err
	}
	out, err := encode(small, thumbnailQuality)
	if err != nil {
		return nil, err
	}
	s.thumbnails.Add(key, thumbnail{out, p.ExpiresAt})
	return out, nil
}

// Fetch returns a file that goes with a digital human, such as the video of a gesture: at most
// maxBytes. The error is a *[FetchError].
func (s *Store) Fetch(ctx context.Context, address *url.URL, maxBytes int64) (file []byte, mediaType string, err error) {
	return s.fetch(ctx, address.String(), maxBytes)
}

// fetch fetches a file when fewer than maxFetches others are fetched.
func (s *Store) fetch(ctx context.Context, address string, maxBytes int64) (file []byte, mediaType string, err error) {
	select {
	case s.fetches <- struct{}{}:
		defer func() { <-s.fetches }()
	case <-ctx.Done():
		return nil, "", &FetchError{Reason: "time ran out"}
	}
	return s.fetcher.Fetch(ctx, address, maxBytes)
}

// decode returns a picture as a square of size pixels.
func (s *Store) decode(file []byte, size int) (small *image.RGBA, err error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(file))
	switch {
	case err != nil:
		return nil, &FetchError{Reason: "it is no PNG, JPEG, WebP or GIF"}
	case config.Width <= 0 || config.Height <= 0 || config.Width > MaxPixels/config.Height:
		return nil, &FetchError{Reason: fmt.Sprintf("it has more than %d megapixels", MaxPixels/1_000_000)}
	}
	s.decoding.Lock()
	defer s.decoding.Unlock()
	defer func() {
		if recover() != nil { // A decoder has a fault.
			err = &FetchError{Reason: "it cannot be decoded"}
		}
	}()
	full, _, err := image.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, &FetchError{Reason: "it is damaged"}
	}
	return square(full, size), nil
}

// background is what a picture that is transparent in parts is drawn on.
var background = color.RGBA{0xee, 0xee, 0xee, 0xff}

// square returns the upper middle of a picture, scaled to a square of size pixels.
func square(full image.Image, size int) *image.RGBA {
	b := full.Bounds()
	side := min(b.Dx(), b.Dy())
	left := b.Min.X + (b.Dx()-side)/2
	part := image.Rect(left, b.Min.Y, left+side, b.Min.Y+side)
	out := image.NewRGBA(image.Rect(0, 0, size, size))
	draw.Draw(out, out.Bounds(), image.NewUniform(background), image.Point{}, draw.Src)
	draw.CatmullRom.Scale(out, out.Bounds(), full, part, draw.Over, nil)
	return out
}

// encode returns a picture as a JPEG of the given quality, 1 to 100.
func encode(picture image.Image, quality int) ([]byte, error) {
	var out bytes.Buffer
	if err := jpeg.Encode(&out, picture, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode a JPEG: %w", err)
	}
	return out.Bytes(), nil
}
