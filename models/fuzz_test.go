package models_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

func FuzzContract(f *testing.F) {
	for _, o := range []graphtest.Options{{}, {Input: graphtest.FloatImage, Logits: true}} {
		text, err := json.Marshal(graphtest.Contract(o))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"preprocess":{"mean":[1e39]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := models.ParseContract(text)
		if err != nil {
			return
		}
		// An accepted contract can be written and read again without change.
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := models.ParseContract(again); err != nil || b.Digest() != c.Digest() {
			t.Errorf("%s became %+v, %v", again, b, err)
		}
	})
}

func FuzzGolden(f *testing.F) {
	text, err := json.Marshal(golden(2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"images":[{"image":"AA==","scores":[1e39]}],"tolerance":0.1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		g, err := models.ParseGolden(text)
		if err != nil {
			return
		}
		if len(g.Images) < 1 || len(g.Images) > models.MaxGoldenImages {
			t.Fatalf("accepted %d images", len(g.Images))
		}
		var rows [][]float32
		for _, img := range g.Images {
			rows = append(rows, img.Scores)
		}
		if v, err := g.Check(rows, g.JPEGDecoder); err != nil || v.Largest != 0 {
			t.Errorf("golden images differ from themselves: %+v, %v", v, err)
		}
	})
}

// FuzzSidecar opens a valid model with any sidecar next to it.
func FuzzSidecar(f *testing.F) {
	f.Add([]byte("preset: torchvision\nresize_to: 40\nlabels: [a, b]\n"))
	f.Add([]byte("resize: area\nfit: central-fraction\nfraction: 0.5\nbgr: true\nscale: 0.1\nmean: [1, 2, 3]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("width: 99999999999\nheight: -1\n"))
	path := filepath.Join(f.TempDir(), "m.onnx") // for all inputs of a process, one after another
	if err := os.WriteFile(path, graphtest.Tiny(graphtest.Options{Input: graphtest.FloatImage, NoContract: true}), 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "m.yaml"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := models.Open(path, models.OpenOptions{})
		switch {
		case err != nil && !errors.Is(err, models.ErrModel):
			t.Errorf("%v does not wrap ErrModel", err)
		case err == nil && (m.Contract.Validate() != nil || m.Contract.Classes != 10):
			t.Errorf("accepted %+v", m.Contract)
		}
	})
}

// FuzzInspect propagates sizes through everything that parses as a graph.
func FuzzInspect(f *testing.F) {
	f.Add(graphtest.Tiny(graphtest.Options{}))
	f.Add(graphtest.Tiny(graphtest.Options{Input: graphtest.Vector}))
	for _, mix := range graphtest.Mixes() {
		data, err := os.ReadFile(graphtest.Mixing(f, mix, 0))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	path := filepath.Join(f.TempDir(), "m.onnx")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		in, err := models.Inspect(path, models.OpenOptions{})
		switch {
		case err != nil && !errors.Is(err, models.ErrModel):
			t.Errorf("%v does not wrap ErrModel", err)
		case err == nil && (in.Parameters < 0 || in.MultiplyAdds != nil && *in.MultiplyAdds < 0):
			t.Errorf("%d parameters, %v multiply-adds", in.Parameters, in.MultiplyAdds)
		}
	})
}
