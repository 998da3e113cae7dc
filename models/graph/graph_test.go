package graph_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// values adds weights of that shape: 0, 1, 2 ...
func values(g *graph.Graph, name string, shape ...int64) graph.Value {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	return g.Weights(name, func() ([]float32, error) {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i)
		}
		return v, nil
	}, shape...)
}

func example() *graph.Graph {
	g := graph.New("example")
	g.Metadata("key", "value")
	x := g.Input("images", graph.Uint8, graph.Dynamic, 9, 7, 3)
	x = g.Cast("float", x, graph.Float32)
	x = g.Mul("scaled", x, g.Scalar("scale", 0.5))
	x = g.Transpose("planes", x, 0, 3, 1, 2)
	x = g.Conv("conv", x, values(g, "kernel", 4, 3, 3, 2), values(g, "bias", 4), graph.Window{Stride: [2]int64{2, 1}})
	x = g.Relu("relu", x)
	g.Output("scores", g.Flatten("row", g.GlobalAveragePool("mean", x)))
	return g
}

func TestModel(t *testing.T) {
	model, err := example().Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := example().Bytes()
	if err != nil || !bytes.Equal(model, again) {
		t.Errorf("the same calls wrote different bytes: %v", err)
	}

	var m onnxpb.ModelProto
	if err := proto.Unmarshal(model, &m); err != nil {
		t.Fatal(err)
	}
	if m.GetIrVersion() != 8 || m.GetOpsetImport()[0].GetVersion() != 17 {
		t.Errorf("IR %d, opset %d", m.GetIrVersion(), m.GetOpsetImport()[0].GetVersion())
	}
	if p := m.GetMetadataProps(); len(p) != 1 || p[0].GetKey() != "key" || p[0].GetValue() != "value" {
		t.Errorf("metadata is %v", p)
	}
	var ops []string
	for _, n := range m.GetGraph().GetNode() {
		ops = append(ops, n.GetOpType())
	}
	if want := []string{"Cast", "Mul", "Transpose", "Conv", "Relu", "GlobalAveragePool", "Flatten", "Identity"}; !slices.Equal(ops, want) {
		t.Errorf("operators are %q, want %q", ops, want)
	}
	in := m.GetGraph().GetInput()[0].GetType().GetTensorType()
	if in.GetElemType() != int32(onnxpb.TensorProto_UINT8) || in.GetShape().GetDim()[0].GetDimParam() == "" ||
		in.GetShape().GetDim()[1].GetDimValue() != 9 {
		t.Errorf("input is %v", in)
	}
	for _, w := range m.GetGraph().GetInitializer() {
		n := int64(1)
		for _, d := range w.GetDims() {
			n *= d
		}
		raw := w.GetRawData()
		if int64(len(raw)) != 4*n {
			t.Fatalf("%s %v has %d bytes", w.GetName(), w.GetDims(), len(raw))
		}
		last := math.Float32frombits(binary.LittleEndian.Uint32(raw[len(raw)-4:]))
		if want := float32(n - 1); w.GetName() != "scale" && last != want {
			t.Errorf("%s ends with %v, want %v", w.GetName(), last, want)
		}
	}
}

func TestShapes(t *testing.T) {
	g := graph.New("shapes")
	x := g.Input("x", graph.Float32, graph.Dynamic, 3, 10, 7)
	y := g.Input("y", graph.Float32, graph.Dynamic, 5, 10, 7)
	row := g.Input("row", graph.Float32, 2, 6)
	three := graph.Window{Kernel: [2]int64{3, 3}}
	for _, c := range []struct {
		got  graph.Value
		want []int64
	}{
		{got: g.Conv("valid", x, values(g, "k1", 8, 3, 3, 3), graph.Value{}, graph.Window{}), want: []int64{-1, 8, 8, 5}},
		{got: g.Conv("strided", x, values(g, "k2", 8, 3, 3, 2), graph.Value{}, graph.Window{Stride: [2]int64{2, 3}}), want: []int64{-1, 8, 4, 2}},
		{got: g.Conv("dilated", x, values(g, "k3", 8, 3, 3, 3), graph.Value{}, graph.Window{Dilation: [2]int64{2, 3}}), want: []int64{-1, 8, 6, 1}},
		{got: g.Conv("same", x, values(g, "k4", 8, 3, 3, 3), graph.Value{}, three.SamePad(10, 7)), want: []int64{-1, 8, 10, 7}},
		{got: g.MaxPool("max", x, graph.Window{Kernel: [2]int64{2, 2}, Stride: [2]int64{2, 2}}), want: []int64{-1, 3, 5, 3}},
		{got: g.AveragePool("average", x, three.SamePad(10, 7)), want: []int64{-1, 3, 10, 7}},
		{got: g.GlobalAveragePool("global", x), want: []int64{-1, 3, 1, 1}},
		{got: g.Concat("concat", 1, x, y, x), want: []int64{-1, 11, 10, 7}},
		{got: g.Flatten("flatten", x), want: []int64{-1, 210}},
		{got: g.Transpose("transpose", x, 0, 2, 3, 1), want: []int64{-1, 10, 7, 3}},
		{got: g.Gemm("gemm", row, values(g, "k5", 6, 4), values(g, "b5", 4)), want: []int64{2, 4}},
		{got: g.Linear("linear", row, values(g, "k6", 4, 6), values(g, "b6", 4)), want: []int64{2, 4}},
		{got: g.Softmax("softmax", row), want: []int64{2, 6}},
		{got: g.Sub("sub", x, values(g, "mean", 3, 1, 1)), want: []int64{-1, 3, 10, 7}},
		{got: g.Add("add", row, row), want: []int64{2, 6}},
		{got: g.Div("div", row, g.Scalar("two", 2)), want: []int64{2, 6}},
		{got: g.BatchNorm("norm", row, values(g, "s", 6), values(g, "b", 6), values(g, "m", 6), values(g, "v", 6), 1e-3), want: []int64{2, 6}},
	} {
		if !slices.Equal(c.got.Shape, c.want) {
			t.Errorf("%s has the shape %v, want %v", c.got.Name, c.got.Shape, c.want)
		}
	}
	if err := g.Err(); err != nil {
		t.Error(err)
	}
}

