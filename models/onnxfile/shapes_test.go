package onnxfile_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// sketch builds a model of shapes alone. Its weights have sizes but no elements,
// because nothing in this package may look at these.
type sketch struct{ onnxpb.GraphProto }

func (s *sketch) weight(name string, t onnxpb.TensorProto_DataType, dims ...int64) string {
	s.Initializer = append(s.Initializer, &onnxpb.TensorProto{Name: &name, DataType: proto.Int32(int32(t)), Dims: dims})
	return name
}

func (s *sketch) float(name string, dims ...int64) string {
	return s.weight(name, onnxpb.TensorProto_FLOAT, dims...)
}

// shape is a constant of 64-bit integers.
func (s *sketch) shape(name string, v ...int64) string {
	s.Initializer = append(s.Initializer, &onnxpb.TensorProto{
		Name: &name, DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)), Dims: []int64{int64(len(v))}, Int64Data: v,
	})
	return name
}

func (s *sketch) node(op, out string, in []string, attributes ...*onnxpb.AttributeProto) string {
	s.Node = append(s.Node, &onnxpb.NodeProto{OpType: &op, Input: in, Output: []string{out}, Attribute: attributes})
	return out
}

// chain adds operators that each take the result of the one before, first the value
// from. An operator may have a second operand: "Add w". It returns the last result.
func (s *sketch) chain(from string, ops ...string) string {
	for i, op := range ops {
		op, operand, two := strings.Cut(op, " ")
		in := []string{from}
		if two {
			in = append(in, operand)
		}
		from = s.node(op, fmt.Sprint(op, i), in)
	}
	return from
}

func (s *sketch) port(name string, dims ...int64) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for _, n := range dims {
		d := &onnxpb.TensorShapeProto_Dimension{}
		if n >= 0 {
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}
		}
		shape.Dim = append(shape.Dim, d)
	}
	return &onnxpb.ValueInfoProto{Name: &name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)), Shape: shape},
	}}}
}

func (s *sketch) read(t *testing.T) *onnxfile.File {
	t.Helper()
	body, err := proto.Marshal(&onnxpb.ModelProto{
		IrVersion: proto.Int64(8), Graph: &s.GraphProto,
		OpsetImport: []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(17)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sketch.onnx")
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := onnxfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// parameters counts the elements of a model's parameters by their type.
func parameters(f *onnxfile.File) map[string]int64 {
	counts := map[string]int64{}
	for _, p := range f.Parameters() {
		counts[onnxfile.TypeName(p.Elem)] += p.Count()
	}
	return counts
}

func list(name string, v ...int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INTS.Enum(), Ints: v}
}

func number(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INT.Enum(), I: &v}
}

func text(name, v string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_STRING.Enum(), S: []byte(v)}
}

// vgg16 is Simonyan and Zisserman's configuration D, whose sizes are published.
func vgg16() *sketch {
	s := &sketch{}
	s.Input = append(s.Input, s.port("x", -1, 3, 224, 224))
	x, planes := "x", int64(3)
	for i, width := range []int64{64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0} {
		name := fmt.Sprint("layer", i)
		if width == 0 {
			x = s.node("MaxPool", name, []string{x}, list("kernel_shape", 2, 2), list("strides", 2, 2))
			continue
		}
		x = s.node("Conv", name, []string{x, s.float(name+".w", width, planes, 3, 3), s.float(name+".b", width)}, list("pads", 1, 1, 1, 1))
		x, planes = s.node("Relu", name+".relu", []string{x}), width
	}
	x = s.node("Flatten", "flat", []string{x})
	in := int64(25088)
	for i, width := range []int64{4096, 4096, 1000} {
		name := fmt.Sprint("dense", i)
		x = s.node("Gemm", name, []string{x, s.float(name+".w", width, in), s.float(name+".b", width)}, number("transB", 1))
		in = width
	}
	s.Output = append(s.Output, s.port(x, -1, 1000))
	return s
}

func TestVGG16(t *testing.T) {
	f := vgg16().read(t)
	if got := parameters(f); len(got) != 1 || got["float32"] != 138_357_544 {
		t.Errorf("parameters are %v; VGG-16 has 138,357,544 of float32", got)
	}
	if s := f.Shapes(); s.MultiplyAdds != 15_470_264_320 || len(s.Uncounted) != 0 {
		t.Errorf("%d multiply-adds, uncounted %v; VGG-16 has 15,470,264,320", s.MultiplyAdds, s.Uncounted)
	}
	if f.Opset != 17 {
		t.Errorf("operator set %d, want 17", f.Opset)
	}
}

