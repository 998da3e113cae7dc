package main

import (
	"cmp"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/fetched"
	"github.com/batchscore/batchscore/scorer/row"
)

// detectorModels is how many models TestDetectors compares at least.
const detectorModels = 19

// detectorBoxes are the boxes that a detector's own library finds, by the names of images.
type detectorBoxes struct {
	Threshold float64
	Boxes     map[string][]ownBox
}

// ownBox is a box in pixels of the image, cut off at its edges.
type ownBox struct {
	label string
	score float64
	at    [4]float64 // x, y, width, height
}

func (b *ownBox) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&b.label, &b.score, &b.at[0], &b.at[1], &b.at[2], &b.at[3]})
}

// TestDetectors adds detectors with one command and without flags, and runs them: every image has
// the boxes that the model's own library finds, within a pixel, with the same classes. It needs
// the packages of "make detect-check".
func TestDetectors(t *testing.T) {
	python, packages := os.Getenv("BATCHSCORE_DETECT_PYTHON"), os.Getenv("BATCHSCORE_DETECT_PACKAGES")
	if python == "" {
		return // make detect-check runs it
	}
	needRuntime(t)
	photos, err := filepath.Abs(filepath.Join(fetched.Path(), "images", "photos"))
	if err != nil {
		t.Fatal(err)
	}
	models := madeFolder(t, cmp.Or(os.Getenv("BATCHSCORE_DETECTORS"), t.TempDir()),
		"detectors/make.py", "detectors/detectors.txt", "own-model/torch.txt")
	cmd := exec.CommandContext(t.Context(), python, "testdata/detectors/make.py", models, photos, packages)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	references, err := filepath.Glob(filepath.Join(models, "*.json"))
	if err != nil || len(references) < detectorModels {
		t.Fatalf("%d models, %v, want %d or more", len(references), err, detectorModels)
	}
	t.Setenv("BATCHSCORE_MODELS", t.TempDir())
	for _, path := range references {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			compareDetector(t, name, strings.TrimSuffix(path, ".json"), photos, readBoxes(t, path))
		})
	}
}

func readBoxes(t *testing.T, path string) (want detectorBoxes) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	return want
}

// boxesRow is a row of a detector.
type boxesRow struct {
	Path, Status string
	Boxes        []row.Box
}

// compareDetector adds and runs a detector, and compares its boxes.
func compareDetector(t *testing.T, name, model, photos string, want detectorBoxes) {
	if files, err := filepath.Glob(filepath.Join(model, "*.onnx")); err == nil && len(files) == 1 && filepath.Base(files[0]) != "model.onnx" {
		model = files[0]
	}
	must(t, 0, "models", "add", name, model)
	out := filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", photos, "--out", out, "--model", name, "--provider", "cpu")
	var rows []boxesRow
	for line := range strings.Lines(merged(t, out)) {
		var r boxesRow
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	boxes, worst, labels := 0, 0., map[string]bool{}
	for i := range rows {
		r := &rows[i]
		own, known := want.Boxes[r.Path]
		if !known || r.Status != row.StatusOK {
			t.Errorf("%s is %s, and the library has boxes: %v", r.Path, r.Status, known)
			continue
		}
		boxes += len(own)
		for _, b := range own {
			labels[b.label] = true
		}
		missing, extra, far := unmatched(r.Boxes, own, want.Threshold)
		worst = max(worst, far)
		if missing != nil || extra != nil {
			t.Errorf("%s: of %d boxes these are missing: %v; these are not the library's: %v", r.Path, len(own), missing, extra)
		}
	}
	if len(rows) < 20 || len(rows) != len(want.Boxes) || boxes == 0 {
		t.Errorf("%d rows for %d images with %d boxes", len(rows), len(want.Boxes), boxes)
	}
	t.Logf("%d images, %d boxes of %d labels, which differ by up to %.2g pixels", len(rows), boxes, len(labels), worst)
}

// scoreSlack is how much scores of two ways to the same pixels differ.
const scoreSlack = 2e-3

// unmatched pairs boxes of the same label, score and place, the nearest first, and returns those
// that are left, unless the threshold is within scoreSlack of their scores, and the greatest
// difference of pairs in pixels.
func unmatched(got []row.Box, own []ownBox, threshold float64) (missing, extra []ownBox, worst float64) {
	left := make([]ownBox, len(got))
	for i, b := range got {
		left[i] = ownBox{b.Label, float64(b.Score), [4]float64{float64(b.X), float64(b.Y), float64(b.Width), float64(b.Height)}}
	}
	for _, want := range own {
		nearest, at := 1.0, -1 // pixels
		for i, have := range left {
			if have.label != want.label || math.Abs(have.score-want.score) > scoreSlack {
				continue
			}
			far := 0.
			for n := range have.at {
				far = max(far, math.Abs(have.at[n]-want.at[n]))
			}
			if far <= nearest {
				nearest, at = far, i
			}
		}
		if at >= 0 {
			worst, left = max(worst, nearest), slices.Delete(left, at, at+1)
		} else if want.score > threshold+scoreSlack {
			missing = append(missing, want)
		}
	}
	for _, b := range left {
		if b.score > threshold+scoreSlack {
			extra = append(extra, b)
		}
	}
	return missing, extra, worst
}