// The expected padding is that of TensorFlow: an output of ceil(n/stride), with the odd
// pixel at the end.
func TestSamePad(t *testing.T) {
	for _, c := range []struct {
		kernel, stride, dilation, n int64
		before, after               int64
	}{
		{kernel: 3, stride: 1, dilation: 1, n: 7, before: 1, after: 1},
		{kernel: 3, stride: 2, dilation: 1, n: 7, before: 1, after: 1},
		{kernel: 3, stride: 2, dilation: 1, n: 8, before: 0, after: 1},
		{kernel: 2, stride: 1, dilation: 1, n: 5, before: 0, after: 1},
		{kernel: 2, stride: 2, dilation: 1, n: 5, before: 0, after: 1},
		{kernel: 2, stride: 2, dilation: 1, n: 4, before: 0, after: 0},
		{kernel: 1, stride: 2, dilation: 1, n: 9, before: 0, after: 0},
		{kernel: 5, stride: 3, dilation: 1, n: 10, before: 2, after: 2},
		{kernel: 3, stride: 1, dilation: 2, n: 9, before: 2, after: 2},
		{kernel: 7, stride: 2, dilation: 1, n: 224, before: 2, after: 3},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			w := graph.Window{Kernel: [2]int64{c.kernel, 1}, Stride: [2]int64{c.stride, 1}, Dilation: [2]int64{c.dilation, 1}}.SamePad(c.n, 1)
			if w.Pad != [4]int64{c.before, 0, c.after, 0} {
				t.Errorf("padding is %v, want %d before and %d after", w.Pad, c.before, c.after)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		build func(g *graph.Graph, x graph.Value) graph.Value
		says  []string
	}{
		"channels": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Conv("bad", x, values(g, "k", 8, 4, 3, 3), graph.Value{}, graph.Window{})
		}, says: []string{"[8 4 3 3]", "[-1 3 8 8]"}},
		"bias": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Conv("bad", x, values(g, "k", 8, 3, 3, 3), values(g, "b", 7), graph.Window{})
		}, says: []string{"[7]", "[8 3 3 3]"}},
		"kernel too large": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.MaxPool("bad", x, graph.Window{Kernel: [2]int64{9, 9}})
		}, says: []string{"9x9"}},
		"gemm": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Gemm("bad", g.Flatten("row", x), values(g, "k", 5, 4), graph.Value{})
		}, says: []string{"[5 4]", "[-1 192]"}},
		"linear": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Linear("bad", g.Flatten("row", x), values(g, "k", 192, 4), graph.Value{})
		}, says: []string{"[192 4]", "[-1 192]"}},
		"concat": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Concat("bad", 1, x, g.MaxPool("half", x, graph.Window{Kernel: [2]int64{2, 2}}))
		}, says: []string{"[-1 3 7 7]"}},
		"broadcast": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Mul("bad", x, values(g, "m", 3))
		}, says: []string{"[3]", "broadcast"}},
		"types": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Add("bad", x, g.Cast("bytes", x, graph.Uint8))
		}, says: []string{"FLOAT", "UINT8"}},
		"permutation": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Transpose("bad", x, 0, 1, 2, 2)
		}, says: []string{"[0 1 2 2]"}},
		"normalisation": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			p := values(g, "p", 4)
			return g.BatchNorm("bad", x, p, p, p, p, 0)
		}, says: []string{"p [4]"}},
		"same name": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Relu("bad", g.Relu("bad", x))
		}, says: []string{"taken"}},
		"foreign operand": {build: func(g *graph.Graph, _ graph.Value) graph.Value {
			return g.Relu("bad", graph.Value{Name: "elsewhere", Type: graph.Float32})
		}, says: []string{`"elsewhere"`}},
		"endless planes": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			for i := range 40 {
				name := fmt.Sprintf("double_%d", i)
				if i == 29 {
					name = "bad"
				}
				x = g.Concat(name, 1, x, x)
			}
			return x
		}, says: []string{"too large", "3221225472"}},
		"endless row": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			for i := range 26 {
				x = g.Concat(fmt.Sprintf("double_%d", i), 1, x, x)
			}
			return g.Flatten("bad", x)
		}, says: []string{"too large"}},
		"weights beyond 2 GiB": {build: func(g *graph.Graph, x graph.Value) graph.Value {
			return g.Add("sum", x, g.Weights("bad", nil, math.MaxInt64, 3))
		}, says: []string{"2 GiB"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := graph.New("mistake")
			x := c.build(g, g.Input("x", graph.Float32, graph.Dynamic, 3, 8, 8))
			g.Output("y", g.Relu("after", x))
			_, err := g.Bytes()
			if err == nil {
				t.Fatal("no error")
			}
			if err != g.Err() {
				t.Errorf("Bytes() = %v, Err() = %v; want the same error", err, g.Err())
			}
			for _, s := range append(c.says, "layer bad") {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not contain %q", err, s)
				}
			}
		})
	}
}

