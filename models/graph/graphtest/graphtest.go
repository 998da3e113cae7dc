// Package graphtest makes small deterministic ONNX models for tests.
package graphtest

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Input is the kind of a model's input.
type Input int

// The kinds of inputs. Only Image and FloatImage are for images.
const (
	Image      Input = iota // uint8 [N,Size,Size,3]
	FloatImage              // float32 [N,3,Size,Size], pixels scaled to 0..1
	Vector                  // float32 [N,10]
	Text                    // string [N,1]; the output is the same string
)

// Output is a fault in a model's output.
type Output int

// The faults; Row is none.
const (
	Row  Output = iota // float32 [N,Classes]
	Map                // float32 [N,Classes,h,w]: of rank 4
	Wide               // float32 [N,Classes+1]: not what the contract says
)

// Options describe a model. The zero value is a valid model: uint8 images of 32x32, 10
// classes, probabilities, a batch of any size, a contract.
type Options struct {
	Size    int   // pixels, width and height; 0 means 32
	Classes int   // 0 means 10
	Batch   int64 // 0 means any
	// Work adds that many 3x3 convolutions over 32 planes of a quarter of the image's
	// area, each of about Size*Size*4.6 kFLOP per image.
	Work       int
	Seed       uint32 // other weights for another seed
	Logits     bool   // leave out the softmax
	NaN        bool   // every output is NaN
	NoContract bool   // as in a model from another tool
	Input      Input
	Output     Output
}

func (o Options) normal() Options {
	if o.Size == 0 {
		o.Size = 32
	}
	if o.Classes == 0 {
		o.Classes = 10
	}
	return o
}

// Contract returns what Tiny writes into a model of the same options: labels
// "class-0", "class-1" and so on, pixels stretched with Pillow's filter.
func Contract(o Options) models.Contract {
	o = o.normal()
	c := models.Contract{
		Name: "tiny",
		Preprocess: preprocess.Spec{
			Width: o.Size, Height: o.Size,
			Layout: preprocess.HWC, DType: preprocess.Uint8,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch,
		},
		Output:  models.Probabilities,
		Classes: o.Classes,
	}
	if o.Input == FloatImage {
		c.Preprocess.Layout, c.Preprocess.DType, c.Preprocess.Scale = preprocess.CHW, preprocess.Float32, 1.0/255
	}
	if o.Logits {
		c.Output = models.Logits
	}
	for i := range o.Classes {
		c.Labels = append(c.Labels, fmt.Sprintf("class-%d", i))
	}
	return c
}

// Tiny returns the model, with the same bytes for the same options. Its scores depend on
// every pixel. It panics if the options do not describe a model.
func Tiny(o Options) []byte {
	o = o.normal()
	b := builder{Graph: graph.New("tiny"), state: 2463534242 ^ o.Seed*2654435761, nan: o.NaN}
	batch, size := o.Batch, int64(o.Size)
	if batch == 0 {
		batch = graph.Dynamic
	}
	width := int64(o.Classes)
	if o.Output == Wide {
		width++
	}

	var x graph.Value
	switch o.Input {
	case Text:
		b.Output("scores", b.Input("text", graph.String, batch, 1))
	case Vector:
		x = b.Input("features", graph.Float32, batch, 10)
		b.Output("scores", b.dense("logits", x, width))
	case FloatImage:
		b.scores(b.Input("images", graph.Float32, batch, 3, size, size), width, o)
	case Image:
		x = b.Input("images", graph.Uint8, batch, size, size, 3)
		x = b.Cast("pixels", x, graph.Float32)
		x = b.Div("scaled", x, b.Scalar("white", 255))
		x = b.Transpose("planes", x, 0, 3, 1, 2)
		b.scores(x, width, o)
	}
	if !o.NoContract {
		text, err := json.Marshal(Contract(o))
		if err != nil {
			panic(err)
		}
		b.Metadata(models.MetadataKey, string(text))
	}
	model, err := b.Bytes()
	if err != nil {
		panic(err)
	}
	return model
}

// Write writes the model of o to a file in a folder of this test and returns its path.
func Write(t testing.TB, o Options) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tiny.onnx")
	if err := os.WriteFile(path, Tiny(o), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

type builder struct {
	*graph.Graph
	state uint32
	nan   bool
}

// scores leads from planes in 0..1 to the output.
func (b *builder) scores(x graph.Value, width int64, o Options) {
	x = b.Sub("centred", x, b.Scalar("grey", 0.5))
	x = b.conv("conv", x, 32, 2)
	for i := range o.Work {
		x = b.conv(fmt.Sprintf("work_%d", i), x, 32, 1)
	}
	if o.Output == Map {
		b.Output("scores", b.conv("map", x, width, 1))
		return
	}
	x = b.GlobalAveragePool("pool", x)
	x = b.Flatten("features", x)
	x = b.dense("logits", x, width)
	if !o.Logits {
		x = b.Softmax("probabilities", x)
	}
	b.Output("scores", x)
}

func (b *builder) conv(name string, x graph.Value, planes, stride int64) graph.Value {
	in := x.Shape[1]
	w := graph.Window{Kernel: [2]int64{3, 3}, Stride: [2]int64{stride, stride}}.SamePad(x.Shape[2], x.Shape[3])
	// This bound keeps the variance of the planes the same from one layer to the next.
	kernel := b.uniform(name+"/kernel", math.Sqrt(6/float64(9*in)), planes, in, 3, 3)
	bias := b.uniform(name+"/bias", 0.1, planes)
	return b.Relu(name+"/relu", b.Conv(name, x, kernel, bias, w))
}

func (b *builder) dense(name string, x graph.Value, width int64) graph.Value {
	kernel := b.uniform(name+"/kernel", 6, x.Shape[1], width)
	return b.Gemm(name, x, kernel, b.uniform(name+"/bias", 0.5, width))
}

// uniform adds weights between -bound and bound.
func (b *builder) uniform(name string, bound float64, shape ...int64) graph.Value {
	n := int64(1)
	for _, d := range shape {
		n *= d
	}
	data := make([]float32, n)
	for i := range data {
		b.state ^= b.state << 13
		b.state ^= b.state >> 17
		b.state ^= b.state << 5
		data[i] = float32((float64(b.state)/math.MaxUint32*2 - 1) * bound)
		if b.nan {
			data[i] = float32(math.NaN())
		}
	}
	return b.Weights(name, func() ([]float32, error) { return data, nil }, shape...)
}
