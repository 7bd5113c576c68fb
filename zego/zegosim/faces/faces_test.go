package faces_test

import (
	"bytes"
	"fmt"
	"image/gif"
	"image/png"
	"testing"
	"zego-mcp/zego/zegosim/faces"
)

func TestPNG(t *testing.T) {
	t.Parallel()
	seen := make(map[string]faces.Face)
	for i := range 6 {
		for _, woman := range []bool{false, true} {
			f := faces.Face{Seed: fmt.Sprint(i), Woman: woman, Skin: i}
			picture := f.PNG(64)
			img, err := png.Decode(bytes.NewReader(picture))
			if err != nil {
				t.Fatal(err)
			}
			if got := img.Bounds().Size(); got.X != 64 || got.Y != 64 {
				t.Errorf("%+v: got size %v, want 64 by 64", f, got)
			}
			if other, ok := seen[string(picture)]; ok {
				t.Errorf("%+v looks like %+v", f, other)
			}
			seen[string(picture)] = f
			if !bytes.Equal(picture, f.PNG(64)) {
				t.Errorf("%+v looks different when it is drawn again", f)
			}
		}
	}
}

func TestSkinOutOfRange(t *testing.T) {
	t.Parallel()
	for skin, nearest := range map[int]int{-1: 0, 6: 5} {
		got, want := faces.Face{Skin: skin}.PNG(64), faces.Face{Skin: nearest}.PNG(64)
		if !bytes.Equal(got, want) {
			t.Errorf("skin %d differs from skin %d", skin, nearest)
		}
	}
}

func TestRandom(t *testing.T) {
	t.Parallel()
	counts := make(map[bool]int)
	for i := range 100 {
		f := faces.Random(fmt.Sprint(i))
		if f != faces.Random(f.Seed) {
			t.Errorf("%+v differs when it is made again", f)
		}
		counts[f.Woman]++
	}
	if counts[true] < 30 || counts[false] < 30 {
		t.Errorf("got %d women and %d men, want about half of each", counts[true], counts[false])
	}
}

func TestGIF(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, gesture := range []string{"idle_action", "nod", "wave_hand"} {
		picture := faces.Random("x").GIF(64, gesture)
		animation, err := gif.DecodeAll(bytes.NewReader(picture))
		if err != nil {
			t.Fatal(err)
		}
		if len(animation.Image) != 10 || animation.Config.Width != 64 || animation.Config.Height != 64 {
			t.Errorf("%s: got %d frames of %d by %d, want 10 of 64 by 64", gesture, len(animation.Image), animation.Config.Width, animation.Config.Height)
		}
		if bytes.Equal(animation.Image[0].Pix, animation.Image[2].Pix) {
			t.Errorf("%s does not move", gesture)
		}
		if other, ok := seen[string(picture)]; ok {
			t.Errorf("%s looks like %s", gesture, other)
		}
		seen[string(picture)] = gesture
	}
}
