package main

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

func sigmoidOf(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// quotient returns the end of a graph that computes a sigmoid as a quotient,
// 1/(1+exp(-x)), or with a reciprocal.
func quotient(reciprocal bool) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value {
		one := g.Scalar("end/one", 1)
		under := g.Add("end/under", graphtest.Chain(graphtest.Times(-1), graphtest.Op("Exp"))(g, x), one)
		if reciprocal {
			return g.Node("Reciprocal", "end/reciprocal", []graph.Value{under}, x.Type, x.Shape)
		}
		return g.Node("Div", "end/quotient", []graph.Value{one, under}, x.Type, x.Shape)
	}
}

// TestFault37_Activations checks that the kind of the scores is read from the graph if it shows
// it, is required from the user if it does not, and is refused if it contradicts the
// graph. It checks the rows that follow from it, too.
func TestFault37_Activations(t *testing.T) {
	needRuntime(t)
	op := graphtest.Op
	softmax, sigmoid := op("Softmax", graphtest.Axis(1)), op("Sigmoid")
	one := func(x float64) []float64 { return []float64{x} }
	images := colourImages(t)
	independent := []float64{sigmoidOf(4), 0.5, sigmoidOf(-4), sigmoidOf(-4)}
	shares := []float64{softmaxOf(4), softmaxOf(0), softmaxOf(-4), softmaxOf(-4)}
	two := filepath.Join(t.TempDir(), "two.txt")
	writeFile(t, two, []byte("other\nred\n"))
	for _, c := range []struct {
		name    string
		classes int
		end     func(*graph.Graph, graph.Value) graph.Value
		args    []string
		code    int
		says    []string
		// first is the scores of the red image, the highest first.
		first  []float64
		labels string // of the three images
	}{
		{
			name:    "raw, asked",
			classes: 4,
			code:    78,
			says:    []string{"ends in a matrix product (Gemm)", "--activation logits (", "--activation sigmoid (", "--answer embed"},
		},
		{name: "raw logits", classes: 4, args: []string{"--activation", "logits"}, first: shares, labels: "0 1 2"},
		{name: "raw sigmoid", classes: 4, args: []string{"--activation", "sigmoid"}, first: independent, labels: "0 1 2"},
		{
			name:    "raw as probabilities",
			classes: 4,
			args:    []string{"--activation", "probabilities"},
			code:    78,
			says:    []string{"logits", "--activation sigmoid"},
		},
		{
			name:    "raw as independent",
			classes: 4,
			args:    []string{"--activation", "independent"},
			code:    78,
			says:    []string{"from 0 to 1", "--activation logits", "--activation sigmoid"},
		},
		{name: "raw with the preset of torchvision", classes: 4, args: []string{"--preset", "torchvision", "--resize-to", "8"}, labels: "0 1 2"},
		{
			name:    "raw with a preset of probabilities",
			classes: 4,
			args:    []string{"--preset", "keras-inception"},
			code:    78,
			says:    []string{"--activation logits ("},
		},

		{name: "softmax", classes: 4, end: softmax, first: shares, labels: "0 1 2"},
		{name: "softmax with a preset of logits", classes: 4, end: softmax, args: []string{"--preset", "torchvision", "--resize-to", "8"},
			says: []string{"output is probabilities, not logits (preset torchvision): the graph ends in Softmax"}, labels: "0 1 2"},
		{
			name:    "softmax as logits",
			classes: 4,
			end:     softmax,
			args:    []string{"--activation", "logits"},
			code:    78,
			says:    []string{"ends in Softmax", "again", "--activation probabilities"},
		},
		{
			name:    "softmax as sigmoid",
			classes: 4,
			end:     softmax,
			args:    []string{"--activation", "sigmoid"},
			code:    78,
			says:    []string{"ends in Softmax", "--activation probabilities"},
		},
		{
			name:    "softmax of 8 bits",
			classes: 4,
			end:     graphtest.Chain(softmax, graphtest.Rounded(1./64)),
			first:   []float64{63. / 64, 1. / 64, 0, 0},
			labels:  "0 1 2",
		},
		{name: "softmax of 8 bits that sums to more than 1", classes: 4, end: graphtest.Chain(softmax, graphtest.Times(1.04), graphtest.Rounded(1./64)),
			args: []string{"--activation", "probabilities"}, first: []float64{65. / 64, 1. / 64, 0, 0}, labels: "0 1 2"},
		{
			name:    "softmax of 8 bits as logits",
			classes: 4,
			end:     graphtest.Chain(softmax, graphtest.Rounded(1./256)),
			args:    []string{"--activation", "logits"},
			code:    78,
			says:    []string{"ends in Softmax"},
		},
		{
			name:    "softmax in percent",
			classes: 4,
			end:     graphtest.Chain(softmax, graphtest.Times(100)),
			args:    []string{"--activation", "probabilities"},
			code:    78,
			says:    []string{"probabilities times 100", "No --activation"},
		},
		{name: "softmax over the batch", classes: 4, end: op("Softmax", graphtest.Axis(0)), code: 78, says: []string{"over the images of a batch"}},
		{
			name:    "softmax over the batch as probabilities",
			classes: 4,
			end:     op("Softmax", graphtest.Axis(0)),
			args:    []string{"--activation", "probabilities"},
			code:    78,
			says:    []string{"batch"},
		},
		{name: "softmax of one", classes: 1, end: softmax, code: 78, says: []string{"one score"}},
		{name: "softmax in three operators", classes: 4, end: func(g *graph.Graph, x graph.Value) graph.Value {
			e := op("Exp")(g, x)
			classes := axesAttribute(1)
			*classes.Name = "value_ints"
			axes := g.Node("Constant", "classes", nil, graph.DType(onnxpb.TensorProto_INT64), []int64{1}, classes)
			sum := g.Node("ReduceSum", "sum", []graph.Value{e, axes}, x.Type, []int64{graph.Dynamic, 1})
			return g.Node("Div", "shares", []graph.Value{e, sum}, x.Type, x.Shape)
		}, first: shares, labels: "0 1 2"},
		{
			name:    "softmax that is clipped",
			classes: 4,
			end:     graphtest.Chain(softmax, op("Clip")),
			args:    []string{"--activation", "logits"},
			code:    78,
			says:    []string{"ends in Softmax"},
		},
		{name: "logarithms in two operators", classes: 4, end: graphtest.Chain(softmax, op("Log")), first: shares, labels: "0 1 2"},
		{name: "logarithms", classes: 4, end: op("LogSoftmax", graphtest.Axis(1)), first: shares, labels: "0 1 2"},
		{
			name:    "logarithms as probabilities",
			classes: 4,
			end:     op("LogSoftmax", graphtest.Axis(1)),
			args:    []string{"--activation", "probabilities"},
			code:    78,
			says:    []string{"LogSoftmax", "--activation logits"},
		},

		{name: "sigmoids", classes: 4, end: sigmoid, first: independent, labels: "0 1 2"},
		{
			name:    "sigmoids as sigmoid",
			classes: 4,
			end:     sigmoid,
			args:    []string{"--activation", "sigmoid"},
			says:    []string{"none is applied again"},
			first:   independent,
			labels:  "0 1 2",
		},
		{name: "sigmoids as independent", classes: 4, end: sigmoid, args: []string{"--activation", "independent"}, first: independent, labels: "0 1 2"},
		{
			name:    "sigmoids as logits",
			classes: 4,
			end:     sigmoid,
			args:    []string{"--activation", "logits"},
			code:    78,
			says:    []string{"ends in Sigmoid", "--activation independent"},
		},
		{
			name:    "sigmoids as probabilities",
			classes: 4,
			end:     sigmoid,
			args:    []string{"--activation", "probabilities"},
			code:    78,
			says:    []string{"ends in Sigmoid", "--activation independent"},
		},
		{
			name:    "sigmoids with a preset of logits",
			classes: 4,
			end:     sigmoid,
			args:    []string{"--preset", "torchvision", "--resize-to", "8"},
			says:    []string{"not logits (preset torchvision)"},
			labels:  "0 1 2",
		},
		{
			name:    "sigmoids that the graph does not show",
			classes: 4,
			end:     graphtest.Chain(sigmoid, op("Abs")),
			args:    []string{"--activation", "probabilities"},
			code:    78,
			says:    []string{"independent scores", "--activation independent"},
		},

		{name: "sigmoids in several operators", classes: 4, end: quotient(false), first: independent, labels: "0 1 2"},
		{
			name:    "sigmoids in several operators, with a preset of logits",
			classes: 4,
			end:     quotient(false),
			args:    []string{"--preset", "torchvision", "--resize-to", "8"},
			says:    []string{"not logits (preset torchvision)"},
			labels:  "0 1 2",
		},
		{
			name:    "sigmoids by a reciprocal, as logits",
			classes: 4,
			end:     quotient(true),
			args:    []string{"--activation", "logits"},
			code:    78,
			says:    []string{"ends in Sigmoid", "--activation independent"},
		},
		{
			name:    "probabilities that the graph does not show, as sigmoid",
			classes: 4,
			end:     graphtest.Chain(softmax, op("Abs")),
			args:    []string{"--activation", "sigmoid"},
			code:    78,
			says:    []string{"every row sums to 1", "--activation probabilities"},
		},
		{
			name:    "no negative scores, as probabilities",
			classes: 4,
			end:     graphtest.Chain(op("Softplus"), graphtest.Times(10)),
			args:    []string{"--activation", "probabilities"},
			code:    78,
			says:    []string{"--activation logits"},
		},

		{name: "one raw, asked", classes: 1, code: 78, says: []string{"one score for each image", "--activation sigmoid (", "--labels FILE"}},
		{
			name:    "one raw with a preset",
			classes: 1,
			args:    []string{"--preset", "torchvision", "--resize-to", "8"},
			code:    78,
			says:    []string{"--activation sigmoid ("},
		},
		{
			name:    "one raw as logits",
			classes: 1,
			args:    []string{"--activation", "logits"},
			code:    78,
			says:    []string{"1 for every image", "--activation sigmoid"},
		},
		{name: "one raw", classes: 1, args: []string{"--activation", "sigmoid"}, first: one(sigmoidOf(4)), labels: "0 0 0"},
		{
			name:    "one raw of two labels",
			classes: 1,
			args:    []string{"--activation", "sigmoid", "--labels", two},
			first:   []float64{sigmoidOf(4), sigmoidOf(-4)},
			labels:  "red other other",
		},
		{name: "one sigmoid, asked", classes: 1, end: sigmoid, code: 78, says: []string{"ends in Sigmoid", "--activation independent ("}},
		{name: "one sigmoid", classes: 1, end: sigmoid, args: []string{"--activation", "independent"}, first: one(sigmoidOf(4)), labels: "0 0 0"},
		{
			name:    "one sigmoid of two labels",
			classes: 1,
			end:     sigmoid,
			args:    []string{"--activation", "sigmoid", "--labels", two},
			first:   []float64{sigmoidOf(4), sigmoidOf(-4)},
			labels:  "red other other",
		},
		{
			name:    "one sigmoid as probabilities",
			classes: 1,
			end:     sigmoid,
			args:    []string{"--activation", "probabilities"},
			code:    78,
			says:    []string{"--activation independent"},
		},

		{name: "numbers of classes", classes: 4, end: func(g *graph.Graph, x graph.Value) graph.Value {
			n := g.Node("ArgMax", "best", []graph.Value{x}, graph.DType(onnxpb.TensorProto_INT64), []int64{graph.Dynamic, 1}, graphtest.Axis(1))
			return g.Cast("number", n, graph.Float32)
		}, args: []string{"--activation", "independent"}, code: 78, says: []string{"ArgMax", "no score"}},
		{name: "lengths of 1", classes: 4, end: op("LpNormalization", graphtest.Axis(1)), code: 78, says: []string{"LpNormalization", "--answer embed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			model, out := filepath.Join(dir, "model.onnx"), filepath.Join(dir, "out")
			writeFile(t, model, graphtest.Colours(c.classes, c.end))
			args := append([]string{"run", "--provider", "cpu", "--images", images, "--out", out, "--model", model}, c.args...)
			if !slices.Contains(c.args, "--preset") {
				args = append(args, graphtest.Pixels...)
			}
			r := mustPlain(t, c.code, args...)
			says(t, r, c.says...)
			if c.code != 0 {
				wantEmpty(t, out)
				return
			}
			var labels []string
			rows := rowsOf(t, out)
			for _, row := range rows {
				labels = append(labels, row.Label)
			}
			if got := strings.Join(labels, " "); got != c.labels {
				t.Errorf("labels are %q, want %q", got, c.labels)
			}
			for i, want := range c.first {
				if i >= len(rows[0].TopK) || math.Abs(float64(rows[0].TopK[i].Score)-want) > 1e-4 {
					t.Errorf("the red image has %v, want %v", rows[0].TopK, c.first)
					break
				}
			}
			says(t, mustPlain(t, 0, "verify", out), "OK")
		})
	}
}
