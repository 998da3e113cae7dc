package onnxfile

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

var (
	// ErrUnusable is wrapped by every error about the content of a model file or
	// of the weight files next to it.
	ErrUnusable = errors.New("unusable model")
	// ErrNotONNX means that a file is of another kind. It comes with
	// ErrUnusable.
	ErrNotONNX = errors.New("not an ONNX file")
)

// Field numbers of ONNX's messages, by their names in onnx.proto.
const (
	modelIRVersion     = 1
	modelGraph         = 7
	modelOpsetImport   = 8
	modelMetadata      = 14
	modelFunctions     = 25
	graphNode          = 1
	graphInitializer   = 5
	graphInput         = 11
	graphOutput        = 12
	tensorDims         = 1
	tensorDataType     = 2
	tensorInt32Data    = 5
	tensorInt64Data    = 7
	tensorName         = 8
	tensorRawData      = 9
	tensorExternalData = 13
	tensorDataLocation = 14
	nodeInput          = 1
	nodeOutput         = 2
	nodeOpType         = 4
	nodeAttribute      = 5
	nodeDomain         = 7
	attributeName      = 1
	attributeInt       = 3
	attributeText      = 4
	attributeTensor    = 5
	attributeInts      = 8
)

// Limits on what is kept of a file. Everything else is skipped, however large.
const (
	maxMetadata    = 16 << 20 // bytes of one metadata entry
	maxDeclaration = 64 << 10 // bytes of one name, input or output
	maxKept        = 64 << 20 // bytes of all of them together
	overhead       = 64       // cost of each besides its bytes
)

// File is what a model file declares: everything but the elements of its
// weights. It is not changed after Read.
type File struct {
	// Digest is "sha256:" and hex, over the file and the weight files next to it.
	Digest string
	// Size is the bytes of the file.
	Size int64
	// ExternalSize is the bytes of the weight files next to it.
	ExternalSize int64
	// Opset is the version of ONNX's own operators.
	Opset int64
	// Inputs of the graph, without the weights that old models list among them.
	Inputs  []ValueInfo
	Outputs []ValueInfo
	// Nodes are the graph's operators in the order of the file, which ONNX
	// requires to be an order of evaluation.
	Nodes []Node
	// Weights are the graph's initializers.
	Weights  []Tensor
	Metadata []Metadatum

	irVersion uint64
	hasGraph  bool
	functions bool             // the file defines operators of its own
	external  map[string]int64 // weight files next to the model, and how many bytes they need to have
}

// ValueInfo is a declared input or output.
type ValueInfo struct {
	Name string
	Elem onnxpb.TensorProto_DataType
	// Shape is the declared sizes; -1 is an axis of any size.
	Shape []int64
	// Axes are the names of the axes of any size; empty for the others.
	Axes []string
	// Shaped reports whether a shape is declared at all.
	Shaped bool
	// Kind says what the value is if it is not a tensor, such as "map".
	Kind string
}

func (v ValueInfo) String() string {
	switch {
	case v.Kind != "":
		return fmt.Sprintf("%q, a %s", v.Name, v.Kind)
	case !v.Shaped:
		return fmt.Sprintf("%q %v of no declared shape", v.Name, v.Elem)
	}
	return fmt.Sprintf("%q %v%v", v.Name, v.Elem, v.Shape)
}

