package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// mixing returns the path of a model whose rows depend on one another in the given way.
func mixing(t testing.TB, mix graphtest.Mix) string {
	t.Helper()
	needRuntime(t)
	return graphtest.Mixing(t, mix, 0)
}

// runOn returns a function that scores images with a model on the CPU.
func runOn(t *testing.T, images, model string) func(code int, out string, args ...string) processResult {
	return func(code int, out string, args ...string) processResult {
		t.Helper()
		return must(t, code, append([]string{"run", "--provider", "cpu", "--images", images, "--model", model, "--out", out}, args...)...)
	}
}

// TestFault36_NeighboursAreRefusedOrAllowed checks a model whose rows depend on their neighbours: it is refused before
// anything is written, it scores one image at a time, and a flag allows it.
func TestFault36_NeighboursAreRefusedOrAllowed(t *testing.T) {
	images := pictures(t, 9)
	for mix, operator := range map[graphtest.Mix]string{
		"bn-training": "BatchNormalization in training mode", "quantised-dynamically": "DynamicQuantizeLinear", "reshape-folds": "Reshape",
		"softmax-batch": "Softmax over the batch", "gram": "does not show the operator",
	} {
		t.Run(string(mix), func(t *testing.T) {
			run := runOn(t, images, mixing(t, mix))
			out := filepath.Join(t.TempDir(), "out")
			for _, args := range [][]string{nil, {"--batch", "2"}, {"--batch", "8"}} {
				says(t, run(78, out, args...), operator, "--batch 1", "--allow-dependent-rows")
				wantEmpty(t, out)
			}
			run(0, out, "--batch", "1")
			run(0, out) // the record says 1
			if text := must(t, 0, "verify", out).stdout; strings.Contains(text, "depend") {
				t.Errorf("rows of single images depend on nothing: %s", text)
			}
			if dependentIn(t, out, "_SUCCESS") || dependentIn(t, out, "_batchscore/job.json") {
				t.Error("nothing was allowed")
			}
			// On the way with one image a batch, and joined without the flag.
			if err := os.Remove(filepath.Join(out, "_SUCCESS")); err != nil {
				t.Fatal(err)
			}
			run(0, out)
		})
	}
}

func TestFault36_AllowedRowsAreOnRecord(t *testing.T) {
	run := runOn(t, pictures(t, 5), mixing(t, "minus-batch"))
	out := filepath.Join(t.TempDir(), "out")
	says(t, run(0, out, "--allow-dependent-rows"), "--allow-dependent-rows allows it", "ReduceMean over the batch")
	if !dependentIn(t, out, "_SUCCESS") || !dependentIn(t, out, "_batchscore/job.json") {
		t.Error("it is not on record")
	}
	for _, command := range []string{"verify", "show"} {
		says(t, must(t, 0, command, out), "Rows may depend on the other images of their batch")
	}
	says(t, must(t, 0, "verify", out, "--json"), `"dependent_rows": true`)
	says(t, run(11, out), "--allow-dependent-rows: the job has true, this command has false")
	run(0, out, "--allow-dependent-rows")

	sound := filepath.Join(t.TempDir(), "sound")
	run(0, sound, "--batch", "1")
	says(t, run(11, sound, "--batch", "1", "--allow-dependent-rows"), "--allow-dependent-rows: the job has false, this command has true")
}

// A model that depends on chance is refused for batches of one image, too.
func TestFault36_ChanceIsRefused(t *testing.T) {
	for _, mix := range []graphtest.Mix{"noise", "noise-below-rounding"} {
		run := runOn(t, pictures(t, 3), mixing(t, mix))
		out := filepath.Join(t.TempDir(), "out")
		for _, args := range [][]string{nil, {"--batch", "1"}} {
			r := run(78, out, args...)
			says(t, r, "Random", "--allow-dependent-rows", "the second time")
			if strings.Contains(r.stderr, "--batch 1") {
				t.Errorf("it would not help: %v", r)
			}
			wantEmpty(t, out)
		}
		run(0, out, "--allow-dependent-rows")
	}
}

// A model whose rows depend on the batch cannot get golden images. If it has some, they
// are not the reason why it is refused.
func TestFault36_GoldenImages(t *testing.T) {
	samples := t.TempDir()
	for i := range 3 {
		writeFile(t, filepath.Join(samples, string(rune('a'+i))+".jpg"), picture(t, 40+i*50))
	}
	model := mixing(t, "minus-batch")
	file := filepath.Join(t.TempDir(), "carrying.onnx")
	says(t, must(t, 78, "models", "golden", model, "--images", samples, "-o", file, "--provider", "cpu"), "cannot have golden images", "ReduceMean over the batch")
	if exists(file) {
		t.Error("a model was written")
	}
	says(t, must(t, 78, "models", "golden", mixing(t, "noise"), "--images", samples, "-o", file, "--provider", "cpu"), "RandomNormalLike")

	// As if they had been scored in another batch than a run's.
	g := &models.Golden{Tolerance: 1e-3, JPEGDecoder: jpegKind(), Images: []models.GoldenImage{
		{Name: "a", Image: picture(t, 40), Scores: []float32{0.1, -0.1, 0.2}},
	}}
	if err := models.Annotate(model, file, models.Annotations{Golden: g}); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	r := runOn(t, pictures(t, 3), file)(78, out)
	says(t, r, "ReduceMean over the batch")
	if strings.Contains(r.stderr, "golden image") {
		t.Errorf("the golden images are not the reason: %v", r)
	}
	wantEmpty(t, out)
	says(t, must(t, 78, "models", "check", file, "--provider", "cpu"), "ReduceMean over the batch")
	says(t, runOn(t, pictures(t, 3), file)(78, out, "--batch", "1"), "golden image", "scored as one batch")

	// Those of a sound model are scored alone, and agree in every batch.
	sound := filepath.Join(t.TempDir(), "sound.onnx")
	must(t, 0, "models", "golden", mixing(t, "softmax-row"), "--images", samples, "-o", sound, "--provider", "cpu")
	for _, batch := range []string{"1", "2", "3", "4", "7"} {
		says(t, runOn(t, pictures(t, 3), sound)(0, filepath.Join(t.TempDir(), "out"), "--batch", batch), "golden images score as they should")
	}
}

func TestFault36_InspectNamesTheOperator(t *testing.T) {
	says(t, must(t, 0, "models", "inspect", mixing(t, "bn-training")),
		"note: scores of an image depend on the other images", "BatchNormalization in training mode", "evaluation mode")
	says(t, must(t, 0, "models", "inspect", mixing(t, "noise")), "note: scores change from run to run by RandomNormalLike")
	if r := must(t, 0, "models", "inspect", mixing(t, "bn")); strings.Contains(r.stdout, "note:") {
		t.Errorf("nothing is wrong with it: %v", r)
	}
}

// dependentIn returns the field dependent_rows of a record.
func dependentIn(t testing.TB, out, name string) bool {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(out, name))
	if err != nil {
		t.Fatal(err)
	}
	var record struct {
		DependentRows bool `json:"dependent_rows"`
	}
	if err := json.Unmarshal(body, &record); err != nil {
		t.Fatal(err)
	}
	return record.DependentRows
}
