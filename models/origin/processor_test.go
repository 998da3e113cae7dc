package origin

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"testing"

	"github.com/x448/float16"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

func sprint(v reflect.Value) string { return fmt.Sprint(v) }

// What the settings of image processors make of a picture is what transformers and timm
// make of it (testdata/make_processors.py): within 2 steps of a pixel's 255 values, of
// which the half floats in the file take up to one.
func TestProcessorsAgainstTransformers(t *testing.T) {
	t.Parallel()
	var cases []struct {
		Kind      string
		Processor json.RawMessage
		Timm      json.RawMessage `json:"pretrained_cfg"`
		Width     int
		Height    int
		Tensor    string
	}
	text, err := os.ReadFile("testdata/processors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile("testdata/source.png")
	if err != nil {
		t.Fatal(err)
	}
	graph := edited(t, nil)
	for i, c := range cases {
		files := map[string]string{"model.onnx": graph}
		if c.Kind == "timm" {
			files["config.json"] = fmt.Sprintf(`{"architecture": "x", "num_classes": 4, "pretrained_cfg": %s}`, c.Timm)
		} else {
			files["config.json"] = fmt.Sprintf(`{"architectures": ["XForImageClassification"], "model_type": %q}`, c.Kind)
			files["preprocessor_config.json"] = string(c.Processor)
		}
		t.Run(fmt.Sprint(i, " ", c.Kind), func(t *testing.T) {
			t.Parallel()
			found, err := Read(folder(t, files))
			if err != nil || len(found.Notes) > 0 {
				t.Fatal(err, found.Notes)
			}
			a := models.Combine(found.Given)
			if a.Width == nil || a.Height == nil || *a.Width != c.Width || *a.Height != c.Height {
				t.Fatalf("answers %s, want %dx%d pixels", shown(a), c.Width, c.Height)
			}
			spec := specOf(t, a)
			d, err := preprocess.NewDecoder(spec, preprocess.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			row := make([]byte, spec.RowBytes())
			if err := d.Decode(row, picture); err != nil {
				t.Fatal(err)
			}
			want, err := base64.StdEncoding.DecodeString(c.Tensor)
			if err != nil || len(want)*2 != len(row) {
				t.Fatalf("%v, %d bytes for a row of %d", err, len(want), len(row))
			}
			worst := 0.
			for i := range len(want) / 2 {
				plane := i / (c.Width * c.Height)
				if spec.BGR {
					plane = 2 - plane
				}
				w := float64(float16.Frombits(binary.LittleEndian.Uint16(want[2*i:])).Float32())
				g := float64(math.Float32frombits(binary.NativeEndian.Uint32(row[4*i:])))
				step := float64(spec.Scale)
				if spec.Scale == 0 {
					step = 1
				}
				worst = max(worst, math.Abs(w-g)*float64(spec.Std[plane])/step)
			}
			if worst > 2 {
				t.Errorf("%s: pixels differ by up to %.1f steps", shown(a), worst)
			}
		})
	}
}

// specOf returns the preprocessing that complete answers describe.
func specOf(t *testing.T, a models.Answers) preprocess.Spec {
	t.Helper()
	if a.Resize == nil || a.Fit == nil || a.BGR == nil || a.Scale == nil || len(a.Mean) != 3 || len(a.Std) != 3 {
		t.Fatalf("answers are not complete: %s", shown(a))
	}
	s := preprocess.Spec{
		Width: *a.Width, Height: *a.Height, Layout: preprocess.CHW, DType: preprocess.Float32,
		Resize: *a.Resize, Fit: *a.Fit, BGR: *a.BGR, Scale: *a.Scale, Mean: a.Mean, Std: a.Std,
	}
	if a.ResizeTo != nil {
		s.ResizeTo = *a.ResizeTo
	}
	if a.ResizeToHeight != nil {
		s.ResizeToHeight = *a.ResizeToHeight
	}
	return s
}
