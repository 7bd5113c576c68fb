package zegosim

import (
	"bytes"
	"hash/fnv"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
)

// Pictures are drawn on a 256 by 256 grid, whatever their size in pixels.
const (
	avatarSize  = 256
	previewSize = 128
	grid        = 256
)

// looks steer a picture so that it suits a name.
type looks struct {
	longHair bool
	skin     int // index of skins
}

// face is everything about a picture that stays the same from frame to frame.
type face struct {
	hue                  float64 // of the background
	skin, hair, iris     paint
	clothes, undershirt  paint
	cut                  haircut
	collar               int // 0: round, 1: V, 2: jacket
	beard, stubble       bool
	glasses, earrings    bool
	jaw, eyeGap, browLow float64
}

// pose is what moves in a preview.
type pose struct {
	tilt, shift, bob float64 // of the head: radians, grid units
	blink, mouth     float64 // from 0 to 1
	hand             float64 // how far it is raised, from 0 to 1
	wave             float64 // radians
}

// drawAvatar draws the portrait of id as PNG: always the same for the same id.
func drawAvatar(id string) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, newFace(id).draw(avatarSize, pose{})); err != nil {
		panic(err) // only writing can fail, and b cannot
	}
	return b.Bytes()
}

// drawPreview draws id performing action as animated GIF. ZEGO's previews are
// videos, which cannot be made with the standard library.
func drawPreview(id, action string) []byte {
	const frames = 12
	f := newFace(id)
	rng := newRand(action)
	style := rng.IntN(3)
	out := gif.GIF{}
	for i := range frames {
		turn := 2 * math.Pi * float64(i) / frames
		p := pose{bob: math.Sin(turn)}
		if i == frames/2 {
			p.blink = 1
		}
		switch {
		case action == "idle_action":
		case action == "mute_action":
			p.tilt = 0.03 * math.Sin(turn)
		case action == "nod", action == "bow":
			p.bob = 5 * (1 - math.Cos(turn))
		case style == 0:
			p.tilt, p.mouth = 0.08*math.Sin(turn), 0.5
		default:
			p.hand, p.wave, p.mouth = 1, 0.35*math.Sin(2*turn), 0.6
		}
		img := f.draw(previewSize, p)
		frame := image.NewPaletted(img.Bounds(), palette(img))
		draw.Draw(frame, frame.Rect, img, image.Point{}, draw.Src)
		out.Image = append(out.Image, frame)
		out.Delay = append(out.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &out); err != nil {
		panic(err) // only writing can fail, and b cannot
	}
	return b.Bytes()
}

// palette returns the 256 commonest colours of img, alike ones taken together.
func palette(img *image.RGBA) color.Palette {
	counts := make(map[color.RGBA]int)
	for i := 0; i < len(img.Pix); i += 4 {
		counts[color.RGBA{img.Pix[i]&^7 | 4, img.Pix[i+1]&^7 | 4, img.Pix[i+2]&^7 | 4, 255}]++
	}
	colors := make([]color.RGBA, 0, len(counts))
	for c := range counts {
		colors = append(colors, c)
	}
	slices.SortFunc(colors, func(a, b color.RGBA) int {
		if d := counts[b] - counts[a]; d != 0 {
			return d
		}
		// Any order will do, as long as it is always the same.
		return int(a.R)<<16 + int(a.G)<<8 + int(a.B) - int(b.R)<<16 - int(b.G)<<8 - int(b.B)
	})
	var p color.Palette
	for _, c := range colors[:min(256, len(colors))] {
		p = append(p, c)
	}
	return p
}

// newRand returns a source that is the same for the same seed on every machine.
func newRand(seed string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(seed))
	return rand.New(rand.NewPCG(h.Sum64(), 0)) //nolint:gosec // Pictures need no secrecy.
}

var (
	skins = []paint{hex(0xf8d9c4), hex(0xf3cba8), hex(0xe3b083), hex(0xc48e62), hex(0x9c6b45), hex(0x75482c)}

	lightHair = []paint{hex(0x2b2320), hex(0x4a3226), hex(0x7a4a2b), hex(0xa8693a), hex(0xd9b26f), hex(0x8d3b24), hex(0x5c3d2e), hex(0x9a6f3f), hex(0xb9b4b0)}
	darkHair  = []paint{hex(0x17141a), hex(0x211a1c), hex(0x2e211d), hex(0x3d2a22)}
	irises    = []paint{hex(0x4a3020), hex(0x3a2a20), hex(0x3d5a73), hex(0x4f6b45)}
	fabrics   = []paint{hex(0x34495e), hex(0x2f6f73), hex(0x8a3f55), hex(0x5b4b8a), hex(0xc46a4a), hex(0x3d6b4f), hex(0x2a2f3a), hex(0xd9a441), hex(0xe9e4dc), hex(0x4f7cac)}
)

