package ort

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// The 8-bit models in these tests have images of 3*8*8 floats and rows of 16 scores. Each
// score is the scaled sum of all pixels times integer weights.
const (
	int8Side    = 8
	int8Classes = 16
	int8Inputs  = 3 * int8Side * int8Side
	int8Step    = 2 // between adjacent scores in 8 bits
)

// int8Weight returns the weight of an input for a class in steps of 1/127. It is so large
// that two products with white exceed 16 bits.
func int8Weight(input, class int) int8 {
	w := int8(100 + (input*7+class*3)%28)
	if class%3 == 0 {
		return -w
	}
	return w
}

// int8Graph builds a graph as a protocol buffer, because package graph has no integers.
type int8Graph struct{ *onnxpb.GraphProto }

func (g int8Graph) constant(name string, elem onnxpb.TensorProto_DataType, raw []byte, dims ...int64) {
	g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: &name, DataType: proto.Int32(int32(elem)), Dims: dims, RawData: raw})
}

func (g int8Graph) float(name string, v float32) {
	g.constant(name, onnxpb.TensorProto_FLOAT, binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
}

func (g int8Graph) node(op, out, in string, attributes ...*onnxpb.AttributeProto) {
	g.Node = append(g.Node, &onnxpb.NodeProto{OpType: &op, Name: proto.String(strings.Fields(out)[0]),
		Input: strings.Fields(in), Output: strings.Fields(out), Attribute: attributes})
}

func number(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INT.Enum(), I: &v}
}

// through converts a value to 8 bits with a scale and a zero point, and back.
func (g int8Graph) through(out, in, point string) {
	g.node("QuantizeLinear", out+"/8", in+" "+point)
	g.node("DequantizeLinear", out, out+"/8 "+point)
}

// weights adds that many copies of the weights, and their product.
func (g int8Graph) weights(copies int, transposed bool, dims ...int64) {
	n := copies * int8Inputs
	raw := make([]byte, n*int8Classes)
	for i := range n {
		for c := range int8Classes {
			at := i*int8Classes + c
			if transposed {
				at = c*n + i
			}
			raw[at] = byte(int8Weight(i%int8Inputs, c))
		}
	}
	g.constant("w", onnxpb.TensorProto_INT8, raw, dims...)
}

// int8Model returns a model whose 8-bit part, from "x" to "y", [N,classes], is built by the
// caller. A test may need a certain operator set.
func int8Model(t *testing.T, opset int64, middle func(g int8Graph)) *models.Model {
	t.Helper()
	port := func(name string, dims ...int64) *onnxpb.ValueInfoProto {
		shape := &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{
			{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "N"}}}}
		for _, d := range dims {
			shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
		}
		return &onnxpb.ValueInfoProto{Name: &name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
			TensorType: &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)), Shape: shape}}}}
	}
	g := int8Graph{&onnxpb.GraphProto{Name: proto.String("eight"),
		Input: []*onnxpb.ValueInfoProto{port("x", 3, int8Side, int8Side)}, Output: []*onnxpb.ValueInfoProto{port("y", int8Classes)}}}
	g.float("in", 1.0/255)
	g.constant("in/zero", onnxpb.TensorProto_UINT8, []byte{0})
	g.float("out", int8Step)
	g.constant("out/zero", onnxpb.TensorProto_UINT8, []byte{128})
	g.float("step", 1.0/127)
	g.constant("step/zero", onnxpb.TensorProto_INT8, []byte{0})
	middle(g)
	file, err := proto.Marshal(&onnxpb.ModelProto{IrVersion: proto.Int64(9), Graph: g.GraphProto,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: &opset}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "int8.onnx")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	c := graphtest.Contract(graphtest.Options{Size: int8Side, Classes: int8Classes, Input: graphtest.FloatImage, Logits: true})
	m, err := models.Open(path, models.OpenOptions{Contract: &c})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The sums of white and nearly white images saturate in 16 bits. They are scored with every
