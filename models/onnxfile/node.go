package onnxfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// maxShape is how many elements of an integer tensor are kept: enough for a
// shape. Weights are skipped.
const maxShape = 16

// What a node or a tensor costs in memory, besides its names.
const (
	nodeCost   = 256
	tensorCost = 256
)

// Node is an operator of the graph.
type Node struct {
	Op, Domain      string
	Inputs, Outputs []string
	Ints            map[string][]int64 // attributes that are numbers or lists of them
	Texts           map[string]string  // attributes that are text
	Value           *Tensor            // the value of a Constant
}

// Int returns the attribute of that name if it is one number, and def
// otherwise.
func (n *Node) Int(name string, def int64) int64 {
	if v := n.Ints[name]; len(v) == 1 {
		return v[0]
	}
	return def
}

// Tensor is a constant of the graph. Its elements stay in the file.
type Tensor struct {
	Name string
	Elem onnxpb.TensorProto_DataType
	Dims []int64

	external bool
	place    externalRange // where the elements are if they are external
	values   []int64       // the elements of a small integer tensor, which may be a shape; nil for others
}

// Count returns the number of elements; -1 where the sizes are absurd.
func (t Tensor) Count() int64 { return product(t.Dims) }

// product multiplies sizes. It returns -1 where one of them is not known or
// the product is absurdly large.
func product(dims []int64) int64 {
	n := int64(1)
	for _, d := range dims {
		switch {
		case d < 0 || d > 0 && n > math.MaxInt64/64/d:
			return -1
		}
		n *= d
	}
	return n
}

// TypeName returns the name that programs use for an element type, such as
// "float32".
func TypeName(elem onnxpb.TensorProto_DataType) string {
	switch elem {
	case onnxpb.TensorProto_FLOAT:
		return "float32"
	case onnxpb.TensorProto_DOUBLE:
		return "float64"
	}
	return strings.ToLower(elem.String())
}

// producers maps the name of every computed value to the node that computes it.
type producers map[string]*Node

func (f *File) producers() producers {
	g := producers{}
	for i := range f.Nodes {
		for _, out := range f.Nodes[i].Outputs {
			if out != "" {
				g[out] = &f.Nodes[i]
			}
		}
	}
	return g
}

func (w *walker) node(fd field) (Node, error) {
	n := Node{}
	if err := w.keep(nodeCost); err != nil {
		return n, err
	}
	err := w.message(fd.end, func(fd field) error {
		switch {
		case fd.is(nodeInput, protowire.BytesType):
			return w.text(fd, func(s string) { n.Inputs = append(n.Inputs, s) })
		case fd.is(nodeOutput, protowire.BytesType):
			return w.text(fd, func(s string) { n.Outputs = append(n.Outputs, s) })
		case fd.is(nodeOpType, protowire.BytesType):
			return w.text(fd, func(s string) { n.Op = s })
		case fd.is(nodeDomain, protowire.BytesType):
			return w.text(fd, func(s string) { n.Domain = s })
		case fd.is(nodeAttribute, protowire.BytesType):
			return w.attribute(fd, &n)
		}
		return nil
	})
	return n, err
}

func (w *walker) text(fd field, set func(string)) error {
	text, err := w.bytes(fd, maxDeclaration)
	set(string(text))
	return err
}

// attribute adds an attribute to n if it is numbers, text or a small tensor,
// and skips any other.
func (w *walker) attribute(fd field, n *Node) error {
	if err := w.keep(nodeCost); err != nil {
		return err
	}
	var name string
	var ints []int64
	var text string
	var hasText bool
	err := w.message(fd.end, func(fd field) error {
		switch {
		case fd.is(attributeName, protowire.BytesType):
			return w.text(fd, func(s string) { name = s })
		case fd.is(attributeInt, protowire.VarintType):
			ints = append(ints, int64(fd.varint))
		case fd.is(attributeText, protowire.BytesType) && fd.end-fd.start <= maxDeclaration:
			hasText = true
			return w.text(fd, func(s string) { text = s })
		case fd.is(attributeTensor, protowire.BytesType):
			t, err := w.tensor(fd)
			n.Value = &t
			return err
		case fd.number == attributeInts:
			return w.integers(fd, &ints)
		}
		return nil
	})
	if ints != nil {
		if n.Ints == nil {
			n.Ints = map[string][]int64{}
		}
		n.Ints[name] = ints
	}
	if hasText {
		if n.Texts == nil {
			n.Texts = map[string]string{}
		}
		n.Texts[name] = text
	}
	return err
}

// integers appends one number, or a packed list of them.
func (w *walker) integers(fd field, list *[]int64) error {
	if err := w.keep(8); err != nil {
		return err
	}
	switch fd.wire {
	case protowire.VarintType:
		*list = append(*list, int64(fd.varint))
	case protowire.BytesType:
		if fd.end-fd.start > maxDeclaration {
			return nil // too long for a shape
		}
		if err := w.keep(7 * (fd.end - fd.start)); err != nil {
			return err
		}
		text, err := w.bytes(fd, maxDeclaration)
		if err != nil {
			return err
		}
		for len(text) > 0 {
			v, n := protowire.ConsumeVarint(text)
			if n < 0 {
				return fmt.Errorf("%w: no number ends in field %d at byte %d", errWire, fd.number, fd.tag)
			}
			*list, text = append(*list, int64(v)), text[n:]
		}
	}
	return nil
}

func (w *walker) tensor(fd field) (Tensor, error) {
	t := Tensor{place: externalRange{length: -1}}
	if err := w.keep(tensorCost); err != nil {
		return t, err
	}
	var raw []byte
	err := w.message(fd.end, func(fd field) error {
		switch {
		case fd.number == tensorDims:
			return w.integers(fd, &t.Dims)
		case fd.is(tensorDataType, protowire.VarintType):
			t.Elem = onnxpb.TensorProto_DataType(int32(fd.varint))
		case fd.is(tensorName, protowire.BytesType):
			return w.text(fd, func(s string) { t.Name = s })
		case fd.is(tensorDataLocation, protowire.VarintType):
			t.external = fd.varint == uint64(onnxpb.TensorProto_EXTERNAL)
		case fd.is(tensorExternalData, protowire.BytesType):
			text, err := w.bytes(fd, maxDeclaration)
			if err != nil {
				return err
			}
			return t.place.set(text)
		case fd.is(tensorRawData, protowire.BytesType) && fd.end-fd.start <= 8*maxShape:
			var err error
			raw, err = w.bytes(fd, 8*maxShape)
			return err
		case (fd.number == tensorInt64Data || fd.number == tensorInt32Data) && fd.end-fd.start <= 10*maxShape && len(t.values) < maxShape:
			return w.integers(fd, &t.values)
		}
		return nil
	})
	t.setValues(raw)
	return t, err
}

// setValues completes values with elements that are stored as raw bytes, and
// drops them where they are not the whole of an integer tensor.
func (t *Tensor) setValues(raw []byte) {
	switch t.Elem {
	case onnxpb.TensorProto_INT64:
		for ; len(raw) >= 8; raw = raw[8:] {
			t.values = append(t.values, int64(binary.LittleEndian.Uint64(raw)))
		}
	case onnxpb.TensorProto_INT32:
		for ; len(raw) >= 4; raw = raw[4:] {
			t.values = append(t.values, int64(int32(binary.LittleEndian.Uint32(raw))))
		}
	case onnxpb.TensorProto_BOOL:
		for _, b := range raw {
			t.values = append(t.values, int64(b))
		}
	default:
		t.values = nil
	}
	if int64(len(t.values)) != t.Count() {
		t.values = nil
	}
}
