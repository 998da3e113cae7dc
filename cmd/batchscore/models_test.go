package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/library"
)

// TestForeignModel checks that everything missing in the contract of another tool's
// model is reported, and that it scores once flags, a model.yaml or a preset supply
// it.
func TestForeignModel(t *testing.T) {
	t.Parallel()
	images := pictures(t, 3)
	model := tiny(t, graphtest.Options{Input: graphtest.FloatImage, Size: 224, NoContract: true})
	out := filepath.Join(t.TempDir(), "out")
	run := func(code int, args ...string) processResult {
		t.Helper()
		return must(t, code, append([]string{"run", "--provider", "cpu", "--images", images, "--model", model, "--out", out}, args...)...)
	}
	r := run(78)
	says(t, r, "how were images resampled", "--fit stretch|", "RGB or BGR", "--scale 1/255", "--preset keras-vgg", strings.TrimSuffix(model, ".onnx")+".yaml")
	wantEmpty(t, out)
	r = run(78, "--resize", "area", "--fit", "center-crop", "--bgr=false", "--scale", "1/255")
	says(t, r, "--resize-to PIXELS")
	if strings.Contains(r.stderr, "RGB or BGR") {
		t.Errorf("asked for what was answered: %v", r)
	}
	run(78, "--preset", "torchvision", "--activation", "probabilities", "--resize-to", "20")
	wantEmpty(t, out)
	for _, wrong := range [][]string{
		{"--mean", "1,2"}, {"--std", "1,x,3"}, {"--scale", "much"}, {"--orientation", "left"}, {"--activation", "scores"},
		{"--width", "0"}, {"--preset", "mine"}, {"--resize", "cubic"}, {"--fit", "crop"},
	} {
		run(64, wrong...)
	}

	torch := []string{"--preset", "torchvision", "--activation", "probabilities"}
	r = run(0, torch...)
	says(t, r, "output is probabilities (flags), not logits (preset torchvision)")
	// Again on the same folder: nothing to do. With another answer: another
	// preprocessing.
	run(0, torch...)
	says(t, run(10, append(torch, "--bgr")...), "--bgr: the job has false, this command has true")

	beside := strings.TrimSuffix(model, ".onnx") + ".yaml"
	writeFile(t, beside, []byte("preset: torchvision\noutput: probabilities\n"))
	run(0)
	says(t, run(10, "--resize", "pillow-bicubic"), "--resize: the job has pillow-bilinear, this command has pillow-bicubic")
	writeFile(t, beside, []byte("preset: torchvision\noutptu: probabilities\n"))
	says(t, run(78), "outptu", beside)
}

func TestModelsRegistry(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "models")
	images := pictures(t, 2)
	model := tiny(t, graphtest.Options{Input: graphtest.FloatImage, Size: 224, NoContract: true})
	score := func(code int, args ...string) processResult {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out")
		return must(t, code, append([]string{"run", "--provider", "cpu", "--models", dir, "--images", images, "--out", out}, args...)...)
	}
	says(t, score(78, "--inference", "classification"), "models add NAME FILE --task classification", filepath.Join(dir, "classification.onnx"))
	says(t, must(t, 78, "models", "add", "mine", model, "--models", dir), "RGB or BGR")
	must(t, 64, "models", "add", "mine", model, "--models", dir, "--task", "sorting")
	must(t, 64, "models", "add", "mine", "--models", dir)
	must(t, 78, "models", "add", "mine", filepath.Join(dir, "none.onnx"), "--models", dir)

	add := []string{"models", "add", "mine", model, "--models", dir, "--task", "classification", "--preset", "torchvision", "--activation", "probabilities"}
	must(t, 0, add...)
	says(t, must(t, 78, add...), "--replace")
	must(t, 0, append(add, "--replace")...)
	score(0, "--inference", "classification")
	score(0, "--model", "mine")
	says(t, score(78, "--model", "yours"), "models add NAME FILE")
	list := func() processResult { t.Helper(); return must(t, 0, "models", "list", "--models", dir) }
	says(t, list(), "cloth_recognition", "VGG-16", "keras-inception", "mine", "ok", model)
	r := finish(t, command(t, []string{library.DirVar + "=" + dir}, "models", "list"))
	says(t, r, "mine")

	writeFile(t, model, graphtest.Tiny(graphtest.Options{Input: graphtest.FloatImage, Size: 224, NoContract: true, Seed: 3}))
	says(t, list(), "changed")
	says(t, score(78, "--model", "mine"), "not the file that was registered", "--replace mine")
	says(t, must(t, 0, "models", "remove", "mine", "--models", dir), "mine: removed")
	must(t, 78, "models", "remove", "mine", "--models", dir)
}

