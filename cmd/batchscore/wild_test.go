package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	labelfile "github.com/batchscore/batchscore/models/labels"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// wild is the folder of files that once gave a wrong result; see its README.md.
const wild = "testdata/wild"

// wildSide is the width and height of the images that Pillow made from them.
const wildSide = 32

// wildRefused are the images without pixels, or without reliable ones. All others have
// the pixels that Pillow gives them.
var wildRefused = map[string]string{
	"heif/IMG_1.heic":                  "truncated",
	"heif/heim.jpg":                    "truncated",
	"heif/mif2.jpg":                    "truncated",
	"jpeg/cut.jpg":                     "corrupt", // Pillow makes up what is missing
	"jpeg/junk+cut.jpg":                "corrupt", // likewise
	"jpeg/stale-pixels.jpg":            "corrupt",
	"listing/dot_underscore_IMG_0.jpg": "not_image",
}

// wildBesidePillow are images that are decoded completely although Pillow refuses them.
var wildBesidePillow = map[string]string{
	"jpeg/base_a_noEOI.jpg": "jpeg/base_00clean.jpg", // all of it is there but the end marker
}

// wildPictures returns the names of the images in wild.
func wildPictures(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, folder := range []string{"heif", "jpeg", "listing", "orientation", "png-gif-bmp", "tiff"} {
		files, err := os.ReadDir(filepath.Join(wild, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			names = append(names, folder+"/"+f.Name())
		}
	}
	return names
}

// pillows returns the pixels that Pillow makes from an image: wildSide x wildSide, RGB.
func pillows(t *testing.T, name string) []byte {
	t.Helper()
	if other, ok := wildBesidePillow[name]; ok {
		name = other
	}
	f, err := os.Open(filepath.Join(wild, "pillow", strings.Replace(name, "/", "-", 1)+".png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	rgb := make([]byte, 0, wildSide*wildSide*3)
	for y := range wildSide {
		for x := range wildSide {
			r, g, b, _ := img.At(x, y).RGBA()
			rgb = append(rgb, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return rgb
}

func TestWildPicturesHavePillowsPixels(t *testing.T) {
	for _, portable := range []bool{false, true} {
		d, err := preprocess.NewDecoder(preprocess.Spec{
			Width: wildSide, Height: wildSide, Layout: preprocess.HWC, DType: preprocess.Uint8,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch,
		}, preprocess.Options{ForcePortable: portable})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for _, name := range wildPictures(t) {
			src, err := os.ReadFile(filepath.Join(wild, name))
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, wildSide*wildSide*3)
			err = d.Decode(got, src)
			var bad *codec.Failure
			want, refused := wildRefused[name]
			if portable && refused && strings.HasPrefix(name, "heif/") {
				want = "unsupported" // what decodes them is a library
			}
			switch {
			case errors.As(err, &bad) && refused:
				if string(bad.Status) != want {
					t.Errorf("%s: status %s (%s), want %s", name, bad.Status, bad.Reason, want)
				}
			case err != nil:
				t.Errorf("%s: %v, want pixels", name, err)
			case refused:
				t.Errorf("%s: pixels, want status %s", name, want)
			default:
				if d, bound := farthest(got, pillows(t, name)), wildBound(src, portable); d > bound {
					t.Errorf("%s: up to %d steps from Pillow's pixels, want %d at most (portable: %v)", name, d, bound, portable)
				}
			}
		}
	}
}

// wildBound returns by how much pixels may differ from Pillow's. For a JPEG, versions of
// libjpeg-turbo differ by 1, and image/jpeg by 3.
func wildBound(src []byte, portable bool) int {
	switch {
	case !bytes.HasPrefix(src, []byte("\xff\xd8")):
		return 0
	case portable:
		return 3
	}
	return 1
}

// farthest returns the largest difference between two rows of pixels.
func farthest(a, b []byte) int {
	most := 0
	for i := range a {
		most = max(most, int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	return most
}

// TestWildPicturesEndToEnd checks that a run gives every image its row, with the class
// and the score of the colours that Pillow decodes.
func TestWildPicturesEndToEnd(t *testing.T) {
	needRuntime(t)
	images, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for _, name := range wildPictures(t) {
		body, err := os.ReadFile(filepath.Join(wild, name))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(images, name), body)
	}
	must(t, 0, append([]string{"run", "--images", images, "--out", out, "--activation", "logits", "--max-errors", "100%",
		"--model", filepath.Join(wild, "models/base_model_m.onnx")}, wildModelFlags...)...)
	rows := rowsOf(t, out)
	for _, r := range rows {
		if want, refused := wildRefused[r.Path]; refused {
			if r.Status != want || r.Label != "" || r.ClassID != -1 {
				t.Errorf("%s: status %s, label %q, class %d, want status %s and no class", r.Path, r.Status, r.Label, r.ClassID, want)
			}
			continue
		}
		class, score := wildClass(pillows(t, r.Path))
		if tied := r.Path == "tiff/lsb_none.tif"; tied && r.ClassID == 0 {
			class = 0 // as much red as green
		}
		if r.Status != "ok" || r.ClassID != class || math.Abs(float64(r.Score)-score) > 0.005 {
			t.Errorf("%s: status %s (%s), class %d, score %g, want ok, class %d, score %g",
				r.Path, r.Status, r.Error, r.ClassID, r.Score, class, score)
		}
	}
	if got, want := len(rows), len(wildPictures(t)); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
}

// wildClass returns what models/base_model_m.onnx computes for an image: a softmax over
// four times the mean of each colour, and over 1 minus all of them for black.
func wildClass(rgb []byte) (class int, score float64) {
	var mean [3]float64
	for i, v := range rgb {
		mean[i%3] += float64(v) / 255 / (wildSide * wildSide)
	}
	logits := []float64{4 * mean[0], 4 * mean[1], 4 * mean[2], 1 - mean[0] - mean[1] - mean[2]}
	sum := 0.0
	for i, v := range logits {
		if v > logits[class] {
			class = i
		}
		sum += math.Exp(v)
	}
	return class, math.Exp(logits[class]) / sum
}

// wildModelFlags supply what the small models do not say about themselves.
var wildModelFlags = []string{"--resize", "pillow-bilinear", "--fit", "stretch", "--bgr=false", "--scale", "1/255"}

// TestWildModels checks that models of other tools give eight images of one colour the
// scores that ONNX Runtime gives each of them alone, or are refused with a message that
// says what to do.
func TestWildModels(t *testing.T) {
	needRuntime(t)
	const (
		softmax  = "0 0.9479 1 0.9479 2 0.9479 0 0.4938 0 0.4938 1 0.4938 0 0.8574 1 0.8837"
		sigmoids = "0 0.9820 2 0.9997 2 0.5000 1 1.0000 0 0.9820 2 0.9997 1 0.9301 2 0.9981"
		binary   = "0 0.9997 0 0.0003 0 0.5000 0 0.5000 0 0.9997 0 0.0003 0 0.9974 0 0.0019"
	)
	used := map[string]bool{"base_model_m": true}
	for name, test := range map[string]struct {
		model string
		flags []string
		want  string // class and score of each picture
		says  string // or what the refusal says
	}{
		"all axes open": {
			model: "b02",
			flags: []string{"--layout", "NCHW", "--width", "32", "--height", "32", "--activation", "logits"},
			want:  softmax,
		},
		"all axes open, NHWC": {
			model: "b02_nhwc",
			flags: []string{"--layout", "NHWC", "--width", "32", "--height", "32", "--activation", "logits"},
			want:  softmax,
		},
		"size not told":             {model: "b02", flags: []string{"--activation", "logits"}, says: "--width PIXELS --height PIXELS"},
		"a sigmoid for each class":  {model: "b03a", want: sigmoids},
		"softmax over sigmoids":     {model: "b03a", flags: []string{"--activation", "logits"}, says: "say --activation independent"},
		"preset over sigmoids":      {model: "b03a", flags: []string{"--preset", "torchvision", "--mean", "0,0,0", "--std", "1,1,1"}, want: sigmoids},
		"one sigmoid":               {model: "b03b", flags: []string{"--activation", "independent"}, want: binary},
		"one sigmoid, not told":     {model: "b03b", says: "--activation independent"},
		"takes one image":           {model: "b05", flags: []string{"--activation", "logits"}, says: "--batch 1"},
		"takes one image, gets one": {model: "b05", flags: []string{"--activation", "logits", "--batch", "1"}, want: softmax},
		"mixes its batch":           {model: "b05_mix", flags: []string{"--activation", "logits"}, says: "Reshape"},
		"mixes a batch of one":      {model: "b05_mix", flags: []string{"--activation", "logits", "--batch", "1"}, want: softmax},
	} {
		used[test.model] = true
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			args := append([]string{"run", "--images", filepath.Join(wild, "models/images_d8"), "--out", out,
				"--model", filepath.Join(wild, "models", test.model+".onnx")}, wildModelFlags...)
			args = append(args, test.flags...)
			if test.says != "" {
				if r := must(t, 78, args...); !strings.Contains(r.stderr, test.says) || exists(out) {
					t.Errorf("got %v, want %q and nothing written", r, test.says)
				}
				return
			}
			must(t, 0, args...)
			var got []string
			for _, r := range rowsOf(t, out) {
				got = append(got, fmt.Sprintf("%d %.4f", r.ClassID, r.Score))
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("classes and scores\n%s, want\n%s", got, test.want)
			}
		})
	}
	models, err := filepath.Glob(filepath.Join(wild, "models/*.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range models {
		if name := strings.TrimSuffix(filepath.Base(path), ".onnx"); !used[name] {
			t.Errorf("no test of %s", path)
		}
	}
}

// TestWildLabels checks that label files in other formats than one label per line are
// read in their format, even if their number of lines equals that of the classes.
func TestWildLabels(t *testing.T) {
	want := map[string][]string{
		"03jsonpretty2.json": {"red", "green"},
		"07csvheader3.csv":   {"red", "green", "blue"},
		"08numbered_csv.txt": {"red", "green", "blue", "black"},
		"29yamlnames.yaml":   {"red", "green", "blue"},
	}
	files, err := os.ReadDir(filepath.Join(wild, "labels"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		body, err := os.ReadFile(filepath.Join(wild, "labels", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		classes := bytes.Count(body, []byte{'\n'}) // so that its lines would fit
		got, err := labelfile.Parse(f.Name(), body, classes)
		if err != nil || !slices.Equal(got.Names, want[f.Name()]) {
			t.Errorf("%s: %q, %v, want %q", f.Name(), got.Names, err, want[f.Name()])
		}
	}
}