// castLooks finds the looks of the default digital humans and timbres.
var castLooks = sync.OnceValue(func() map[string]looks {
	m := make(map[string]looks, len(cast)+len(voices))
	for i, c := range cast {
		m[castID(i)] = c.looks
	}
	for i, v := range voices {
		m[voiceID(i)] = v.looks
	}
	return m
})

func newFace(id string) *face {
	rng := newRand(id)
	l, ok := castLooks()[id]
	if !ok {
		l = looks{rng.IntN(2) == 0, rng.IntN(len(skins))}
	}
	pick := func(of []paint) paint { return of[rng.IntN(len(of))] }
	chance := func(p float64) bool { return rng.Float64() < p }

	f := &face{
		hue:        rng.Float64() * 360,
		skin:       skins[l.skin],
		clothes:    pick(fabrics),
		undershirt: hex(0xf5f3ef),
		collar:     rng.IntN(3),
		glasses:    chance(0.22),
		jaw:        38 + 4*rng.Float64(),
		eyeGap:     17 + 2*rng.Float64(),
		browLow:    2 * rng.Float64(),
	}
	if l.skin == 0 {
		f.hair, f.iris = pick(lightHair), pick(irises)
	} else {
		f.hair, f.iris = pick(darkHair), irises[rng.IntN(2)]
	}
	if l.longHair {
		f.cut = longCuts[rng.IntN(len(longCuts))]
		f.earrings = chance(0.4)
	} else {
		f.cut = shortCuts[rng.IntN(len(shortCuts))]
		f.beard = chance(0.25)
		f.stubble = !f.beard && chance(0.2)
		f.jaw += 2
	}
	return f
}

// haircut is what of the hair lies behind the head, and what in front of it.
// Either may be nil.
type haircut struct{ back, front shape }

var shortCuts = []haircut{
	{front: without(ellipse(128, 98, 46, 46), ellipse(128, 134, 41, 46))},                                                                  // crop
	{front: without(union(ellipse(128, 98, 47, 47), ellipse(142, 62, 34, 15)), ellipse(120, 134, 44, 48))},                                 // swept
	{front: without(union(ellipse(128, 98, 46, 46), ellipse(128, 60, 36, 17)), ellipse(128, 135, 40, 52))},                                 // quiff
	{front: without(ellipse(128, 100, 44, 45), ellipse(128, 136, 41, 52))},                                                                 // buzz
	{front: without(curls(128, 82, 38, 30, 12, 15), ellipse(128, 134, 40, 50))},                                                            // curls
	{front: without(ellipse(128, 98, 47, 48), union(ellipse(104, 136, 32, 52), ellipse(150, 136, 32, 46)))},                                // parted
	{back: ellipse(128, 106, 49, 50), front: without(ellipse(128, 96, 48, 46), union(ellipse(128, 142, 40, 48), below(96, 0.12, 30, 88)))}, // fringe
}

var longCuts = []haircut{
	{back: box(128, 140, 56, 78, 50), front: without(ellipse(128, 104, 49, 54), union(ellipse(112, 138, 30, 58), ellipse(146, 138, 32, 62)))},       // straight, parted
	{back: box(128, 120, 56, 62, 46), front: without(ellipse(128, 104, 49, 54), box(128, 140, 39, 48, 14))},                                         // bob with fringe
	{back: union(ellipse(128, 46, 24, 22), ellipse(128, 100, 47, 48)), front: without(ellipse(128, 100, 46, 48), ellipse(128, 136, 41, 54))},        // bun
	{back: union(ellipse(180, 126, 20, 48), ellipse(170, 92, 22, 24)), front: without(ellipse(128, 100, 47, 49), ellipse(116, 138, 44, 58))},        // ponytail
	{back: union(box(128, 130, 56, 66, 50), curls(128, 140, 50, 62, 16, 18)), front: without(ellipse(128, 104, 50, 55), ellipse(140, 140, 44, 60))}, // waves
	{back: curls(128, 102, 46, 46, 14, 25), front: without(curls(128, 84, 40, 26, 12, 15), ellipse(128, 134, 40, 50))},                              // curls
	{back: box(128, 116, 52, 54, 46), front: without(ellipse(128, 102, 49, 52), ellipse(110, 140, 50, 62))},                                         // swept bob
}

