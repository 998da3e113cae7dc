package networks

import (
	"fmt"
	"math"

	"github.com/batchscore/batchscore/models/graph"
)

// The sizes of ViT-B/16, table 1 of Dosovitskiy et al. 2021.
const (
	vitLayers = 12
	vitWidth  = 768
	vitHeads  = 12
	vitInner  = 3072
	vitPatch  = 16 // pixels
)

// visionTransformer is ViT-B/16, [N,3,224,224] to [N,classes]. A patch of 16x16 pixels is a
// token, [N,tokens,768], and the class is read from one more token before them.
func (b *builder) visionTransformer(x graph.Value, classes int64) graph.Value {
	x = b.conv("conv_proj", x, vitWidth, graph.Window{Kernel: [2]int64{vitPatch, vitPatch}, Stride: [2]int64{vitPatch, vitPatch}})
	patches := x.Shape[2] * x.Shape[3]
	x = b.Transpose("tokens", b.Reshape("patches", x, vitWidth, patches), 0, 2, 1)
	x = b.Add("encoder.placed", b.PrependZeros("classed", x), b.positions(patches+1))
	for i := range vitLayers {
		name := fmt.Sprintf("encoder.layers.encoder_layer_%d", i)
		x = b.Add(name+".attended", x, b.attention(name+".self_attention", b.layerNorm(name+".ln_1", x)))
		y := b.linear(name+".mlp.0", b.layerNorm(name+".ln_2", x), vitInner)
		x = b.Add(name+".sum", x, b.linear(name+".mlp.3", b.GELU(name+".mlp.1", y), vitWidth))
	}
	return b.dense("heads.head", b.layerNorm("encoder.ln", b.First("class", x)), classes, true)
}

// positions returns what is added to the tokens: the position embedding, and the class
// token in the first place, where the graph has zeros. A constant of one more token for
// any number of images would need a shape that is known only when the model runs.
func (b *builder) positions(tokens int64) graph.Value {
	const class, place = "class_token", "encoder.pos_embedding"
	b.tensors = append(b.tensors, uniform(class, 0, 0.1, 1, 1, vitWidth), uniform(place, 0, 0.1, 1, tokens, vitWidth))
	return b.Weights("encoder.positions", func() ([]float32, error) {
		from, err := b.read(class, []int64{1, 1, vitWidth})
		if err != nil {
			return nil, err
		}
		first := append([]float32(nil), from...)
		sum, err := b.read(place, []int64{1, tokens, vitWidth})
		if err != nil {
			return nil, err
		}
		for i, v := range first {
			sum[i] += v
		}
		return sum, nil
	}, 1, tokens, vitWidth)
}

// attention is multi-head self-attention of the tokens x, [N,tokens,768].
func (b *builder) attention(name string, x graph.Value) graph.Value {
	const head = vitWidth / vitHeads
	tokens := x.Shape[1]
	kernel, bias := name+".in_proj_weight", name+".in_proj_bias"
	b.tensors = append(b.tensors, uniform(kernel, 0, he(vitWidth), 3*vitWidth, vitWidth), uniform(bias, 0, 0.1, 3*vitWidth))
	// The rows of the weights are those of queries, keys and values, in this order.
	part := func(i int64, what string, perm ...int64) graph.Value {
		y := b.linearPart(name+"."+what, x, kernel, bias, i*vitWidth, vitWidth, 3*vitWidth)
		return b.Transpose(name+"."+what+"/heads", b.Reshape(name+"."+what+"/split", y, tokens, vitHeads, head), perm...)
	}
	queries, keys, values := part(0, "queries", 0, 2, 1, 3), part(1, "keys", 0, 2, 3, 1), part(2, "values", 0, 2, 1, 3)
	scaled := b.Mul(name+".scaled", queries, b.Scalar(name+".scale", float32(1/math.Sqrt(head))))
	likeness := b.Softmax(name+".likeness", b.MatMul(name+".products", scaled, keys))
	y := b.Transpose(name+".mean/joined", b.MatMul(name+".mean", likeness, values), 0, 2, 1, 3)
	return b.linear(name+".out_proj", b.Reshape(name+".joined", y, tokens, vitWidth), vitWidth)
}
