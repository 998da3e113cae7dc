package models_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// golden returns n images for a model of ten classes.
func golden(n int) *models.Golden {
	g := &models.Golden{Tolerance: 0.01, JPEGDecoder: "go", MadeWith: "a test"}
	for i := range n {
		img := models.GoldenImage{Name: fmt.Sprintf("%d.jpg", i), Image: []byte{0xff, 0xd8, byte(i)}, Scores: make([]float32, 10)}
		img.Scores[i%10] = 0.7
		img.Scores[(i+1)%10] = 0.3
		g.Images = append(g.Images, img)
	}
	return g
}

func TestAnnotateGolden(t *testing.T) {
	in := graphtest.Write(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "golden.onnx")
	if err := models.Annotate(in, out, models.Annotations{Golden: golden(3)}); err != nil {
		t.Fatal(err)
	}
	m, err := models.Open(out, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if m.Golden == nil || len(m.Golden.Images) != 3 || !bytes.Equal(m.Golden.Images[2].Image, []byte{0xff, 0xd8, 2}) ||
		!slices.Equal(m.Golden.Images[2].Scores, golden(3).Images[2].Scores) || m.Golden.Tolerance != 0.01 {
		t.Fatalf("got %+v", m.Golden)
	}
	plain, err := models.Open(in, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if plain.Golden != nil || m.Contract.Digest() != plain.Contract.Digest() || m.Digest == plain.Digest {
		t.Error("want golden images to change the digest of the file and not that of the contract")
	}
	// A second time, in place: they replace the first ones, and nothing else changes.
	if err := models.Annotate(out, out, models.Annotations{Golden: golden(1)}); err != nil {
		t.Fatal(err)
	}
	direct := filepath.Join(t.TempDir(), "direct.onnx")
	if err := models.Annotate(in, direct, models.Annotations{Golden: golden(1)}); err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(direct)
	if err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) || !bytes.HasPrefix(a, original) {
		t.Error("replacing golden images changed other bytes")
	}
}

func TestGoldenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*models.Golden)
		says   string
	}{
		"none":      {change: func(g *models.Golden) { g.Images = nil }, says: "0 images"},
		"too many":  {change: func(g *models.Golden) { g.Images = golden(9).Images }, says: "9 images"},
		"too large": {change: func(g *models.Golden) { g.Images[0].Image = make([]byte, models.MaxGoldenBytes) }, says: "bytes together"},
		"empty":     {change: func(g *models.Golden) { g.Images[1].Image = nil }, says: `"1.jpg" has 0 bytes`},
		"unequal":   {change: func(g *models.Golden) { g.Images[1].Scores = g.Images[1].Scores[:9] }, says: "9 scores"},
		"NaN":       {change: func(g *models.Golden) { g.Images[1].Scores[3] = float32(math.NaN()) }, says: "class 3"},
		"tolerance": {change: func(g *models.Golden) { g.Tolerance = 0 }, says: "tolerance"},
		"all goes":  {change: func(g *models.Golden) { g.Tolerance = 1 }, says: "tolerance"},
		"scores":    {change: func(g *models.Golden) { g.Images[0].Scores = make([]float32, 1<<19); g.Images = g.Images[:1] }, says: "fewer images"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "golden.onnx")
			g := golden(2)
			c.change(g)
			err := models.Annotate(graphtest.Write(t, graphtest.Options{}), out, models.Annotations{Golden: g})
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want ErrModel about %q", err, c.says)
			}
			if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a file was written: %v", err)
			}
		})
	}
	// Golden images of another model are refused when the model is opened.
	out := filepath.Join(t.TempDir(), "golden.onnx")
	if err := models.Annotate(graphtest.Write(t, graphtest.Options{Classes: 4}), out, models.Annotations{Golden: golden(1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := models.Open(out, models.OpenOptions{}); !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "10 scores") {
		t.Errorf("got %v, want ErrModel about 10 scores for 4 classes", err)
	}
}

func TestGoldenCheck(t *testing.T) {
	g := golden(3)
	rows := func() [][]float32 {
		var rows [][]float32
		for _, img := range g.Images {
			rows = append(rows, slices.Clone(img.Scores))
		}
		return rows
	}
	if v, err := g.Check(rows(), "go"); err != nil || v.Largest != 0 || v.Images != 3 {
		t.Errorf("equal scores: %+v, %v", v, err)
	}
	near := rows()
	near[1][2] += 0.006 // of 0.7, the largest of the row: 0.0086
	if v, err := g.Check(near, "go"); err != nil || math.Abs(v.Largest-0.006/0.7) > 1e-6 || v.Worst != "1.jpg" {
		t.Errorf("near scores: %+v, %v", v, err)
	}
	far := rows()
	far[2][9] += 0.008
	v, err := g.Check(far, "go")
	if !errors.Is(err, models.ErrModel) || v.Worst != "2.jpg" {
		t.Errorf("scores beyond the tolerance: %+v, %v", v, err)
	}
	for _, s := range []string{`"2.jpg"`, "0.01", "made with a test", "preprocessing"} {
		if err == nil || !strings.Contains(err.Error(), s) {
			t.Errorf("%v does not contain %q", err, s)
		}
	}
	if v, err := g.Check(far, "libjpeg-turbo"); err != nil || v.Tolerance <= g.Tolerance {
		t.Errorf("scores of another decoder may differ a little: %+v, %v", v, err)
	}
	nan := rows()
	nan[0][0] = float32(math.NaN())
	if _, err := g.Check(nan, "go"); !errors.Is(err, models.ErrModel) {
		t.Errorf("NaN: got %v, want ErrModel", err)
	}
	if _, err := g.Check(rows()[:2], "go"); err == nil {
		t.Error("two rows for three images pass")
	}
}

func TestDifference(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		want, got []float32
		is        float64
	}{
		{want: []float32{1, -4}, got: []float32{1, -4}, is: 0},
		{want: []float32{1, -4}, got: []float32{2, -4}, is: 0.25},
		{want: []float32{0, 0}, got: []float32{0, 0}, is: 0},
		{want: []float32{0, 0}, got: []float32{0, 1}, is: math.Inf(1)},
		{want: []float32{1}, got: []float32{1, 1}, is: math.Inf(1)},
		{want: []float32{1}, got: []float32{inf}, is: math.Inf(1)},
	} {
		t.Run(fmt.Sprint(c.want, c.got), func(t *testing.T) {
			if d := models.Difference(c.want, c.got); d != c.is {
				t.Errorf("Difference(%v, %v) = %v, want %v", c.want, c.got, d, c.is)
			}
		})
	}
}

