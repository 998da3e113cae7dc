package preprocess

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestPlacement tests fits by hand.
func TestPlacement(t *testing.T) {
	s := Spec{Width: 20, Height: 10}
	for _, c := range []struct {
		name          string
		spec          func(*Spec)
		width, height int
		o             codec.Orientation
		want          Placement
	}{
		{
			name: "stretch", spec: func(s *Spec) { s.Fit = Stretch }, width: 40, height: 30, o: 1,
			want: Placement{Width: 40, Height: 30, StepX: 2, StepY: 3},
		},
		{
			name: "stretch, stored on its side", spec: func(s *Spec) { s.Fit = Stretch }, width: 30, height: 40, o: 6,
			want: Placement{Width: 40, Height: 30, StepX: 2, StepY: 3},
		},
		{
			name: "center-crop", spec: func(s *Spec) { s.Fit, s.ResizeTo = CenterCrop, 20 }, width: 60, height: 40, o: 3,
			want: Placement{Width: 60, Height: 40, StepX: 2, StepY: 2, OffsetX: 10, OffsetY: 10},
		},
		{
			name: "central-fraction", spec: func(s *Spec) { s.Fit, s.Fraction = CentralFraction, 0.5 }, width: 40, height: 40, o: 1,
			want: Placement{Width: 40, Height: 40, StepX: 1, StepY: 2, OffsetX: 10, OffsetY: 10},
		},
		{
			name: "letterbox", spec: func(s *Spec) { s.Fit = Letterbox }, width: 40, height: 40, o: 8,
			want: Placement{Width: 40, Height: 40, StepX: 4, StepY: 4, OffsetX: -20},
		},
		{
			name: "letterbox in the corner", spec: func(s *Spec) { s.Fit, s.Position = Letterbox, TopLeft }, width: 40, height: 40, o: 1,
			want: Placement{Width: 40, Height: 40, StepX: 4, StepY: 4},
		},
		{
			name: "square-pad", spec: func(s *Spec) { s.Fit = SquarePad }, width: 40, height: 19, o: 1,
			want: Placement{Width: 40, Height: 19, StepX: 2, StepY: 4, OffsetY: -10},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := s
			c.spec(&s)
			if got := s.place(c.width, c.height, c.o); got != c.want {
				t.Errorf("place(%d, %d, %d) = %+v, want %+v", c.width, c.height, c.o, got, c.want)
			}
		})
	}
}

// TestPlacementOfPixels tests with any size, fit and orientation that a step in the picture is where
// the placement says.
func TestPlacementOfPixels(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Spec{Width: 24, Height: 18, Layout: HWC, DType: Float32, Resize: Area,
			Fit: rapid.SampledFrom([]Fit{Stretch, CenterCrop, CentralFraction}).Draw(t, "fit")}
		switch s.Fit {
		case CenterCrop:
			s.ResizeTo = rapid.IntRange(24, 40).Draw(t, "resize to")
		case CentralFraction:
			s.Fraction = 0.8
		}
		o := codec.Orientation(rapid.IntRange(1, 8).Draw(t, "orientation"))
		width, height := rapid.IntRange(40, 200).Draw(t, "width"), rapid.IntRange(40, 200).Draw(t, "height")
		upright := [2]int{width, height}
		if o >= 5 {
			upright = [2]int{height, width}
		}
		edge := [2]int{upright[0] / 2, upright[1] / 2}
		img := noise(width, height, 1)
		for y := range upright[1] {
			for x := range upright[0] {
				sx, sy := codectest.Stored(o, x, y, width, height)
				p := img.Pix[sy*img.Stride+4*sx:][:3]
				p[0], p[1] = 0, 0
				if x >= edge[0] {
					p[0] = 255
				}
				if y >= edge[1] {
					p[1] = 255
				}
			}
		}
		d, err := NewDecoder(s, Options{ForcePortable: true})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		row := numbers(s, renderRow(d, img, o))
		p := d.Placement()
		if p.Width != upright[0] || p.Height != upright[1] {
			t.Fatalf("the picture is %dx%d, want %v", p.Width, p.Height, upright)
		}
		// The sum of a line is how many of its pixels are behind the edge.
		sum := [2]float64{}
		for x := range s.Width {
			sum[0] += row[3*x] / 255
		}
		for y := range s.Height {
			sum[1] += row[3*y*s.Width+1] / 255
		}
		x, y := p.Picture(float64(s.Width)-sum[0], float64(s.Height)-sum[1])
		if math.Abs(x-float64(edge[0])) > 0.01*p.StepX || math.Abs(y-float64(edge[1])) > 0.01*p.StepY {
			t.Fatalf("the edges are at %v, %v in the picture, want %v", x, y, edge)
		}
	})
}
