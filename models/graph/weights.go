package graph

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Data yields a tensor's elements in row-major order. It is called once for
// each time that the model is written, and what it returned is not kept.
type Data func() ([]float32, error)

// ErrTooLarge says that a model passes the 2 GiB that a protocol buffer holds.
var ErrTooLarge = errors.New("model exceeds 2 GiB")

// weight is a float32 constant of the graph.
type weight struct {
	name  string
	shape []int64
	data  Data
	count int64
}

// Weights adds a float32 tensor. Its data must have as many elements as shape
// says, or writing the model fails.
func (g *Graph) Weights(name string, data Data, shape ...int64) Value {
	v := Value{name, Float32, shape}
	if !g.claim(name) {
		return v
	}
	count := int64(1)
	for _, n := range shape {
		if n < 0 || n > 0 && count > math.MaxInt32/n {
			g.fail(name, "weights of shape %v: %w", shape, ErrTooLarge)
			return v
		}
		count *= n
	}
	g.weights = append(g.weights, weight{name, shape, data, count})
	return v
}

// Scalar adds a float32 of rank 0.
func (g *Graph) Scalar(name string, value float32) Value {
	return g.Weights(name, func() ([]float32, error) { return []float32{value}, nil })
}

// Bytes returns the model as WriteTo writes it.
func (g *Graph) Bytes() ([]byte, error) {
	var b bytes.Buffer
	_, err := g.WriteTo(&b)
	return b.Bytes(), err
}

// WriteTo writes the model, the same bytes for the same calls.
func (g *Graph) WriteTo(w io.Writer) (int64, error) {
	model, err := g.proto()
	if err != nil {
		return 0, err
	}
	o := proto.MarshalOptions{Deterministic: true}
	body, err := o.Marshal(model.Graph)
	if err != nil {
		return 0, fmt.Errorf("marshal graph: %w", err)
	}
	model.Graph = nil
	head, err := o.Marshal(model)
	if err != nil {
		return 0, fmt.Errorf("marshal model: %w", err)
	}

	// A message is the concatenation of its fields, in any order: the weights
	// follow the rest of the graph, whose length must be known before them.
	size := int64(len(body))
	for _, t := range g.weights {
		size += int64(len(t.header())) + 4*t.count
	}
	if size+int64(len(head)) > math.MaxInt32-16 {
		return 0, ErrTooLarge
	}
	head = protowire.AppendTag(head, modelGraph, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))

	out := &counter{w: w}
	out.write(head)
	out.write(body)
	for _, t := range g.weights {
		out.write(t.header())
		if out.err == nil {
			out.err = t.write(out)
		}
	}
	return out.n, out.err
}

// Field numbers of ONNX's messages, by the names of onnx.proto.
const (
	modelGraph       = 7 // ModelProto.graph
	graphInitializer = 5 // GraphProto.initializer
	tensorRawData    = 9 // TensorProto.raw_data
)

// header is all of the tensor's field in the graph but the data at its end.
func (t weight) header() []byte {
	m, err := proto.MarshalOptions{Deterministic: true}.Marshal(&onnxpb.TensorProto{
		Dims: t.shape, DataType: proto.Int32(int32(Float32)), Name: &t.name,
	})
	if err != nil { // proto2 has no required field here, and checks no UTF-8
		panic(err)
	}
	m = protowire.AppendTag(m, tensorRawData, protowire.BytesType)
	m = protowire.AppendVarint(m, uint64(4*t.count))
	h := protowire.AppendTag(nil, graphInitializer, protowire.BytesType)
	h = protowire.AppendVarint(h, uint64(int64(len(m))+4*t.count))
	return append(h, m...)
}

func (t weight) write(w *counter) error {
	data, err := t.data()
	if err != nil {
		return fmt.Errorf("weights %s: %w", t.name, err)
	}
	if int64(len(data)) != t.count {
		return fmt.Errorf("weights %s of shape %v have %d elements", t.name, t.shape, len(data))
	}
	const block = 16 << 10
	buf := make([]byte, 0, 4*block)
	for len(data) > 0 {
		n := min(block, len(data))
		buf = buf[:0]
		for _, f := range data[:n] {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(f))
		}
		w.write(buf)
		data = data[n:]
	}
	return w.err
}

// counter writes until the first error and counts what it wrote.
type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) write(p []byte) {
	if c.err != nil {
		return
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.err = err
}
