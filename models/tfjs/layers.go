package tfjs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/preprocess"
)

// maxInt is the largest number in a topology, so that the product of a few of them does
// not overflow.
const maxInt = 1 << 15

// converter turns a network into a graph. Between layers, images are planes, [N,C,H,W],
// although they are [N,H,W,C] in Keras.
type converter struct {
	graph   *graph.Graph
	weights tensors
	asked   map[string]bool
	trouble []string // tensors that are missing or of another shape
	pixels  preprocess.DType
	values  map[string]graph.Value

	width, height int
	classes       int
	output        models.Activation
	// activated maps the names of values to the softmax or sigmoid that computed them.
	activated map[string]models.Activation
}

// convert builds the graph of a model file. One error names all tensors that are missing,
// unused or of another shape than the layers need.
func convert(doc *document, weights tensors, pixels preprocess.DType) (*converter, error) {
	c := &converter{
		graph: graph.New("model"), weights: weights, pixels: pixels,
		asked: map[string]bool{}, values: map[string]graph.Value{}, activated: map[string]models.Activation{},
	}
	if doc.Format == graphModel {
		return c, c.convertGraph(doc)
	}
	net, err := parseTopology(doc.Topology)
	if err != nil {
		return nil, err
	}
	return c, c.convertLayers(net)
}

func (c *converter) convertLayers(net *network) error {
	for _, l := range net.layers {
		if err := c.layer(l); err != nil {
			return err
		}
		if err := c.graph.Err(); err != nil {
			return l.errorf("%w", err)
		}
	}
	out, ok := c.values[net.output]
	if !ok {
		return bad("topology: there is no output layer %q", net.output)
	}
	for _, name := range slices.Sorted(maps.Keys(c.weights)) {
		if !c.asked[name] {
			c.trouble = append(c.trouble, fmt.Sprintf("%s %v is unused", name, c.weights[name].shape))
		}
	}
	return c.finish(out, net.output)
}

// finish makes a value, the result of the layer or node of that name, the output.
func (c *converter) finish(out graph.Value, name string) error {
	if len(out.Shape) != 2 {
		return bad("topology: the output %q has the shape %v; a classifier's is [N,classes]", name, out.Shape)
	}
	if len(c.trouble) > 0 {
		return bad("%d tensors do not fit the topology:\n  %s", len(c.trouble), strings.Join(c.trouble, "\n  "))
	}
	c.classes, c.output = int(out.Shape[1]), c.activated[out.Name]
	c.graph.Output(c.graph.Free("scores"), out)
	if err := c.graph.Err(); err != nil {
		return bad("%w", err)
	}
	return nil
}

// kinds are the layers that can be imported.
var kinds = map[string]func(*converter, layer, graph.Value) (graph.Value, error){
	"Activation":             (*converter).activationLayer,
	"AveragePooling2D":       (*converter).pool,
	"BatchNormalization":     (*converter).batchNorm,
	"Conv2D":                 (*converter).conv,
	"Dense":                  (*converter).dense,
	"DepthwiseConv2D":        (*converter).depthwiseConv,
	"Dropout":                (*converter).identity,
	"Flatten":                (*converter).flatten,
	"GaussianNoise":          (*converter).identity,
	"GlobalAveragePooling2D": (*converter).globalPool,
	"MaxPooling2D":           (*converter).pool,
	"ReLU":                   (*converter).reluLayer,
	"ReLU6":                  (*converter).relu6Layer,
	"Relu6":                  (*converter).relu6Layer,
	"Rescaling":              (*converter).rescaling,
	"Reshape":                (*converter).reshape,
	"SeparableConv2D":        (*converter).separableConv,
	"SpatialDropout2D":       (*converter).identity,
	"ZeroPadding2D":          (*converter).zeroPadding,
}

// joining are the layers of several inputs that can be imported.
var joining = map[string]func(*converter, layer, []graph.Value) (graph.Value, error){
	"Add":         (*converter).elementwise,
	"Concatenate": (*converter).concatenate,
	"Multiply":    (*converter).elementwise,
}

