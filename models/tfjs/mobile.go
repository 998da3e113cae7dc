package tfjs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/models/graph"
)

// The layers of this file are those of MobileNet and of networks like it.

// zeroPadding reads the padding as one number, as [height,width], or as
// [[top,bottom],[left,right]].
func (c *converter) zeroPadding(l layer, x graph.Value) (graph.Value, error) {
	var p struct {
		Padding json.RawMessage `json:"padding"`
		Format  string          `json:"data_format"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return x, err
	}
	if err := planes(x, p.Format); err != nil {
		return x, err
	}
	var one int64
	var two [2]int64
	var four [2][2]int64
	switch {
	case len(p.Padding) == 0:
		four = [2][2]int64{{1, 1}, {1, 1}}
	case json.Unmarshal(p.Padding, &one) == nil:
		four = [2][2]int64{{one, one}, {one, one}}
	case json.Unmarshal(p.Padding, &two) == nil:
		four = [2][2]int64{{two[0], two[0]}, {two[1], two[1]}}
	default:
		if err := json.Unmarshal(p.Padding, &four); err != nil {
			return x, fmt.Errorf("padding: %w", err)
		}
	}
	pad := [4]int64{four[0][0], four[1][0], four[0][1], four[1][1]}
	if slices.Min(pad[:]) < 0 || slices.Max(pad[:]) > maxInt {
		return x, fmt.Errorf("padding is %v, not numbers from 0 to %d", four, maxInt)
	}
	return c.graph.Pad(l.name, x, pad), nil
}

// depthwiseConfig is what convolutions of each channel by itself have.
type depthwiseConfig struct {
	windowConfig
	Filters    int64   `json:"filters"`
	Kernel     []int64 `json:"kernel_size"`
	Dilation   []int64 `json:"dilation_rate"`
	Multiplier int64   `json:"depth_multiplier"`
	UseBias    *bool   `json:"use_bias"`
	Activation string  `json:"activation"`
}

func (p depthwiseConfig) bias() bool { return p.UseBias == nil || *p.UseBias }

// depthwise returns the convolution of each channel by itself.
func (c *converter) depthwise(name string, p depthwiseConfig, x graph.Value, kernel string, bias graph.Value) (graph.Value, error) {
	w, err := p.window(x, p.Kernel, p.Dilation, []int64{1, 1})
	if err != nil {
		return x, err
	}
	if p.Multiplier < 0 || p.Multiplier > maxInt {
		return x, fmt.Errorf("depth_multiplier is %d", p.Multiplier)
	}
	weights := c.depthwiseKernel(kernel, w.Kernel[0], w.Kernel[1], x.Shape[1], max(p.Multiplier, 1))
	return c.graph.DepthwiseConv(name, x, weights, bias, w), nil
}

func (c *converter) depthwiseConv(l layer, x graph.Value) (graph.Value, error) {
	var p depthwiseConfig
	if err := json.Unmarshal(l.config, &p); err != nil {
		return x, err
	}
	var bias graph.Value
	if p.bias() && len(x.Shape) == 4 {
		bias = c.weight(l.name+"/bias", x.Shape[1]*max(p.Multiplier, 1))
	}
	x, err := c.depthwise(l.name, p, x, l.name+"/depthwise_kernel", bias)
	if err != nil {
		return x, err
	}
	return c.activate(l.name, x, p.Activation)
}

// separableConv is a convolution of each channel by itself, and then one of single pixels.
func (c *converter) separableConv(l layer, x graph.Value) (graph.Value, error) {
	var p depthwiseConfig
	if err := json.Unmarshal(l.config, &p); err != nil {
		return x, err
	}
	if p.Filters < 1 || p.Filters > maxInt {
		return x, fmt.Errorf("filters is %d, not 1 to %d", p.Filters, maxInt)
	}
	x, err := c.depthwise(l.name+"/depthwise", p, x, l.name+"/depthwise_kernel", graph.Value{})
	if err != nil {
		return x, err
	}
	if len(x.Shape) != 4 {
		return x, c.graph.Err()
	}
	kernel := c.kernel(l.name+"/pointwise_kernel", 1, 1, x.Shape[1], p.Filters)
	var bias graph.Value
	if p.bias() {
		bias = c.weight(l.name+"/bias", p.Filters)
	}
	return c.activate(l.name, c.graph.Conv(l.name, x, kernel, bias, graph.Window{}), p.Activation)
}

// depthwiseKernel returns weights that are [kh,kw,in,multiplier] in Keras and
// [in*multiplier,1,kh,kw] in ONNX.
func (c *converter) depthwiseKernel(name string, kh, kw, in, multiplier int64) graph.Value {
	t := c.ask(name, []int64{kh, kw, in, multiplier})
	return c.graph.Weights(name, func() ([]float32, error) {
		from, err := t.values()
		if err != nil {
			return nil, err
		}
		return turned(from, kh*kw, in*multiplier), nil
	}, in*multiplier, 1, kh, kw)
}

// turned returns the transpose of rows of that width.
func turned(from []float32, rows, width int64) []float32 {
	to := make([]float32, len(from))
	for i := range rows {
		for j, v := range from[i*width:][:width] {
			to[int64(j)*rows+i] = v
		}
	}
	return to
}

func (c *converter) reluLayer(l layer, x graph.Value) (graph.Value, error) {
	var p struct {
		Most      *float64 `json:"max_value"`
		Slope     *float64 `json:"negative_slope"`
		Threshold *float64 `json:"threshold"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return x, err
	}
	if p.Slope != nil && *p.Slope != 0 || p.Threshold != nil && *p.Threshold != 0 {
		return x, errors.New("only those without negative_slope and threshold can be imported")
	}
	switch {
	case p.Most == nil:
		return c.graph.Relu(l.name, x), nil
	case *p.Most == 6:
		return c.graph.Relu6(l.name, x), nil
	}
	return x, fmt.Errorf("max_value is %v; only 6 can be imported", *p.Most)
}

