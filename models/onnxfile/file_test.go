package onnxfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// writeModel writes the bytes of a model to a new file.
func writeModel(t testing.TB, model []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, model, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadRefuses(t *testing.T) {
	tiny := graphtest.Tiny(graphtest.Options{})
	graph := func(body ...byte) []byte {
		return slices.Concat([]byte("\x08\x08\x3a"), protowire.AppendBytes(nil, body))
	}
	for _, c := range []struct {
		name  string
		model []byte
		says  string
		other bool // not known to be ONNX, because no graph begins within the file
	}{
		{name: "empty", model: nil, says: "holds no graph", other: true},
		{name: "text", model: []byte("<!DOCTYPE html>"), says: "not a whole protocol buffer", other: true},
		{name: "no graph", model: []byte("\x08\x08"), says: "holds no graph", other: true},
		{name: "truncated", model: tiny[:len(tiny)-100], says: "may be truncated", other: true},
		{name: "length beyond the file", model: []byte("\x08\x08\x3a\xff\x01"), says: "claims 255 bytes, but only 0 are there", other: true},
		{name: "number cut off", model: graph(0x08, 0x80), says: "a number is cut off"},
		{name: "endless number", model: graph(append([]byte{0x08}, bytes.Repeat([]byte{0xff}, 11)...)...), says: "no number ends"},
		{name: "fixed field cut off", model: graph(0x0d, 1, 2), says: "where its message ends"},
		{name: "unknown wire type", model: graph(0x0e), says: "has wire type 6"},
		{name: "field number zero", model: graph(0x00, 0x00), says: "no field starts"},
		{name: "two million nodes", model: graph(bytes.Repeat([]byte{0x0a, 0x00}, 2<<20)...), says: "bytes of names and declarations before"},
		{name: "long name", model: graph(slices.Concat([]byte{0x5a}, protowire.AppendBytes(nil, make([]byte, 1<<20)))...), says: "at most 65536"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := writeModel(t, c.model)
			_, err := onnxfile.Read(path)
			if !errors.Is(err, onnxfile.ErrUnusable) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("Read() = %v, want ErrUnusable about %q in %s", err, c.says, path)
			}
			if errors.Is(err, onnxfile.ErrNotONNX) != c.other {
				t.Errorf("Read() = %v, want ErrNotONNX %v", err, c.other)
			}
		})
	}
	if _, err := onnxfile.Read(filepath.Join(t.TempDir(), "none.onnx")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: Read() = %v, want ErrNotExist", err)
	}
	if _, err := onnxfile.Read(t.TempDir()); !errors.Is(err, onnxfile.ErrUnusable) {
		t.Errorf("of a folder: Read() = %v, want ErrUnusable", err)
	}
}

func TestSizes(t *testing.T) {
	model := graphtest.Tiny(graphtest.Options{})
	sizes, err := onnxfile.Sizes(bytes.NewReader(model), int64(len(model)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]int64{"images": {1, 32, 32, 3}, "scores": {1, 10}, "nothing": nil} {
		if got := sizes[name]; !slices.Equal(got, want) {
			t.Errorf("Sizes()[%q] = %v, want %v", name, got, want)
		}
	}
	if _, err := onnxfile.Sizes(bytes.NewReader(nil), 0); !errors.Is(err, onnxfile.ErrNotONNX) {
		t.Errorf("Sizes() of nothing = %v, want ErrNotONNX", err)
	}
	if _, err := onnxfile.Sizes(failingReader{}, 100); err == nil || errors.Is(err, onnxfile.ErrUnusable) {
		t.Errorf("Sizes() with a failing disk = %v, want an error other than ErrUnusable", err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("the disk fails") }

// Inputs and outputs are described by their kind, type and shape.
func TestValueInfo(t *testing.T) {
	tensor := &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(int32(onnxpb.TensorProto_FLOAT))}
	text := &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(int32(onnxpb.TensorProto_STRING)), Shape: &onnxpb.TensorShapeProto{
		Dim: []*onnxpb.TensorShapeProto_Dimension{
			{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "N"}},
			{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 3}},
		},
	}}
	list := func(elem *onnxpb.TypeProto) *onnxpb.TypeProto {
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{ElemType: elem}}}
	}
	of := func(tensor *onnxpb.TypeProto_Tensor) *onnxpb.TypeProto {
		return &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: tensor}}
	}
	table := &onnxpb.TypeProto{Value: &onnxpb.TypeProto_MapType{MapType: &onnxpb.TypeProto_Map{}}}
	optional := &onnxpb.TypeProto{Value: &onnxpb.TypeProto_OptionalType{OptionalType: &onnxpb.TypeProto_Optional{}}}
	s := &sketch{}
	for _, v := range []*onnxpb.TypeProto{of(tensor), of(text), list(of(tensor)), list(table), table, optional} {
		s.Output = append(s.Output, &onnxpb.ValueInfoProto{Name: proto.String("v"), Type: v})
	}
	f := s.read(t)
	want := []string{
		`"v" FLOAT of no declared shape`, `"v" STRING[-1 3]`, `"v", a sequence`, `"v", a sequence of maps`, `"v", a map`, `"v", a value that may be missing`,
	}
	for i, v := range f.Outputs {
		if got := v.String(); got != want[i] {
			t.Errorf("output %d is %s, want %s", i, got, want[i])
		}
	}
	if got := f.Outputs[1].Axes; !slices.Equal(got, []string{"N", ""}) {
		t.Errorf("the axes of output 1 are %q, want N and no name", got)
	}
}

