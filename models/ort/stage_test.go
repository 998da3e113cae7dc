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
		{"zero", 0, 0}, {"minus zero", float32(math.Copysign(0, -1)), 0x8000}, {"one", 1, 0x3c00}, {"minus two", -2, 0xc000},
		{"a third", 1. / 3, 0x3555}, {"largest", 65504, 0x7bff}, {"rounded to infinity", 65520, 0x7c00}, {"beyond", 1e6, 0x7c00},
		{"to the even one below", 2049, 0x6800}, {"to the even one above", 2051, 0x6802},
		{"least normal", 1. / (1 << 14), 0x0400}, {"least", 1. / (1 << 24), 0x0001}, {"half of the least", 1. / (1 << 25), 0x0000},
		{"rounded to the least normal", 0.99999 / (1 << 14), 0x0400}, {"infinity", float32(math.Inf(-1)), 0xfc00},
	} {
		if got := toHalf(c.from); got != c.want {
			t.Errorf("%s: %v gives %#04x, want %#04x", c.name, c.from, got, c.want)
		}
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
		{"row", []int64{any, 4}, 4, 0, []int64{n, 4}},
		{"unknown", nil, 4, 0, []int64{n, 4}},
		{"any width", []int64{any, any}, 4, 0, []int64{n, 4}},
		{"planes of one pixel", []int64{any, 4, 1, 1}, 4, 0, []int64{n, 4, 1, 1}},
		{"planes of any size", []int64{any, 4, any, any}, 4, 0, []int64{n, 4, 1, 1}},
		{"all any", []int64{any, any, any}, 4, 0, []int64{n, 4, 1}},
		{"sequence of one", []int64{any, 1, 4}, 4, 0, []int64{n, 1, 4}},
		{"one score", []int64{any, 1}, 1, 0, []int64{n, 1}},
		{"one score without an axis", []int64{any}, 1, 0, []int64{n}},
		{"row without a batch", []int64{4}, 4, 1, []int64{4}},
		{"another width", []int64{any, 5}, 4, 0, nil},
		{"two widths", []int64{any, 4, 4}, 4, 0, nil},
		{"boxes", []int64{any, 4, 100}, 4, 0, nil},
		{"a width without a batch", []int64{4}, 4, 0, nil},
	} {
		if got := rowShape(c.shape, c.classes, c.batch); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// What ONNX Runtime says is said without the places in its source.
func TestPlain(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"IR version", "Load model from x failed:/src/core/graph/model.cc:202 onnxruntime::Model::Model(onnx::ModelProto&&, int) Unsupported model IR version: 99, max supported IR version: 13",
			"it has IR version 99, and ONNX Runtime 1.30.0 knows up to 13: update ONNX Runtime, or export the model with an IR version of 13 and an opset of that time"},
		{"opset", "x failed:/src/y.h:46 void f(int) ONNX Runtime only *guarantees* support. Opset 99 is under development and support is limited. Current official support for domain ai.onnx is till opset 26.",
			"it uses opset 99 of ai.onnx, and ONNX Runtime 1.30.0 knows up to 26: update ONNX Runtime, or export the model with opset 26"},
		{"another", "Node 3: /onnxruntime_src/core/a.cc:10 void ns::F::g(const int&) const The shape is wrong.", "Node 3: The shape is wrong."},
		{"none", "out of paper", "out of paper"},
	} {
		err := &providerError{errText(c.text)}
		if got := plain(err, "1.30.0"); got.Error() != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

type errText string

func (e errText) Error() string { return string(e) }