// Each case turns x, [N,8,6,6], into a matrix of one row. The work of the product
// after it tells the row's width.
func TestShapes(t *testing.T) {
	for name, c := range map[string]struct {
		build func(s *sketch) string
		width int64 // 0 is unknown
	}{
		"flatten":         {build: func(s *sketch) string { return s.node("Flatten", "r", []string{"x"}) }, width: 288},
		"reshape":         {build: func(s *sketch) string { return s.node("Reshape", "r", []string{"x", s.shape("s", 1, -1)}) }, width: 288},
		"reshape, kept":   {build: func(s *sketch) string { return s.node("Reshape", "r", []string{"x", s.shape("s", 0, 288)}) }, width: 288},
		"reshape, wrong":  {build: func(s *sketch) string { return s.node("Reshape", "r", []string{"x", s.shape("s", 1, 100)}) }, width: 0},
		"reshape, no end": {build: func(s *sketch) string { return s.node("Reshape", "r", []string{"x", "input"}) }, width: 0},
		"as PyTorch exports a view": {build: func(s *sketch) string {
			s.node("Shape", "shape", []string{"x"})
			s.node("Constant", "zero", nil, &onnxpb.AttributeProto{
				Name: proto.String("value"), Type: onnxpb.AttributeProto_TENSOR.Enum(),
				T: &onnxpb.TensorProto{DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)), RawData: make([]byte, 8)},
			})
			s.node("Gather", "n", []string{"shape", "zero"})
			s.node("Unsqueeze", "ns", []string{"n"}, list("axes", 0))
			s.node("Constant", "rest", nil, list("value_ints", -1))
			s.node("Concat", "to", []string{"ns", "rest"}, number("axis", 0))
			return s.node("Reshape", "r", []string{"x", "to"})
		}, width: 288},
		"slice of a shape": {build: func(s *sketch) string {
			s.node("Shape", "shape", []string{"x"})
			s.node("Slice", "n", []string{"shape", s.shape("lo", 0), s.shape("hi", 1)})
			s.node("Concat", "to", []string{"n", s.shape("rest", -1)}, number("axis", 0))
			return s.node("Reshape", "r", []string{"x", "to"})
		}, width: 288},
		"stride": {build: func(s *sketch) string { return flat(s, "MaxPool", list("kernel_shape", 2, 2), list("strides", 2, 2)) }, width: 72},
		"floor":  {build: func(s *sketch) string { return flat(s, "MaxPool", list("kernel_shape", 3, 3), list("strides", 2, 2)) }, width: 32},
		"ceil": {build: func(s *sketch) string {
			return flat(s, "MaxPool", list("kernel_shape", 3, 3), list("strides", 2, 2), number("ceil_mode", 1))
		}, width: 72},
		"same": {build: func(s *sketch) string {
			return flat(s, "AveragePool", list("kernel_shape", 3, 3), text("auto_pad", "SAME_UPPER"))
		}, width: 288},
		"valid": {build: func(s *sketch) string {
			return flat(s, "AveragePool", list("kernel_shape", 3, 3), text("auto_pad", "VALID"))
		}, width: 128},
		"dilation":  {build: func(s *sketch) string { return flat(s, "MaxPool", list("kernel_shape", 2, 2), list("dilations", 3, 3)) }, width: 72},
		"too small": {build: func(s *sketch) string { return flat(s, "MaxPool", list("kernel_shape", 7, 7)) }, width: 0},
		"no stride": {build: func(s *sketch) string { return flat(s, "MaxPool", list("kernel_shape", 2, 2), list("strides", 0, 1)) }, width: 0},
		"global":    {build: func(s *sketch) string { return flat(s, "GlobalAveragePool") }, width: 8},
		"mean": {build: func(s *sketch) string {
			return s.node("ReduceMean", "r", []string{"x"}, list("axes", 2, 3), number("keepdims", 0))
		}, width: 8},
		"mean, kept": {build: func(s *sketch) string { return flat(s, "ReduceMean", list("axes", -1, -2)) }, width: 8},
		"transpose":  {build: func(s *sketch) string { return flat(s, "Transpose", list("perm", 0, 2, 3, 1)) }, width: 288},
		"concat": {build: func(s *sketch) string {
			s.node("Concat", "c", []string{"x", "x", "x"}, number("axis", -3))
			return s.node("Flatten", "r", []string{"c"})
		}, width: 864},
		"pad": {build: func(s *sketch) string {
			s.node("Pad", "p", []string{"x", s.shape("pads", 0, 0, 1, 1, 0, 0, 1, 1)})
			return s.node("Flatten", "r", []string{"p"})
		}, width: 512},
		"squeeze": {build: func(s *sketch) string {
			s.node("GlobalMaxPool", "g", []string{"x"})
			return s.node("Squeeze", "r", []string{"g", s.shape("axes", 2, 3)})
		}, width: 8},
		"broadcast": {build: func(s *sketch) string {
			s.node("Mul", "m", []string{"x", s.float("w", 8, 1, 1)})
			return s.node("Flatten", "r", []string{"m"})
		}, width: 288},
		"misfit": {build: func(s *sketch) string {
			s.node("Mul", "m", []string{"x", s.float("w", 7, 1, 1)})
			return s.node("Flatten", "r", []string{"m"})
		}, width: 0},
		"unknown operator": {build: func(s *sketch) string { return flat(s, "Mystery") }, width: 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sketch{}
			s.Input = append(s.Input, s.port("x", -1, 8, 6, 6))
			row := c.build(s)
			s.node("MatMul", "y", []string{row, s.float("weights", max(c.width, 1), 10)})
			s.Output = append(s.Output, s.port("y", -1, 10))
			shapes := s.read(t).Shapes()
			switch {
			case c.width == 0:
				if shapes.Uncounted["MatMul"] != 1 {
					t.Errorf("%d multiply-adds, uncounted %v; want MatMul uncounted", shapes.MultiplyAdds, shapes.Uncounted)
				}
			case len(shapes.Uncounted) != 0 || shapes.MultiplyAdds != 10*c.width:
				t.Errorf("%d multiply-adds, uncounted %v; want %d", shapes.MultiplyAdds, shapes.Uncounted, 10*c.width)
			}
		})
	}
}