// draw draws from back to front.
func (f *face) draw(size int, p pose) *image.RGBA {
	c := newCanvas(size)
	dark := f.skin.mix(hex(0x8a3b2a), 0.28)
	line := f.skin.mix(hex(0x3a1512), 0.62)

	top, bottom := hsl(f.hue, 0.52, 0.86), hsl(f.hue+32, 0.46, 0.66)
	c.shade(everywhere, 1, func(x, y float64) paint { return top.mix(bottom, (0.35*x+0.65*y)/grid) })
	c.soft(ellipse(92, 84, 70, 70), 0.35, hex(0xffffff), 90)

	head := transform{angle: p.tilt, px: 128, py: 176, dx: p.shift, dy: p.bob}
	hairLow, hairHigh := f.hair.mix(hex(0x000000), 0.25), f.hair.mix(hex(0xffffff), 0.13)
	c.at = head
	if f.cut.back != nil {
		c.shade(f.cut.back, 1, func(_, y float64) paint { return f.hair.mix(hairLow, (y-60)/120) })
	}
	c.at = transform{}

	// Shoulders and neck.
	torso := union(box(128, 258, 94, 70, 60), ellipse(128, 210, 46, 24))
	neck := union(box(128, 176, 20, 30, 8), ellipse(128, 198, 25, 9))
	folds := f.clothes.mix(hex(0x000000), 0.2)
	c.shade(torso, 1, func(x, y float64) paint { return f.clothes.mix(folds, math.Abs(x-128)/100) })
	switch f.collar {
	case 0:
		c.fill(ellipse(128, 200, 35, 20), 1, folds)
		c.fill(ellipse(128, 198, 30, 16), 1, f.skin)
	case 1:
		c.fill(triangle(96, 192, 160, 192, 128, 242), 1, folds)
		c.fill(triangle(100, 190, 156, 190, 128, 234), 1, f.skin)
	case 2:
		c.fill(triangle(88, 190, 168, 190, 128, 272), 1, folds.mix(hex(0x000000), 0.15))
		c.fill(triangle(95, 190, 161, 190, 128, 264), 1, f.undershirt)
		c.fill(triangle(106, 190, 150, 190, 128, 222), 1, f.skin)
	}
	c.fill(neck, 1, f.skin)
	c.soft(within(ellipse(128, 166+p.bob, 34, 22), neck), 0.5, dark, 6)

	c.at = head
	for _, side := range []float64{-1, 1} {
		x := 128 + side*(f.jaw+3)
		c.fill(ellipse(x, 118, 8, 12), 1, f.skin.mix(dark, 0.35))
		if f.earrings {
			c.fill(ellipse(x+side, 133, 3, 3), 1, hex(0xf2d492))
		}
	}
	skull := union(ellipse(128, 104, 43, 46), ellipse(128, 122, f.jaw, 45))
	edge := f.skin.mix(dark, 0.45)
	c.shade(skull, 1, func(x, _ float64) paint { return f.skin.mix(edge, math.Pow(math.Abs(x-122)/48, 3)) })
	for _, side := range []float64{-1, 1} {
		c.soft(ellipse(128+side*24, 134, 9, 6), 0.3, hex(0xe8705f), 10)
	}
	if f.beard || f.stubble {
		strength := 0.92
		if f.stubble {
			strength = 0.22
		}
		c.soft(without(within(skull, below(118, 0, 0, 200)), union(ellipse(128, 116, 35, 34), ellipse(128, 143, 13, 7))), strength, f.hair, 3)
	}

	// Features.
	for _, side := range []float64{-1, 1} {
		x := 128 + side*f.eyeGap
		c.fill(arc(x, 112+f.browLow, 15, 2.1, -2.1, -1.0), 1, f.hair.mix(hex(0x1a1210), 0.45))
		if p.blink > 0.5 {
			c.fill(arc(x, 108, 9, 1.3, 0.6, 2.5), 1, line)
			continue
		}
		eye := ellipse(x, 114, 8, 5.6)
		c.fill(eye, 1, hex(0xfdfcfa))
		c.fill(within(ellipse(x, 114, 4.9, 4.9), eye), 1, f.iris)
		c.fill(within(ellipse(x, 114, 2.5, 2.5), eye), 1, hex(0x120d0c))
		c.fill(ellipse(x+1.6, 112.2, 1.3, 1.3), 1, hex(0xffffff))
		c.fill(arc(x, 116.5, 9.4, 1.2, -2.6, -0.54), 1, hex(0x2a1a17))
	}
	c.fill(arc(128, 124, 7, 1.2, 0.75, 2.4), 0.65, line)
	lips := f.skin.mix(hex(0xb23a45), 0.6)
	if p.mouth > 0 {
		open := within(ellipse(128, 142, 12, 10*p.mouth+2), below(141, 0, 0, 200))
		c.fill(open, 1, hex(0x7a2530))
		c.fill(within(open, ellipse(128, 141, 10, 2.5)), 1, hex(0xffffff))
	} else {
		c.fill(arc(128, 128, 17.5, 1.7, 0.8, 2.34), 1, lips)
		c.soft(ellipse(128, 151, 7, 1), 0.35, dark, 4)
	}

	if f.cut.front != nil {
		c.shade(f.cut.front, 1, func(x, y float64) paint {
			return hairHigh.mix(f.hair, (y-50)/40+math.Abs(x-112)/120)
		})
	}
	if f.glasses {
		frame := hex(0x2c2a33)
		for _, side := range []float64{-1, 1} {
			lens := box(128+side*f.eyeGap, 115, 13.5, 10.5, 8)
			c.fill(lens, 0.16, hex(0xffffff))
			c.fill(ring(lens, 1.2), 1, frame)
		}
		c.fill(arc(128, 116, 5, 1.2, -2.5, -0.6), 1, frame)
	}

	if p.hand > 0 {
		c.at = transform{angle: p.wave, px: 214, py: 250}
		palm := union(box(214, 190, 15, 17, 11), box(201, 166, 4.6, 16, 4.6), box(210, 162, 4.6, 18, 4.6), box(219, 163, 4.6, 17, 4.6), box(228, 168, 4.2, 14, 4.2), ellipse(196, 190, 6, 12))
		c.fill(box(214, 238, 18, 36, 10), 1, folds)
		c.fill(palm, 1, f.skin)
	}
	return c.image()
}

