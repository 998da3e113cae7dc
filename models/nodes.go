package models

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// maxShape is how many numbers of a tensor are kept: those of a shape. Weights
// are skipped.
const maxShape = 16

// What a node or a tensor costs in memory, besides its names.
const (
	nodeCost   = 256
	tensorCost = 256
)

// node is an operator of the graph.
type node struct {
	op, domain      string
	inputs, outputs []string
	ints            map[string][]int64 // attributes that are numbers
	texts           map[string]string
	value           *tensor // of a Constant
}

// integer is an attribute of one number, or what it is by default.
func (n *node) integer(name string, def int64) int64 {
	if v := n.ints[name]; len(v) == 1 {
		return v[0]
	}
	return def
}

// tensor is a constant of the graph. Its elements stay in the file, but for
// those of small integer tensors, which may be shapes.
type tensor struct {
	name     string
	elem     int32
	dims     []int64
	external bool
	place    externalRange // where it is external
	values   []int64       // nil where they were not kept
}

// count is the number of elements; -1 where it is absurd.
func (t tensor) count() int64 { return product(t.dims) }

// product of sizes; -1 where one is not known or there are too many.
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

func (w *walker) node(f field) (node, error) {
	n := node{}
	if err := w.keep(nodeCost); err != nil {
		return n, err
	}
	err := w.message(f.end, func(f field) error {
		switch {
		case f.is(nodeInput, protowire.BytesType):
			return w.text(f, func(s string) { n.inputs = append(n.inputs, s) })
		case f.is(nodeOutput, protowire.BytesType):
			return w.text(f, func(s string) { n.outputs = append(n.outputs, s) })
		case f.is(nodeOpType, protowire.BytesType):
			return w.text(f, func(s string) { n.op = s })
		case f.is(nodeDomain, protowire.BytesType):
			return w.text(f, func(s string) { n.domain = s })
		case f.is(nodeAttribute, protowire.BytesType):
			return w.attribute(f, &n)
		}
		return nil
	})
	return n, err
}

func (w *walker) text(f field, set func(string)) error {
	text, err := w.bytes(f, maxDeclaration)
	set(string(text))
	return err
}

// attribute adds an attribute of numbers, text or a small tensor; others are
// skipped.
func (w *walker) attribute(f field, n *node) error {
	if err := w.keep(nodeCost); err != nil {
		return err
	}
	var name string
	var ints []int64
	var text string
	var hasText bool
	err := w.message(f.end, func(f field) error {
		switch {
		case f.is(attributeName, protowire.BytesType):
			return w.text(f, func(s string) { name = s })
		case f.is(attributeInt, protowire.VarintType):
			ints = append(ints, int64(f.varint))
		case f.is(attributeText, protowire.BytesType) && f.end-f.start <= maxDeclaration:
			hasText = true
			return w.text(f, func(s string) { text = s })
		case f.is(attributeTensor, protowire.BytesType):
			t, err := w.tensor(f)
			n.value = &t
			return err
		case f.number == attributeInts:
			return w.integers(f, &ints)
		}
		return nil
	})
	if ints != nil {
		if n.ints == nil {
			n.ints = map[string][]int64{}
		}
		n.ints[name] = ints
	}
	if hasText {
		if n.texts == nil {
			n.texts = map[string]string{}
		}
		n.texts[name] = text
	}
	return err
}

// integers adds one number, or a packed list of them.
func (w *walker) integers(f field, list *[]int64) error {
	if err := w.keep(8); err != nil {
		return err
	}
	switch f.wire {
	case protowire.VarintType:
		*list = append(*list, int64(f.varint))
	case protowire.BytesType:
		if f.end-f.start > maxDeclaration {
			return nil // not a shape
		}
		if err := w.keep(7 * (f.end - f.start)); err != nil {
			return err
		}
		text, err := w.bytes(f, maxDeclaration)
		if err != nil {
			return err
		}
		for len(text) > 0 {
			v, n := protowire.ConsumeVarint(text)
			if n < 0 {
				return fmt.Errorf("%w: no number ends in field %d at byte %d", errWire, f.number, f.tag)
			}
			*list, text = append(*list, int64(v)), text[n:]
		}
	}
	return nil
}

func (w *walker) tensor(f field) (tensor, error) {
	t := tensor{place: externalRange{length: -1}}
	if err := w.keep(tensorCost); err != nil {
		return t, err
	}
	var raw []byte
	err := w.message(f.end, func(f field) error {
		switch {
		case f.number == tensorDims:
			return w.integers(f, &t.dims)
		case f.is(tensorDataType, protowire.VarintType):
			t.elem = int32(f.varint)
		case f.is(tensorName, protowire.BytesType):
			return w.text(f, func(s string) { t.name = s })
		case f.is(tensorDataLocation, protowire.VarintType):
			t.external = f.varint == uint64(onnxpb.TensorProto_EXTERNAL)
		case f.is(tensorExternalData, protowire.BytesType):
			text, err := w.bytes(f, maxDeclaration)
			if err != nil {
				return err
			}
			return t.externalEntry(text)
		case f.is(tensorRawData, protowire.BytesType) && f.end-f.start <= 8*maxShape:
			var err error
			raw, err = w.bytes(f, 8*maxShape)
			return err
		case (f.number == tensorInt64Data || f.number == tensorInt32Data) && f.end-f.start <= 10*maxShape && len(t.values) < maxShape:
			return w.integers(f, &t.values)
		}
		return nil
	})
	switch t.elem {
	case int32(onnxpb.TensorProto_INT64):
		for ; len(raw) >= 8; raw = raw[8:] {
			t.values = append(t.values, int64(binary.LittleEndian.Uint64(raw)))
		}
	case int32(onnxpb.TensorProto_INT32):
		for ; len(raw) >= 4; raw = raw[4:] {
			t.values = append(t.values, int64(int32(binary.LittleEndian.Uint32(raw))))
		}
	case int32(onnxpb.TensorProto_BOOL):
		for _, b := range raw {
			t.values = append(t.values, int64(b))
		}
	default:
		t.values = nil
	}
	if int64(len(t.values)) != t.count() {
		t.values = nil
	}
	return t, err
}
