package convert_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// taken is the arguments of Operator.Add.
type taken struct {
	convert.Convolution
	weights, bias []float32
}

// taker returns an operator that takes every convolution.
func taker(list *[]taken) convert.Operator {
	return convert.Operator{
		Domain: "test", Name: "Mine", Index: "number",
		Takes: func(convert.Convolution) bool { return true },
		Add: func(c convert.Convolution, weights, bias []float32) (int, error) {
			*list = append(*list, taken{c, weights, bias})
			return 40 + len(*list), nil
		},
	}
}

func separate(t *testing.T, file []byte, folder string, op convert.Operator) *onnxpb.ModelProto {
	t.Helper()
	s, err := convert.Separate(file, folder, op)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if n, err := s.WriteTo(&out); err != nil || n != s.Size() || int64(out.Len()) != n {
		t.Fatalf("%d bytes written, %d there, %d announced: %v", n, out.Len(), s.Size(), err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(out.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	return &m
}

func numbers(from float32, n int) graph.Data {
	v := make([]float32, n)
	for i := range v {
		v[i] = from + float32(i)
	}
	return func() ([]float32, error) { return v, nil }
}

// Two convolutions are replaced, the first together with the nodes that follow it.
func TestSeparate(t *testing.T) {
	g := graph.New("two")
	w := func(name string, from float32, shape ...int64) graph.Value {
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		return g.Weights(name, numbers(from, int(n)), shape...)
	}
	x := g.Input("x", graph.Float32, graph.Dynamic, 1, 8, 6)
	x = g.Conv("first", x, w("w1", 1, 2, 1, 3, 1), w("b1", 5, 2), graph.Window{Pad: [4]int64{0, 1, 2, 3}})
	x = g.BatchNorm("norm", x, w("scale", 3, 2), w("shift", -1, 2), w("mean", 2, 2), w("variance", 4, 2), 0)
	x = g.Relu("relu", x)
	g.Output("y", g.Conv("second", x, w("w2", 0, 1, 2, 3, 3), graph.Value{}, graph.Window{}))
	file, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var got []taken
	m := separate(t, file, "", taker(&got))
	if len(got) != 2 {
		t.Fatalf("%d convolutions were taken, want 2", len(got))
	}
	first := convert.Convolution{
		Channels: 1, Filters: 2, Kernel: [2]int{3, 1}, Pads: [4]int{0, 1, 2, 3}, Height: 8, Width: 10, Relu: true,
	}
	second := convert.Convolution{Channels: 2, Filters: 1, Kernel: [2]int{3, 3}, Height: 6, Width: 8}
	if got[0].Convolution != first || got[1].Convolution != second || got[1].bias != nil {
		t.Errorf("taken: %+v", got)
	}
	// (conv + bias - mean) * scale / sqrt(variance) + shift
	f := [2]float64{3 / math.Sqrt(4), 4 / math.Sqrt(5)}
	for i, v := range got[0].weights {
		if want := float64(1+i) * f[i/3]; math.Abs(float64(v)-want) > 1e-6 {
			t.Errorf("weight %d: %v, want %v", i, v, want)
		}
	}
	for i, v := range got[0].bias {
		if want := (5+float64(i)-2-float64(i))*f[i] - 1 + float64(i); math.Abs(float64(v)-want) > 1e-6 {
			t.Errorf("bias %d: %v, want %v", i, v, want)
		}
	}

	var nodes []string
	for _, n := range m.Graph.Node {
		nodes = append(nodes, n.GetDomain()+":"+n.GetOpType())
	}
	if want := []string{"test:Mine", "test:Mine", ":Identity"}; !slices.Equal(nodes, want) {
		t.Errorf("nodes %v, want %v", nodes, want)
	}
	for i, n := range m.Graph.Node[:2] {
		if a := n.Attribute; len(n.Input) != 1 || len(a) != 1 || a[0].GetName() != "number" || a[0].GetI() != int64(41+i) {
			t.Errorf("node %d: %v", i, n)
		}
	}
	if len(m.Graph.Initializer) != 0 {
		t.Errorf("%d constants are left", len(m.Graph.Initializer))
	}
	if o := m.OpsetImport; len(o) != 2 || o[1].GetDomain() != "test" || o[1].GetVersion() != 1 {
		t.Errorf("operator sets %v", o)
	}
	var dims []int64
	for _, v := range m.Graph.ValueInfo {
		for _, d := range v.Type.GetTensorType().Shape.Dim {
			dims = append(dims, d.GetDimValue())
		}
	}
	if want := []int64{0, 2, 8, 10, 0, 1, 6, 8}; !slices.Equal(dims, want) {
		t.Errorf("sizes declared: %v, want %v", dims, want)
	}
}

// The result of a convolution may be an output as well as a rectifier's operand.
func TestSeparateLeavesOutputs(t *testing.T) {
	g := graph.New("outputs")
	x := g.Input("x", graph.Float32, 1, 2, 5, 5)
	x = g.Conv("conv", x, g.Weights("w", numbers(0, 36), 2, 2, 3, 3), graph.Value{}, graph.Window{})
	g.Output("y", g.Relu("relu", x))
	file, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(file, &m); err != nil {
		t.Fatal(err)
	}
	conv := proto.Clone(m.Graph.Output[0]).(*onnxpb.ValueInfoProto)
	conv.Name = proto.String("conv")
	m.Graph.Output = append(m.Graph.Output, conv)
	if file, err = proto.Marshal(&m); err != nil {
		t.Fatal(err)
	}
	var got []taken
	after := separate(t, file, "", taker(&got))
	if len(got) != 1 || got[0].Relu || after.Graph.Node[0].Output[0] != "conv" || after.Graph.Node[1].GetOpType() != "Relu" {
		t.Errorf("taken %+v, nodes %v", got, after.Graph.Node)
	}
	if len(after.Graph.ValueInfo) != 0 {
		t.Errorf("an output is declared twice: %v", after.Graph.ValueInfo)
	}
}

// A weight file next to the model is read for the convolution, and other weights stay in
// it.
func TestSeparateKeepsWeightFiles(t *testing.T) {
	g := graph.New("external")
	x := g.Input("x", graph.Float32, 1, 16, 5, 5)
	x = g.Conv("conv", x, g.Weights("w", numbers(0, 16*16*9), 16, 16, 3, 3), graph.Value{}, graph.Window{})
	g.Output("y", g.Gemm("dense", g.Flatten("row", x), g.Weights("d", numbers(0, 144*16), 144, 16), graph.Value{}))
	folder := t.TempDir()
	var file bytes.Buffer
	data, err := os.Create(filepath.Join(folder, "weights"))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	if _, err := g.WriteData(data); err != nil {
		t.Fatal(err)
	}
	if _, err := g.WriteBeside(&file, "weights"); err != nil {
		t.Fatal(err)
	}
	var before onnxpb.ModelProto
	if err := proto.Unmarshal(file.Bytes(), &before); err != nil {
		t.Fatal(err)
	}
	var got []taken
	after := separate(t, file.Bytes(), folder, taker(&got))
	if len(got) != 1 || got[0].weights[16*16*9-1] != 16*16*9-1 {
		t.Errorf("%d taken, with other weights", len(got))
	}
	at := slices.IndexFunc(before.Graph.Initializer, func(i *onnxpb.TensorProto) bool { return i.GetName() == "d" })
	if c := after.Graph.Initializer; len(c) != 1 || !proto.Equal(c[0], before.Graph.Initializer[at]) || len(c[0].ExternalData) == 0 {
		t.Errorf("constants %v", c)
	}
}

func TestSeparateRefuses(t *testing.T) {
	g := graph.New("one")
	x := g.Input("x", graph.Float32, 1, 2, 5, 5)
	g.Output("y", g.Conv("conv", x, g.Weights("w", numbers(0, 36), 2, 2, 3, 3), graph.Value{}, graph.Window{}))
	file, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	op := taker(new([]taken))
	op.Takes = func(convert.Convolution) bool { return false }
	if s, err := convert.Separate(file, "", op); s != nil || err != nil {
		t.Errorf("an operator that takes nothing: got %v, %v; want nil", s, err)
	}
	full := errors.New("no memory")
	op = taker(new([]taken))
	op.Add = func(convert.Convolution, []float32, []float32) (int, error) { return 0, full }
	if s, err := convert.Separate(file, "", op); s != nil || !errors.Is(err, full) {
		t.Errorf("an operator that fails: got %v, %v", s, err)
	}
	for _, broken := range [][]byte{nil, []byte("not a model"), file[:len(file)-20]} {
		if _, err := convert.Separate(broken, "", taker(new([]taken))); !errors.Is(err, models.ErrModel) {
			t.Errorf("Separate of %d bytes that are not a model = %v, want ErrModel", len(broken), err)
		}
	}
}
