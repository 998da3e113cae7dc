package networks_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/fetched"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/ort/orttest"
	"github.com/batchscore/batchscore/models/preprocess"
)

// The trained EfficientNet-Lite0, from its checkpoint, sees on every photograph what timm does.
func TestTrainedEfficientNet(t *testing.T) {
	checkpoint := fetched.Path("imagenet", "efficientnet-lite0.pth")
	_, err := os.Stat(checkpoint)
	fetched.NeedFrom(t, "deploy/deps/fetch.sh imagenet", err)
	names, err := models.ReadLabels(fetched.Path("imagenet", "labels.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/lite0.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		Class       int
		Probability float64
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "model.onnx")
	c := build(t, file, networks.Options{
		Network: networks.EfficientNetLite0, Variant: networks.TF, Weights: open(t, checkpoint), Labels: names, Source: "efficientnet-lite0.pth",
	})
	_, e := orttest.Open(t, file)
	b, err := e.NewBatch(1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := preprocess.NewDecoder(c.Preprocess, preprocess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	worst := 0.0
	for name, w := range want {
		photo, err := os.ReadFile(fetched.Path("images", "photos", name))
		fetched.Need(t, err)
		if err := d.Decode(b.Pixels, photo); err != nil {
			t.Fatal(err)
		}
		if err := e.Score(t.Context(), b, 0, 1); err != nil {
			t.Fatal(err)
		}
		best, sum := top(b.Scores), 0.0
		for _, s := range b.Scores {
			sum += math.Exp(float64(s - b.Scores[best]))
		}
		diff := math.Abs(1/sum - w.Probability)
		worst = max(worst, diff)
		if best != w.Class || diff > 0.01 {
			t.Errorf("%s: %s %.4f, timm has %s %.4f", name, names[best], 1/sum, names[w.Class], w.Probability)
		}
	}
	t.Logf("%d photographs, largest difference %.2g", len(want), worst)
}
