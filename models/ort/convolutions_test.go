package ort

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/ort/internal/heaptest"
	"github.com/batchscore/batchscore/models/ort/winograd"
)

// replacesHere reports whether convolutions are replaced on this processor. On others,
// TestReplacedConvolutions checks that none is, and there is nothing else to test.
func replacesHere(t testing.TB) bool {
	t.Helper()
	needLibrary(t)
	if !winograd.Usable() {
		t.Log("this processor has none of the vector instructions")
	}
	return winograd.Usable()
}

// block builds a part of a network, from planes of 64 to any output.
type block struct {
	*graph.Graph
	random *rand.Rand
}

func (b block) weights(name string, shape ...int64) graph.Value {
	n, in := int64(1), int64(1)
	for i, d := range shape {
		if n *= d; i > 0 {
			in *= d
		}
	}
	bound := math.Sqrt(6 / float64(in))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32((b.random.Float64()*2 - 1) * bound)
	}
	return b.Weights(name, func() ([]float32, error) { return v, nil }, shape...)
}

// positive returns numbers between 0.5 and 1.5, for variances.
func (b block) positive(name string, n int64) graph.Value {
	v := make([]float32, n)
	for i := range v {
		v[i] = 0.5 + b.random.Float32()
	}
	return b.Weights(name, func() ([]float32, error) { return v, nil }, n)
}

func (b block) conv(name string, x graph.Value, filters, size, pad int64) graph.Value {
	return b.Conv(name, x, b.weights(name+"/w", filters, x.Shape[1], size, size), b.weights(name+"/b", filters),
		graph.Window{Pad: [4]int64{pad, pad, pad, pad}})
}

// model returns a model with a block between pixels and logits. Height and width of the
// images are 32, which the graph declares as dynamic on request.
func (b block) model(t *testing.T, batch int64, dynamic bool, middle func(b block, x graph.Value) graph.Value) *models.Model {
	t.Helper()
	c := graphtest.Contract(graphtest.Options{Input: graphtest.FloatImage, Logits: true})
	side := int64(c.Preprocess.Width)
	x := b.Input("images", graph.Float32, batch, 3, side, side)
	x = middle(b, b.conv("first", x, 64, 1, 0))
	x = b.Flatten("row", b.GlobalAveragePool("pool", x))
	b.Output("scores", b.Gemm("logits", x, b.weights("dense", x.Shape[1], int64(c.Classes)), graph.Value{}))
	file, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if dynamic {
		var m onnxpb.ModelProto
		if err := proto.Unmarshal(file, &m); err != nil {
			t.Fatal(err)
		}
		for _, d := range m.Graph.Input[0].Type.GetTensorType().Shape.Dim[2:] {
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "side"}
		}
		if file, err = proto.Marshal(&m); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "block.onnx")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	return &models.Model{Path: path, Contract: c}
}

func text(name, value string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_STRING.Enum(), S: []byte(value)}
}