// relu6Layer is a layer of Keras before 2.2.
func (c *converter) relu6Layer(l layer, x graph.Value) (graph.Value, error) {
	return c.graph.Relu6(l.name, x), nil
}

// reshape works on Keras's order of pixels, with the channels last.
func (c *converter) reshape(l layer, x graph.Value) (graph.Value, error) {
	var p struct {
		Target []int64 `json:"target_shape"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return x, err
	}
	return c.reshapeTo(l.name, x, p.Target)
}

// reshapeTo gives values another shape, without the axis of the images. One size may be -1, which
// is what the others leave.
func (c *converter) reshapeTo(name string, x graph.Value, shape []int64) (graph.Value, error) {
	count, known, open := int64(1), int64(1), -1
	for _, n := range x.Shape[1:] {
		count *= n
	}
	for i, n := range shape {
		switch {
		case n == -1 && open < 0:
			open = i
		case n < 1 || n > maxInt || known > 1<<40/n:
			return x, fmt.Errorf("the shape is %v", shape)
		default:
			known *= n
		}
	}
	target := slices.Clone(shape)
	if open >= 0 {
		target[open] = count / known
	}
	if len(target) != 1 && len(target) != 3 {
		return x, fmt.Errorf("the shape is %v; only images and rows can be imported", shape)
	}
	if len(x.Shape) == 4 {
		x = c.graph.Transpose(name+"/pixels", x, 0, 2, 3, 1)
	}
	x = c.graph.Reshape(name, x, target...)
	if len(target) == 3 {
		x = c.graph.Transpose(name+"/planes", x, 0, 3, 1, 2)
	}
	return x, nil
}

// rescaling is x*scale + offset.
func (c *converter) rescaling(l layer, x graph.Value) (graph.Value, error) {
	var p struct {
		Scale  float32 `json:"scale"`
		Offset float32 `json:"offset"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return x, fmt.Errorf("only one scale and one offset can be imported: %w", err)
	}
	x = c.graph.Mul(l.name+"/scaled", x, c.graph.Scalar(l.name+"/scale", p.Scale))
	return c.graph.Add(l.name, x, c.graph.Scalar(l.name+"/offset", p.Offset)), nil
}

// elementwise adds or multiplies values of one shape.
func (c *converter) elementwise(l layer, inputs []graph.Value) (graph.Value, error) {
	if len(inputs) < 2 {
		return graph.Value{}, fmt.Errorf("has %d inputs, wants at least 2", len(inputs))
	}
	x := inputs[0]
	for i, y := range inputs[1:] {
		name := l.name
		if i < len(inputs)-2 {
			name = fmt.Sprintf("%s/%d", l.name, i)
		}
		if len(y.Shape) == len(x.Shape) && size(y) > size(x) {
			x, y = y, x // the smaller one is repeated
		}
		if l.class == "Add" {
			x = c.graph.Add(name, x, y)
		} else {
			x = c.graph.Mul(name, x, y)
		}
	}
	return x, nil
}

// size is the number of elements for one image.
func size(x graph.Value) int64 {
	n := int64(1)
	for _, d := range x.Shape[1:] {
		n *= d
	}
	return n
}
