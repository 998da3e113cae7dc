package tfjs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
)

// The values of rank 4 in a tfGraph are planes, [N,C,H,W], although they are [N,H,W,C] in
// TensorFlow.

// arithmetic adds, subtracts, multiplies or divides two values, of which one may be constant: a
// number, or one for each channel.
func (g *tfGraph) arithmetic(n *tfNode, in []string) (graph.Value, error) {
	a, b := in[0], in[1]
	commutes := n.Op != "Sub" && n.Op != "RealDiv"
	if g.constant(a) != nil && commutes {
		a, b = b, a
	}
	x, err := g.value(a)
	if err != nil {
		return x, err
	}
	y, err := g.operand(n, b, x)
	if err != nil {
		return x, err
	}
	if len(x.Shape) == len(y.Shape) && size(y) > size(x) && commutes {
		x, y = y, x
	}
	switch n.Op {
	case "Sub":
		return g.graph.Sub(n.Name, x, y), nil
	case "Mul":
		return g.graph.Mul(n.Name, x, y), nil
	case "RealDiv":
		return g.graph.Div(n.Name, x, y), nil
	}
	return g.graph.Add(n.Name, x, y), nil
}

// operand returns an input in a shape that broadcasts to x.
func (g *tfGraph) operand(n *tfNode, name string, x graph.Value) (graph.Value, error) {
	t := g.constant(name)
	if t == nil {
		return g.value(name)
	}
	shape := slices.Clone(t.shape)
	if slices.ContainsFunc(shape[:max(len(shape)-1, 0)], func(d int64) bool { return d != 1 }) {
		return graph.Value{}, fmt.Errorf("a constant of shape %v; one number, or one for each channel, can be imported", t.shape)
	}
	switch {
	case t.count == 1:
		shape = nil
	case len(x.Shape) == 4:
		shape = []int64{t.count, 1, 1}
	default:
		shape = []int64{t.count}
	}
	return g.floats(n.Name+"/constant", t, shape...), nil
}

// floats adds a constant of the file with that name and shape.
func (g *tfGraph) floats(name string, t *tensor, shape ...int64) graph.Value {
	if t.integers {
		g.trouble = append(g.trouble, fmt.Sprintf("%s holds integers", t.name))
	}
	return g.graph.Weights(name, func() ([]float32, error) { return t.values() }, shape...)
}

// integers returns the numbers of a constant input.
func (g *tfGraph) integers(name string) ([]int64, error) {
	t := g.constant(name)
	if t == nil || !t.integers || t.count > 16 {
		return nil, errors.New("its shape or axes are not a few constant integers")
	}
	values, err := t.values()
	if err != nil {
		return nil, err
	}
	var list []int64
	for _, v := range values {
		if v < -maxInt || v > 1<<24 {
			return nil, fmt.Errorf("its shape or axes hold %v", v)
		}
		list = append(list, int64(v))
	}
	return list, nil
}

// window reads the attributes of convolutions and pools.
func (g *tfGraph) window(n *tfNode, x graph.Value, kernel [2]int64) (graph.Window, error) {
	if format := string(n.Attr["data_format"].S); format != "" && format != "NHWC" {
		return graph.Window{}, fmt.Errorf("data_format is %q; only NHWC can be imported", format)
	}
	w := graph.Window{Kernel: kernel}
	for name, to := range map[string]*[2]int64{"strides": &w.Stride, "dilations": &w.Dilation} {
		list := n.list(name)
		if name == "dilations" && len(list) == 0 {
			continue
		}
		if len(list) != 4 || list[0] != 1 || list[3] != 1 || min(list[1], list[2]) < 1 || max(list[1], list[2]) > maxInt {
			return w, fmt.Errorf("%s are %v", name, list)
		}
		*to = [2]int64(list[1:3])
	}
	if len(x.Shape) != 4 {
		return w, fmt.Errorf("its input has the shape %v, not that of an image", x.Shape)
	}
	switch padding := string(n.Attr["padding"].S); padding {
	case "SAME":
		return w.SamePad(x.Shape[2], x.Shape[3]), nil
	case "VALID":
	case "EXPLICIT":
		p := n.list("explicit_paddings")
		if len(p) != 8 || slices.Min(p) < 0 || slices.Max(p) > maxInt {
			return w, fmt.Errorf("explicit_paddings are %v", p)
		}
		w.Pad = [4]int64{p[2], p[4], p[3], p[5]}
	default:
		return w, fmt.Errorf("padding is %q", padding)
	}
	return w, nil
}

