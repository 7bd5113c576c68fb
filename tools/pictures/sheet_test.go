package pictures_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math/rand/v2"
	"strings"
	"testing"
	"zego-mcp/tools/pictures"
)

// names are names that are hard to draw.
var names = []string{
	"Sophia", "知小白", "品牌主播 苏晴", "さくら", "서연", "Ελένη", "Дмитрий", "Zoë", "<img src=x onerror=alert(1)>", `"quoted" & 'more'`,
	"محمد علي", "שרה", "नमिता", "\u202eevil\u202c", "zero\u200bwidth\u200d", "🙂 Smiley", strings.Repeat("long name ", 20), strings.Repeat("好", 200), strings.Repeat("W", 200), "",
}

// faceColors are colours that a JPEG keeps apart.
func faceColor(i int) color.RGBA {
	return color.RGBA{uint8(40 + i%5*45), uint8(40 + i/5*50), uint8(200 - i*8), 255}
}

func thumbnailOf(t *testing.T, fill image.Image, size int) []byte {
	t.Helper()
	out := image.NewRGBA(image.Rect(0, 0, size, size))
	draw.Draw(out, out.Bounds(), fill, image.Point{}, draw.Src)
	var text bytes.Buffer
	if err := jpeg.Encode(&text, out, nil); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// isInk reports whether a pixel of the white margin has been drawn on.
func isInk(c color.Color) bool {
	r, g, b, _ := c.RGBA()
	return r+g+b < 3*0xffff*6/10
}

// TestSheet decodes contact sheets as a model sees them: each face stands in its place, and no
// label touches a face, its neighbour or the edge.
func TestSheet(t *testing.T) {
	t.Parallel()
	const margin = 16
	for _, count := range []int{1, 5, 7, 20} {
		size := pictures.SheetThumbnailSize(count)
		var faces []pictures.Face
		for i := range count {
			faces = append(faces, pictures.Face{Number: i + 1, Name: names[i%len(names)], Thumbnail: thumbnailOf(t, image.NewUniform(faceColor(i)), size)})
		}
		sheet, err := pictures.Sheet(faces)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := jpeg.Decode(bytes.NewReader(sheet))
		if err != nil {
			t.Fatal(err)
		}
		b := decoded.Bounds()
		if max(b.Dx(), b.Dy()) > pictures.MaxSheetSide || len(sheet) > pictures.MaxSheetBytes {
			t.Errorf("%d faces: %v pixels, %d bytes", count, b.Size(), len(sheet))
		}
		columns := (b.Dx() - margin) / (size + margin)
		rows := (count + columns - 1) / columns
		cellHeight := (b.Dy() - margin) / rows
		for i := range count {
			corner := image.Pt(margin+i%columns*(size+margin), margin+i/columns*cellHeight)
			for _, at := range []image.Point{{8, 8}, {size / 2, size / 2}, {size - 8, size - 8}} {
				r, g, bl, _ := decoded.At(corner.X+at.X, corner.Y+at.Y).RGBA()
				want := faceColor(i)
				if abs(int(r>>8)-int(want.R))+abs(int(g>>8)-int(want.G))+abs(int(bl>>8)-int(want.B)) > 30 {
					t.Errorf("%d faces: face %d has the colour %d %d %d at %v, want %v", count, i+1, r>>8, g>>8, bl>>8, at, want)
				}
			}
			ink := 0
			label := image.Rect(corner.X, corner.Y+size+4, corner.X+size, corner.Y+cellHeight-margin)
			for y := label.Min.Y; y < label.Max.Y; y++ {
				for x := label.Min.X; x < label.Max.X; x++ {
					if isInk(decoded.At(x, y)) {
						ink++
					}
				}
				if isInk(decoded.At(label.Max.X+margin/2, y)) {
					t.Fatalf("%d faces: the label %q is wider than its face", count, faces[i].Name)
				}
			}
			if ink == 0 {
				t.Errorf("%d faces: face %d has no label", count, i+1)
			}
			for x := label.Min.X; x < label.Max.X; x++ {
				if isInk(decoded.At(x, label.Max.Y+margin/2)) {
					t.Fatalf("%d faces: the label %q is higher than its place", count, faces[i].Name)
				}
			}
		}
	}
}

// TestSheetIsSmall has pictures of noise, which a JPEG cannot make small.
func TestSheetIsSmall(t *testing.T) {
	t.Parallel()
	noise := image.NewRGBA(image.Rect(0, 0, 512, 512))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range noise.Pix {
		noise.Pix[i] = uint8(random.Uint32())
	}
	var faces []pictures.Face
	for i := range pictures.MaxFaces {
		faces = append(faces, pictures.Face{Number: i + 1, Name: names[i], Thumbnail: thumbnailOf(t, noise, pictures.SheetThumbnailSize(pictures.MaxFaces))})
	}
	sheet, err := pictures.Sheet(faces)
	if err != nil || len(sheet) > pictures.MaxSheetBytes {
		t.Errorf("got %d bytes, %v", len(sheet), err)
	}
}

// TestSheetWithoutPicture has faces whose thumbnail is missing or damaged.
func TestSheetWithoutPicture(t *testing.T) {
	t.Parallel()
	sheet, err := pictures.Sheet([]pictures.Face{{Number: 1, Name: "A"}, {Number: 2, Name: "B", Thumbnail: []byte("no JPEG")}})
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := jpeg.Decode(bytes.NewReader(sheet))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []int{30, 30 + 400 + 16} {
		if r, g, b, _ := decoded.At(x, 30).RGBA(); r != g || g != b || r > 0xf000 {
			t.Errorf("at %d the field has the colour %x %x %x, want grey", x, r, g, b)
		}
	}
}

// TestLabels compares sheets: names that are not drawn leave the number alone.
func TestLabels(t *testing.T) {
	t.Parallel()
	sheet := func(name string) string {
		out, err := pictures.Sheet([]pictures.Face{{Number: 7, Name: name}})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", out)
	}
	numberAlone := sheet("")
	for name, drawn := range map[string]bool{
		"Sophia": true, "知小白": true, "さくら": true, "서연": true, "Дмитрий": true, "<b>": true,
		"محمد": false, "שרה": false, "नमिता": false, "🙂": false, "a\u0338": false, "\u200b\u202e": false,
	} {
		if got := sheet(name) != numberAlone; got != drawn {
			t.Errorf("%q: drawn %t, want %t", name, got, drawn)
		}
	}
	for name, same := range map[string]string{"So\u200bphia\u202e": "Sophia", "  two\n\twords ": "two words", "e\u0301": "é"} {
		if sheet(name) != sheet(same) {
			t.Errorf("%q is not drawn like %q", name, same)
		}
	}
}

func abs(n int) int { return max(n, -n) }
