package convert

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Calibration is what Quantize uses to learn the scales.
type Calibration struct {
	// Open opens the engine that runs the model.
	Open Opener
	// Images are files of the kind that will be scored; a few hundred suffice. Files
	// that cannot be decoded are skipped.
	Images []string
}

// Quantize reads the float32 model in and writes it to out with 8-bit convolutions.
// ONNX Runtime fuses the QuantizeLinear and DequantizeLinear around them (QDQ) into
// integer kernels. Weights are int8, with a scale for each output
// channel. Activations are uint8, with a scale and a zero point for each tensor and
// with rectifiers folded in. Pooling, concatenation and addition between convolutions
// stay in 8 bits. Everything before the first convolution stays in float32, and so
// does everything from the last layer with weights on.
//
// x86-64 processors without 8-bit dot products (AVX-VNNI or AVX-512 VNNI) are slower
// with the result than with float32. Package ort keeps their sums exact. Another
// program that runs the model on such a processor must set ONNX Runtime's session
// option session.x64quantprecision to 1, or pairs of products saturate in 16 bits.
//
// Errors about the model wrap models.ErrModel.
func Quantize(ctx context.Context, in, out string, o models.OpenOptions, by Calibration) (*models.Contract, error) {
	return rewrite(in, out, INT8, o, by, func(n *network, m *meter) error { return n.toInt8(ctx, m) })
}

// toInt8 is Quantize in memory.
func (n *network) toInt8(ctx context.Context, m *meter) error {
	if n.opset < 13 {
		return fmt.Errorf("%w: its operators are of version %d; scales for each channel need 13 or newer", models.ErrModel, n.opset)
	}
	n.foldBatchNorm()
	if len(n.plan().layers) == 0 {
		return fmt.Errorf("%w: it has no convolution or dense layer that can be 8 bits wide", models.ErrModel)
	}
	if err := m.equalise(ctx); err != nil {
		return err
	}
	p := n.plan()
	spans, err := m.spans(ctx, p.values)
	if err != nil {
		return err
	}
	scales, err := m.fit(ctx, p, spans)
	if err != nil {
		return err
	}
	means, err := m.means(ctx, p)
	if err != nil {
		return err
	}
	if err := n.quantize(p, scales, means); err != nil {
		return fmt.Errorf("%w: %w", models.ErrModel, err)
	}
	return nil
}

// rewrite converts the model in a file to another precision. It is the common part of
// Half and Quantize.
func rewrite(in, out, precision string, o models.OpenOptions, by Calibration, change func(*network, *meter) error) (*models.Contract, error) {
	n, err := open(in, o)
	if err != nil {
		return nil, err
	}
	folder, err := scratch(out)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	if err := change(n, &meter{network: n, open: by.Open, images: by.Images, folder: folder}); err != nil {
		return nil, fmt.Errorf("make an %s model of %s: %w", precision, in, err)
	}
	return n.saveAs(in, out, precision)
}

// saveAs writes a model that was made from the model in a file, with its contract.
func (n *network) saveAs(in, out, precision string) (*models.Contract, error) {
	c := n.derived(in)
	c.Precision = precision
	if err := n.setContract(c); err != nil {
		return nil, fmt.Errorf("%w: convert %s: %w", models.ErrModel, in, err)
	}
	return &c, n.save(out)
}

// scratch creates a folder next to a file that will be written, because there must be
// space for that file anyway.
func scratch(out string) (string, error) {
	dir := filepath.Dir(out)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("convert model: %w", err)
	}
	folder, err := os.MkdirTemp(dir, "."+filepath.Base(out)+".*")
	if err != nil {
		return "", fmt.Errorf("convert model: %w", err)
	}
	return folder, nil
}

// plan lists what is converted to 8 bits.
type plan struct {
	// layers are the convolutions and dense layers.
	layers map[*onnxpb.NodeProto]bool
	// others are the operators between them that work on 8 bits.
	others map[*onnxpb.NodeProto]bool
	// values are the activations in the order of the graph. group maps each of them to
	// a value whose scale it shares.
	values []string
	group  map[string]string
	// made are the values that an 8-bit operator computes.
	made map[string]bool
}

