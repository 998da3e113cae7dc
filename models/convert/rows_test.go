package convert_test

import (
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/ort/orttest"
)

// The trained model is taken for what it is in every form: rows of images
// depend on nothing else, whatever the rounding of its arithmetic.
func TestFault36_ConvertedRowsAreIndependent(t *testing.T) {
	path, photos := inception(t)
	lend, some := opener(t), convert.Calibration{Images: photos[:2]}
	some.Open = lend
	for name, make := range map[string]func(to string) (models.Contract, error){
		"float32": nil,
		"bytes":   func(to string) (models.Contract, error) { return convert.Fuse(path, to, models.OpenOptions{}) },
		"float16": func(to string) (models.Contract, error) {
			return convert.Half(t.Context(), path, to, models.OpenOptions{}, some)
		},
		"int8": func(to string) (models.Contract, error) {
			return convert.Quantize(t.Context(), path, to, models.OpenOptions{}, some)
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := path
			if make != nil {
				file = inFolder(t, "model.onnx")
				if _, err := make(file); err != nil {
					t.Fatal(err)
				}
			}
			m, e := orttest.Open(t, file)
			if err := e.CheckRows(t.Context(), 4, nil); err != nil {
				t.Error(err)
			}
			if len(m.Dependences) > 0 {
				t.Errorf("the graph is said to hold %v", m.Dependences)
			}
		})
	}
}
