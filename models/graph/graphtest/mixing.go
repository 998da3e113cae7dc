package graphtest

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Mix names what the end of a graph does with the scores of a batch, [N,3].
type Mix string

// Mixes lists all mixes, valid and invalid ones.
func Mixes() []Mix { return slices.Sorted(maps.Keys(mixes)) }

// Mixing writes a model for images of 8x8 to a file in a folder of this test and returns
// its path. Its scores are logits: the mean squares of the three colours, changed by the
// mix. The graph accepts batches of that size only, or any if batch is 0.
func Mixing(t testing.TB, mix Mix, batch int64) string {
	t.Helper()
	end, ok := mixes[mix]
	if !ok {
		t.Fatalf("no mix %q", mix)
	}
	if batch == 0 {
		batch = graph.Dynamic
	}
	m := mixer{Graph: graph.New("mixing"), batch: batch}
	x := m.Input("images", graph.Float32, batch, 3, 8, 8)
	if begin := beginnings[mix]; begin != nil {
		x = begin(m, x)
	}
	x = m.Mul("squares", x, x)
	x = m.Flatten("colours", m.GlobalAveragePool("means", x))
	m.Output("scores", end(m, m.Mul("amplified", x, m.Scalar("gain", 4))))
	output := models.Logits
	if mix == "softmax-row" || mix == "turned-softmax-row" {
		output = models.Probabilities
	}
	contract, err := json.Marshal(models.Contract{
		Name: "mixing", Output: output, Classes: 3, Labels: []string{"red", "green", "blue"},
		Preprocess: preprocess.Spec{
			Width: 8, Height: 8, Layout: preprocess.CHW, DType: preprocess.Float32, Scale: 1.0 / 255,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Metadata(models.MetadataKey, string(contract))
	body, err := m.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), string(mix)+".onnx")
	if err := os.WriteFile(path, withOutputs(t, body), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// furtherOutputs are the outputs after the first, by the name of the node.
var furtherOutputs = map[string][]string{
	"bn-training": {"running_mean", "running_variance"},
	"quantised":   {"quantised_scale", "quantised_zero"},
}

// withOutputs adds the outputs that package graph cannot write.
func withOutputs(t testing.TB, body []byte) []byte {
	t.Helper()
	var model onnxpb.ModelProto
	if err := proto.Unmarshal(body, &model); err != nil {
		t.Fatal(err)
	}
	for _, n := range model.Graph.Node {
		n.Output = append(n.Output, furtherOutputs[n.GetName()]...)
		if n.GetOpType() == "DequantizeLinear" {
			n.Input = append(n.Input, furtherOutputs[n.Input[0]]...)
		}
	}
	body, err := proto.Marshal(&model)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// mixer builds the end of a graph.
type mixer struct {
	*graph.Graph
	batch int64
}

var mixes = map[Mix]func(m mixer, x graph.Value) graph.Value{
	"plain":       func(_ mixer, x graph.Value) graph.Value { return x },
	"minus-row":   func(m mixer, x graph.Value) graph.Value { return m.minus(x, "ReduceMean", ints("axes", -1)) },
	"minus-batch": func(m mixer, x graph.Value) graph.Value { return m.minus(x, "ReduceMean", ints("axes", 0)) },
	"through-most": func(m mixer, x graph.Value) graph.Value {
		return m.rows("Div", "through", x, m.rows("ReduceMax", "most", x))
	},
	"softmax-batch":     func(m mixer, x graph.Value) graph.Value { return m.along("Softmax", 0, x) },
	"log-softmax-batch": func(m mixer, x graph.Value) graph.Value { return m.along("LogSoftmax", -2, x) },
	"softmax-row":       func(m mixer, x graph.Value) graph.Value { return m.along("Softmax", 1, x) },
	"bn": func(m mixer, x graph.Value) graph.Value {
		return m.BatchNorm("bn", x, m.three("scale", 2), m.three("bias", 1), m.three("mean", 0.5), m.three("variance", 3), 1e-5)
	},
	"bn-training": mixer.batchNormTraining,
	"quantised-dynamically": func(m mixer, x graph.Value) graph.Value {
		return m.rows("DequantizeLinear", "floats", m.rows("DynamicQuantizeLinear", "quantised", x))
	},
	"reshape-folds": func(m mixer, x graph.Value) graph.Value {
		return m.Transpose("turned", m.reshape("folded", x, 3, -1), 1, 0)
	},
	"reshape-keeps": func(m mixer, x graph.Value) graph.Value {
		return m.reshape("back", m.reshape("planes", x, -1, 3, 1), 0, 3)
	},
	// Shapes that are computed while the graph runs, as PyTorch exports them.
	"reshape-computed": func(m mixer, x graph.Value) graph.Value {
		n := m.Node("Shape", "shape", []graph.Value{x}, number, []int64{2})
		n = m.Node("Slice", "batch", []graph.Value{n, m.numbers("first", 0), m.numbers("second", 1)}, number, []int64{1})
		to := m.Node("Concat", "to", []graph.Value{n, m.numbers("rest", -1)}, number, []int64{2}, integer("axis", 0))
		return m.Node("Reshape", "reshaped", []graph.Value{x, to}, x.Type, x.Shape)
	},
	// The three values of each image attend to one another.
	"attention": func(m mixer, x graph.Value) graph.Value {
		column, row := m.reshape("column", x, 0, 3, 1), m.reshape("row", x, 0, 1, 3)
		square := []int64{m.batch, 3, 3}
		weights := m.Node("MatMul", "products", []graph.Value{column, row}, x.Type, square)
		weights = m.along("Softmax", -1, weights)
		mixed := m.Node("MatMul", "values", []graph.Value{weights, column}, x.Type, column.Shape)
		return m.Node("Squeeze", "flat", []graph.Value{mixed, m.numbers("last", -1)}, x.Type, x.Shape)
	},
	"turned-softmax-row":   func(m mixer, x graph.Value) graph.Value { return m.turned("Softmax", 0, x) },
	"turned-softmax-batch": func(m mixer, x graph.Value) graph.Value { return m.turned("Softmax", 1, x) },
	// Every row of x (x^T x) depends on every image.
	"gram": func(m mixer, x graph.Value) graph.Value {
		gram := m.Node("Einsum", "gram", []graph.Value{x, x}, x.Type, []int64{3, 3}, text("equation", "na,nb->ab"))
		return m.rows("MatMul", "product", x, gram)
	},
	// Every row depends on the images after the fourth, so batches of four show nothing.
	"minus-fifth": func(m mixer, x graph.Value) graph.Value {
		late := m.Node("Slice", "late", []graph.Value{x, m.numbers("four", 4), m.numbers("end", 1<<30), m.numbers("first", 0)}, x.Type, x.Shape)
		sum := m.Node("ReduceSum", "sum", []graph.Value{late, m.numbers("axis", 0)}, x.Type, []int64{1, 3})
		return m.Sub("less", x, sum)
	},
	"noise": func(m mixer, x graph.Value) graph.Value {
		return m.rows("Add", "noisy", x, m.rows("RandomNormalLike", "noise", x))
	},
	"noise-below-rounding": func(m mixer, x graph.Value) graph.Value {
		little := m.Mul("little", m.rows("RandomUniformLike", "noise", x), m.Scalar("1e-6", 1e-6))
		return m.Add("noisy", x, little)
	},
	"dropout-training":   mixer.dropout, // ONNX Runtime removes it
	"dropout-first":      same,          // but not here
	"bn-training-planes": same,
	// Each of eight places has another factor.
	"places": func(m mixer, x graph.Value) graph.Value {
		return m.rows("Mul", "placed", x, m.Weights("factors", func() ([]float32, error) {
			return []float32{1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7}, nil
		}, 8, 1))
	},
}

// beginnings are what some mixes do with the images, [N,3,8,8].
var beginnings = map[Mix]func(m mixer, x graph.Value) graph.Value{
	"dropout-first":      mixer.dropout,
	"bn-training-planes": mixer.batchNormTraining,
}

func same(_ mixer, x graph.Value) graph.Value { return x }

func (m mixer) dropout(x graph.Value) graph.Value {
	yes := m.constant("training", &onnxpb.TensorProto{DataType: proto.Int32(int32(onnxpb.TensorProto_BOOL)), RawData: []byte{1}})
	return m.rows("Dropout", "dropped", x, m.Scalar("ratio", 0.5), yes)
}

func (m mixer) batchNormTraining(x graph.Value) graph.Value {
	in := []graph.Value{x, m.three("scale", 2), m.three("bias", 1), m.three("mean", 0.5), m.three("variance", 3)}
	return m.Node("BatchNormalization", "bn-training", in, x.Type, x.Shape, integer("training_mode", 1))
}

// rows adds a node whose result has the shape of its first operand.
func (m mixer) rows(op, name string, in ...graph.Value) graph.Value {
	return m.Node(op, name, in, in[0].Type, in[0].Shape)
}

func (m mixer) along(op string, axis int64, x graph.Value) graph.Value {
	return m.Node(op, "along", []graph.Value{x}, x.Type, x.Shape, integer("axis", axis))
}

func (m mixer) minus(x graph.Value, op string, axes *onnxpb.AttributeProto) graph.Value {
	return m.rows("Sub", "centred", x, m.Node(op, "centre", []graph.Value{x}, x.Type, x.Shape, axes))
}

// turned moves the batch to the second axis and back.
func (m mixer) turned(op string, axis int64, x graph.Value) graph.Value {
	return m.Transpose("back", m.along(op, axis, m.Transpose("turned", x, 1, 0)), 1, 0)
}

func (m mixer) three(name string, value float32) graph.Value {
	return m.Weights(name, func() ([]float32, error) { return []float32{value, value, value}, nil }, 3)
}

func (m mixer) reshape(name string, x graph.Value, to ...int64) graph.Value {
	shape := m.numbers(name+"/shape", to...)
	declared := slices.Clone(to)
	for axis, n := range declared {
		if n == 0 {
			declared[axis] = x.Shape[axis]
		}
	}
	return m.Node("Reshape", name, []graph.Value{x, shape}, x.Type, declared)
}

// number is the element type of shapes.
const number = graph.DType(onnxpb.TensorProto_INT64)

// numbers returns a constant shape.
func (m mixer) numbers(name string, values ...int64) graph.Value {
	return m.constant(name, &onnxpb.TensorProto{
		DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)), Dims: []int64{int64(len(values))}, Int64Data: values,
	})
}

func (m mixer) constant(name string, t *onnxpb.TensorProto) graph.Value {
	value := &onnxpb.AttributeProto{Name: proto.String("value"), Type: onnxpb.AttributeProto_TENSOR.Enum(), T: t}
	return m.Node("Constant", name, nil, graph.DType(t.GetDataType()), t.Dims, value)
}

func ints(name string, values ...int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INTS.Enum(), Ints: values}
}

func integer(name string, value int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INT.Enum(), I: &value}
}

func text(name, value string) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_STRING.Enum(), S: []byte(value)}
}
