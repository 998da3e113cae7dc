package models_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

func TestInspectTiny(t *testing.T) {
	in, err := models.Inspect(graphtest.Write(t, graphtest.Options{}), models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// A convolution of 3 planes to 32 and a dense layer of 32 to 10. The constants
	// that scale pixels were not learned.
	if want := int64(32*3*9 + 32 + 32*10 + 10); in.Parameters != want {
		t.Errorf("%d parameters, want %d", in.Parameters, want)
	}
	if want := int64(16*16*32*3*9 + 32*10); in.MultiplyAdds == nil || *in.MultiplyAdds != want {
		t.Errorf("multiply-adds are %v, want %d", in.MultiplyAdds, want)
	}
	if in.Contract == nil || in.Refused != "" || in.Inputs[0].Type != "uint8" || !slices.Equal(in.Inputs[0].Shape, []int64{-1, 32, 32, 3}) {
		t.Errorf("got %+v", in)
	}
	if _, err := models.Inspect(t.TempDir(), models.OpenOptions{}); !errors.Is(err, models.ErrModel) {
		t.Errorf("folder: got %v, want ErrModel", err)
	}
}

// A model that a run would refuse can be inspected.
func TestInspectWithoutContract(t *testing.T) {
	in, err := models.Inspect(graphtest.Write(t, graphtest.Options{NoContract: true}), models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if in.Contract != nil || !strings.Contains(in.Refused, "--resize") {
		t.Errorf("contract %v, refused %q; want no contract, and the open questions", in.Contract, in.Refused)
	}
	if in.Parameters == 0 || in.Precision["float32"] != in.Parameters {
		t.Errorf("%d parameters, %v; want all of them in float32", in.Parameters, in.Precision)
	}
	if !slices.IsSortedFunc(in.Operators, func(a, b models.OperatorCount) int { return b.Count - a.Count }) {
		t.Errorf("operators are %v, want the most frequent first", in.Operators)
	}
}