func (c *converter) layer(l layer) error {
	if _, double := c.values[l.name]; double || l.name == "" {
		return l.errorf("its name is taken or empty")
	}
	var inputs []graph.Value
	for _, name := range l.inputs {
		v, ok := c.values[name]
		if !ok {
			return l.errorf("takes its input from %q, which does not come before it", name)
		}
		inputs = append(inputs, v)
	}

	var v graph.Value
	var err error
	switch convert, known := kinds[l.class]; {
	case l.class == "InputLayer":
		v, err = c.input(l, len(inputs))
	case joining[l.class] != nil:
		v, err = joining[l.class](c, l, inputs)
	case !known:
		names := slices.Sorted(maps.Keys(kinds))
		names = append(append(names, slices.Sorted(maps.Keys(joining))...), "InputLayer")
		return l.errorf("layers of this class cannot be imported; these can: %s;"+
			" convert the model with python3 -m tf2onnx.convert --tfjs model.json --output model.onnx", strings.Join(names, ", "))
	case len(inputs) != 1:
		err = fmt.Errorf("has %d inputs, wants 1", len(inputs))
	default:
		v, err = convert(c, l, inputs[0])
	}
	if err != nil {
		return l.errorf("%w", err)
	}
	c.values[l.name] = v
	return nil
}

// input returns planes of 0..1, either as the input itself or from 8-bit pixels.
func (c *converter) input(l layer, inputs int) (graph.Value, error) {
	var p struct {
		Shape []*int64 `json:"batch_input_shape"`
		DType string   `json:"dtype"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return graph.Value{}, err
	}
	s := p.Shape
	if inputs != 0 || len(s) != 4 || s[0] != nil || s[1] == nil || s[2] == nil || s[3] == nil || *s[3] != 3 ||
		*s[1] < 1 || *s[1] > maxInt || *s[2] < 1 || *s[2] > maxInt {
		return graph.Value{}, fmt.Errorf("is not an image: batch_input_shape is %s, and should be [null,height,width,3]", printShape(s))
	}
	return c.images(*s[1], *s[2])
}

// images declares the input, and returns its planes.
func (c *converter) images(height, width int64) (graph.Value, error) {
	if c.width != 0 {
		return graph.Value{}, errors.New("is a second input; an image classifier has one")
	}
	c.height, c.width = int(height), int(width)
	g := c.graph
	if c.pixels == preprocess.Float32 {
		return g.Input("images", graph.Float32, graph.Dynamic, 3, height, width), nil
	}
	x := g.Input("images", graph.Uint8, graph.Dynamic, height, width, 3)
	x = g.Cast("images/float", x, graph.Float32)
	x = g.Div("images/scaled", x, g.Scalar("images/white", 255))
	return g.Transpose("images/planes", x, 0, 3, 1, 2), nil
}

func printShape(s []*int64) string {
	text, _ := json.Marshal(s) // integers and nulls only
	return string(text)
}

func (c *converter) identity(_ layer, x graph.Value) (graph.Value, error) { return x, nil }

func (c *converter) conv(l layer, x graph.Value) (graph.Value, error) {
	var p struct {
		windowConfig
		Filters    int64   `json:"filters"`
		Kernel     []int64 `json:"kernel_size"`
		Dilation   []int64 `json:"dilation_rate"`
		Groups     int64   `json:"groups"`
		UseBias    *bool   `json:"use_bias"`
		Activation string  `json:"activation"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return graph.Value{}, err
	}
	if p.Groups > 1 {
		return graph.Value{}, fmt.Errorf("has %d groups; only one can be imported", p.Groups)
	}
	if p.Filters < 1 || p.Filters > maxInt {
		return graph.Value{}, fmt.Errorf("filters is %d, not 1 to %d", p.Filters, maxInt)
	}
	w, err := p.window(x, p.Kernel, p.Dilation, []int64{1, 1})
	if err != nil {
		return graph.Value{}, err
	}
	kernel := c.kernel(l.name+"/kernel", w.Kernel[0], w.Kernel[1], x.Shape[1], p.Filters)
	var bias graph.Value
	if p.UseBias == nil || *p.UseBias {
		bias = c.weight(l.name+"/bias", p.Filters)
	}
	return c.activate(l.name, c.graph.Conv(l.name, x, kernel, bias, w), p.Activation)
}

