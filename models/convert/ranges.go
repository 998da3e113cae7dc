package convert

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// span is the range of the elements that a value was measured to have.
type span struct{ lo, hi float32 }

func (s span) join(o span) span { return span{min(s.lo, o.lo), max(s.hi, o.hi)} }

// meter runs copies of a network that compute statistics of its values.
type meter struct {
	network *network
	open    Opener
	images  []string
	folder  string // for the copies
}

// sheet is a copy of a network with statistics added.
type sheet struct {
	*network
	parts   []string // [N,k] each
	columns []string // the value of each column
}

// measure calls write to add statistics to a copy of the network and runs that on all
// images. It returns a row of statistics for each image that can be decoded.
func (m *meter) measure(ctx context.Context, write func(*sheet)) (columns []string, rows [][]float32, err error) {
	s := &sheet{network: m.network.copy()}
	write(s)
	path := filepath.Join(m.folder, "measure.onnx")
	if err := s.finish(path); err != nil {
		return nil, nil, err
	}
	defer os.Remove(path)
	model, err := models.Open(path, models.OpenOptions{})
	if err != nil {
		return nil, nil, err
	}
	e, err := m.open(model)
	if err != nil {
		return nil, nil, fmt.Errorf("measure: %w", err)
	}
	defer func() {
		if err2 := e.Close(); err == nil {
			err = err2
		}
	}()
	rows, err = scoreImages(ctx, e, model, m.images)
	if err != nil {
		return nil, nil, fmt.Errorf("measure: %w", err)
	}
	rows = slices.DeleteFunc(rows, func(row []float32) bool { return row == nil })
	if len(rows) == 0 {
		return nil, nil, fmt.Errorf("%w: none of the %d files to calibrate with is an image", models.ErrModel, len(m.images))
	}
	for _, row := range rows {
		for i, v := range row {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return nil, nil, fmt.Errorf("%w: an element of value %q is %v", models.ErrModel, s.columns[i], v)
			}
		}
	}
	return s.columns, rows, nil
}

// copy shares only the constants, which never change.
func (n *network) copy() *network {
	return &network{
		model: proto.Clone(n.model).(*onnxpb.ModelProto), graph: proto.Clone(n.graph).(*onnxpb.GraphProto),
		constants: slices.Clone(n.constants), byName: maps.Clone(n.byName), names: maps.Clone(n.names),
		opset: n.opset, opened: n.opened,
	}
}

// node adds an operator at the end of the graph and returns its output.
func (n *network) node(op, name string, inputs []string, attributes ...*onnxpb.AttributeProto) string {
	name = n.fresh(name)
	n.graph.Node = append(n.graph.Node, newNode(op, name, inputs, attributes...))
	return name
}

// reduce adds the statistic that op, a reduction, computes from all elements of a value
// that belong to one image.
func (s *sheet) reduce(op, value string) {
	flat := s.node("Flatten", value+"/flat", []string{value}, integer("axis", 1))
	inputs, attributes := []string{flat}, []*onnxpb.AttributeProto{integer("keepdims", 1)}
	// The axes became an operand, first for the sum and later for other reductions.
	if s.opset >= 18 {
		axes := newInt64s(s.fresh(value+"/axes"), 1)
		s.add(axes)
		inputs = append(inputs, axes.name)
	} else {
		attributes = append(attributes, ints("axes", 1))
	}
	s.parts = append(s.parts, s.node(op, value+"/"+op, inputs, attributes...))
	s.columns = append(s.columns, value)
}

// planes adds the statistic that op, a pool over whole planes, computes from each plane
// of a value, [N,C,...].
func (s *sheet) planes(op, value string, channels int) {
	s.parts = append(s.parts, s.node("Flatten", value+"/planes", []string{s.node(op, value+"/"+op, []string{value})}, integer("axis", 1)))
	s.columns = append(s.columns, slices.Repeat([]string{value}, channels)...)
}

// planeMaxima adds the largest magnitude in each plane of a value.
func (s *sheet) planeMaxima(value string, channels int) {
	s.planes("GlobalMaxPool", s.node("Abs", value+"/abs", []string{value}), channels)
}

// planeMeans adds the mean of each plane of a layer's input.
func (s *sheet) planeMeans(layer *onnxpb.NodeProto) {
	in, channels := operand(layer, 0), int(s.inputs(layer))
	if is(layer, "Conv") {
		s.planes("GlobalAveragePool", in, channels)
		return
	}
	s.parts = append(s.parts, in)
	s.columns = append(s.columns, slices.Repeat([]string{in}, channels)...)
}

// finish makes the statistics the only output and writes the copy.
func (s *sheet) finish(path string) error {
	out := s.node("Concat", "statistics", s.parts, integer("axis", 1))
	width := int64(len(s.columns))
	batch := s.graph.GetInput()[0].GetType().GetTensorType().GetShape().GetDim()[0]
	s.graph.Output = []*onnxpb.ValueInfoProto{{
		Name: &out,
		Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(elemFloat),
			Shape: &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{
				proto.Clone(batch).(*onnxpb.TensorShapeProto_Dimension),
				{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: width}},
			}},
		}}},
	}}
	s.dropUnused()
	c := s.opened.Contract
	c.Name, c.Output, c.Classes, c.Labels = "statistics", models.Sigmoid, len(s.columns), nil
	if err := s.setContract(c); err != nil {
		return err
	}
	// Without the care of models.Save, because this file is removed right away.
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	_, err = s.WriteTo(w)
	return errors.Join(err, w.Flush(), f.Close())
}

