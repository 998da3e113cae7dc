package graphtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// The names and shapes of the outputs of Several, for N images.
const (
	ScoresOutput   = "scores"   // float32 [N,10], probabilities
	FeaturesOutput = "features" // float32 [N,32,1,1], not negative
	MapOutput      = "map"      // float32 [N,3,8,8]
	HalfOutput     = "half"     // float16 [N,32]: the features
	BestOutput     = "best"     // int64 [N,1]: the class of the highest score
	// Only with a batch of 1: 0 and the class of each score above 1/10.
	AboveOutput   = "above"    // int64 [K,2], where K is the number of such scores
	AboveInOutput = "above_in" // float32 [1,K,2], the same
	HigherOutput  = "higher"   // int64 [L,2], the same for each score above 1/5
)

// WriteSeveral writes a model for uint8 images of 32 x 32 with several outputs, of that
// batch (0 means any) and with weights for that seed, to a file in a folder of this test.
// It has no contract.
func WriteSeveral(t testing.TB, batch int64, seed uint32) string {
	t.Helper()
	const size, classes = 32, 10
	g := graph.New("several")
	b := builder{Graph: g, state: 2463534242 ^ seed*2654435761}
	single := batch == 1
	if batch == 0 {
		batch = graph.Dynamic
	}
	x := g.Input("images", graph.Uint8, batch, size, size, 3)
	x = g.Cast("pixels", x, graph.Float32)
	x = g.Div("scaled", x, g.Scalar("white", 255))
	x = g.Transpose("planes", x, 0, 3, 1, 2)
	x = g.Sub("centred", x, g.Scalar("grey", 0.5))
	x = b.conv("conv", x, 32, 2)
	area := b.conv("narrow", x, 3, 2)
	pool := g.GlobalAveragePool("pool", x)
	flat := g.Flatten("flat", pool)
	scores := g.Softmax("probabilities", b.dense("logits", flat, classes))
	const int64s, halves = graph.DType(onnxpb.TensorProto_INT64), graph.DType(onnxpb.TensorProto_FLOAT16)
	g.Output(ScoresOutput, scores)
	g.Output(FeaturesOutput, pool)
	g.Output(MapOutput, area)
	g.Output(HalfOutput, g.Cast("to_half", flat, halves))
	axis, keep, one := "axis", "keepdims", int64(1)
	g.Output(BestOutput, g.Node("ArgMax", "argmax", []graph.Value{scores}, int64s, []int64{batch, 1},
		&onnxpb.AttributeProto{Name: &axis, Type: onnxpb.AttributeProto_INT.Enum(), I: &one},
		&onnxpb.AttributeProto{Name: &keep, Type: onnxpb.AttributeProto_INT.Enum(), I: &one}))
	if single {
		least := g.Weights("least", func() ([]float32, error) { return []float32{0.1}, nil }, 1)
		high := g.Relu("high", g.Sub("over", scores, least))
		at := g.Node("NonZero", "nonzero", []graph.Value{high}, int64s, []int64{2, graph.Dynamic})
		rows := g.Transpose("rows", at, 1, 0)
		g.Output(AboveOutput, rows)
		floats := g.Cast("row_floats", rows, graph.Float32)
		more := g.Relu("higher_scores", g.Sub("over_more", high, least))
		g.Output(HigherOutput, g.Transpose("higher_rows", g.Node("NonZero", "higher_at", []graph.Value{more}, int64s, []int64{2, graph.Dynamic}), 1, 0))
		perm := g.Node("ConstantOfShape", "zero_axes", []graph.Value{g.Cast("axis_count", g.Weights("count",
			func() ([]float32, error) { return []float32{1}, nil }, 1), int64s)}, graph.Float32, []int64{1})
		axes := g.Cast("axes", perm, int64s)
		g.Output(AboveInOutput, g.Node("Unsqueeze", "wide", []graph.Value{floats, axes}, graph.Float32, []int64{1, graph.Dynamic, 2}))
	}
	model, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "several.onnx")
	if err := os.WriteFile(path, model, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