// kind of 8-bit product, with the kernels for this processor and with those for processors
// without VNNI.
func TestFault39_Int8SumsAreExact(t *testing.T) {
	needLibrary(t)
	for _, test := range []struct {
		name   string
		opset  int64
		middle func(g int8Graph)
	}{
		{name: "convolution of pixels", opset: 13, middle: func(g int8Graph) {
			g.through("a", "x", "in in/zero")
			g.weights(1, true, int8Classes, 3, int8Side, int8Side)
			g.node("DequantizeLinear", "v", "w step step/zero")
			g.node("Conv", "b", "a v")
			g.through("c", "b", "out out/zero")
			g.node("Flatten", "y", "c")
		}},
		{name: "convolution of 12 channels", opset: 13, middle: func(g int8Graph) {
			g.node("Concat", "four", "x x x x", number("axis", 1))
			g.through("a", "four", "in in/zero")
			g.weights(4, true, int8Classes, 12, int8Side, int8Side)
			g.node("DequantizeLinear", "v", "w step step/zero")
			g.node("Conv", "b", "a v")
			g.float("out4", 4*int8Step)
			g.through("c", "b", "out4 out/zero")
			g.float("quarter", 0.25)
			g.node("Mul", "d", "c quarter")
			g.node("Flatten", "y", "d")
		}},
		{name: "dense layer", opset: 13, middle: func(g int8Graph) {
			g.node("Flatten", "f", "x")
			g.through("a", "f", "in in/zero")
			g.weights(1, true, int8Classes, int8Inputs)
			g.node("DequantizeLinear", "v", "w step step/zero")
			g.node("Gemm", "b", "a v", number("transB", 1))
			g.through("y", "b", "out out/zero")
		}},
		{name: "product of matrices", opset: 21, middle: func(g int8Graph) {
			g.node("Flatten", "f", "x")
			g.through("a", "f", "in in/zero")
			g.weights(1, false, int8Inputs, int8Classes)
			g.node("DequantizeLinear", "v", "w step step/zero")
			g.node("MatMul", "b", "a v")
			g.through("y", "b", "out out/zero")
		}},
		{name: "dynamic quantisation", opset: 13, middle: func(g int8Graph) {
			g.node("Flatten", "f", "x")
			g.node("DynamicQuantizeLinear", "a a/scale a/zero", "f")
			g.weights(1, false, int8Inputs, int8Classes)
			g.node("MatMulInteger", "sums", "a w a/zero step/zero")
			g.node("Cast", "b", "sums", number("to", int64(onnxpb.TensorProto_FLOAT)))
			g.node("Mul", "s", "a/scale step")
			g.node("Mul", "y", "b s")
		}},
	} {
		m := int8Model(t, test.opset, test.middle)
		if !m.Int8 {
			t.Errorf("%s: Int8 = false, want true", test.name)
		}
		for name, saturates := range map[string]bool{"as here": int8Saturates, "without VNNI": true} {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				defer func(was bool) { int8Saturates = was }(int8Saturates)
				int8Saturates = saturates
				e := open(t, m, Options{})
				want := CPU
				if saturates {
					want = "cpu/int8-precise"
				}
				if e.Device() != want {
					t.Errorf("the device is %s, want %s", e.Device(), want)
				}
				if worst := int8Error(t, e); worst > int8Step/2+1e-3 {
					t.Errorf("a score is wrong by %g, a step of 8 bits is %d", worst, int8Step)
				}
				// For comparison, the error where sums may saturate.
				as := open(t, m, Options{Saturate: true})
				if as.Device() != CPU {
					t.Errorf("the device is %s, want %s", as.Device(), CPU)
				}
				t.Logf("ONNX Runtime's own choice is wrong by up to %.1f of scores up to 190", int8Error(t, as))
			})
		}
	}
}

// int8Error returns the largest error of the scores of three images.
func int8Error(t *testing.T, e *Engine) float64 {
	t.Helper()
	const images = 3
	b := newBatch(t, e, images)
	var want []float64
	for i := range images {
		sums := make([]float64, int8Classes)
		for k := range int8Inputs {
			p := 255 - (k*i*5)%40 // the first image is white
			binary.NativeEndian.PutUint32(b.Pixels[4*(i*int8Inputs+k):], math.Float32bits(float32(p)/255))
			for c := range sums {
				sums[c] += float64(p) / 255 * float64(int8Weight(k, c)) / 127
			}
		}
		want = append(want, sums...)
	}
	if err := e.Score(t.Context(), b, 0, images); err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for i, v := range b.Scores {
		worst = max(worst, math.Abs(float64(v)-want[i]))
	}
	return worst
}
