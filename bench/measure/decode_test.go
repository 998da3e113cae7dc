package measure

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
)

var spec = preprocess.Spec{Width: 64, Height: 64, Layout: preprocess.HWC, DType: preprocess.Uint8,
	Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch}

func pictures(t *testing.T, formats ...string) []Picture {
	t.Helper()
	var all []Picture
	for _, format := range formats {
		for _, scene := range Scenes(3, 30_000, 1) {
			p, err := Encode(scene, format)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
	}
	return all
}

// values are those of one unit of the samples of a decoder and a format.
func values(samples []result.Sample, format, decoder, unit string) []float64 {
	var all []float64
	for _, s := range samples {
		if slices.Contains(s.Keys, result.K("format", format)) && slices.Contains(s.Keys, result.K("decoder", decoder)) {
			for _, v := range s.Values {
				if v.Unit == unit {
					all = append(all, v.Value)
				}
			}
		}
	}
	return all
}

// TestReadSome takes the first two of each format, from folders within too.
func TestReadSome(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i, p := range pictures(t, "jpeg", "png") {
		if err := os.WriteFile(filepath.Join(folder, []string{"a", "b/a", "c"}[i%3]+"."+p.Format), p.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "a.txt"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	some, err := ReadSome(folder, 2)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range some {
		names = append(names, p.Name)
	}
	if all, err := ReadFolder(folder); !slices.Equal(names, []string{"a.jpeg", "a.png", "b/a.jpeg", "b/a.png"}) || err != nil || len(all) != 6 {
		t.Errorf("some are %v; all are %d, %v; want four of six", names, len(all), err)
	}
}

// TestReadable leaves out a picture whose header is fine and whose rest is gone.
func TestReadable(t *testing.T) {
	all := pictures(t, "jpeg", "png")
	for i := range all {
		all[i].Name = all[i].Format
	}
	broken := all[1]
	broken.Name, broken.Data = "broken", broken.Data[:len(broken.Data)/2]
	readable, others, err := Readable(slices.Insert(slices.Clone(all), 2, broken), spec, nil)
	if err != nil || !reflect.DeepEqual(readable, all) || !slices.Equal(others, []string{"broken"}) {
		t.Errorf("%d of %d can be read, %v cannot; %v; want broken alone", len(readable), len(all)+1, others, err)
	}
}

func TestDecodeComparesInEveryRound(t *testing.T) {
	if _, err := jpeg.Backend(); err != nil {
		t.Fatal(err)
	}
	samples, err := Decode(t.Context(), pictures(t, "jpeg", "png"), "0.03", spec, "", nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, decoder := range []string{Ours, OursScaled, Imaging, Go, Limit} {
		rates, shares := values(samples, "jpeg", decoder, "images/s"), values(samples, "jpeg", decoder, "of-limit")
		if len(rates) != 3 || slices.Min(rates) <= 0 || len(shares) != 3 {
			t.Errorf("%s: rates %v, shares %v; want three of each", decoder, rates, shares)
		}
		if decoder == Limit && (slices.Min(shares) != 1 || slices.Max(shares) != 1) {
			t.Errorf("the limit is %v of itself, want 1", shares)
		}
	}
	if got := values(samples, "png", Ours, "images/s"); len(got) != 3 {
		t.Errorf("png: rates %v, want three", got)
	}
	if got := values(samples, "png", Limit, "images/s"); len(got) != 0 {
		t.Errorf("libjpeg-turbo decoded png: %v, want nothing", got)
	}
}

// TestDecodingAllocatesNothing holds our decoder to what its package promises.
func TestDecodingAllocatesNothing(t *testing.T) {
	samples, err := Decode(t.Context(), pictures(t, "jpeg"), "0.03", spec, "", nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, decoder := range []string{Ours, OursScaled, Limit} {
		if got := values(samples, "jpeg", decoder, "allocs/image"); len(got) != 1 || got[0] != 0 {
			t.Errorf("%s: %v allocations per image, want 0", decoder, got)
		}
	}
	if got := values(samples, "jpeg", Imaging, "allocs/image"); len(got) != 1 || got[0] < 1 {
		t.Errorf("imaging: %v allocations per image, want some, or nothing is counted", got)
	}
}

func TestResampleLeavesSmallPicturesOut(t *testing.T) {
	all := append(pictures(t, "jpeg"), pictures(t, "gif")...)
	images := Resample(all, 10_000)
	if len(images) != 6 {
		t.Fatalf("%d images, want 6", len(images))
	}
	for _, img := range images {
		if n := img.Bounds().Dx() * img.Bounds().Dy(); n < 9_000 || n > 10_000 {
			t.Errorf("%d pixels, want about 10000", n)
		}
	}
	if images := Resample(all, 1_000_000); len(images) != 0 {
		t.Errorf("%d images were enlarged, want none", len(images))
	}
}