// Processes that register models at the same time lose none.
func TestModelsAddAtOnce(t *testing.T) {
	t.Parallel()
	dir, model := t.TempDir(), graphtest.Write(t, graphtest.Options{})
	const many = 8
	var wg sync.WaitGroup
	for i := range many {
		cmd := command(t, nil, "models", "add", fmt.Sprintf("m%d", i), model, "--models", dir)
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	entries, err := library.Entries(dir)
	if err != nil || len(entries) != many {
		t.Errorf("the registry has %d entries (%v), want %d", len(entries), err, many)
	}
}

func TestModelsInspect(t *testing.T) {
	t.Parallel()
	model := graphtest.Write(t, graphtest.Options{})
	says(t, must(t, 0, "models", "inspect", model), "1,226 float32", "221,504", "[N,32,32,3]", "pillow-bilinear, stretch, RGB, upright", "... (10)")
	foreign := graphtest.Write(t, graphtest.Options{NoContract: true})
	says(t, must(t, 78, "models", "inspect", foreign), "A run would refuse", "RGB or BGR")
	var in models.Inspection
	r := must(t, 0, "models", "inspect", foreign, "--json", "--bgr", "--resize", "area", "--fit", "stretch")
	if err := json.Unmarshal([]byte(r.stdout), &in); err != nil {
		t.Fatal(err)
	}
	if in.Contract == nil || !in.Contract.Preprocess.BGR || in.Parameters != 1226 || *in.MultiplyAdds != 221504 {
		t.Errorf("got %s", r.stdout)
	}
	text := filepath.Join(t.TempDir(), "text.onnx")
	writeFile(t, text, []byte("no model"))
	must(t, 78, "models", "inspect", text)
}

// A model with golden images is refused before anything is written if the images would
// get other scores.
func TestGolden(t *testing.T) {
	t.Parallel()
	images := pictures(t, 3)
	samples := t.TempDir()
	for i := range 3 {
		writeFile(t, filepath.Join(samples, string(rune('a'+i))+".jpg"), picture(t, 40+i*50))
	}
	plain := tiny(t, graphtest.Options{Input: graphtest.FloatImage, Logits: true})
	model := filepath.Join(t.TempDir(), "golden.onnx")
	must(t, 0, "models", "golden", plain, "--images", samples, "-o", model, "--provider", "cpu")
	says(t, must(t, 0, "models", "check", model, "--provider", "cpu"), "3 golden images agree on cpu; largest difference 0 ")
	says(t, must(t, 78, "models", "check", plain), "no golden images")
	must(t, 64, "models", "golden", plain, "--images", samples)

	run := func(code int, model string, args ...string) (string, processResult) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out")
		return out, must(t, code, append([]string{"run", "--provider", "cpu", "--images", images, "--model", model, "--out", out}, args...)...)
	}
	run(0, model)
	run(0, model, "--scaled-decode") // a choice, and not a wrong preprocessing
	for _, wrong := range [][]string{{"--bgr"}, {"--scale", "1/127.5"}, {"--mean", "1,1,1"}} {
		out, r := run(78, model, wrong...)
		says(t, r, "golden image", "preprocessing")
		wantEmpty(t, out)
		must(t, 78, append([]string{"models", "check", model, "--provider", "cpu"}, wrong...)...)
	}

	// The same golden images on other weights.
	m, err := models.Open(model, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	altered := filepath.Join(t.TempDir(), "altered.onnx")
	other := tiny(t, graphtest.Options{Input: graphtest.FloatImage, Logits: true, Seed: 1})
	if err := models.Annotate(other, altered, models.Annotations{Golden: m.Golden}); err != nil {
		t.Fatal(err)
	}
	out, r := run(78, altered)
	says(t, r, "golden image", "weights")
	wantEmpty(t, out)

	// A foreign model takes its contract along: it needs no flags any more.
	foreign := tiny(t, graphtest.Options{Input: graphtest.FloatImage, Logits: true, NoContract: true})
	whole := filepath.Join(t.TempDir(), "whole.onnx")
	must(t, 0, "models", "golden", foreign, "--images", samples, "-o", whole, "--provider", "cpu",
		"--resize", "area", "--fit", "stretch", "--bgr", "--scale", "1/255", "--activation", "logits")
	run(0, whole)

	// Images that tell nothing are not taken: all grey, so that swapped
	// channels are the same.
	grey := t.TempDir()
	writeFile(t, filepath.Join(grey, "grey.png"), greyPNG(t))
	says(t, must(t, 78, "models", "golden", plain, "--images", grey, "-o", filepath.Join(t.TempDir(), "m.onnx"), "--provider", "cpu"), "they would tell nothing")
	writeFile(t, filepath.Join(samples, "notes.txt"), []byte("passed over, as run does"))
	must(t, 0, "models", "golden", plain, "--images", samples, "-o", filepath.Join(t.TempDir(), "m.onnx"), "--provider", "cpu")
	writeFile(t, filepath.Join(samples, "notes.png"), []byte("not an image"))
	says(t, must(t, 78, "models", "golden", plain, "--images", samples, "-o", filepath.Join(t.TempDir(), "m.onnx"), "--provider", "cpu"), "notes.png")
}

func greyPNG(t testing.TB) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 40, 30))
	for i := range img.Pix {
		img.Pix[i] = uint8(i)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