// Read reads the model file at path. Errors about its content, or about the
// weight files next to it, wrap ErrUnusable.
func Read(path string) (*File, error) {
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // to open a pipe would wait for its writer
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a file", ErrUnusable, path)
	}
	f, err := read(r, info.Size(), filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// read reads the protocol buffer of size bytes in r once, from its first byte
// to its last, and then the weight files that it names in folder.
func read(r io.Reader, size int64, folder string) (*File, error) {
	sum := sha256.New()
	f, err := parse(io.TeeReader(r, sum), size)
	if err != nil {
		return nil, err
	}
	if err := f.readExternal(folder, sum); err != nil {
		return nil, err
	}
	f.Digest = digest(sum.Sum(nil))
	return f, nil
}

func digest(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// parse reads the model of size bytes in r, without its digest and without the
// weight files.
func parse(r io.Reader, size int64) (*File, error) {
	w := &walker{r: bufio.NewReaderSize(r, 64<<10), size: size}
	f := &File{Size: size}
	err := w.message(size, func(fd field) error { return f.model(w, fd) })
	if err != nil && w.readErr != nil {
		return nil, fmt.Errorf("read model: %w", w.readErr)
	}
	switch {
	case err != nil && (!f.hasGraph || f.irVersion == 0):
		return nil, fmt.Errorf("%w: %w: %w", ErrUnusable, ErrNotONNX, err)
	case err != nil:
		return nil, fmt.Errorf("%w: damaged ONNX file: %w", ErrUnusable, err)
	case !f.hasGraph || f.irVersion == 0:
		return nil, fmt.Errorf("%w: %w: it holds no graph", ErrUnusable, ErrNotONNX)
	}
	f.dropWeightInputs()
	return f, nil
}

// dropWeightInputs takes the weights out of Inputs.
func (f *File) dropWeightInputs() {
	weights := make(map[string]bool, len(f.Weights))
	for _, t := range f.Weights {
		weights[t.Name] = true
	}
	var inputs []ValueInfo
	for _, v := range f.Inputs {
		if !weights[v.Name] {
			inputs = append(inputs, v)
		}
	}
	f.Inputs = inputs
}

func (f *File) model(w *walker, fd field) error {
	switch {
	case fd.is(modelIRVersion, protowire.VarintType):
		f.irVersion = fd.varint
	case fd.is(modelGraph, protowire.BytesType):
		f.hasGraph = true
		return w.message(fd.end, func(fd field) error { return f.graph(w, fd) })
	case fd.is(modelMetadata, protowire.BytesType):
		return f.addMetadata(w, fd)
	case fd.is(modelFunctions, protowire.BytesType):
		f.functions = true
	case fd.is(modelOpsetImport, protowire.BytesType):
		text, err := w.bytes(fd, maxDeclaration)
		if err != nil {
			return err
		}
		var set onnxpb.OperatorSetIdProto
		if err := proto.Unmarshal(text, &set); err != nil {
			return fmt.Errorf("operator set at byte %d: %w", fd.start, err)
		}
		if isONNX(set.GetDomain()) {
			f.Opset = set.GetVersion()
		}
	}
	return nil
}

// isONNX reports whether a domain is that of ONNX's own operators.
func isONNX(domain string) bool { return domain == "" || domain == "ai.onnx" }

func (f *File) graph(w *walker, fd field) error {
	switch {
	case fd.is(graphNode, protowire.BytesType):
		n, err := w.node(fd)
		f.Nodes = append(f.Nodes, n)
		return err
	case fd.is(graphInitializer, protowire.BytesType):
		t, err := w.tensor(fd)
		f.Weights = append(f.Weights, t)
		if err == nil && t.external {
			err = f.addExternal(t)
		}
		return err
	case fd.is(graphInput, protowire.BytesType):
		v, err := w.valueInfo(fd)
		f.Inputs = append(f.Inputs, v)
		return err
	case fd.is(graphOutput, protowire.BytesType):
		v, err := w.valueInfo(fd)
		f.Outputs = append(f.Outputs, v)
		return err
	}
	return nil
}

func (w *walker) valueInfo(fd field) (ValueInfo, error) {
	text, err := w.bytes(fd, maxDeclaration)
	if err != nil {
		return ValueInfo{}, err
	}
	var p onnxpb.ValueInfoProto
	if err := proto.Unmarshal(text, &p); err != nil {
		return ValueInfo{}, fmt.Errorf("declaration at byte %d: %w", fd.start, err)
	}
	tensor := p.GetType().GetTensorType()
	v := ValueInfo{
		Name: p.GetName(), Elem: onnxpb.TensorProto_DataType(tensor.GetElemType()), Shaped: tensor.GetShape() != nil,
	}
	switch p.GetType().GetValue().(type) {
	case *onnxpb.TypeProto_SequenceType:
		v.Kind = "sequence"
		if p.GetType().GetSequenceType().GetElemType().GetMapType() != nil {
			v.Kind = "sequence of maps"
		}
	case *onnxpb.TypeProto_MapType:
		v.Kind = "map"
	case *onnxpb.TypeProto_OptionalType:
		v.Kind = "value that may be missing"
	}
	for _, d := range tensor.GetShape().GetDim() {
		n := d.GetDimValue()
		if n <= 0 {
			n = -1
		}
		v.Shape, v.Axes = append(v.Shape, n), append(v.Axes, d.GetDimParam())
	}
	return v, nil
}
