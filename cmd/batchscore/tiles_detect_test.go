package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
	"github.com/batchscore/batchscore/scorer/row"
)

// boxesOf reads the boxes of the only part of an output, by the names of the images.
func boxesOf(t *testing.T, out string) map[string][]row.Box {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(out, "part-00000.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]row.Box{}
	for line := range strings.Lines(string(body)) {
		var r boxesRow
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		all[r.Path] = r.Boxes
	}
	return all
}

// covers reports whether two boxes share more than half of the smaller of them.
func covers(a, b *row.Box) bool {
	w := min(a.X+a.Width, b.X+b.Width) - max(a.X, b.X)
	h := min(a.Y+a.Height, b.Y+b.Height) - max(a.Y, b.Y)
	return w > 0 && h > 0 && w*h > 0.5*min(a.Width*a.Height, b.Width*b.Height)
}

// TestTilesOfDetectors: the boxes of a picture in tiles are those of its crops, each scored as an
// image, where they are in the picture, without those that a better one of their class covers. Parts
// depend neither on the batch nor on the decoders, and a picture in strips has the boxes of the
// same picture as a whole.
func TestTilesOfDetectors(t *testing.T) {
	t.Parallel()
	in, cut, dir := t.TempDir(), t.TempDir(), t.TempDir()
	model := filepath.Join(t.TempDir(), "model.onnx")
	writeFile(t, model, graphtest.Colours(3, boxOf))
	write := func(name string, img image.Image) {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		writeFile(t, name, b.Bytes())
	}
	picture := codectest.Picture(130, 170, 5)
	write(filepath.Join(in, "a.png"), picture)
	writeFile(t, filepath.Join(in, "b.tif"), rgbTIFF(picture))
	write(filepath.Join(in, "c.png"), picture.SubImage(image.Rect(0, 0, 50, 40)))
	write(filepath.Join(cut, "c.png"), picture.SubImage(image.Rect(0, 0, 50, 40)))
	var places [][2]int
	for _, y := range []int{0, 12, 24, 36, 48, 60, 72, 84, 96, 108, 110} { // tiles of 60, of which each shares 48 with the next
		for _, x := range []int{0, 12, 24, 36, 48, 60, 70} {
			places = append(places, [2]int{x, y})
			write(filepath.Join(cut, fmt.Sprintf("%d-%d.png", x, y)), picture.SubImage(image.Rect(x, y, x+60, y+60)))
		}
	}
	run := func(code int, images, name string, args ...string) string {
		t.Helper()
		return must(t, code, slices.Concat([]string{"run", "--images", images, "--out", filepath.Join(dir, name), "--model", model, "--yes",
			"--answer", "detect", "--detector", "yolov8", "--activation", "sigmoid", "--threshold", "0.3", "--chunk", "100"}, graphtest.Pixels, args)...).stderr
	}
	run(0, cut, "alone")
	alone := boxesOf(t, filepath.Join(dir, "alone"))
	var all, want []row.Box
	for _, at := range places {
		for _, b := range alone[fmt.Sprintf("%d-%d.png", at[0], at[1])] {
			b.X, b.Y = b.X+float32(at[0]), b.Y+float32(at[1])
			all = append(all, b)
		}
	}
	slices.SortStableFunc(all, func(a, b row.Box) int { return int(math.Copysign(1, float64(b.Score-a.Score))) })
	for _, b := range all {
		if !slices.ContainsFunc(want, func(k row.Box) bool { return k.Label == b.Label && covers(&k, &b) }) {
			want = append(want, b)
		}
	}
	if len(want) < 5 || len(want) == len(all) {
		t.Fatalf("of %d boxes %d are left: they test nothing", len(all), len(want))
	}
	tiles := []string{"--tile", "60", "--overlap", "0.8"}
	run(0, in, "tiles", append(tiles, "--batch", "4")...)
	rows := boxesOf(t, filepath.Join(dir, "tiles"))
	for _, name := range []string{"a.png", "b.tif"} {
		got := rows[name]
		if len(got) != len(want) {
			t.Fatalf("%s has %d boxes, want %d", name, len(got), len(want))
		}
		for _, b := range want {
			if !slices.ContainsFunc(got, func(g row.Box) bool {
				far := max(math.Abs(float64(g.X-b.X)), math.Abs(float64(g.Y-b.Y)), math.Abs(float64(g.Width-b.Width)), math.Abs(float64(g.Height-b.Height)))
				return g.Label == b.Label && math.Abs(float64(g.Score-b.Score)) < 1e-6 && far < 1e-3
			}) {
				t.Errorf("%s has not the box %v", name, b)
			}
		}
	}
	if got, want := fmt.Sprint(rows["c.png"]), fmt.Sprint(alone["c.png"]); got != want {
		t.Errorf("a picture of one tile has %s, and as an image %s", got, want)
	}
	must(t, 0, "verify", filepath.Join(dir, "tiles"))
	run(0, in, "other", append(tiles, "--batch", "3", "--decoders", "3")...)
	one, err := os.ReadFile(filepath.Join(dir, "tiles", "part-00000.jsonl"))
	two, err2 := os.ReadFile(filepath.Join(dir, "other", "part-00000.jsonl"))
	if err != nil || err2 != nil || !bytes.Equal(one, two) {
		t.Errorf("the part depends on the batch or the decoders (%v, %v)", err, err2)
	}
	if says := run(64, in, "refused", "--tile", "60", "--tile-rule", "top"); !strings.Contains(says, "leave --tile-rule out") {
		t.Errorf("a rule of tiles is refused with %s", says)
	}
}