// convolution is one of all channels or of each by itself, with what is fused with it.
func (g *tfGraph) convolution(n *tfNode, in []string) (graph.Value, error) {
	x, err := g.value(in[0])
	if err != nil {
		return x, err
	}
	t := g.constant(in[1])
	if t == nil || len(t.shape) != 4 || t.integers {
		return x, errors.New("its weights are not a constant of 4 axes")
	}
	s := t.shape
	w, err := g.window(n, x, [2]int64{s[0], s[1]})
	if err != nil {
		return x, err
	}
	last := s[3] // filters, or their number for each channel
	each := n.Op == "DepthwiseConv2dNative" || n.Op == "FusedDepthwiseConv2dNative"
	if each {
		last *= s[2]
	}
	bias, then, err := g.fused(n, in[2:], last)
	if err != nil {
		return x, err
	}
	name := n.Name + "/weights"
	if each {
		kernel := g.graph.Weights(name, func() ([]float32, error) {
			from, err := t.values()
			return turned(from, s[0]*s[1], last), err
		}, last, 1, s[0], s[1])
		x = g.graph.DepthwiseConv(n.Name, x, kernel, bias, w)
	} else {
		kernel := g.graph.Weights(name, func() ([]float32, error) {
			from, err := t.values()
			if err != nil {
				return nil, err
			}
			return outFirst(from, s[0]*s[1], s[2], s[3]), nil
		}, s[3], s[2], s[0], s[1])
		x = g.graph.Conv(n.Name, x, kernel, bias, w)
	}
	return g.activate(n.Name, x, then)
}

// product is a fully connected layer with what is fused with it.
func (g *tfGraph) product(n *tfNode, in []string) (graph.Value, error) {
	x, err := g.value(in[0])
	if err != nil {
		return x, err
	}
	t := g.constant(in[1])
	if t == nil || len(t.shape) != 2 || t.integers || n.Attr["transpose_a"].B {
		return x, errors.New("it is not a product of values and constant weights of 2 axes")
	}
	width, linear := t.shape[1], g.graph.Gemm
	if n.Attr["transpose_b"].B {
		width, linear = t.shape[0], g.graph.Linear
	}
	bias, then, err := g.fused(n, in[2:], width)
	if err != nil {
		return x, err
	}
	x = linear(n.Name, x, g.floats(n.Name+"/weights", t, t.shape...), bias)
	return g.activate(n.Name, x, then)
}

// fused reads what is fused with a convolution or a product: a bias, and an activation.
func (g *tfGraph) fused(n *tfNode, in []string, width int64) (bias graph.Value, then string, err error) {
	names := map[string]string{"Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid"}
	for i, op := range n.Attr["fused_ops"].List.S {
		switch what := string(op); {
		case i == 0 && what == "BiasAdd" && len(in) > 0:
			t := g.constant(in[0])
			if t == nil || t.count != width {
				return bias, "", fmt.Errorf("its bias is not a constant of %d numbers", width)
			}
			bias = g.floats(n.Name+"/bias", t, width)
		case i == len(n.Attr["fused_ops"].List.S)-1 && names[what] != "":
			then = names[what]
		default:
			return bias, "", fmt.Errorf("%.50q is fused with it; BiasAdd, Relu, Relu6 and Sigmoid can be imported", what)
		}
	}
	return bias, then, nil
}

func (g *tfGraph) normalise(n *tfNode, in []string) (graph.Value, error) {
	x, err := g.value(in[0])
	if err != nil {
		return x, err
	}
	if n.Attr["is_training"].B || len(x.Shape) != 4 {
		return x, errors.New("it normalises as in training, or something that is not an image")
	}
	var p [4]graph.Value
	for i, name := range []string{"scale", "offset", "mean", "variance"} {
		t := g.constant(in[1+i])
		if t == nil || t.count != x.Shape[1] {
			return x, fmt.Errorf("its %s is not a constant of %d numbers", name, x.Shape[1])
		}
		p[i] = g.floats(n.Name+"/"+name, t, t.count)
	}
	epsilon := 1e-4
	if a, ok := n.Attr["epsilon"]; ok {
		epsilon = a.F
	}
	return g.graph.BatchNorm(n.Name, x, p[0], p[1], p[2], p[3], float32(epsilon)), nil
}

func (g *tfGraph) activation(n *tfNode, in []string) (graph.Value, error) {
	x, err := g.value(in[0])
	if err != nil {
		return x, err
	}
	switch n.Op {
	case "Relu":
		return g.graph.Relu(n.Name, x), nil
	case "Relu6":
		return g.graph.Relu6(n.Name, x), nil
	case "Sigmoid":
		g.activated[n.Name] = models.Independent
		return g.graph.Sigmoid(n.Name, x), nil
	}
	if len(x.Shape) != 2 {
		return x, fmt.Errorf("softmax of an input of shape %v; only rows can be imported", x.Shape)
	}
	g.activated[n.Name] = models.Probabilities
	return g.graph.Softmax(n.Name, x), nil
}