func (c *converter) pool(l layer, x graph.Value) (graph.Value, error) {
	var p struct {
		windowConfig
		Size []int64 `json:"pool_size"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return graph.Value{}, err
	}
	w, err := p.window(x, p.Size, nil, p.Size)
	if err != nil {
		return graph.Value{}, err
	}
	if l.class == "MaxPooling2D" {
		return c.graph.MaxPool(l.name, x, w), nil
	}
	return c.graph.AveragePool(l.name, x, w), nil
}

// windowConfig is what convolutions and pools have in common.
type windowConfig struct {
	Strides []int64 `json:"strides"`
	Padding string  `json:"padding"`
	Format  string  `json:"data_format"`
}

func (p windowConfig) window(x graph.Value, kernel, dilation, defaultStride []int64) (graph.Window, error) {
	var w graph.Window
	if err := planes(x, p.Format); err != nil {
		return w, err
	}
	strides := p.Strides
	if strides == nil {
		strides = defaultStride
	}
	if dilation == nil {
		dilation = []int64{1, 1}
	}
	for _, f := range []struct {
		name string
		from []int64
		to   *[2]int64
	}{{"kernel or pool size", kernel, &w.Kernel}, {"strides", strides, &w.Stride}, {"dilation_rate", dilation, &w.Dilation}} {
		if len(f.from) != 2 || min(f.from[0], f.from[1]) < 1 || max(f.from[0], f.from[1]) > maxInt {
			return w, fmt.Errorf("%s is %v, not two numbers from 1 to %d", f.name, f.from, maxInt)
		}
		*f.to = [2]int64(f.from)
	}
	switch p.Padding {
	case "same":
		w = w.SamePad(x.Shape[2], x.Shape[3])
	case "valid", "":
	default:
		return w, fmt.Errorf("padding is %q, not same or valid", p.Padding)
	}
	return w, nil
}

// planes checks that x is an image and that the layer uses Keras's usual order,
// [N,H,W,C].
func planes(x graph.Value, format string) error {
	if format != "" && format != "channels_last" {
		return fmt.Errorf("data_format is %q; only channels_last can be imported", format)
	}
	if len(x.Shape) != 4 {
		return fmt.Errorf("its input has the shape %v, not that of an image", x.Shape)
	}
	return nil
}

// axis returns the axis of x that is axis n of [N,H,W,C] or [N,K] in Keras.
func axis(x graph.Value, n int64) (int64, error) {
	rank := int64(len(x.Shape))
	if n < 0 {
		n += rank
	}
	switch {
	case n < 1 || n >= rank:
		return 0, fmt.Errorf("axis %d of an input of shape %v", n, x.Shape)
	case rank != 4:
		return n, nil
	}
	return []int64{0, 2, 3, 1}[n], nil
}

func (c *converter) batchNorm(l layer, x graph.Value) (graph.Value, error) {
	p := struct {
		Axis    json.RawMessage `json:"axis"`
		Epsilon float64         `json:"epsilon"`
		Center  *bool           `json:"center"`
		Scale   *bool           `json:"scale"`
	}{Axis: json.RawMessage("-1"), Epsilon: 1e-3}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return graph.Value{}, err
	}
	var n int64
	if json.Unmarshal(p.Axis, &n) != nil {
		var list []int64
		if err := json.Unmarshal(p.Axis, &list); err != nil || len(list) != 1 {
			return graph.Value{}, fmt.Errorf("axis is %s, not one number", p.Axis)
		}
		n = list[0]
	}
	if a, err := axis(x, n); err != nil {
		return graph.Value{}, err
	} else if a != 1 {
		return graph.Value{}, fmt.Errorf("normalises axis %d; only that of the channels can be imported", n)
	}
	channels := x.Shape[1]
	gamma, beta := c.fill(l.name+"/ones", 1, p.Scale), c.fill(l.name+"/zeros", 0, p.Center)
	return c.graph.BatchNorm(l.name, x,
		gamma(l.name+"/gamma", channels), beta(l.name+"/beta", channels),
		c.weight(l.name+"/moving_mean", channels), c.weight(l.name+"/moving_variance", channels),
		float32(p.Epsilon)), nil
}

// fill returns the weight of that name if has is true or absent. Otherwise the layer has
// no such weight, and fill returns a constant that replaces it.
func (c *converter) fill(name string, value float32, has *bool) func(string, int64) graph.Value {
	if has == nil || *has {
		return func(name string, n int64) graph.Value { return c.weight(name, n) }
	}
	return func(_ string, n int64) graph.Value {
		return c.graph.Weights(name, func() ([]float32, error) {
			return slices.Repeat([]float32{value}, int(n)), nil
		}, n)
	}
}

func (c *converter) activationLayer(l layer, x graph.Value) (graph.Value, error) {
	var p struct {
		Activation string `json:"activation"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return graph.Value{}, err
	}
	return c.activate(l.name, x, p.Activation)
}

// activate applies the activation of the layer called name to its values x.
func (c *converter) activate(name string, x graph.Value, activation string) (graph.Value, error) {
	switch activation {
	case "linear", "":
		return x, nil
	case "relu":
		return c.graph.Relu(name+"/relu", x), nil
	case "relu6":
		return c.graph.Relu6(name+"/relu6", x), nil
	case "swish", "silu":
		return c.graph.SiLU(name+"/swish", x), nil
	case "softmax":
		if len(x.Shape) != 2 {
			return x, fmt.Errorf("softmax of an input of shape %v; only rows can be imported", x.Shape)
		}
		x = c.graph.Softmax(name+"/softmax", x)
		c.activated[x.Name] = models.Probabilities
		return x, nil
	case "sigmoid":
		x = c.graph.Node("Sigmoid", name+"/sigmoid", []graph.Value{x}, x.Type, x.Shape)
		c.activated[x.Name] = models.Independent
		return x, nil
	}
	return x, fmt.Errorf("activation %q cannot be imported; linear, relu, relu6, sigmoid, softmax and swish can", activation)
}