// flat adds one operator on x and flattens its result into one row.
func flat(s *sketch, op string, attributes ...*onnxpb.AttributeProto) string {
	s.node(op, "v", []string{"x"}, attributes...)
	return s.node("Flatten", "r", []string{"v"})
}

// A parameter counts once even if it is quantised, shared or transposed before it
// is used.
func TestParameters(t *testing.T) {
	s := &sketch{}
	s.Input = append(s.Input, s.port("x", -1, 3, 8, 8))
	s.node("DequantizeLinear", "w", []string{s.weight("w8", onnxpb.TensorProto_INT8, 4, 3, 1, 1), s.float("scale", 4)})
	s.node("Conv", "a", []string{"x", "w", s.float("bias", 4)})
	s.node("Conv", "b", []string{"x", "w"})
	s.node("BatchNormalization", "n", []string{"a", s.float("gamma", 4), s.float("beta", 4), s.float("mean", 4), s.float("var", 4)})
	s.node("Sum", "sum", []string{"n", "b"})
	s.node("GlobalAveragePool", "p", []string{"sum"})
	s.node("Flatten", "f", []string{"p"})
	s.node("Transpose", "wt", []string{s.weight("dense", onnxpb.TensorProto_FLOAT16, 10, 4)}, list("perm", 1, 0))
	s.node("MatMul", "m", []string{"f", "wt"})
	s.node("Add", "y", []string{"m", s.float("offset", 10)})
	s.Output = append(s.Output, s.port("y", -1, 10))
	f := s.read(t)
	if got, want := parameters(f), (map[string]int64{"int8": 12, "float16": 40, "float32": 4 + 4 + 4 + 10}); !maps.Equal(got, want) {
		t.Errorf("parameters are %v, want %v", got, want)
	}
	if got, want := f.Shapes(), int64(2*64*4*3+4*10); len(got.Uncounted) != 0 || got.MultiplyAdds != want {
		t.Errorf("%d multiply-adds, uncounted %v; want %d", got.MultiplyAdds, got.Uncounted, want)
	}
}

// The work of absurd sizes is unknown; it does not overflow.
func TestHostileSizes(t *testing.T) {
	s := &sketch{}
	s.Input = append(s.Input, s.port("x", -1, 3, 1<<40, 1<<40))
	s.node("Conv", "y", []string{"x", s.float("w", 1<<40, 3, 1, 1)})
	s.Output = append(s.Output, s.port("y", -1, 10))
	if shapes := s.read(t).Shapes(); shapes.Uncounted["Conv"] != 1 {
		t.Errorf("%d multiply-adds, uncounted %v; want Conv uncounted", shapes.MultiplyAdds, shapes.Uncounted)
	}
}
