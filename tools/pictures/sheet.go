package pictures

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"strconv"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
)

const (
	// MaxFaces is how many faces fit on a contact sheet.
	MaxFaces = 20
	// MaxSheetSide is how many pixels the longer side of a contact sheet has at most. Models get
	// a larger picture scaled down.
	MaxSheetSide = 1568
	// MaxSheetBytes is the size of the largest contact sheet.
	MaxSheetBytes = 400_000

	sheetColumns = 5
	sheetMargin  = 16 // Pixels around each face.
	labelLines   = 2
	lineHeight   = 26 // Pixels.
)

// Face is a face on a contact sheet.
type Face struct {
	Number    int
	Name      string // Is left out if it has characters that cannot be drawn.
	Thumbnail []byte // A JPEG of [Store.Thumbnail]; nil if there is none.
}

// SheetThumbnailSize returns how many pixels the thumbnails for a sheet of so many faces should
// have: more, if the faces are few.
func SheetThumbnailSize(faces int) int {
	switch {
	case faces <= 1:
		return MaxSize
	case faces <= 6:
		return 400
	}
	return 270
}

// Sheet draws faces side by side, each with its number and name below it. It returns a JPEG of
// at most [MaxSheetBytes]. A face without a thumbnail is an empty field that says so. There
// must be 1 to [MaxFaces] faces.
func Sheet(faces []Face) ([]byte, error) {
	size := SheetThumbnailSize(len(faces))
	columns := min(len(faces), sheetColumns, (MaxSheetSide-sheetMargin)/(size+sheetMargin))
	rows := (len(faces) + columns - 1) / columns
	cell := image.Pt(size+sheetMargin, size+sheetMargin+labelLines*lineHeight)
	sheet := image.NewRGBA(image.Rect(0, 0, columns*cell.X+sheetMargin, rows*cell.Y+sheetMargin))
	draw.Draw(sheet, sheet.Bounds(), image.White, image.Point{}, draw.Src)
	labels, err := newLabeler(sheet)
	if err != nil {
		return nil, err
	}
	defer labels.close()
	for i, face := range faces {
		corner := image.Pt(i%columns*cell.X+sheetMargin, i/columns*cell.Y+sheetMargin)
		frame := image.Rectangle{corner, corner.Add(image.Pt(size, size))}
		if picture, err := jpeg.Decode(bytes.NewReader(face.Thumbnail)); err == nil {
			draw.ApproxBiLinear.Scale(sheet, frame, picture, picture.Bounds(), draw.Src, nil)
		} else {
			draw.Draw(sheet, frame, image.NewUniform(color.Gray{0xd0}), image.Point{}, draw.Src)
			labels.draw("no picture", image.Rect(frame.Min.X, frame.Min.Y+size/2-lineHeight, frame.Max.X, frame.Max.Y))
		}
		labels.draw(labelOf(face), image.Rect(frame.Min.X, frame.Max.Y, frame.Max.X, frame.Max.Y+labelLines*lineHeight))
	}
	for quality := 85; ; quality -= 10 {
		out, err := encode(sheet, quality)
		if err != nil || len(out) <= MaxSheetBytes || quality <= 15 {
			return out, err
		}
	}
}

// labelOf returns the number of a face, and its name if that can be drawn.
func labelOf(face Face) string {
	label := strconv.Itoa(face.Number)
	if name, ok := drawable(face.Name); ok {
		label += "  " + name
	}
	return label
}

// labeler draws texts on a sheet. It is for one goroutine.
type labeler struct {
	drawer font.Drawer
}

func newLabeler(sheet draw.Image) (*labeler, error) {
	face, err := newFace()
	if err != nil {
		return nil, err
	}
	return &labeler{font.Drawer{Dst: sheet, Src: image.Black, Face: face}}, nil
}

func (l *labeler) close() { _ = l.drawer.Face.Close() }

// draw draws a text into a rectangle, in at most labelLines lines. What does not fit is replaced
// by an ellipsis.
func (l *labeler) draw(text string, into image.Rectangle) {
	for i, line := range l.wrap(text, into.Dx()) {
		l.drawer.Dot = fixed.P(into.Min.X, into.Min.Y+(i+1)*lineHeight-lineHeight/4)
		l.drawer.DrawString(line)
	}
}

// wrap splits a text into at most labelLines lines that fit into width pixels. It splits at
// blanks if it can.
func (l *labeler) wrap(text string, width int) []string {
	var lines []string
	rest := []rune(text)
	for len(rest) > 0 {
		isLast := len(lines) == labelLines-1
		end := l.fitting(rest, width)
		switch {
		case end == len(rest):
			return append(lines, string(rest))
		case isLast:
			for end > 0 && l.width(append(rest[:end:end], '…')) > width {
				end--
			}
			return append(lines, string(rest[:end])+"…")
		}
		if blank := lastBlank(rest[:end+1]); blank > end/2 {
			lines, rest = append(lines, string(rest[:blank])), rest[blank+1:]
		} else {
			lines, rest = append(lines, string(rest[:end])), rest[end:]
		}
	}
	return lines
}

// fitting returns how many characters of text fit into width pixels; at least 1.
func (l *labeler) fitting(text []rune, width int) int {
	end := 1
	for end < len(text) && l.width(text[:end+1]) <= width {
		end++
	}
	return end
}

func (l *labeler) width(text []rune) int { return l.drawer.MeasureString(string(text)).Ceil() }

// lastBlank returns the index of the last blank of a text, or -1.
func lastBlank(text []rune) int {
	for i, r := range slices.Backward(text) {
		if r == ' ' {
			return i
		}
	}
	return -1
}
