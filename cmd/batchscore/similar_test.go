package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// embedded scores images with a model whose numbers are taken as vectors.
func embedded(t *testing.T, images string, flags ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "vectors")
	model := tiny(t, graphtest.Options{NoContract: true, Logits: true})
	must(t, 0, append([]string{"run", "--images", images, "--out", out, "--model", model, "--max-errors", "100%", "--yes",
		"--answer", "embed", "--resize", "pillow-bilinear", "--fit", "stretch", "--bgr=false"}, flags...)...)
	return out
}

// similarLines returns what similar --json prints.
func similarLines(t *testing.T, args ...string) []similarLine {
	t.Helper()
	r := must(t, 0, append([]string{"similar", "--json"}, args...)...)
	var all []similarLine
	for text := range strings.Lines(r.stdout) {
		var one similarLine
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		all = append(all, one)
	}
	return all
}

func TestSimilar(t *testing.T) {
	t.Parallel()
	images := t.TempDir()
	for i, name := range []string{"a.png", "b.png", "album/c.png", "d.png"} {
		writeFile(t, filepath.Join(images, name), picture(t, i%3)) // a and d are the same
	}
	writeFile(t, filepath.Join(images, "broken.jpg"), []byte("no picture"))
	for _, format := range []string{"jsonl", "csv", "parquet"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			out := embedded(t, images, "--format", format)
			got := similarLines(t, out, "a.png")
			if len(got) != 3 || got[0].Other != "d.png" || got[0].Similarity < 0.999999 || got[1].Similarity < got[2].Similarity {
				t.Errorf("most similar to a.png: %+v, want d.png first of 3", got)
			}
			got = similarLines(t, out, "a.png", "b.png", "--limit", "1")
			if len(got) != 2 || got[1].Image != "b.png" || got[1].Other == "b.png" {
				t.Errorf("one for each of two: %+v", got)
			}
			got = similarLines(t, out, "--pairs", "--at-least", "0.999999")
			if len(got) != 1 || got[0].Image != "a.png" || got[0].Other != "d.png" {
				t.Errorf("pairs: %+v, want a.png and d.png", got)
			}
			if got := similarLines(t, out, "--pairs", "--at-least", "0.000001", "--limit", "2"); len(got) != 2 {
				t.Errorf("at most two pairs: %+v", got)
			}
			if got := similarLines(t, out, "--queries", out, "--limit", "1"); len(got) != 4 || got[1].Image != got[1].Other {
				t.Errorf("every image finds itself: %+v", got)
			}
			text := must(t, 0, "similar", out, "--pairs", "--at-least", "0.999999").stdout
			for _, want := range []string{
				" 1.0000  a.png d.png\n", "4 images: 2 have a near duplicate", "in 1 pair;",
				"left out, because they failed, or their vectors cannot be compared: 1 image",
			} {
				if !strings.Contains(text, want) {
					t.Errorf("printed %q, want %q in it", text, want)
				}
			}
			if r := must(t, 78, "similar", out, "broken.jpg"); !strings.Contains(r.stderr, "they failed, or all numbers are 0") {
				t.Errorf("a failed image: %q", r.stderr)
			}
		})
	}
}

func TestSimilarRefuses(t *testing.T) {
	t.Parallel()
	images := t.TempDir()
	writeFile(t, filepath.Join(images, "a.png"), picture(t, 1))
	out := embedded(t, images)
	classes := filepath.Join(t.TempDir(), "classes")
	must(t, 0, "run", "--images", images, "--out", classes, "--model", tiny(t, graphtest.Options{}), "--yes")
	other := filepath.Join(t.TempDir(), "other")
	must(t, 0, "run", "--images", images, "--out", other, "--model", tiny(t, graphtest.Options{NoContract: true, Logits: true, Seed: 9}), "--yes",
		"--answer", "embed", "--resize", "pillow-bilinear", "--fit", "stretch", "--bgr=false")
	for _, c := range []struct {
		name string
		code int
		args []string
		want string
	}{
		{name: "nothing", code: 64, args: []string{out}, want: "one of the three"},
		{name: "two ways", code: 64, args: []string{out, "a.png", "--pairs"}, want: "one of the three"},
		{name: "no pairs", code: 64, args: []string{out, "a.png", "--at-least", "0.9"}, want: "--at-least is about --pairs"},
		{name: "pairs are plain", code: 64, args: []string{out, "--pairs", "--cosine"}, want: "about images and --queries"},
		{name: "beyond 1", code: 64, args: []string{out, "--pairs", "--at-least", "1.1"}, want: "at most 1"},
		{name: "none wanted", code: 64, args: []string{out, "a.png", "--limit", "0"}, want: "above zero"},
		{name: "no such image", code: 78, args: []string{out, "b.png"}, want: `no image "b.png"`},
		{name: "labels", code: 78, args: []string{classes, "a.png"}, want: "its task is classify"},
		{name: "another model", code: 78, args: []string{out, "--queries", other}, want: "different models"},
		{name: "other pixels", code: 78, args: []string{out, "--queries", embedded(t, images, "--scaled-decode")}, want: "--scaled-decode: false and true"},
		{name: "no such head", code: 78, args: []string{out, "a.png", "--head", "colours"}, want: `none called "colours"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if r := must(t, c.code, append([]string{"similar"}, c.args...)...); !strings.Contains(r.stderr, c.want) {
				t.Errorf("stderr %q, want %q in it", r.stderr, c.want)
			}
		})
	}
}

// TestQueriesAtOnce: how many queries are compared at once follows from the memory that is free, and
// is bounded on both sides.
func TestQueriesAtOnce(t *testing.T) {
	for _, c := range []struct {
		free          int64
		dims, n, want int
	}{
		{free: 1 << 62, dims: 2048, n: 10, want: (2 << 30) / (12*2048 + 896)},
		{free: 4 << 20, dims: 2048, n: 10, want: (1 << 20) / (12*2048 + 896)},
		{free: 0, dims: 2048, n: 10, want: 16},
		{free: 1 << 62, dims: 1, n: 1 << 20, want: 31},
	} {
		if got := queriesAtOnce(c.free, c.dims, c.n); got != c.want {
			t.Errorf("with %d bytes, %d dimensions and %d neighbours: %d queries, want %d", c.free, c.dims, c.n, got, c.want)
		}
	}
}