func TestWriteFailures(t *testing.T) {
	g := graph.New("empty")
	if _, err := g.Bytes(); err == nil {
		t.Error("a graph without an output was written")
	}

	boom := errors.New("boom")
	for name, data := range map[string]graph.Data{
		"data fails":    func() ([]float32, error) { return nil, boom },
		"data is short": func() ([]float32, error) { return make([]float32, 2), nil },
	} {
		g := graph.New("g")
		g.Output("y", g.Weights("w", data, 3))
		if _, err := g.Bytes(); err == nil || !strings.Contains(err.Error(), "weights w") {
			t.Errorf("%s: got %v", name, err)
		}
	}

	g = graph.New("huge")
	x := g.Weights("a", func() ([]float32, error) {
		t.Error("the weights of a model that is too large were read")
		return nil, boom
	}, 1<<28)
	g.Output("y", g.Concat("c", 0, x, g.Weights("b", nil, 1<<28)))
	if _, err := g.Bytes(); !errors.Is(err, graph.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}

	full := &limitedWriter{left: 100}
	n, err := example().WriteTo(full)
	if !errors.Is(err, errFull) || n != 100 {
		t.Errorf("wrote %d bytes, %v; want 100 and the writer's error", n, err)
	}
}

var errFull = errors.New("full")

type limitedWriter struct{ left int }

func (w *limitedWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	w.left -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// Weights in a separate file are the same as in a single file. Large ones start on a page.
func TestWriteBeside(t *testing.T) {
	g := graph.New("g")
	x := g.Input("x", graph.Float32, 1, 300)
	x = g.Gemm("a", x, values(g, "wa", 300, 500), values(g, "ba", 500))
	x = g.Linear("b", x, values(g, "wb", 7, 500), values(g, "bb", 7))
	g.Output("y", x)
	whole, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var data, head bytes.Buffer
	n, err := g.WriteData(&data)
	if err != nil || n != int64(data.Len()) {
		t.Fatalf("wrote %d bytes of %d, %v", n, data.Len(), err)
	}
	if _, err := g.WriteBeside(&head, "w.data"); err != nil {
		t.Fatal(err)
	}
	if again, err := g.Bytes(); err != nil || !bytes.Equal(whole, again) {
		t.Errorf("WriteTo writes different bytes after WriteData: %v", err)
	}

	var one, two onnxpb.ModelProto
	if err := proto.Unmarshal(whole, &one); err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(head.Bytes(), &two); err != nil {
		t.Fatal(err)
	}
	apart := 0
	for i, w := range two.GetGraph().GetInitializer() {
		want := one.GetGraph().GetInitializer()[i]
		raw := w.GetRawData()
		if w.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
			apart++
			entries := map[string]string{}
			for _, e := range w.GetExternalData() {
				entries[e.GetKey()] = e.GetValue()
			}
			var offset, length int
			if _, err := fmt.Sscan(entries["offset"], &offset); err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Sscan(entries["length"], &length); err != nil {
				t.Fatal(err)
			}
			if offset%4096 != 0 || entries["location"] != "w.data" {
				t.Errorf("%s has external data %v", w.GetName(), entries)
			}
			raw = data.Bytes()[offset:][:length]
		}
		if w.GetName() != want.GetName() || !slices.Equal(w.GetDims(), want.GetDims()) || !bytes.Equal(raw, want.GetRawData()) {
			t.Errorf("%s differs from that in a single file", w.GetName())
		}
	}
	if apart != 3 { // the bias of 7 is too small
		t.Errorf("%d tensors are in the separate file, want 3", apart)
	}
	if _, err := g.WriteBeside(&head, ""); err == nil {
		t.Error("a file without a name was accepted")
	}
	if n, err := g.WriteData(&limitedWriter{left: 5000}); !errors.Is(err, errFull) || n != 5000 {
		t.Errorf("wrote %d bytes, %v; want 5000 and the writer's error", n, err)
	}
}
