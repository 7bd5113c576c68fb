// Package faces draws portraits of people who do not exist. The same face looks the
// same on every machine.
package faces

import (
	"bytes"
	"crypto/sha256"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"math"
	"math/rand/v2"
)

// Face describes a person. All that the other fields leave open, such as the haircut
// and the clothes, follows from Seed.
type Face struct {
	Seed  string
	Woman bool
	Skin  int // from 0, the lightest, to 5, the darkest; others count as the nearest
}

// Random returns a face that follows from its seed alone.
func Random(seed string) Face {
	rng := newRand(seed)
	return Face{seed, rng.IntN(2) == 0, rng.IntN(len(skins))}
}

// PNG draws the portrait, size pixels wide and high.
func (f Face) PNG(size int) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, f.draw(size, 0, 0).RGBA) // Writing to a buffer cannot fail.
	return b.Bytes()
}

// GIF draws the person making a gesture, as an endless animation of one second, size
// pixels wide and high. In idle_action and mute_action the head hardly moves, in nod
// and bow it moves, and in any other gesture a hand waves.
func (f Face) GIF(size int, gesture string) []byte {
	var out gif.GIF
	for i := range 10 {
		nod, wave := 2+2*math.Sin(2*math.Pi*float64(i)/10), 0.0
		switch gesture {
		case "idle_action", "mute_action":
		case "nod", "bow":
			nod *= 3
		default:
			wave = 1 + 5*nod
		}
		c := f.draw(size, nod, wave)
		frame := image.NewPaletted(c.Rect, c.paints)
		draw.Draw(frame, c.Rect, c, image.Point{}, draw.Src)
		out.Image, out.Delay = append(out.Image, frame), append(out.Delay, 10)
	}
	var b bytes.Buffer
	_ = gif.EncodeAll(&b, &out) // Writing to a buffer cannot fail.
	return b.Bytes()
}

var (
	skins     = []int{0xf8d9c4, 0xf3cba8, 0xe3b083, 0xc48e62, 0x9c6b45, 0x75482c}
	hairs     = []int{0x17141a, 0x211a1c, 0x2e211d, 0x3d2a22, 0x4a3226, 0x7a4a2b, 0xa8693a, 0xd9b26f, 0x8d3b24, 0xb9b4b0}
	fabrics   = []int{0x34495e, 0x2f6f73, 0x8a3f55, 0x5b4b8a, 0xc46a4a, 0x3d6b4f, 0x2a2f3a, 0xd9a441, 0x4f7cac}
	backdrops = []int{0xa9d3e6, 0xdcb9e4, 0xb5e0c4, 0xecc0b2, 0xbcbfe9, 0xe0dea6, 0xa8ddd6}
)

// A haircut is the hair behind the head and the hair in front of it.
var (
	menCuts = [][2]shape{
		{oval(128, 98, 44, 44), minus(oval(128, 98, 46, 46), oval(128, 134, 41, 46))},
		{oval(128, 98, 44, 44), minus(union(oval(128, 98, 47, 47), oval(142, 62, 34, 15)), oval(120, 134, 44, 48))},
		{oval(128, 98, 44, 44), minus(union(oval(128, 98, 46, 46), oval(128, 60, 36, 17)), oval(128, 135, 40, 52))},
		{oval(128, 98, 44, 44), minus(curls(82, 38, 30, 15), oval(128, 134, 40, 50))},
		{oval(128, 98, 44, 44), minus(oval(128, 98, 47, 48), union(oval(104, 136, 32, 52), oval(150, 136, 32, 46)))},
		{oval(128, 106, 49, 50), minus(oval(128, 96, 48, 46), within(oval(128, 142, 40, 48), box(136, 146, 44, 50)))},
	}
	womenCuts = [][2]shape{
		{box(128, 140, 57, 82), minus(oval(128, 104, 49, 54), union(oval(112, 138, 30, 58), oval(146, 138, 32, 62)))},
		{box(128, 120, 57, 64), minus(oval(128, 104, 49, 54), box(128, 140, 41, 48))},
		{union(oval(128, 46, 24, 22), oval(128, 100, 47, 48)), minus(oval(128, 100, 46, 48), oval(128, 136, 41, 54))},
		{union(oval(180, 126, 20, 48), oval(170, 92, 22, 24)), minus(oval(128, 100, 47, 49), oval(116, 138, 44, 58))},
		{union(box(128, 130, 54, 66), curls(140, 50, 62, 18)), minus(oval(128, 104, 50, 55), oval(140, 140, 44, 60))},
		{curls(102, 46, 46, 25), minus(curls(84, 40, 26, 15), oval(128, 134, 40, 50))},
	}
)

// A neckline is an edge in a darker color, within it a white shirt, and bare skin. The
// first two have no shirt: it is smaller than the skin that covers it.
var necklines = [][3]shape{
	{oval(128, 196, 35, 22), oval(128, 194, 20, 8), oval(128, 194, 30, 18)},
	{diamond(42, 58), diamond(26, 38), diamond(36, 48)},
	{diamond(48, 96), diamond(40, 84), diamond(26, 38)},
}