func TestGoldenFiles(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{
		".hidden": 5, "a.jpg": 10, "b.jpg": models.MaxGoldenBytes - 15, "c.jpg": 6, "d.jpg": 5, "e.jpg": 1,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "aa"), 0o755); err != nil {
		t.Fatal(err)
	}
	names, images, err := models.GoldenFiles(dir)
	if err != nil || !slices.Equal(names, []string{"a.jpg", "b.jpg", "d.jpg"}) || len(images) != 3 || len(images[2]) != 5 {
		t.Errorf("got %q of %d, %v; want those that fit, in order", names, len(images), err)
	}
	for i := range 12 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("0%02d.jpg", i)), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if names, _, err := models.GoldenFiles(dir); err != nil || len(names) != models.MaxGoldenImages {
		t.Errorf("got %d files, %v; want %d", len(names), err, models.MaxGoldenImages)
	}
	if _, _, err := models.GoldenFiles(t.TempDir()); err == nil {
		t.Error("GoldenFiles accepts an empty folder")
	}
}

// A model with weight files next to it is annotated in its folder only.
func TestAnnotateWithWeightFile(t *testing.T) {
	model := graphtest.External(t, "model.onnx.data", nil)
	in, err := models.Inspect(model, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if in.Parameters != graphtest.ExternalParameters || in.MultiplyAdds == nil || *in.MultiplyAdds != graphtest.ExternalParameters ||
		in.Size < 4*graphtest.ExternalParameters {
		t.Errorf("inspected as %+v", in)
	}
	err = models.Annotate(model, filepath.Join(t.TempDir(), "m.onnx"), models.Annotations{Golden: golden(1)})
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "same folder") {
		t.Errorf("to another folder: got %v, want ErrModel", err)
	}
	if err := models.Annotate(model, filepath.Join(filepath.Dir(model), "golden.onnx"), models.Annotations{Golden: golden(1)}); err != nil {
		t.Error(err)
	}
}

func TestAnnotateContract(t *testing.T) {
	in := graphtest.Write(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out.onnx")
	c := graphtest.Contract(graphtest.Options{})
	c.Labels[3] = "renamed"
	if err := models.Annotate(in, out, models.Annotations{Contract: &c, Golden: golden(2)}); err != nil {
		t.Fatal(err)
	}
	if err := models.Annotate(out, out, models.Annotations{Contract: &c}); err != nil {
		t.Fatal(err)
	}
	m, err := models.Open(out, models.OpenOptions{})
	if err != nil || m.Contract.Digest() != c.Digest() || m.Golden == nil {
		t.Errorf("got %+v, %v", m, err)
	}
	// A model without a contract gets one.
	foreign := graphtest.Write(t, graphtest.Options{NoContract: true})
	if err := models.Annotate(foreign, out, models.Annotations{Contract: &c}); err != nil {
		t.Fatal(err)
	}
	if m, err := models.Open(out, models.OpenOptions{}); err != nil || m.Contract.Labels[3] != "renamed" {
		t.Errorf("got %+v, %v", m, err)
	}
	c.Classes = 0
	if err := models.Annotate(foreign, out, models.Annotations{Contract: &c}); !errors.Is(err, models.ErrModel) {
		t.Errorf("got %v, want ErrModel", err)
	}
}
