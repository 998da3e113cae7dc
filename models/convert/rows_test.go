package convert_test

import (
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/ort/orttest"
)

// The rows of a converted model depend on their own images only, whatever the rounding
// of its arithmetic.
func TestFault36_ConvertedRowsAreIndependent(t *testing.T) {
	trained, photos := inception(t)
	small, pictures := trunk(t, graph.Dynamic, false), photographs(t, 4)
	lend := opener(t)
	for name, convertTo := range map[string]func(to string) (*models.Contract, error){
		"fused": func(to string) (*models.Contract, error) { return convert.Fuse(trained, to, models.OpenOptions{}) },
		"float16": func(to string) (*models.Contract, error) {
			return convert.Half(t.Context(), trained, to, models.OpenOptions{}, convert.Calibration{Open: lend, Images: photos[:1]})
		},
		"int8": func(to string) (*models.Contract, error) {
			return convert.Quantize(t.Context(), small, to, models.OpenOptions{}, convert.Calibration{Open: lend, Images: pictures})
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := inFolder(t, "model.onnx")
			if _, err := convertTo(file); err != nil {
				t.Fatal(err)
			}
			m, e := orttest.Open(t, file)
			if err := e.CheckRows(t.Context(), 4, nil); err != nil {
				t.Error(err)
			}
			if len(m.Dependences) > 0 {
				t.Errorf("Dependences = %v, want none", m.Dependences)
			}
		})
	}
	t.Run("float32", func(t *testing.T) {
		_, e := orttest.Open(t, trained)
		if err := e.CheckRows(t.Context(), 4, nil); err != nil {
			t.Error(err)
		}
	})
}
