package preprocess

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/disintegration/imaging"
)

// benchPixels is the size to which benchmark photographs are brought.
const benchPixels = 700_000

// BenchmarkDecodeToTensor compares, on the same files in the same run and turn
// by turn, on one core, the decoder with imaging's decode and resize and with libjpeg-turbo's
// bare full decode. Each figure is the sum over the files of the best time for
// each, so that what else runs on the machine disturbs the ratios little.
//
// BATCHSCORE_BENCH_IMAGES names a folder of JPEG files to take as they are.
// Otherwise the photographs in .cache/images/photos are brought to 0.7 megapixel, and
// where there are none, generated pictures stand in.
func BenchmarkDecodeToTensor(b *testing.B) {
	requireTurbo(b)
	files := benchFiles(b)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // imaging would take them all
	spec := Spec{Width: 299, Height: 299, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	for _, c := range []struct {
		name string
		edit func(*Spec)
	}{
		{"u8", func(*Spec) {}},
		{"f32-chw-224-crop", func(s *Spec) {
			s.Width, s.Height, s.Layout, s.DType = 224, 224, CHW, Float32
			s.Fit, s.ResizeTo = CenterCrop, 256
			s.Scale = 1.0 / 255
			s.Mean, s.Std = []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}
		}},
		{"tf-u8", func(s *Spec) { s.Resize = TFBilinearAlignCorners }},
		{"bicubic-u8", func(s *Spec) { s.Resize = PillowBicubic }},
		{"lanczos-u8", func(s *Spec) { s.Resize = PillowLanczos }},
		{"nearest-u8", func(s *Spec) { s.Resize = PillowNearest }},
		{"area-u8", func(s *Spec) { s.Resize = Area }},
		{"u8-scaled", func(s *Spec) { s.ScaledDecode = true }},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := spec
			c.edit(&s)
			d, err := NewDecoder(s, Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			benchFilesOn(b, d, files)
		})
	}
}

func benchFilesOn(b *testing.B, d *Decoder, files [][]byte) {
	dst := make([]byte, d.spec.RowBytes())
	var rgb []byte
	type best struct{ ours, bare, imaging time.Duration }
	times := make([]best, len(files))
	pixels, size := 0, 0
	lap := func(least *time.Duration, f func()) {
		t := time.Now()
		f()
		if took := time.Since(t); *least == 0 || took < *least {
			*least = took
		}
	}
	b.ResetTimer()
	for round := range b.N {
		pixels, size = 0, 0
		for i, src := range files {
			h, fail := walkJPEG(src, d.opt)
			if fail != nil {
				b.Fatal(fail)
			}
			pixels += h.width * h.height
			size += len(src)
			if n := h.width * h.height * 3; n > len(rgb) {
				rgb = make([]byte, n)
			}
			laps := []func(){
				func() {
					lap(&times[i].ours, func() {
						if err := d.Decode(dst, src); err != nil {
							b.Fatal(err)
						}
					})
				},
				func() {
					lap(&times[i].bare, func() {
						if err := d.DecodeOnly(rgb, src, h.width, h.height); err != nil {
							b.Fatal(err)
						}
					})
				},
				func() {
					lap(&times[i].imaging, func() {
						img, err := imaging.Decode(bytes.NewReader(src))
						if err != nil {
							b.Fatal(err)
						}
						imaging.Resize(img, d.spec.Width, d.spec.Height, imaging.Linear)
					})
					runtime.GC() // imaging's garbage is not to be collected in another's time
				},
			}
			// Each takes each place in the order equally often: what follows
			// imaging finds cold caches.
			for k := range laps {
				laps[(k+round)%len(laps)]()
			}
		}
	}
	var sum best
	for _, t := range times {
		sum.ours += t.ours
		sum.bare += t.bare
		sum.imaging += t.imaging
	}
	n := float64(len(files))
	b.ReportMetric(n/sum.ours.Seconds(), "img/s")
	b.ReportMetric(n/sum.bare.Seconds(), "bare-img/s")
	b.ReportMetric(n/sum.imaging.Seconds(), "imaging-img/s")
	b.ReportMetric(sum.imaging.Seconds()/sum.ours.Seconds(), "x-imaging")
	b.ReportMetric(sum.bare.Seconds()/sum.ours.Seconds(), "of-bare-decode")
	b.ReportMetric(float64(pixels)/n/1e6, "Mpixel/img")
	b.ReportMetric(float64(size)/n/1e3, "kB/img")
}

func benchFiles(b *testing.B) [][]byte {
	if dir := os.Getenv("BATCHSCORE_BENCH_IMAGES"); dir != "" {
		files := readJPEGs(b, dir)
		if len(files) == 0 {
			b.Fatalf("no .jpg files in BATCHSCORE_BENCH_IMAGES=%s", dir)
		}
		return files
	}
	var files [][]byte
	for _, src := range readJPEGs(b, filepath.Join("..", "..", ".cache", "images", "photos")) {
		img, err := imaging.Decode(bytes.NewReader(src), imaging.AutoOrientation(true))
		if err != nil {
			continue
		}
		w, h := img.Bounds().Dx(), img.Bounds().Dy()
		if w*h < benchPixels {
			continue // enlarged, it would have less detail than photographs have
		}
		f := math.Sqrt(benchPixels / float64(w*h))
		files = append(files, encodeJPEG(b, imaging.Resize(img, int(float64(w)*f), int(float64(h)*f), imaging.Lanczos), 85))
		if len(files) == 16 {
			break
		}
	}
	if len(files) == 0 {
		for seed := range uint64(8) {
			files = append(files, encodeJPEG(b, picture(1024, 683, seed), 85))
		}
	}
	return files
}

func readJPEGs(tb testing.TB, dir string) [][]byte {
	var files [][]byte
	for _, pattern := range []string{"*.jpg", "*.jpeg"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				tb.Fatal(err)
			}
			files = append(files, src)
		}
	}
	return files
}

func encodeJPEG(tb testing.TB, img image.Image, quality int) []byte {
	tb.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality}); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// picture is a smooth scene with hard edges and grain.
func picture(w, h int, seed uint64) *image.NRGBA {
	rnd := rand.New(rand.NewPCG(seed, 7))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	fx, fy := 9+20*rnd.Float64(), 9+20*rnd.Float64()
	for y := range h {
		for x := range w {
			p := img.Pix[y*img.Stride+4*x:][:4]
			v := 128 + 70*math.Sin(float64(x)/fx)*math.Cos(float64(y)/fy)
			if (x/61+y/47)%3 == 0 {
				v += 40
			}
			for c := range 3 {
				p[c] = clamp8(int(v+12*float64(c)*math.Sin(float64(x+y)/31)) + rnd.IntN(17) - 8)
			}
			p[3] = 255
		}
	}
	return img
}
