package tfjs_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/tfjs"
)

// What TensorFlow.js answers with the graph model is compared in models/ort.
func TestImportGraphModel(t *testing.T) {
	_, c := importDir(t, small+"graph", tfjs.Options{})
	if c.Output != models.Probabilities || c.Classes != 3 || c.Preprocess.Width != 10 || c.Preprocess.Height != 13 {
		t.Errorf("contract is %+v", c)
	}
}

func TestImportRefusesGraphModels(t *testing.T) {
	text, err := os.ReadFile(small + "graph/model.json")
	if err != nil {
		t.Fatal(err)
	}
	shard, err := os.ReadFile(small + "graph/group1-shard1of1.bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, from, to, says string }{
		{name: "nothing changed", from: "}", to: "}"},
		{name: "unknown operation", from: `"op": "AvgPool"`, to: `"op": "TopKV2"`, says: `node "average" (TopKV2): operations of this kind cannot be imported`},
		{name: "no such node", from: `"conv/weights"` + "\n", to: `"none"` + "\n", says: "weights are not a constant of 4 axes"},
		{name: "a circle", from: `"scaled",` + "\n     \"ones\"", to: `"shifted","ones"`, says: `node "shifted" (Sub): takes part in its own input`},
		{name: "two of one name", from: `"name": "relu"`, to: `"name": "norm"`, says: "two of one name"},
		{name: "open size", from: `"size": "13"`, to: `"size": "-1"`, says: "not an image of a fixed size"},
		{name: "other padding", from: `"s": "U0FNRQ=="`, to: `"s": "UkVGTA=="`, says: `padding is "REFL"`},
		{name: "other output", from: `"name": "named:0"`, to: `"name": "sum:0"`, says: `the output "sum" has the shape [-1 4 8 11]`},
		{name: "hostile stride", from: `"2",` + "\n", to: `"9223372036854775807",` + "\n", says: "strides are"},
		{name: "weights that are integers", from: `"name": "conv/bias",` + "\n" + `     "shape": [` + "\n      4\n     ],\n" + `     "dtype": "float32"`,
			to: `"name": "conv/bias","shape": [4],"dtype": "int32"`, says: "conv/bias holds integers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := strings.Replace(string(text), c.from, c.to, 1)
			if changed == string(text) && c.says != "" {
				t.Fatalf("the model has no %s", c.from)
			}
			dir := t.TempDir()
			if err := errors.Join(os.WriteFile(filepath.Join(dir, "model.json"), []byte(changed), 0o644),
				os.WriteFile(filepath.Join(dir, "group1-shard1of1.bin"), shard, 0o644)); err != nil {
				t.Fatal(err)
			}
			_, err := tfjs.Import(t.Context(), dir, io.Discard, tfjs.Options{})
			if c.says == "" && err != nil || c.says != "" && (!errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}