// plan decides what is converted to 8 bits.
func (n *network) plan() *plan {
	p := &plan{map[*onnxpb.NodeProto]bool{}, map[*onnxpb.NodeProto]bool{}, nil, map[string]string{}, map[string]bool{}}
	w := n.wiring()
	ahead := n.leadingToLayers(w)
	value := func(name string) {
		if _, ok := p.group[name]; !ok {
			p.values, p.group[name] = append(p.values, name), name
		}
	}
	for _, node := range n.graph.GetNode() {
		if !ahead[node] || len(node.GetOutput()) != 1 {
			continue
		}
		activations := n.activations(node)
		switch {
		case n.isLayer(node):
			value(node.GetInput()[0])
			p.layers[node] = true
		case len(activations) > 0 && takes8Bits(node) && !slices.ContainsFunc(activations, func(v string) bool { return !p.made[v] }):
			p.others[node] = true
		default:
			continue
		}
		out := node.GetOutput()[0]
		if act := w.only(out); is(act, "Relu", "Clip") && n.rectifies(act) && ahead[act] {
			out = act.GetOutput()[0]
		}
		if w.outputs[out] {
			delete(p.layers, node)
			delete(p.others, node)
			continue
		}
		value(out)
		p.made[out] = true
		if p.others[node] && sharesScale(node) {
			for _, v := range activations {
				p.unite(v, out)
			}
		}
	}
	return p
}

// leadingToLayers returns the nodes that are followed by a layer with weights.
func (n *network) leadingToLayers(w wiring) map[*onnxpb.NodeProto]bool {
	leads := map[*onnxpb.NodeProto]bool{}
	for _, node := range slices.Backward(n.graph.GetNode()) {
		for _, out := range node.GetOutput() {
			for _, next := range w.consumers[out] {
				if leads[next] || n.isLayer(next) {
					leads[node] = true
				}
			}
		}
	}
	return leads
}

// isLayer reports whether a node is a convolution or dense layer that has 8-bit
// kernels.
func (n *network) isLayer(node *onnxpb.NodeProto) bool {
	kernel := n.weights(node, 1)
	if kernel == nil || len(node.GetOutput()) != 1 || n.byName[operand(node, 0)] != nil {
		return false
	}
	channels := int64(0)
	switch {
	case is(node, "Conv") && len(kernel.dims) == 4 && kernel.count() > 0:
		if group := intOf(node, "group", 1); group < 1 || kernel.dims[0]%group != 0 {
			return false
		}
		channels = kernel.dims[0]
	case is(node, "Gemm") && len(kernel.dims) == 2 && kernel.count() > 0 && intOf(node, "transA", 0) == 0 &&
		floatOf(node, "alpha", 1) == 1 && floatOf(node, "beta", 1) == 1:
		channels = kernel.dims[n.channelAxis(node)]
	default:
		return false
	}
	if operand(node, 2) == "" {
		return true
	}
	bias := n.weights(node, 2)
	return bias != nil && slices.Equal(bias.dims, []int64{channels})
}

// channelAxis returns the axis of the output channels in a layer's weights.
func (n *network) channelAxis(node *onnxpb.NodeProto) int {
	if is(node, "Gemm") && intOf(node, "transB", 0) == 0 {
		return 1
	}
	return 0
}

// activations returns the operands that are not constants.
func (n *network) activations(node *onnxpb.NodeProto) []string {
	var names []string
	for _, name := range node.GetInput() {
		if name != "" && n.byName[name] == nil {
			names = append(names, name)
		}
	}
	return names
}

// takes8Bits are the operators for which ONNX Runtime has 8-bit kernels.
func takes8Bits(node *onnxpb.NodeProto) bool {
	if is(node, "Add") {
		return len(node.GetInput()) == 2 && node.GetInput()[0] != node.GetInput()[1]
	}
	return is(node, "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze")
}

// rectifies reports whether node is a rectifier, which lets no negative number pass.
func (n *network) rectifies(node *onnxpb.NodeProto) bool {
	if is(node, "Relu") {
		return true
	}
	least := n.weights(node, 1)
	if least == nil || least.count() != 1 {
		return false
	}
	v, err := least.floats()
	return err == nil && v[0] == 0
}

// sharesScale are the operators that only move bytes, so that input and output have
// one scale; for MaxPool they must. A concatenation could be one of them, but is more
// accurate if each part keeps its own scale.
func sharesScale(node *onnxpb.NodeProto) bool {
	return is(node, "MaxPool", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze")
}

func (p *plan) root(v string) string {
	for p.group[v] != v {
		v = p.group[v]
	}
	return v
}

func (p *plan) unite(a, b string) { p.group[p.root(a)] = p.root(b) }
