// Command icon draws the icon of the packages: a person on a video stream.
//
//	go run ./internal/cmd/icon >packaging/icon.png
package main

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"log"
	"os"

	"golang.org/x/image/vector"
)

// size is the width and the height of the icon in pixels.
const size = 512

func main() {
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(os.Stdout, icon()); err != nil {
		log.Fatal(err)
	}
}

// icon draws the icon.
func icon() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, size, size))
	fill(img, gradient{}, func(r *vector.Rasterizer) { rectangle(r, 0, 0, size, size, 112) })
	white := image.NewUniform(color.White)
	fill(img, white, func(r *vector.Rasterizer) { ellipse(r, 256, 196, 84, 84) })
	fill(img, white, func(r *vector.Rasterizer) { rectangle(r, 104, 308, 408, 700, 140) })
	fill(img, image.NewUniform(color.NRGBA{255, 77, 79, 255}), func(r *vector.Rasterizer) { ellipse(r, 398, 122, 46, 46) })
	return cut(img)
}

// gradient is the blue of the background, which gets darker towards the bottom.
type gradient struct{}

func (gradient) ColorModel() color.Model { return color.NRGBAModel }

func (gradient) Bounds() image.Rectangle { return image.Rect(0, 0, size, size) }

func (gradient) At(_, y int) color.Color {
	mix := func(top, bottom int) uint8 { return uint8((top*(size-y) + bottom*y) / size) } //nolint:gosec // It lies between top and bottom.
	return color.NRGBA{mix(64, 10), mix(140, 60), mix(255, 190), 255}
}

// cut makes transparent what lies outside of the rounded corners.
func cut(img image.Image) image.Image {
	out := image.NewNRGBA(img.Bounds())
	fill(out, img, func(r *vector.Rasterizer) { rectangle(r, 0, 0, size, size, 112) })
	return out
}

// fill paints the inside of an outline.
func fill(dst draw.Image, src image.Image, outline func(r *vector.Rasterizer)) {
	r := vector.NewRasterizer(size, size)
	outline(r)
	r.Draw(dst, dst.Bounds(), src, image.Point{})
}

// ellipse draws the outline of an ellipse around x, y.
func ellipse(r *vector.Rasterizer, x, y, width, height float32) {
	rectangle(r, x-width, y-height, x+width, y+height, min(width, height))
}

// rectangle draws the outline of a rectangle with round corners.
func rectangle(r *vector.Rasterizer, left, top, right, bottom, radius float32) {
	const bend = 0.5523 // The control points of a cubic curve that is nearly a quarter of a circle.
	k := radius * (1 - bend)
	r.MoveTo(left+radius, top)
	r.LineTo(right-radius, top)
	r.CubeTo(right-k, top, right, top+k, right, top+radius)
	r.LineTo(right, bottom-radius)
	r.CubeTo(right, bottom-k, right-k, bottom, right-radius, bottom)
	r.LineTo(left+radius, bottom)
	r.CubeTo(left+k, bottom, left, bottom-k, left, bottom-radius)
	r.LineTo(left, top+radius)
	r.CubeTo(left, top+k, left+k, top, left+radius, top)
	r.ClosePath()
}