func (g *tfGraph) pooled(n *tfNode, in []string) (graph.Value, error) {
	x, err := g.value(in[0])
	if err != nil {
		return x, err
	}
	size := n.list("ksize")
	if len(size) != 4 || size[0] != 1 || size[3] != 1 || min(size[1], size[2]) < 1 || max(size[1], size[2]) > maxInt {
		return x, fmt.Errorf("ksize is %v", size)
	}
	w, err := g.window(n, x, [2]int64(size[1:3]))
	if err != nil {
		return x, err
	}
	if n.Op == "MaxPool" {
		return g.graph.MaxPool(n.Name, x, w), nil
	}
	return g.graph.AveragePool(n.Name, x, w), nil
}

// overPixels reports whether axes are those of height and width of an image.
func overPixels(axes []int64) bool {
	for i, a := range axes {
		if a < 0 {
			axes[i] += 4
		}
	}
	slices.Sort(axes)
	return slices.Equal(axes, []int64{1, 2})
}

func (g *tfGraph) mean(n *tfNode, in []string) (graph.Value, error) {
	x, err := g.value(in[0])
	if err != nil {
		return x, err
	}
	axes, err := g.integers(in[1])
	if err != nil {
		return x, err
	}
	if len(x.Shape) != 4 || !overPixels(axes) {
		return x, errors.New("it is not a mean of the pixels of an image")
	}
	x = g.graph.GlobalAveragePool(n.Name, x)
	if n.Attr["keep_dims"].B {
		return x, nil
	}
	return g.graph.Flatten(n.Name+"/row", x), nil
}

func (g *tfGraph) squeeze(n *tfNode, in []string) (graph.Value, error) {
	x, err := g.value(in[0])
	if err != nil {
		return x, err
	}
	if len(x.Shape) != 4 || x.Shape[2] != 1 || x.Shape[3] != 1 || !overPixels(n.list("squeeze_dims")) {
		return x, fmt.Errorf("axes %v of an input of shape %v; only those of one pixel can be left out", n.list("squeeze_dims"), x.Shape)
	}
	return g.graph.Flatten(n.Name, x), nil
}

func (g *tfGraph) reshaped(n *tfNode, in []string) (graph.Value, error) {
	x, err := g.value(in[0])
	if err != nil {
		return x, err
	}
	shape, err := g.integers(in[1])
	if err != nil {
		return x, err
	}
	if len(shape) < 2 || shape[0] != -1 {
		return x, fmt.Errorf("to the shape %v, whose first axis is not that of the images", shape)
	}
	return g.reshapeTo(n.Name, x, shape[1:])
}

func (g *tfGraph) padded(n *tfNode, in []string) (graph.Value, error) {
	x, err := g.value(in[0])
	if err != nil {
		return x, err
	}
	p, err := g.integers(in[1])
	if err != nil {
		return x, err
	}
	if len(p) != 8 || p[0] != 0 || p[1] != 0 || p[6] != 0 || p[7] != 0 || slices.Min(p) < 0 || slices.Max(p) > maxInt {
		return x, fmt.Errorf("paddings are %v; only those of an image's sides can be imported", p)
	}
	if n.Op == "PadV2" {
		t := g.constant(in[min(2, len(in)-1)])
		if len(in) < 3 || t == nil || t.count != 1 {
			return x, errors.New("its value is not a constant")
		}
		if v, err := t.values(); err != nil || v[0] != 0 {
			return x, errors.Join(errors.New("only zeros can be put around an image"), err)
		}
	}
	return g.graph.Pad(n.Name, x, [4]int64{p[2], p[4], p[3], p[5]}), nil
}

func (g *tfGraph) joined(n *tfNode, in []string) (graph.Value, error) {
	at, err := g.integers(in[len(in)-1])
	if err != nil || len(at) != 1 {
		return graph.Value{}, errors.Join(errors.New("its axis is not a constant"), err)
	}
	var values []graph.Value
	for _, name := range in[:len(in)-1] {
		v, err := g.value(name)
		if err != nil {
			return v, err
		}
		values = append(values, v)
	}
	a, err := axis(values[0], at[0])
	if err != nil {
		return graph.Value{}, err
	}
	return g.graph.Concat(n.Name, a, values...), nil
}
