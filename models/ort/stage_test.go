package ort

import (
	"math"
	"slices"
	"testing"
)

func TestHalf(t *testing.T) {
	for _, c := range []struct {
		name string
		from float32
		want uint16
	}{
		{
			name: "zero",
			from: 0,
			want: 0,
		}, {
			name: "minus zero",
			from: float32(math.Copysign(0, -1)),
			want: 0x8000,
		}, {name: "one", from: 1, want: 0x3c00}, {name: "minus two", from: -2, want: 0xc000},
		{
			name: "a third",
			from: 1. / 3,
			want: 0x3555,
		}, {name: "largest", from: 65504, want: 0x7bff}, {name: "rounded to infinity", from: 65520, want: 0x7c00}, {name: "beyond", from: 1e6, want: 0x7c00},
		{name: "to the even one below", from: 2049, want: 0x6800}, {name: "to the even one above", from: 2051, want: 0x6802},
		{
			name: "least normal",
			from: 1. / (1 << 14),
			want: 0x0400,
		}, {name: "least", from: 1. / (1 << 24), want: 0x0001}, {name: "half of the least", from: 1. / (1 << 25), want: 0x0000},
		{name: "rounded to the least normal", from: 0.99999 / (1 << 14), want: 0x0400}, {name: "infinity", from: float32(math.Inf(-1)), want: 0xfc00},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := toHalf(c.from); got != c.want {
				t.Errorf("toHalf(%v) = %#04x, want %#04x", c.from, got, c.want)
			}
		})
	}
	if got := fromHalf(toHalf(float32(math.NaN()))); got == got {
		t.Errorf("NaN gives %v", got)
	}
	for h := range 1 << 16 {
		f := fromHalf(uint16(h))
		if f != f {
			continue
		}
		if got := toHalf(f); int(got) != h {
			t.Fatalf("%#04x is %v, which gives %#04x", h, f, got)
		}
	}
}

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