// draw paints shape over shape, from the back to the front. Lengths are units of a
// grid of 256 by 256, whatever the size of the picture in pixels. The head is moved
// down by nod. A raised hand is drawn if wave is not 0, and moved to the right by it.
// The function is long because it is a plain list of shapes.
func (f Face) draw(size int, nod, wave float64) *canvas {
	rng := newRand(f.Seed + " looks")
	pick := func(colors []int) color.RGBA { return rgb(colors[rng.IntN(len(colors))]) }
	skin, cloth, backdrop, eye := rgb(skins[min(max(f.Skin, 0), len(skins)-1)]), pick(fabrics), pick(backdrops), 17+2*rng.Float64()
	hair, cuts, jaw := pick(hairs[:4]), menCuts, 42.0
	if f.Skin <= 0 {
		hair = pick(hairs)
	}
	if f.Woman {
		cuts, jaw = womenCuts, 39
	}
	cut, neckline, glasses, adorned := cuts[rng.IntN(len(cuts))], necklines[rng.IntN(3)], rng.IntN(4) == 0, rng.IntN(3) == 0
	black, white := rgb(0x1a1210), rgb(0xfdfcfa)
	shade, fold := mix(skin, rgb(0x8a3b2a), 0.2), mix(cloth, black, 0.25)

	c := &canvas{RGBA: image.NewRGBA(image.Rect(0, 0, size, size))}
	c.fill(box(128, 128, 300, 300), backdrop)
	c.fill(oval(128, 118, 104, 104), mix(backdrop, white, 0.35))
	c.down = nod
	c.fill(cut[0], mix(hair, black, 0.2))

	c.down = 0
	torso, neck := union(box(128, 262, 94, 78), oval(128, 210, 46, 24)), box(128, 174, 21, 40)
	c.fill(torso, cloth)
	c.fill(within(neckline[0], torso), fold)
	c.fill(within(neckline[1], torso), white)
	c.fill(union(neck, within(neckline[2], torso)), skin)
	c.fill(within(oval(128, 162+nod, 36, 24), neck), shade) // Below the chin.

	c.down = nod
	skull := union(oval(128, 104, 43, 46), oval(128, 122, jaw, 45))
	c.fill(both(jaw+2, oval(128, 118, 8, 12)), shade) // The ears.
	c.fill(skull, skin)
	c.fill(both(26, oval(128, 134, 9, 6)), mix(skin, rgb(0xe8705f), 0.16)) // The cheeks.
	if adorned && f.Woman {
		c.fill(both(jaw+2, oval(128, 133, 3.5, 3.5)), rgb(0xf2d492)) // Earrings.
	} else if adorned {
		beard := minus(within(skull, box(128, 168, 60, 50)), union(oval(128, 116, 35, 34), oval(128, 143, 13, 7)))
		c.fill(beard, hair)
	}
	brow := minus(oval(128, 106, 11, 8), oval(128, 110, 14, 9))
	c.fill(both(eye, brow), mix(hair, black, 0.4))
	c.fill(both(eye, oval(128, 113, 9, 7)), black)
	c.fill(both(eye, oval(128, 114.5, 8, 5.8)), white)
	c.fill(both(eye, oval(128, 114, 5, 5)), rgb(0x4a3020))
	c.fill(both(eye, oval(128, 114, 2.5, 2.5)), black)
	c.fill(both(eye, oval(129.6, 112.2, 1.4, 1.4)), white)
	nose, smile := minus(oval(128, 128, 6, 5), oval(128, 125.5, 8, 5)), minus(oval(128, 140, 14, 8.5), oval(128, 135.5, 18, 9.5))
	c.fill(nose, mix(skin, black, 0.5))
	c.fill(smile, mix(skin, rgb(0xb23a45), 0.65))
	c.fill(cut[1], mix(hair, white, 0.06))
	if glasses {
		frame := union(both(eye, box(128, 115, 14, 11)), box(128, 113, 6, 1.5))
		c.fill(minus(frame, both(eye, box(128, 115, 12, 9))), black)
	}
	if wave != 0 {
		x := 200 + wave
		fingers := union(box(x-13, 166, 5, 17), box(x-4, 162, 5, 19), box(x+5, 163, 5, 18), box(x+14, 168, 5, 15))
		c.fill(box(212, 246, 20, 44), fold)
		c.fill(union(box(x, 190, 15, 19), fingers), skin)
	}
	return c
}

// canvas is an image that is painted shape by shape.
type canvas struct {
	*image.RGBA
	paints color.Palette // the colors used so far, without those of smooth edges
	down   float64       // how far the next shapes are moved down
}