// paint is a colour, its channels from 0 to 1.
type paint [3]float64

func hex(v uint32) paint {
	return paint{float64(v>>16&255) / 255, float64(v>>8&255) / 255, float64(v&255) / 255}
}

// mix goes from p to q as t goes from 0 to 1.
func (p paint) mix(q paint, t float64) paint {
	t = min(max(t, 0), 1)
	for i := range p {
		p[i] += (q[i] - p[i]) * t
	}
	return p
}

func hsl(h, s, l float64) paint {
	var p paint
	a := s * min(l, 1-l)
	for i, n := range []float64{0, 8, 4} {
		k := math.Mod(n+h/30, 12)
		p[i] = l - a*max(-1, min(k-3, 9-k, 1))
	}
	return p
}

// shape is how far a point lies outside of an outline, about; negative inside.
// From it follow both anti-aliasing and soft edges.
type shape func(x, y float64) float64

func everywhere(_, _ float64) float64 { return -grid }

func ellipse(cx, cy, rx, ry float64) shape {
	return func(x, y float64) float64 {
		x, y = x-cx, y-cy
		k, slope := math.Hypot(x/rx, y/ry), math.Hypot(x/(rx*rx), y/(ry*ry))
		if slope == 0 {
			return -min(rx, ry)
		}
		return k * (k - 1) / slope
	}
}

// box is a rectangle of half-width w and half-height h, its corners rounded by r.
func box(cx, cy, w, h, r float64) shape {
	r = min(r, w, h)
	return func(x, y float64) float64 {
		dx, dy := math.Abs(x-cx)-w+r, math.Abs(y-cy)-h+r
		return math.Hypot(max(dx, 0), max(dy, 0)) + min(max(dx, dy), 0) - r
	}
}