// Every shape of graph around a convolution is compared with the same graph with ONNX
// Runtime's own convolution.
func TestReplacedConvolutions(t *testing.T) {
	replaces := replacesHere(t)
	for _, test := range []struct {
		name     string
		batch    int64
		dynamic  bool
		replaced int
		middle   func(b block, x graph.Value) graph.Value
	}{
		{name: "alone", replaced: 1, middle: func(b block, x graph.Value) graph.Value { return b.conv("a", x, 64, 3, 1) }},
		{name: "no padding", replaced: 1, middle: func(b block, x graph.Value) graph.Value { return b.conv("a", x, 72, 3, 0) }},
		{name: "much padding", replaced: 1, middle: func(b block, x graph.Value) graph.Value { return b.conv("a", x, 56, 3, 2) }},
		{name: "one-sided padding", replaced: 1, middle: func(b block, x graph.Value) graph.Value {
			return b.Conv("a", x, b.weights("w", 64, 64, 3, 3), graph.Value{}, graph.Window{Pad: [4]int64{0, 1, 2, 0}})
		}},
		{name: "fixed batch", batch: 2, replaced: 2, middle: func(b block, x graph.Value) graph.Value {
			return b.Relu("c", b.conv("b", b.Relu("r", b.conv("a", x, 64, 3, 1)), 32, 3, 1))
		}},
		{name: "batch normalisation", replaced: 1, middle: func(b block, x graph.Value) graph.Value {
			x = b.conv("a", x, 64, 3, 1)
			x = b.BatchNorm("n", x, b.weights("scale", 64), b.weights("shift", 64), b.weights("mean", 64), b.positive("variance", 64), 1e-3)
			return b.Relu("r", x)
		}},
		{name: "rectified once and taken twice", replaced: 2, middle: func(b block, x graph.Value) graph.Value {
			x = b.Relu("r", b.conv("a", x, 64, 3, 1))
			return b.Concat("c", 1, x, b.conv("b", x, 64, 3, 1), b.conv("one", x, 16, 1, 0))
		}},
		{name: "taken rectified and not", replaced: 1, middle: func(b block, x graph.Value) graph.Value {
			x = b.conv("a", x, 64, 3, 1)
			return b.Concat("c", 1, x, b.Relu("r", x))
		}},
		{name: "residual", replaced: 2, middle: func(b block, x graph.Value) graph.Value {
			y := b.Relu("r", b.conv("a", x, 64, 3, 1))
			return b.Relu("s", b.Add("sum", b.conv("b", y, 64, 3, 1), x))
		}},
		{name: "clipped at 0 alone", replaced: 1, middle: func(b block, x graph.Value) graph.Value {
			return b.Node("Clip", "r", []graph.Value{b.conv("a", x, 64, 3, 1), b.Scalar("zero", 0)}, graph.Float32, []int64{-1, 64, 32, 32})
		}},
		{name: "clipped at 0 and 6", replaced: 1, middle: func(b block, x graph.Value) graph.Value {
			return b.Node("Clip", "r", []graph.Value{b.conv("a", x, 64, 3, 1), b.Scalar("zero", 0), b.Scalar("half", 0.5)}, graph.Float32, []int64{-1, 64, 32, 32})
		}},
		{name: "SAME_UPPER", replaced: 1, middle: func(b block, x graph.Value) graph.Value {
			return b.Node("Conv", "a", []graph.Value{x, b.weights("w", 64, 64, 3, 3)}, graph.Float32, []int64{-1, 64, 32, 32}, text("auto_pad", "SAME_UPPER"))
		}},
		{name: "VALID", replaced: 1, middle: func(b block, x graph.Value) graph.Value {
			return b.Node("Conv", "a", []graph.Value{x, b.weights("w", 64, 64, 3, 3)}, graph.Float32, []int64{-1, 64, 30, 30}, text("auto_pad", "VALID"))
		}},
		{name: "pooled in between", replaced: 2, middle: func(b block, x graph.Value) graph.Value {
			x = b.MaxPool("p", b.conv("a", x, 64, 3, 1), graph.Window{Kernel: [2]int64{2, 2}, Stride: [2]int64{2, 2}})
			return b.conv("b", x, 64, 3, 1)
		}},
		{name: "one way after the other", replaced: 3, middle: func(b block, x graph.Value) graph.Value {
			x = b.conv("more", x, 192, 1, 0)
			x = b.Conv("a", x, b.weights("w1", 192, 192, 1, 7), graph.Value{}, graph.Window{Pad: [4]int64{0, 3, 0, 3}})
			x = b.Conv("b", x, b.weights("w2", 192, 192, 7, 1), graph.Value{}, graph.Window{Pad: [4]int64{3, 0, 3, 0}})
			return b.conv("c", x, 64, 5, 2)
		}},
		{name: "strides of 2", middle: func(b block, x graph.Value) graph.Value {
			return b.Conv("a", x, b.weights("w", 64, 64, 3, 3), graph.Value{}, graph.Window{Stride: [2]int64{2, 2}})
		}},
		{name: "dilated", middle: func(b block, x graph.Value) graph.Value {
			return b.Conv("a", x, b.weights("w", 64, 64, 3, 3), graph.Value{}, graph.Window{Dilation: [2]int64{2, 2}})
		}},
		{name: "groups", middle: func(b block, x graph.Value) graph.Value {
			name, two := "group", int64(2)
			return b.Node("Conv", "a", []graph.Value{x, b.weights("w", 64, 32, 3, 3)}, graph.Float32, []int64{-1, 64, 30, 30},
				&onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INT.Enum(), I: &two})
		}},
		{name: "weights that are computed", middle: func(b block, x graph.Value) graph.Value {
			w := b.Relu("computed", b.weights("w", 64, 64, 3, 3))
			return b.Conv("a", x, w, graph.Value{}, graph.Window{})
		}},
		{name: "any height and width", dynamic: true, middle: func(b block, x graph.Value) graph.Value { return b.conv("a", x, 64, 3, 1) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.batch == 0 {
				test.batch = graph.Dynamic
			}
			b := block{graph.New("block"), rand.New(rand.NewPCG(1, 2))}
			m := b.model(t, test.batch, test.dynamic, test.middle)
			e, direct := open(t, m, Options{}), open(t, m, Options{Provider: CPUDirect})
			n, device := 0, CPU
			if e.replaced != nil {
				n, device = e.replaced.Len(), "cpu/winograd"
			}
			if !replaces {
				test.replaced = 0
			}
			if n != test.replaced || e.Device() != device || direct.Device() != CPU || direct.replaced != nil {
				t.Errorf("%d convolutions replaced, want %d; devices %s and %s", n, test.replaced, e.Device(), direct.Device())
			}
			compareEngines(t, e, direct, 3, 5e-6)
		})
	}
}

