package preprocess

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// TestViews tests with any size and orientation that the views are those of specs whose window is
// there, and their mirror images.
func TestViews(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Spec{
			Width: rapid.IntRange(1, 30).Draw(t, "width"), Height: rapid.IntRange(1, 30).Draw(t, "height"),
			Layout: rapid.SampledFrom([]Layout{HWC, CHW}).Draw(t, "layout"), DType: Float32,
			Resize: rapid.SampledFrom(resizes).Draw(t, "resize"), Fit: CenterCrop,
			Augment: rapid.SampledFrom(Augments()).Draw(t, "augment"),
		}
		if rapid.Bool().Draw(t, "grey") {
			s.Grey = GreyPillow
		}
		s.ResizeTo = max(s.Width, s.Height) + rapid.IntRange(0, 20).Draw(t, "margin")
		o := codec.Orientation(rapid.IntRange(1, 8).Draw(t, "orientation"))
		img := noise(rapid.IntRange(1, 120).Draw(t, "image width"), rapid.IntRange(1, 120).Draw(t, "image height"), 3)
		d, err := NewDecoder(s, Options{ForcePortable: true})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		row := renderRow(d, img, o)
		views := slices.Collect(slices.Chunk(row, len(row)/s.Views()))

		// The whole resized image, of which the windows are parts.
		whole := s
		whole.Augment, whole.Layout = "", HWC
		u := d.canvas.geometry.upright
		whole.Width, whole.Height, whole.Fit, whole.ResizeTo = u.resizedW, u.resizedH, Stretch, 0
		w, err := NewDecoder(whole, Options{ForcePortable: true})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		all := numbers(whole, renderRow(w, img, o))
		channels := s.Channels()
		cut := func(x0, y0 int, mirrored bool) (out []float64) {
			for y := range s.Height {
				for x := range s.Width {
					if mirrored {
						x = s.Width - 1 - x
					}
					at := channels * ((y0+y)*u.resizedW + x0 + x)
					out = append(out, all[at:at+channels]...)
				}
			}
			return out
		}
		right, bottom := u.resizedW-s.Width, u.resizedH-s.Height
		at := [][2]int{{0, 0}, {right, 0}, {0, bottom}, {right, bottom}, {u.x, u.y}}
		if s.Augment == Flip {
			at = at[4:]
		}
		for i, v := range views {
			got := numbers(s, v)
			if s.Layout == CHW {
				got = interleaved(got, channels)
			}
			from := at[i%len(at)]
			if i == 9 { // torchvision cuts the middle of the mirrored image
				from[0] = right - from[0]
			}
			if want := cut(from[0], from[1], i >= len(at)); !slices.Equal(got, want) {
				t.Fatalf("view %d of %s is not the window at %v", i, s.Augment, from)
			}
		}
		if s.Augment == Flip && len(views) != 2 || s.Augment == TenCrop && len(views) != 10 {
			t.Fatalf("%d views of %s", len(views), s.Augment)
		}
		if bytes.Equal(views[0], make([]byte, len(views[0]))) && len(row) > 1000 {
			t.Fatal("a view of noise is zero")
		}
	})
}

// interleaved returns planes as pixels.
func interleaved(planes []float64, channels int) (pixels []float64) {
	n := len(planes) / channels
	for i := range n {
		for c := range channels {
			pixels = append(pixels, planes[c*n+i])
		}
	}
	return pixels
}
