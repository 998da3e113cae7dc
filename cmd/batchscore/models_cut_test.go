package main

import (
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/fetched"
)

// TestCropsFindTheirPhotograph cuts two trained networks after their pooling, in one command
// each, and looks up random crops of the sample photographs, of 60% to 90% of their area.
// BATCHSCORE_CROPS is how many; "make crops-check" asks for 100. EfficientNet-Lite0 knows the
// classes of ImageNet. Inception V3 was trained to moderate: by the plain cosine it confuses some
// portraits.
func TestCropsFindTheirPhotograph(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	crops := 6
	if n, err := strconv.Atoi(os.Getenv("BATCHSCORE_CROPS")); err == nil {
		crops = n
	}
	cached := func(elem ...string) string {
		path, err := filepath.Abs(fetched.Path(elem...))
		if err == nil {
			_, err = os.Stat(path)
		}
		fetched.Need(t, err)
		return path
	}
	photos := cached("images", "photos")
	names, err := filepath.Glob(filepath.Join(photos, "*.jpg"))
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%s has no photographs", photos)
	}
	fetched.Need(t, err)
	random, cut := rand.New(rand.NewPCG(7, 7)), t.TempDir()
	for i := range crops {
		name := names[i%len(names)]
		cropped(t, name, filepath.Join(cut, fmt.Sprintf("%03d-%s", i, filepath.Base(name))), random)
	}
	for _, c := range []struct {
		name, tensor string
		made         []string
		numbers      int
		least        int // crops of 100 that find their photograph first
	}{
		{name: "efficientnet_lite0", tensor: "flatten", numbers: 1280, least: 95, made: []string{"models", "build", "efficientnet_lite0", "--variant", "tf",
			"--weights", cached("imagenet", "efficientnet-lite0.pth"), "--labels", cached("imagenet", "labels.json")}},
		{name: "inception_v3", tensor: "flatten_1", numbers: 2048, least: 95, made: []string{"models", "import", cached("nsfwjs-4.4.0.tgz"),
			"--path", "dist/models/inception_v3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := t.TempDir()
			in := func(name string) string { return filepath.Join(folder, name) }
			must(t, 0, append(c.made, "-o", in("classes.onnx"))...)
			r := must(t, 78, "run", "--images", photos, "--out", in("refused"), "--model", in("classes.onnx"), "--answer", "embed")
			if want := "batchscore models cut " + in("classes.onnx") + " -o "; !strings.Contains(r.stderr, want) {
				t.Errorf("vectors of a classifier: %q, want %q in it", r.stderr, want)
			}
			r = must(t, 0, "models", "inspect", in("classes.onnx"))
			if want := fmt.Sprintf("%d numbers of %s,", c.numbers, c.tensor); !strings.Contains(r.stdout, want) {
				t.Errorf("inspect printed %q, want %q in it", r.stdout, want)
			}
			must(t, 0, "models", "cut", in("classes.onnx"), "-o", in("features.onnx"))
			for images, out := range map[string]string{photos: "photos", cut: "queries"} {
				must(t, 0, "run", "--images", images, "--out", in(out), "--model", in("features.onnx"), "--normalize", "--yes")
			}
			found := similarLines(t, in("photos"), "--queries", in("queries"), "--limit", "1")
			if len(found) != crops {
				t.Fatalf("%d answers for %d crops", len(found), crops)
			}
			first := 0
			for _, one := range found {
				if strings.HasSuffix(one.Image, "-"+one.Other) {
					first++
				} else {
					t.Logf("%s: %s is first, %.4f", one.Image, one.Other, one.Similarity)
				}
			}
			t.Logf("%d of %d crops find their photograph first", first, crops)
			if first*100 < c.least*crops {
				t.Errorf("%d of %d crops find their photograph first, want %d of 100", first, crops, c.least)
			}
			if python := os.Getenv("BATCHSCORE_CROPS_PYTHON"); python != "" {
				cmd := exec.CommandContext(t.Context(), python, "testdata/crops/equal.py", in("classes.onnx"), in("features.onnx"), c.tensor)
				out, err := cmd.CombinedOutput()
				t.Logf("%s", out)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// cropped writes a random part of a photograph, of 60% to 90% of its area.
func cropped(t *testing.T, from, to string, random *rand.Rand) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := jpeg.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	all := picture.Bounds()
	side := math.Sqrt(0.6 + 0.3*random.Float64())
	w, h := int(float64(all.Dx())*side), int(float64(all.Dy())*side)
	at := all.Min.Add(image.Pt(random.IntN(all.Dx()-w+1), random.IntN(all.Dy()-h+1)))
	part := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(part, part.Rect, picture, at, draw.Src)
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := jpeg.Encode(out, part, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
}