// compareEngines scores the same images with both engines. The scores may differ by a
// small part of the largest score.
func compareEngines(t *testing.T, e, direct *Engine, images int, bound float64) {
	t.Helper()
	var rows [2][]float32
	for i, e := range []*Engine{e, direct} {
		b := newBatch(t, e, images)
		for seed := range images {
			fill(b, &e.model.Contract, seed, seed)
		}
		if err := e.Score(t.Context(), b, 0, images); err != nil {
			t.Fatal(err)
		}
		rows[i] = b.Scores
	}
	worst, largest := 0.0, 0.0
	for i := range rows[0] {
		worst = max(worst, math.Abs(float64(rows[0][i]-rows[1][i])))
		largest = max(largest, math.Abs(float64(rows[1][i])))
	}
	t.Logf("largest difference %.1e of the largest score", worst/largest)
	if !(worst <= bound*largest) || largest == 0 {
		t.Errorf("scores up to %g differ by %g", largest, worst)
	}
}

// The networks that the project builds are compared with themselves with direct
// convolutions.
func TestReplacedInNetworks(t *testing.T) {
	if !replacesHere(t) {
		return
	}
	for _, test := range []struct {
		network networks.Network
		variant networks.Variant
		classes int
		least   int
	}{
		{network: networks.InceptionV3, variant: networks.Torchvision, classes: 10, least: 8},
		{network: networks.VGG16, variant: networks.Keras, classes: 10, least: 8},
	} {
		t.Run(string(test.network), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.onnx")
			o := networks.Options{Network: test.network, Variant: test.variant, Classes: test.classes, Seed: 7, Logits: true}
			if _, err := networks.BuildFile(t.Context(), path, o); err != nil {
				t.Fatal(err)
			}
			m, err := models.Open(path, models.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			e, direct := open(t, m, Options{}), open(t, m, Options{Provider: CPUDirect})
			if e.replaced == nil || e.replaced.Len() < test.least {
				t.Errorf("%s: fewer than %d convolutions were replaced", e.Device(), test.least)
			}
			compareEngines(t, e, direct, 2, 1e-5)
		})
	}
}

// Several goroutines score at the same time and share the operator and its working memory.
func TestReplacedInLanes(t *testing.T) {
	if !replacesHere(t) {
		return
	}
	m := tiny(t, graphtest.Options{Size: 64, Work: 3})
	e := open(t, m, Options{Lanes: 4})
	if e.replaced == nil {
		t.Fatal("no convolution was replaced")
	}
	want := scoresOf(t, e, 0, 1, 2, 3, 4)
	var wg sync.WaitGroup
	for lane := range 4 {
		n := 1 + lane
		b := newBatch(t, e, n)
		for i := range n {
			fill(b, &m.Contract, i, i)
		}
		wg.Go(func() {
			for range 25 {
				clear(b.Scores)
				if err := e.Score(t.Context(), b, 0, n); err != nil {
					t.Error(err)
					return
				}
				for i, got := range rows(b, m.Contract.Classes) {
					if !equalBits(got, want[i]) {
						t.Errorf("image %d of %d: %v among other lanes, %v alone", i, n, got, want[i])
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// Closing an engine frees its convolutions and their working memory.
func TestCloseFreesReplaced(t *testing.T) {
	if !replacesHere(t) {
		return
	}
	if heaptest.InUse() == 0 {
		t.Skip("this C library does not tell how much is allocated")
	}
	const planes = 256
	m := block{graph.New("block"), rand.New(rand.NewPCG(1, 2))}.model(t, graph.Dynamic, false, func(b block, x graph.Value) graph.Value {
		return b.conv("a", b.conv("more", x, planes, 1, 0), planes, 3, 1)
	})
	// 4 x 4 outputs need 6 x 6 products.
	const weights = 6 * 6 * planes * planes * 4
	use := func() (gained int) {
		before := heaptest.InUse()
		e := open(t, m, Options{Lanes: 1})
		scoresOf(t, e, 1)
		gained = heaptest.InUse() - before
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return gained
	}
	// The first engine may leave memory that later ones reuse, which is not a leak.
	use()
	before := heaptest.InUse()
	if gained := use(); gained < weights {
		t.Fatalf("an engine allocates %d bytes, fewer than the %d of its weights", gained, weights)
	}
	if left := heaptest.InUse() - before; left > weights/20 {
		t.Errorf("%d bytes are left after Close", left)
	}
}
