package onnxfile_test

import (
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// Dependences finds the operators by which rows depend on one another, and no
// others.
func TestFault36_OperatorsInTheGraph(t *testing.T) {
	want := map[graphtest.Mix]string{
		"minus-batch":           "ReduceMean over the batch",
		"minus-fifth":           "ReduceSum over the batch",
		"through-most":          "ReduceMax over the batch",
		"softmax-batch":         "Softmax over the batch",
		"turned-softmax-batch":  "Softmax over the batch",
		"log-softmax-batch":     "LogSoftmax over the batch",
		"bn-training":           "BatchNormalization in training mode",
		"bn-training-planes":    "BatchNormalization in training mode",
		"quantised-dynamically": "DynamicQuantizeLinear (dynamic quantisation)",
		"reshape-folds":         "Reshape of the batch into other axes",
		"dropout-training":      "Dropout in training mode",
		"dropout-first":         "Dropout in training mode",
		"noise":                 "RandomNormalLike",
		"noise-below-rounding":  "RandomUniformLike",
	}
	for _, mix := range graphtest.Mixes() {
		t.Run(string(mix), func(t *testing.T) {
			f, err := onnxfile.Read(graphtest.Mixing(t, mix, 0))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range f.Dependences() {
				got = append(got, d.Operator)
				if d.Count != 1 || d.Node == "" || d.Remedy == "" {
					t.Errorf("incomplete: %+v", d)
				}
			}
			if operator := want[mix]; operator == "" && got != nil || operator != "" && !slices.Equal(got, []string{operator}) {
				t.Errorf("got %q, want %q", got, operator)
			}
		})
	}
	// In a graph that accepts one image only, rows can still depend on chance.
	for mix, want := range map[graphtest.Mix]int{"minus-batch": 0, "noise": 1} {
		f, err := onnxfile.Read(graphtest.Mixing(t, mix, 1))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Dependences(); len(got) != want {
			t.Errorf("%s for one image: got %v, want %d dependences", mix, got, want)
		}
	}
}