// fill paints s. A pixel at the edge is mixed with what is below, so that the edge
// looks smooth.
func (c *canvas) fill(s shape, paint color.RGBA) {
	size := c.Rect.Dx()
	pixel := 256 / float64(size)
	c.paints = append(c.paints, paint)
	near := s.near(pixel)
	// The pixel whose middle is at a coordinate, or the nearest one of the canvas.
	at := func(coordinate float64) int { return min(max(int(coordinate/pixel-0.5), 0), size-1) }
	for y := at(near.top + c.down); y <= at(near.bottom+c.down)+1 && y < size; y++ {
		for x := at(near.left); x <= at(near.right)+1 && x < size; x++ {
			outside := s.outside((float64(x)+0.5)*pixel, (float64(y)+0.5)*pixel-c.down)
			if cover := min(0.5-outside/pixel, 1); cover > 0 {
				c.SetRGBA(x, y, mix(c.RGBAAt(x, y), paint, cover))
			}
		}
	}
}

// shape is a set of points.
type shape struct {
	// outside returns roughly how far a point is outside of the shape, or less than 0 for a
	// point inside.
	outside func(x, y float64) float64
	// near returns a rectangle that holds all points for which outside is less than margin.
	near func(margin float64) rectangle
}

// rectangle is the points between its sides. Y grows downwards.
type rectangle struct{ left, top, right, bottom float64 }

// with returns a rectangle that holds r and other.
func (r rectangle) with(other rectangle) rectangle {
	return rectangle{min(r.left, other.left), min(r.top, other.top), max(r.right, other.right), max(r.bottom, other.bottom)}
}

// oval has its middle at (cx, cy) and reaches rx to the left and right and ry up and
// down. So does box, which has round corners.
func oval(cx, cy, rx, ry float64) shape { return around(cx, cy, rx, ry, math.Hypot) }

func box(cx, cy, rx, ry float64) shape {
	return around(cx, cy, rx, ry, func(x, y float64) float64 { return math.Sqrt(math.Hypot(x*x, y*y)) })
}

// diamond has its middle at (128, 186), below the neck.
func diamond(rx, ry float64) shape {
	return around(128, 186, rx, ry, func(x, y float64) float64 { return x + y })
}

// around is all points whose distance from (cx, cy) is at most 1, measured by norm and
// with rx and ry as the units. A norm is at least as large as each of its arguments.
func around(cx, cy, rx, ry float64, norm func(x, y float64) float64) shape {
	unit := min(rx, ry)
	return shape{
		func(x, y float64) float64 {
			return (norm(math.Abs(x-cx)/rx, math.Abs(y-cy)/ry) - 1) * unit
		},
		func(margin float64) rectangle {
			dx, dy := rx*(1+margin/unit), ry*(1+margin/unit)
			return rectangle{cx - dx, cy - dy, cx + dx, cy + dy}
		},
	}
}

// curls is an oval at (128, cy) with 14 discs of radius r along its edge.
func curls(cy, rx, ry, r float64) shape {
	s := oval(128, cy, rx, ry)
	for i := range 14 {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / 14)
		s = union(s, oval(128+rx*cos, cy+ry*sin, r, r))
	}
	return s
}

// both is two copies of s, one moved to the left by dx and one to the right.
func both(dx float64, s shape) shape {
	return shape{
		func(x, y float64) float64 { return min(s.outside(x-dx, y), s.outside(x+dx, y)) },
		func(margin float64) rectangle {
			r := s.near(margin)
			return rectangle{r.left - dx, r.top, r.right + dx, r.bottom}
		},
	}
}

func union(shapes ...shape) shape {
	return shape{
		func(x, y float64) float64 {
			d := shapes[0].outside(x, y)
			for _, s := range shapes[1:] {
				d = min(d, s.outside(x, y))
			}
			return d
		},
		func(margin float64) rectangle {
			r := shapes[0].near(margin)
			for _, s := range shapes[1:] {
				r = r.with(s.near(margin))
			}
			return r
		},
	}
}

func within(a, b shape) shape {
	return shape{func(x, y float64) float64 { return max(a.outside(x, y), b.outside(x, y)) }, a.near}
}

func minus(s, hole shape) shape {
	return shape{func(x, y float64) float64 { return max(s.outside(x, y), -hole.outside(x, y)) }, s.near}
}

// newRand returns numbers that are the same for the same seed on every machine.
func newRand(seed string) *rand.Rand {
	return rand.New(rand.NewChaCha8(sha256.Sum256([]byte(seed)))) //nolint:gosec // Pictures need no secrecy.
}

func rgb(hex int) color.RGBA {
	return color.RGBA{uint8(hex >> 16), uint8(hex >> 8), uint8(hex), 255} //nolint:gosec // Only 8 bits of each are meant.
}

// mix goes from a to b as t goes from 0 to 1.
func mix(a, b color.RGBA, t float64) color.RGBA {
	channel := func(a, b uint8) uint8 { return uint8(float64(a)*(1-t) + float64(b)*t + 0.5) }
	return color.RGBA{channel(a.R, b.R), channel(a.G, b.G), channel(a.B, b.B), 255}
}