func (c *converter) concatenate(l layer, inputs []graph.Value) (graph.Value, error) {
	p := struct {
		Axis int64 `json:"axis"`
	}{-1}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return graph.Value{}, err
	}
	if len(inputs) < 2 {
		return graph.Value{}, fmt.Errorf("has %d inputs, wants at least 2", len(inputs))
	}
	a, err := axis(inputs[0], p.Axis)
	if err != nil {
		return graph.Value{}, err
	}
	return c.graph.Concat(l.name, a, inputs...), nil
}

// flatten restores Keras's order of pixels, with the channels last, before it joins the
// axes.
func (c *converter) flatten(l layer, x graph.Value) (graph.Value, error) {
	if len(x.Shape) == 4 && (x.Shape[2] != 1 || x.Shape[3] != 1) {
		x = c.graph.Transpose(l.name+"/pixels", x, 0, 2, 3, 1)
	}
	return c.graph.Flatten(l.name, x), nil
}

func (c *converter) globalPool(l layer, x graph.Value) (graph.Value, error) {
	var p struct {
		Format   string `json:"data_format"`
		KeepDims bool   `json:"keepdims"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return graph.Value{}, err
	}
	if err := planes(x, p.Format); err != nil {
		return graph.Value{}, err
	}
	x = c.graph.GlobalAveragePool(l.name, x)
	if p.KeepDims {
		return x, nil
	}
	return c.graph.Flatten(l.name+"/row", x), nil
}

func (c *converter) dense(l layer, x graph.Value) (graph.Value, error) {
	var p struct {
		Units      int64  `json:"units"`
		UseBias    *bool  `json:"use_bias"`
		Activation string `json:"activation"`
	}
	if err := json.Unmarshal(l.config, &p); err != nil {
		return graph.Value{}, err
	}
	if len(x.Shape) != 2 {
		return graph.Value{}, fmt.Errorf("its input has the shape %v; only rows can be imported", x.Shape)
	}
	if p.Units < 1 || p.Units > maxInt {
		return graph.Value{}, fmt.Errorf("units is %d, not 1 to %d", p.Units, maxInt)
	}
	kernel := c.weight(l.name+"/kernel", x.Shape[1], p.Units)
	var bias graph.Value
	if p.UseBias == nil || *p.UseBias {
		bias = c.weight(l.name+"/bias", p.Units)
	}
	return c.activate(l.name, c.graph.Gemm(l.name, x, kernel, bias), p.Activation)
}

// weight returns the tensor of that name, which must have that shape.
func (c *converter) weight(name string, shape ...int64) graph.Value {
	t := c.ask(name, shape)
	return c.graph.Weights(name, func() ([]float32, error) { return t.values() }, shape...)
}

// kernel returns a convolution's weights, which are [kh,kw,in,out] in Keras and
// [out,in,kh,kw] in ONNX.
func (c *converter) kernel(name string, kh, kw, in, out int64) graph.Value {
	t := c.ask(name, []int64{kh, kw, in, out})
	return c.graph.Weights(name, func() ([]float32, error) {
		from, err := t.values()
		if err != nil {
			return nil, err
		}
		return outFirst(from, kh*kw, in, out), nil
	}, out, in, kh, kw)
}

// outFirst turns [taps,in,out] into [out,in,taps].
func outFirst(from []float32, taps, in, out int64) []float32 {
	to := make([]float32, len(from))
	for tap := range taps {
		for i := range in {
			for o, v := range from[(tap*in+i)*out:][:out] {
				to[(int64(o)*in+i)*taps+tap] = v
			}
		}
	}
	return to
}

// ask looks a tensor up and records what is wrong with it. The model is written only if
// nothing is wrong.
func (c *converter) ask(name string, shape []int64) *tensor {
	c.asked[name] = true
	t := c.weights[name]
	switch {
	case t == nil:
		c.trouble = append(c.trouble, fmt.Sprintf("%s %v is missing", name, shape))
	case t.integers:
		c.trouble = append(c.trouble, fmt.Sprintf("%s holds integers", name))
	case !slices.Equal(t.shape, shape):
		c.trouble = append(c.trouble, fmt.Sprintf("%s has the shape %v, and should have %v", name, t.shape, shape))
	}
	return t
}