// Replacing metadata keeps all other bytes, and entries are found again.
func TestWriteAnnotated(t *testing.T) {
	s := &sketch{}
	s.Output = append(s.Output, s.port("y", 1, 2))
	model, err := proto.Marshal(&onnxpb.ModelProto{
		IrVersion: proto.Int64(8), Graph: &s.GraphProto, ProducerName: proto.String("somebody"),
		MetadataProps: []*onnxpb.StringStringEntryProto{
			{Key: proto.String("a"), Value: proto.String("1")},
			{Key: proto.String("b"), Value: proto.String("2")},
			{Key: proto.String("a"), Value: proto.String("3")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := onnxfile.Read(writeModel(t, model))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := f.Lookup("a"); got != "3" || !ok {
		t.Errorf(`Lookup("a") = %q, %v; want the last value, "3"`, got, ok)
	}
	if got, ok := f.Lookup("c"); got != "" || ok {
		t.Errorf(`Lookup("c") = %q, %v; want nothing`, got, ok)
	}
	var unchanged, changed bytes.Buffer
	if err := f.WriteAnnotated(&unchanged, bytes.NewReader(model), nil); err != nil || !bytes.Equal(unchanged.Bytes(), model) {
		t.Errorf("without entries, %d of %d bytes are written, %v; want the same bytes", unchanged.Len(), len(model), err)
	}
	entries := []onnxfile.Metadatum{{Key: "a", Value: "4"}, {Key: "c", Value: "5"}}
	if err := f.WriteAnnotated(&changed, bytes.NewReader(model), entries); err != nil {
		t.Fatal(err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(changed.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range m.MetadataProps {
		got = append(got, e.GetKey()+"="+e.GetValue())
	}
	if want := []string{"b=2", "a=4", "c=5"}; !slices.Equal(got, want) || m.GetProducerName() != "somebody" {
		t.Errorf("metadata are %q of producer %q, want %q of somebody", got, m.GetProducerName(), want)
	}
}

func TestDependenceString(t *testing.T) {
	for want, d := range map[string]onnxfile.Dependence{
		`scores of an image depend on the other images of its batch by Mix (at "n"): r`: {Operator: "Mix", Node: "n", Count: 1, Remedy: "r"},
		`scores change from run to run by Dice (at "n", 3 times): r`:                    {Operator: "Dice", Node: "n", Count: 3, Remedy: "r", Chance: true},
		`scores may change from run to run by Dice (at "n"): r`: {
			Operator: "Dice", Node: "n", Count: 1, Remedy: "r", Chance: true, Unsure: true,
		},
	} {
		if got := d.String(); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
}

// FuzzRead calls every analysis on whatever can be read.
func FuzzRead(f *testing.F) {
	f.Add(graphtest.Tiny(graphtest.Options{}))
	for _, mix := range graphtest.Mixes() {
		model, err := os.ReadFile(graphtest.Mixing(f, mix, 0))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(model)
	}
	f.Add([]byte("\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\x7f"))
	path := filepath.Join(f.TempDir(), "model.onnx") // for all inputs of a process, one after another
	f.Fuzz(func(t *testing.T, model []byte) {
		if err := os.WriteFile(path, model, 0o644); err != nil {
			t.Fatal(err)
		}
		file, err := onnxfile.Read(path)
		if err != nil {
			if !errors.Is(err, onnxfile.ErrUnusable) {
				t.Errorf("%v does not wrap ErrUnusable", err)
			}
			return
		}
		if s := file.Shapes(); s.MultiplyAdds < 0 {
			t.Errorf("%d multiply-adds", s.MultiplyAdds)
		}
		for _, out := range file.Outputs {
			_ = file.Ending(out).String()
		}
		_, _, _, _ = file.Dependences(), file.Parameters(), file.ComputesInt8(), file.HasHalfWeights()
		if err := file.WriteAnnotated(&bytes.Buffer{}, bytes.NewReader(model), []onnxfile.Metadatum{{Key: "k", Value: "v"}}); err != nil {
			t.Error(err)
		}
	})
}
