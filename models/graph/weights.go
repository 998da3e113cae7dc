package graph

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/floats"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Data returns a tensor's elements in row-major order. It is called once each time the
// model is written, and its result is not kept.
type Data func() ([]float32, error)

// ErrTooLarge means that a model exceeds the 2 GiB of a protocol buffer.
var ErrTooLarge = errors.New("model exceeds 2 GiB")

// weight is a float32 constant of the graph.
type weight struct {
	name  string
	shape []int64
	data  Data
	count int64

	placed bool  // reports whether WriteData has written it
	offset int64 // where it is in that file
}

// Weights adds a float32 tensor. Writing the model fails if its data do not have as
// many elements as shape.
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
	g.weights = append(g.weights, weight{name: name, shape: shape, data: data, count: count})
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
func (g *Graph) WriteTo(w io.Writer) (int64, error) { return g.write(w, "") }

// WriteData writes only the weights, for WriteBeside. Every tensor starts on a page, so
// that processes that map the file share its memory. Tensors below a kilobyte stay in
// the model.
func (g *Graph) WriteData(w io.Writer) (int64, error) {
	if _, err := g.proto(); err != nil {
		return 0, err
	}
	out := &counter{w: w}
	for i := range g.weights {
		t := &g.weights[i]
		t.placed = 4*t.count >= smallest
		if !t.placed {
			continue
		}
		if pad := -out.n & (page - 1); pad > 0 {
			out.write(make([]byte, pad))
		}
		t.offset = out.n
		if out.err == nil {
			out.err = t.write(out)
		}
		if out.err != nil {
			break
		}
	}
	return out.n, out.err
}

// WriteBeside is WriteTo for a model whose weights WriteData wrote before. location is
// the name of that file in the model's own folder.
func (g *Graph) WriteBeside(w io.Writer, location string) (int64, error) {
	if location == "" {
		return 0, errors.New("the file of the weights has no name")
	}
	return g.write(w, location)
}

// The alignment of tensors in a separate file, and the smallest that goes there.
const (
	page     = 4096
	smallest = 1024 // bytes
)

// write writes the model. With a location, it leaves out the weights that WriteData has
// written.
func (g *Graph) write(w io.Writer, location string) (int64, error) {
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

	// A message is the concatenation of its fields in any order. The weights follow the
	// rest of the graph, whose length must be known before them.
	size := int64(len(body))
	headers := make([][]byte, len(g.weights))
	for i, t := range g.weights {
		headers[i] = t.header(location)
		size += int64(len(headers[i])) + t.inline(location)
	}
	if size+int64(len(head)) > math.MaxInt32-16 {
		return 0, ErrTooLarge
	}
	head = protowire.AppendTag(head, modelGraph, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))

	out := &counter{w: w}
	out.write(head)
	out.write(body)
	for i, t := range g.weights {
		out.write(headers[i])
		if out.err == nil && t.inline(location) > 0 {
			out.err = t.write(out)
		}
	}
	return out.n, out.err
}

// Field numbers of ONNX's messages, by their names in onnx.proto.
const (
	modelGraph       = 7 // ModelProto.graph
	graphInitializer = 5 // GraphProto.initializer
	tensorRawData    = 9 // TensorProto.raw_data
)

// inline returns how many bytes of the tensor are in the model itself.
func (t weight) inline(location string) int64 {
	if location != "" && t.placed {
		return 0
	}
	return 4 * t.count
}

// header returns the tensor's field in the graph without its inline data, which is at
// its end.
func (t weight) header(location string) []byte {
	p := &onnxpb.TensorProto{Dims: t.shape, DataType: proto.Int32(int32(Float32)), Name: &t.name}
	beside := location != "" && t.placed
	if beside {
		p.DataLocation = onnxpb.TensorProto_EXTERNAL.Enum()
		for _, e := range [][2]string{
			{"location", location},
			{"offset", strconv.FormatInt(t.offset, 10)},
			{"length", strconv.FormatInt(4*t.count, 10)},
		} {
			p.ExternalData = append(p.ExternalData, &onnxpb.StringStringEntryProto{Key: &e[0], Value: &e[1]})
		}
	}
	m, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil { // proto2 has no required fields here and does not check UTF-8
		panic(err)
	}
	if !beside {
		m = protowire.AppendTag(m, tensorRawData, protowire.BytesType)
		m = protowire.AppendVarint(m, uint64(4*t.count))
	}
	h := protowire.AppendTag(nil, graphInitializer, protowire.BytesType)
	h = protowire.AppendVarint(h, uint64(int64(len(m))+t.inline(location)))
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
		buf = floats.Append(buf[:0], data[:n])
		w.write(buf)
		data = data[n:]
	}
	return w.err
}

// counter writes until the first error and counts the bytes.
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
