package models_test

import (
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// The operators by which rows depend on one another are found in the graph, and
// only these.
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
			m, err := models.Open(graphtest.Mixing(t, mix, 0), models.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var have []string
			for _, d := range m.Dependences {
				have = append(have, d.Operator)
				if d.Count != 1 || d.Node == "" || d.Remedy == "" {
					t.Errorf("incomplete: %+v", d)
				}
			}
			if operator := want[mix]; operator == "" && have != nil || operator != "" && !slices.Equal(have, []string{operator}) {
				t.Errorf("have %q, want %q", have, operator)
			}
		})
	}
	// Of a graph that takes one image, chance alone is said.
	for mix, n := range map[graphtest.Mix]int{"minus-batch": 0, "noise": 1} {
		in, err := models.Inspect(graphtest.Mixing(t, mix, 1), models.OpenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(in.Dependences) != n {
			t.Errorf("%s for one image: %v", mix, in.Dependences)
		}
	}
}
