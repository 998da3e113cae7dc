package preprocess

import (
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// BenchmarkDecode compares filters of the resize and layouts of the tensor, with one JPEG.
// "batchscore bench decode" compares the decoder with others.
func BenchmarkDecode(b *testing.B) {
	requireTurbo(b)
	src := encodeJPEG(b, codectest.Picture(1024, 683, 0), 85)
	spec := Spec{Width: 299, Height: 299, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	for _, c := range []struct {
		name string
		edit func(*Spec)
		most string // of InstructionsEnv
	}{
		{name: "u8", edit: func(*Spec) {}},
		{name: "u8-avx2", edit: func(*Spec) {}, most: "avx2"},
		{name: "f32-chw-224-crop", edit: func(s *Spec) {
			s.Width, s.Height, s.Layout, s.DType = 224, 224, CHW, Float32
			s.Fit, s.ResizeTo = CenterCrop, 256
			s.Scale = 1.0 / 255
			s.Mean, s.Std = []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}
		}},
		{name: "tf-u8", edit: func(s *Spec) { s.Resize = TFBilinearAlignCorners }},
		{name: "bicubic-u8", edit: func(s *Spec) { s.Resize = PillowBicubic }},
		{name: "lanczos-u8", edit: func(s *Spec) { s.Resize = PillowLanczos }},
		{name: "nearest-u8", edit: func(s *Spec) { s.Resize = PillowNearest }},
		{name: "area-u8", edit: func(s *Spec) { s.Resize = Area }},
		{name: "u8-scaled", edit: func(s *Spec) { s.ScaledDecode = true }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.Setenv(InstructionsEnv, c.most)
			s := spec
			c.edit(&s)
			d := newDecoder(b, s, Options{})
			dst := make([]byte, s.RowBytes())
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Decode(dst, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
