package models

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Field numbers of ONNX's messages, by the names of onnx.proto.
const (
	modelIRVersion     = 1
	modelGraph         = 7
	modelOpsetImport   = 8
	modelMetadata      = 14
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

const (
	elemFloat = int32(onnxpb.TensorProto_FLOAT)
	elemUint8 = int32(onnxpb.TensorProto_UINT8)
)

// What is kept of a file at most: the rest is skipped, whatever its size.
const (
	maxMetadata    = 16 << 20 // bytes of one metadata entry
	maxDeclaration = 64 << 10 // bytes of one name, input or output
	maxKept        = 64 << 20 // bytes of all of them together
	overhead       = 64       // what each costs besides its bytes
)

// header is what a model file declares of itself.
type header struct {
	digest       string
	irVersion    uint64
	hasGraph     bool
	inputs       []tensorInfo
	outputs      []tensorInfo
	weights      map[string]bool
	external     map[string]int64 // files that weights lie in, and the sizes that they need
	externalSize int64            // bytes of these files
	data         string           // the digest of the one such file, where the model gives it
	contract     string
	hasContract  bool
	golden       string
	hasGolden    bool
	metadata     []entrySpan
	opset        int64 // of ONNX's own operators
	nodes        []node
	tensors      []tensor // the weights
}

// entrySpan is where an entry of the metadata lies in the file.
type entrySpan struct {
	key        string
	first, end int64
}

// tensorInfo is a declared input or output. A dimension of -1 is not fixed.
type tensorInfo struct {
	name  string
	elem  int32
	shape []int64
	axes  []string // the names of the axes that are not fixed; else empty
	// shaped reports whether a shape is declared at all.
	shaped bool
	kind   string // what it is if it is no tensor
}

func (t tensorInfo) String() string {
	switch {
	case t.kind != "":
		return fmt.Sprintf("%q, a %s", t.name, t.kind)
	case !t.shaped:
		return fmt.Sprintf("%q %v of no declared shape", t.name, onnxpb.TensorProto_DataType(t.elem))
	}
	return fmt.Sprintf("%q %v%v", t.name, onnxpb.TensorProto_DataType(t.elem), t.shape)
}

// realInputs leaves out the weights, which old models list among the inputs.
func (h *header) realInputs() []tensorInfo {
	var real []tensorInfo
	for _, t := range h.inputs {
		if !h.weights[t.name] {
			real = append(real, t)
		}
	}
	return real
}

// readFile reads what a model file declares of itself, and says how many bytes
// the file has. Every error about its content wraps ErrModel.
func readFile(path string) (h *header, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open model: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("open model: %w", err)
	}
	if info.IsDir() {
		return nil, 0, fmt.Errorf("%w: %s %s", ErrModel, path, folderKind(path))
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%w: %s is not a file", ErrModel, path)
	}
	if h, err = readHeader(f, info.Size(), filepath.Dir(path)); err != nil {
		if kind := OtherKind(path); kind != "" && errors.Is(err, errNoModel) {
			return nil, 0, fmt.Errorf("%w: %s: %w: %s", ErrModel, path, errNoModel, kind)
		}
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return h, info.Size(), nil
}

// readHeader walks the protocol buffer of size bytes in r once, from its first
// byte to its last, and the files in folder that its weights lie in.
func readHeader(r io.Reader, size int64, folder string) (*header, error) {
	sum := sha256.New()
	h, err := walkHeader(io.TeeReader(r, sum), size)
	if err != nil {
		return nil, err
	}
	h.digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return h, h.readExternal(folder, sum)
}

// errNoModel means that a file is of another kind.
var errNoModel = errors.New("not an ONNX file")

func walkHeader(r io.Reader, size int64) (*header, error) {
	w := &walker{r: bufio.NewReaderSize(r, 64<<10), size: size}
	h := &header{weights: map[string]bool{}}
	err := w.message(size, func(f field) error { return h.model(w, f) })
	if err != nil && w.readErr != nil {
		return nil, fmt.Errorf("read model: %w", w.readErr)
	}
	switch {
	case errors.Is(err, errWire) && !h.hasGraph:
		return nil, fmt.Errorf("%w: %w: %w", ErrModel, errNoModel, err)
	case err != nil && (!h.hasGraph || h.irVersion == 0):
		return nil, fmt.Errorf("%w: %w: %w", ErrModel, errNoModel, err)
	case err != nil:
		return nil, fmt.Errorf("%w: damaged ONNX file: %w", ErrModel, err)
	case !h.hasGraph || h.irVersion == 0:
		return nil, fmt.Errorf("%w: %w: it holds no graph", ErrModel, errNoModel)
	}
	return h, nil
}

func (h *header) model(w *walker, f field) error {
	switch {
	case f.is(modelIRVersion, protowire.VarintType):
		h.irVersion = f.varint
	case f.is(modelGraph, protowire.BytesType):
		h.hasGraph = true
		return w.message(f.end, func(f field) error { return h.graph(w, f) })
	case f.is(modelMetadata, protowire.BytesType):
		text, err := w.bytes(f, maxMetadata)
		if err != nil {
			return err
		}
		var entry onnxpb.StringStringEntryProto
		if err := proto.Unmarshal(text, &entry); err != nil {
			return fmt.Errorf("metadata at byte %d: %w", f.start, err)
		}
		h.metadata = append(h.metadata, entrySpan{entry.GetKey(), f.tag, f.end})
		switch entry.GetKey() {
		case MetadataKey:
			h.contract, h.hasContract = entry.GetValue(), true
		case DataKey:
			h.data = entry.GetValue()
		case GoldenKey:
			h.golden, h.hasGolden = entry.GetValue(), true
		}
	case f.is(modelOpsetImport, protowire.BytesType):
		text, err := w.bytes(f, maxDeclaration)
		if err != nil {
			return err
		}
		var set onnxpb.OperatorSetIdProto
		if err := proto.Unmarshal(text, &set); err != nil {
			return fmt.Errorf("operator set at byte %d: %w", f.start, err)
		}
		if set.GetDomain() == "" || set.GetDomain() == "ai.onnx" {
			h.opset = set.GetVersion()
		}
	}
	return nil
}

func (h *header) graph(w *walker, f field) error {
	switch {
	case f.is(graphNode, protowire.BytesType):
		n, err := w.node(f)
		h.nodes = append(h.nodes, n)
		return err
	case f.is(graphInitializer, protowire.BytesType):
		return h.initializer(w, f)
	case f.is(graphInput, protowire.BytesType):
		t, err := w.tensorInfo(f)
		h.inputs = append(h.inputs, t)
		return err
	case f.is(graphOutput, protowire.BytesType):
		t, err := w.tensorInfo(f)
		h.outputs = append(h.outputs, t)
		return err
	}
	return nil
}

func (h *header) initializer(w *walker, f field) error {
	t, err := w.tensor(f)
	h.weights[t.name] = true
	h.tensors = append(h.tensors, t)
	if err == nil && t.external {
		err = h.addExternal(t)
	}
	return err
}

func (w *walker) tensorInfo(f field) (tensorInfo, error) {
	text, err := w.bytes(f, maxDeclaration)
	if err != nil {
		return tensorInfo{}, err
	}
	var v onnxpb.ValueInfoProto
	if err := proto.Unmarshal(text, &v); err != nil {
		return tensorInfo{}, fmt.Errorf("declaration at byte %d: %w", f.start, err)
	}
	t := tensorInfo{name: v.GetName(), elem: v.GetType().GetTensorType().GetElemType(), shaped: v.GetType().GetTensorType().GetShape() != nil}
	switch v.GetType().GetValue().(type) {
	case *onnxpb.TypeProto_SequenceType:
		t.kind = "sequence"
		if v.GetType().GetSequenceType().GetElemType().GetMapType() != nil {
			t.kind = "sequence of maps"
		}
	case *onnxpb.TypeProto_MapType:
		t.kind = "map"
	case *onnxpb.TypeProto_OptionalType:
		t.kind = "value that may be missing"
	}
	for _, d := range v.GetType().GetTensorType().GetShape().GetDim() {
		n := d.GetDimValue()
		if n <= 0 {
			n = -1
		}
		t.shape, t.axes = append(t.shape, n), append(t.axes, d.GetDimParam())
	}
	return t, nil
}
