package ort

import (
	"slices"
	"testing"
)

func TestRowShape(t *testing.T) {
	const any, n = -1, perImage
	for _, c := range []struct {
		name           string
		shape          []int64
		classes, batch int64
		want           []int64
	}{
		{name: "row", shape: []int64{any, 4}, classes: 4, batch: 0, want: []int64{n, 4}},
		{name: "unknown", shape: nil, classes: 4, batch: 0, want: []int64{n, 4}},
		{name: "any width", shape: []int64{any, any}, classes: 4, batch: 0, want: []int64{n, 4}},
		{name: "planes of one pixel", shape: []int64{any, 4, 1, 1}, classes: 4, batch: 0, want: []int64{n, 4, 1, 1}},
		{name: "planes of any size", shape: []int64{any, 4, any, any}, classes: 4, batch: 0, want: []int64{n, 4, 1, 1}},
		{name: "all any", shape: []int64{any, any, any}, classes: 4, batch: 0, want: []int64{n, 4, 1}},
		{name: "sequence of one", shape: []int64{any, 1, 4}, classes: 4, batch: 0, want: []int64{n, 1, 4}},
		{name: "one score", shape: []int64{any, 1}, classes: 1, batch: 0, want: []int64{n, 1}},
		{name: "one score without an axis", shape: []int64{any}, classes: 1, batch: 0, want: []int64{n}},
		{name: "row without a batch", shape: []int64{4}, classes: 4, batch: 1, want: []int64{4}},
		{name: "another width", shape: []int64{any, 5}, classes: 4, batch: 0, want: nil},
		{name: "two widths", shape: []int64{any, 4, 4}, classes: 4, batch: 0, want: nil},
		{name: "boxes", shape: []int64{any, 4, 100}, classes: 4, batch: 0, want: nil},
		{name: "a width without a batch", shape: []int64{4}, classes: 4, batch: 0, want: nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := rowShape(c.shape, c.classes, c.batch); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// Errors of ONNX Runtime are reported without the places in its source.
func TestPlain(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{name: "IR version", text: "Load model from x failed:/src/core/graph/model.cc:202 onnxruntime::Model::Model(onnx::ModelProto&&, int) " +
			"Unsupported model IR version: 99, max supported IR version: 13",
			want: "it has IR version 99, and ONNX Runtime 1.30.0 knows up to 13: update ONNX Runtime," +
				" or export the model with an IR version of 13 and an opset of that time"},
		{name: "opset", text: "x failed:/src/y.h:46 void f(int) ONNX Runtime only *guarantees* support. " +
			"Opset 99 is under development and support is limited. Current official support for domain ai.onnx is till opset 26.",
			want: "it uses opset 99 of ai.onnx, and ONNX Runtime 1.30.0 knows up to 26: update ONNX Runtime, or export the model with opset 26"},
		{
			name: "another",
			text: "Node 3: /onnxruntime_src/core/a.cc:10 void ns::F::g(const int&) const The shape is wrong.",
			want: "Node 3: The shape is wrong.",
		},
		{name: "none", text: "out of paper", want: "out of paper"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := &providerError{errText(c.text)}
			if got := plain(err, "1.30.0"); got.Error() != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

type errText string

func (e errText) Error() string { return string(e) }
