package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/fetched"
)

// zooModels is how many models the zoo has at least.
const zooModels = 34

// TestZoo adds each model of the zoo with one command and without flags, and runs it.
// Every image has the label that the model's own library gives it, and logits within 1e-3
// of the library's. It needs the packages of "make zoo-check".
func TestZoo(t *testing.T) {
	python, packages := os.Getenv("BATCHSCORE_ZOO_PYTHON"), os.Getenv("BATCHSCORE_ZOO_PACKAGES")
	if python == "" {
		return // make zoo-check runs it
	}
	needRuntime(t)
	photos, err := filepath.Abs(filepath.Join(fetched.Path(), "images", "photos"))
	if err != nil {
		t.Fatal(err)
	}
	zoo := madeFolder(t, cmp.Or(os.Getenv("BATCHSCORE_ZOO"), t.TempDir()), "zoo/make.py", "zoo/zoo.txt", "own-model/torch.txt")
	cmd := exec.CommandContext(t.Context(), python, "testdata/zoo/make.py", zoo, photos, packages)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	references, err := filepath.Glob(filepath.Join(zoo, "*.json"))
	if err != nil || len(references) < zooModels {
		t.Fatalf("%d models, %v, want %d or more", len(references), err, zooModels)
	}
	library := t.TempDir()
	t.Setenv("BATCHSCORE_MODELS", library)
	for _, path := range references {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			var want struct {
				Labels []string
				Logits map[string][]float64
			}
			text, err := os.ReadFile(path)
			if err == nil {
				err = json.Unmarshal(text, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			model := strings.TrimSuffix(path, ".json")
			if file, err := os.ReadFile(model + ".file"); err == nil {
				model = string(file)
			}
			must(t, 0, "models", "add", name, model)
			out := filepath.Join(t.TempDir(), "out")
			must(t, 0, "run", "--images", photos, "--out", out, "--model", name, "--provider", "cpu", "--top-k", "1000")
			labels, worst, compared := map[string]bool{}, 0., 0
			rows := rowsOf(t, out)
			for _, r := range rows {
				logits := want.Logits[r.Path]
				if logits == nil {
					continue // see make.py
				}
				compared++
				best := want.Labels[slices.Index(logits, slices.Max(logits))]
				if r.Label != best {
					t.Errorf("%s is %q, want %q", r.Path, r.Label, best)
				}
				labels[best] = true
				sum := 0.
				for _, v := range logits {
					sum += math.Exp(v - slices.Max(logits))
				}
				for _, k := range r.TopK {
					// The logits of a softmax are known up to a constant.
					v := logits[slices.Index(want.Labels, k.Label)] - slices.Max(logits) - math.Log(sum)
					if v > -12 { // scores of less have too few digits in float32
						worst = max(worst, math.Abs(math.Log(float64(k.Score))-v))
					}
				}
			}
			if worst > 1e-3 {
				t.Errorf("logits differ by up to %.2g", worst)
			}
			if compared != len(want.Logits) || compared < len(rows)-1 {
				t.Errorf("%d rows, %d of them for %d images", len(rows), compared, len(want.Logits))
			}
			t.Logf("%d images, %d different labels; logits differ by up to %.1g", compared, len(labels), worst)
		})
	}
}

// madeFolder returns the folder of the models and references that a script and packages of
// today, files of testdata, make under a folder that is kept. Those of others are deleted.
func madeFolder(t *testing.T, kept string, files ...string) string {
	sum := sha256.New()
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(text)
	}
	made := filepath.Join(kept, hex.EncodeToString(sum.Sum(nil)[:8]))
	others, err := filepath.Glob(filepath.Join(kept, strings.Repeat("[0-9a-f]", 16)))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range others {
		if other != made {
			if err := os.RemoveAll(other); err != nil {
				t.Fatal(err)
			}
		}
	}
	return made
}