// triangle takes its corners clockwise as seen on the screen.
func triangle(ax, ay, bx, by, cx, cy float64) shape {
	edge := func(x0, y0, x1, y1 float64) shape {
		l := math.Hypot(x1-x0, y1-y0)
		return func(x, y float64) float64 { return ((y1-y0)*(x-x0) - (x1-x0)*(y-y0)) / l }
	}
	return within(edge(ax, ay, bx, by), edge(bx, by, cx, cy), edge(cx, cy, ax, ay))
}

// below is what lies under a line through y0, slanted and reaching from x0 on for
// a width of w.
func below(y0, slant, x0, w float64) shape {
	return func(x, y float64) float64 {
		return max(y0+slant*(x-128)-y, x0-x, x-x0-2*w)
	}
}

// arc is a stroke of half-width w along a circle, between two angles; the y axis
// points down.
func arc(cx, cy, r, w, from, to float64) shape {
	mid, half := (from+to)/2, (to-from)/2
	sin, cos := math.Sincos(mid)
	endSin, endCos := math.Sincos(half)
	return func(x, y float64) float64 {
		x, y = (x-cx)*cos+(y-cy)*sin, math.Abs((y-cy)*cos-(x-cx)*sin)
		if math.Atan2(y, x) > half {
			return math.Hypot(x-r*endCos, y-r*endSin) - w
		}
		return math.Abs(math.Hypot(x, y)-r) - w
	}
}

// curls are n discs around an ellipse, which they fill.
func curls(cx, cy, rx, ry float64, n int, r float64) shape {
	shapes := []shape{ellipse(cx, cy, rx, ry)}
	for i := range n {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
		shapes = append(shapes, ellipse(cx+rx*cos, cy+ry*sin, r, r))
	}
	return union(shapes...)
}

func ring(s shape, w float64) shape {
	return func(x, y float64) float64 { return math.Abs(s(x, y)) - w }
}

func union(shapes ...shape) shape {
	return func(x, y float64) float64 {
		d := math.Inf(1)
		for _, s := range shapes {
			d = min(d, s(x, y))
		}
		return d
	}
}

func within(shapes ...shape) shape {
	return func(x, y float64) float64 {
		d := math.Inf(-1)
		for _, s := range shapes {
			d = max(d, s(x, y))
		}
		return d
	}
}

func without(s, hole shape) shape {
	return func(x, y float64) float64 { return max(s(x, y), -hole(x, y)) }
}

// transform turns by angle around (px, py), then moves by (dx, dy).
type transform struct{ angle, px, py, dx, dy float64 }

// canvas is painted shape over shape.
type canvas struct {
	size int
	pix  []paint
	at   transform // of the shapes to come
}

func newCanvas(size int) *canvas {
	return &canvas{size: size, pix: make([]paint, size*size)}
}

func (c *canvas) fill(s shape, alpha float64, p paint) {
	c.paint(s, alpha, 0, func(_, _ float64) paint { return p })
}

func (c *canvas) shade(s shape, alpha float64, p func(x, y float64) paint) {
	c.paint(s, alpha, 0, p)
}

// soft fades out inwards over blur grid units.
func (c *canvas) soft(s shape, alpha float64, p paint, blur float64) {
	c.paint(s, alpha, blur, func(_, _ float64) paint { return p })
}

func (c *canvas) paint(s shape, alpha, blur float64, p func(x, y float64) paint) {
	unit := grid / float64(c.size) // of a pixel
	sin, cos := math.Sincos(-c.at.angle)
	for i := range c.pix {
		x, y := (float64(i%c.size)+0.5)*unit, (float64(i/c.size)+0.5)*unit
		x, y = x-c.at.px-c.at.dx, y-c.at.py-c.at.dy
		x, y = x*cos-y*sin+c.at.px, x*sin+y*cos+c.at.py
		d := s(x, y)
		cover := 0.5 - d/unit
		if blur > 0 {
			cover = -d / blur
		}
		if cover > 0 {
			c.pix[i] = c.pix[i].mix(p(x, y), min(cover, 1)*alpha)
		}
	}
}

func (c *canvas) image() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, c.size, c.size))
	for i, p := range c.pix {
		for j, v := range p {
			img.Pix[4*i+j] = uint8(v*255 + 0.5)
		}
		img.Pix[4*i+3] = 255
	}
	return img
}
