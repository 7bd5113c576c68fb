package pictures

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"image"
	"io"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/norm"
)

// han is a part of Droid Sans Fallback, with the characters of GB 2312, Big5 and Shift JIS. It
// adds 1.2 MB to the program. .ci/font/make has made it. The licences are beside the fonts.
//
//go:embed font/DroidSansFallback.ttf.gz
var han []byte

// hangul is a part of Noto Sans CJK, with the Korean syllables of EUC-KR. It adds 0.8 MB to the
// program, and was made in the same way.
//
//go:embed font/NotoSansCJK-Hangul.otf.gz
var hangul []byte

// fonts are the fonts that names are drawn in: the first one that has a character draws it. Go
// Regular has Latin, Greek and Cyrillic letters. They are unpacked when they are first used.
var fonts = sync.OnceValues(func() ([]*sfnt.Font, error) {
	latin, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, err
	}
	fonts := []*sfnt.Font{latin}
	for _, packed := range [][]byte{han, hangul} {
		reader, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			return nil, err
		}
		file, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		parsed, err := opentype.Parse(file)
		if err != nil {
			return nil, err
		}
		fonts = append(fonts, parsed)
	}
	return fonts, nil
})

// drawable returns a name as it can be drawn: composed, with single blanks, and without
// characters that nobody sees. It reports false if a character is in none of the fonts, as
// those of scripts that must be shaped or are written from right to left.
func drawable(name string) (string, bool) {
	parsed, err := fonts()
	if err != nil {
		return "", false
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, norm.NFC.String(name))
	name = strings.Join(strings.Fields(name), " ")
	var buffer sfnt.Buffer
	for _, r := range name {
		if unicode.IsMark(r) || fontOf(parsed, &buffer, r) < 0 {
			return "", false
		}
	}
	return name, name != ""
}

// fontOf returns the index of the first font that has a character, or -1 if none has.
func fontOf(fonts []*sfnt.Font, buffer *sfnt.Buffer, r rune) int {
	for i, f := range fonts {
		if glyph, err := f.GlyphIndex(buffer, r); err == nil && glyph != 0 {
			return i
		}
	}
	return -1
}

// fallbackFace is a font.Face that draws each character in the first of its fonts that has it.
// It is for one goroutine.
type fallbackFace struct {
	fonts  []*sfnt.Font
	faces  []font.Face
	buffer sfnt.Buffer
}

// newFace returns a face for labels.
func newFace() (font.Face, error) {
	parsed, err := fonts()
	if err != nil {
		return nil, err
	}
	f := &fallbackFace{fonts: parsed}
	for _, one := range parsed {
		face, err := opentype.NewFace(one, &opentype.FaceOptions{Size: 20, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			return nil, err
		}
		f.faces = append(f.faces, face)
	}
	return f, nil
}

func (f *fallbackFace) faceOf(r rune) font.Face {
	return f.faces[max(0, fontOf(f.fonts, &f.buffer, r))]
}

// Close implements font.Face.
func (f *fallbackFace) Close() error {
	for _, face := range f.faces {
		_ = face.Close()
	}
	return nil
}

// Glyph implements font.Face.
func (f *fallbackFace) Glyph(dot fixed.Point26_6, r rune) (image.Rectangle, image.Image, image.Point, fixed.Int26_6, bool) {
	return f.faceOf(r).Glyph(dot, r)
}

// GlyphBounds implements font.Face.
func (f *fallbackFace) GlyphBounds(r rune) (fixed.Rectangle26_6, fixed.Int26_6, bool) {
	return f.faceOf(r).GlyphBounds(r)
}

// GlyphAdvance implements font.Face.
func (f *fallbackFace) GlyphAdvance(r rune) (fixed.Int26_6, bool) { return f.faceOf(r).GlyphAdvance(r) }

// Kern implements font.Face.
func (f *fallbackFace) Kern(r0, r1 rune) fixed.Int26_6 {
	if face := f.faceOf(r0); face == f.faceOf(r1) {
		return face.Kern(r0, r1)
	}
	return 0
}

// Metrics implements font.Face.
func (f *fallbackFace) Metrics() font.Metrics { return f.faces[0].Metrics() }