// spans measures the smallest and the largest element of each value over all images.
func (m *meter) spans(ctx context.Context, values []string) (map[string]span, error) {
	_, rows, err := m.measure(ctx, func(s *sheet) {
		for _, v := range values {
			s.reduce("ReduceMin", v)
			s.reduce("ReduceMax", v)
		}
	})
	if err != nil {
		return nil, err
	}
	spans := map[string]span{}
	for i, v := range values {
		s := span{rows[0][2*i], rows[0][2*i+1]}
		for _, row := range rows {
			s = s.join(span{row[2*i], row[2*i+1]})
		}
		spans[v] = s
	}
	return spans, nil
}

// shrinks are the parts of the measured span that are tried.
var shrinks = []float32{1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3}

// fit narrows the spans so that 8 bits lose as little as possible by the mean square
// error: rare large numbers are clipped if that helps the many small ones. Values of a
// group get the same span.
func (m *meter) fit(ctx context.Context, p *plan, spans map[string]span) (map[string]scale, error) {
	groups := p.groupSpans(spans)
	_, rows, err := m.measure(ctx, func(s *sheet) {
		for _, v := range p.values {
			for _, f := range shrinks {
				s.squareError(v, scaleOf(groups[p.root(v)].shrink(f)))
			}
		}
	})
	if err != nil {
		return nil, err
	}
	sums := map[string][]float64{}
	for i, v := range p.values {
		root := p.root(v)
		if sums[root] == nil {
			sums[root] = make([]float64, len(shrinks))
		}
		for k := range shrinks {
			for _, row := range rows {
				sums[root][k] += float64(row[i*len(shrinks)+k])
			}
		}
	}
	scales := map[string]scale{}
	for _, v := range p.values {
		root := p.root(v)
		best := slices.Index(sums[root], slices.Min(sums[root]))
		scales[v] = scaleOf(groups[root].shrink(shrinks[best]))
	}
	return scales, nil
}

func (s span) shrink(by float32) span { return span{s.lo * by, s.hi * by} }

// squareError adds the mean square of the error that 8 bits cause in a value.
func (s *sheet) squareError(value string, at scale) {
	step := newBytes(s.fresh(value+"/step"), elemFloat, nil, floatBytes([]float32{at.scale}))
	zero := newBytes(s.fresh(value+"/zero"), elemUint8, nil, []byte{at.zero})
	s.add(step)
	s.add(zero)
	q := s.node("QuantizeLinear", value+"/q", []string{value, step.name, zero.name})
	d := s.node("DequantizeLinear", value+"/d", []string{q, step.name, zero.name})
	e := s.node("Sub", value+"/error", []string{value, d})
	s.reduce("ReduceMean", s.node("Mul", value+"/square", []string{e, e}))
}

// means measures the mean of each plane of the inputs of the layers.
func (m *meter) means(ctx context.Context, p *plan) (map[string][]float64, error) {
	var values []string
	var layers []*onnxpb.NodeProto
	for _, node := range m.network.graph.GetNode() {
		if in := operand(node, 0); p.layers[node] && !slices.Contains(values, in) {
			values, layers = append(values, in), append(layers, node)
		}
	}
	columns, rows, err := m.measure(ctx, func(s *sheet) {
		for _, node := range layers {
			s.planeMeans(node)
		}
	})
	if err != nil {
		return nil, err
	}
	means := map[string][]float64{}
	for i, v := range columns {
		sum := 0.0
		for _, row := range rows {
			sum += float64(row[i])
		}
		means[v] = append(means[v], sum/float64(len(rows)))
	}
	return means, nil
}

// maxima measures the largest magnitude in each plane of some values.
func (m *meter) maxima(ctx context.Context, values []string, channels []int) ([][]float64, error) {
	_, rows, err := m.measure(ctx, func(s *sheet) {
		for i, v := range values {
			s.planeMaxima(v, channels[i])
		}
	})
	if err != nil {
		return nil, err
	}
	maxima := make([][]float64, len(values))
	column := 0
	for i := range values {
		for range channels[i] {
			most := 0.0
			for _, row := range rows {
				most = max(most, float64(row[column]))
			}
			maxima[i] = append(maxima[i], most)
			column++
		}
	}
	return maxima, nil
}

// inputs returns the number of input planes of a layer.
func (n *network) inputs(layer *onnxpb.NodeProto) int64 {
	kernel := n.weights(layer, 1)
	if is(layer, "Gemm") {
		return kernel.dims[1-n.channelAxis(layer)]
	}
	return kernel.dims[1] * intOf(layer, "group", 1)
}
