package main

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestAugment: an image and its mirror image get the same scores from both views, other ones from
// one; rows do not depend on the batch, and the record of the job says it.
func TestAugment(t *testing.T) {
	t.Parallel()
	in, model := t.TempDir(), tiny(t, graphtest.Options{})
	picture := codectest.Picture(40, 30, 5)
	mirrored := image.NewNRGBA(picture.Bounds())
	for y := range 30 {
		for x := range 40 {
			mirrored.Set(39-x, y, picture.At(x, y))
		}
	}
	for name, img := range map[string]image.Image{"a.png": picture, "b.png": mirrored, "c.png": codectest.Picture(20, 50, 7)} {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(in, name), b.Bytes())
	}
	run := func(code int, out string, args ...string) string {
		return must(t, code, append([]string{"run", "--images", in, "--out", out, "--model", model, "--yes"}, args...)...).stderr
	}
	rows := func(out string) []string {
		b, err := os.ReadFile(filepath.Join(out, "part-00000.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer("a.png", "x.png", "b.png", "x.png").Replace(string(b))
		return strings.Split(text, "\n")
	}
	sizes := func(line string) string { // without the size of the file
		before, after, _ := strings.Cut(line, `"size":`)
		_, after, _ = strings.Cut(after, ",")
		return before + after
	}
	dir := t.TempDir()
	one, both, alone := filepath.Join(dir, "one"), filepath.Join(dir, "both"), filepath.Join(dir, "alone")
	run(0, one)
	run(0, both, "--augment", "flip", "--batch", "3")
	run(0, alone, "--augment", "flip", "--batch", "1")
	if r := rows(one); sizes(r[0]) == sizes(r[1]) {
		t.Errorf("an image and its mirror image have the same row without --augment: %s", r[0])
	}
	r := rows(both)
	if sizes(r[0]) != sizes(r[1]) {
		t.Errorf("an image and its mirror image differ with --augment flip:\n%s\n%s", r[0], r[1])
	}
	if a := rows(alone); strings.Join(a, "\n") != strings.Join(r, "\n") {
		t.Errorf("rows depend on the batch:\n%s\n%s", a, r)
	}
	if b, err := os.ReadFile(filepath.Join(both, "_batchscore", "job.json")); err != nil || !strings.Contains(string(b), `"augment": "flip"`) {
		t.Errorf("the record does not say it (%v):\n%s", err, b)
	}
	if says := run(64, filepath.Join(dir, "crops"), "--augment", "five-crop"); !strings.Contains(says, "needs a fit that crops") {
		t.Errorf("five crops of a stretched image: %s", says)
	}
	if says := run(64, filepath.Join(dir, "word"), "--augment", "rotate"); !strings.Contains(says, "ten-crop") {
		t.Errorf("an unknown word: %s", says)
	}
}
